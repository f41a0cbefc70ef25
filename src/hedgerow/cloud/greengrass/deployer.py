"""Turns begun deployments into signed files and a notice for the core; one at a time.

The intent (a deployment in state Building) is on disk before anything here starts, and what was
begun when the process died is taken up again at the next start: building is repeatable, and a
notice that is written twice says the same.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec
import structlog

from hedgerow.cloud.greengrass import authorities, deployments
from hedgerow.cloud.greengrass.arns import read_version_arn
from hedgerow.cloud.greengrass.documents import (
    AUTHORITY,
    DEPLOYMENT,
    GROUP,
    GROUP_VERSION,
    RESETS,
    ROLLOUT,
    Deployment,
    DeploymentFiles,
    ErrorDetail,
    Rollout,
)
from hedgerow.cloud.greengrass.faults import MAX_SHOWN_FAULTS
from hedgerow.cloud.greengrass.index import GroupIndex
from hedgerow.cloud.greengrass.kinds import KINDS_BY_PATH
from hedgerow.cloud.greengrass.membership import MembershipLedger
from hedgerow.cloud.greengrass.permissions import deployment_needs
from hedgerow.cloud.greengrass.resolve import (
    MAX_GROUPS_OF_A_DEVICE,
    Content,
    GroupParts,
    Unresolvable,
    certificates_named_in,
    resolve,
    things_named_in,
)
from hedgerow.cloud.greengrass.role_desk import RoleDesk, ServiceRoleError
from hedgerow.cloud.greengrass.signing import DocumentSigner
from hedgerow.cloud.home import Home
from hedgerow.cloud.iot.registry import Registry
from hedgerow.cloud.iot_data.shadow_service import ShadowService
from hedgerow.contract import (
    ARTIFACT_GROUP,
    ArtifactReference,
    DeploymentManifest,
    DeploymentNotice,
    GroupDeployment,
    deployment_thing,
    encode,
)
from hedgerow.kernel import Clock, HedgerowError, iso_milliseconds
from hedgerow.store import Record, Store, VersionConflictError

RETRY_SECONDS = 1.0
"""How long after a failure to tell cores of changed members it is tried again."""
BUILD_SECONDS = 600.0
"""A deployment that is not built after so long fails, and lets the next ones be built."""
_LOG = structlog.get_logger(__name__)


class Deployer:
    """Owns the task that builds deployments and the one that follows changes of membership."""

    def __init__(
        self,
        store: Store,
        home: Home,
        *,
        index: GroupIndex,
        ledger: MembershipLedger,
        registry: Registry,
        shadows: ShadowService,
        signer: DocumentSigner,
        roles: RoleDesk,
        clock: Clock,
    ) -> None:
        self._store = store
        self._home = home
        self._index = index
        self._ledger = ledger
        self._registry = registry
        self._shadows = shadows
        self._signer = signer
        self._roles = roles
        self._clock = clock
        self._begun: asyncio.Queue[str] = asyncio.Queue()
        self._queued: set[str] = set()
        self._members_changed = asyncio.Event()
        self._changed_things: set[str] = set()
        self._to_announce: set[str] = set()
        self._announcing = asyncio.Lock()
        self._posted: dict[str, DeploymentNotice] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Take up what was left, then work until `stop`."""
        for record in await self._store.all(DEPLOYMENT, self._home.account):
            if record.document.state == "Building":
                self.build_soon(record.id)
        # A notice may have been lost when the process died: every group is looked at once.
        self._to_announce.update(view.group_id for view in await self._index.all())
        self._members_changed.set()
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._build_forever(), name="greengrass-deployer"),
            loop.create_task(self._follow_members(), name="greengrass-membership"),
        ]

    async def stop(self) -> None:
        """End both tasks; what is half done is taken up at the next start."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks = []

    async def build_now(self, deployment_id: str) -> None:
        """Build a deployment; whatever goes wrong ends in its state, not here."""
        try:
            async with asyncio.timeout(BUILD_SECONDS):
                await self.build(deployment_id)
        except VersionConflictError:
            _LOG.info("deployment was superseded while it was built", id=deployment_id)
        except Exception:  # noqa: BLE001 - the next deployment must still be built
            _LOG.exception("building a deployment failed", id=deployment_id)
            await self._fail_internally(deployment_id)

    def build_soon(self, deployment_id: str) -> None:
        """Build a deployment whose beginning was committed; one in the queue keeps its place."""
        if deployment_id not in self._queued:
            self._queued.add(deployment_id)
            self._begun.put_nowait(deployment_id)

    def members_changed(self, things: Iterable[str]) -> None:
        """Hear that certificates of these things, their attachments or policies changed."""
        self._changed_things.update(things)
        self._members_changed.set()

    def role_changed(self, group_id: str) -> None:
        """Hear that a group has another role, or none: its core is told, without a deployment."""
        self._to_announce.add(group_id)
        self._members_changed.set()

    async def _build_forever(self) -> None:
        while True:
            deployment_id = await self._begun.get()
            try:
                await self.build_now(deployment_id)
            finally:
                self._queued.discard(deployment_id)

    async def build(self, deployment_id: str) -> None:
        """Bring one deployment from Building to InProgress, or to Failure with its reasons."""
        record = await self._store.get(DEPLOYMENT, self._home.account, deployment_id)
        if record is None or record.document.state != "Building":
            return
        if record.document.deployment_type in RESETS:
            await self._build_reset(record)
        else:
            await self._build_group(record)

    async def announce(self, group_id: str) -> None:
        """Write the notice of the group's newest deployment, with the membership serial of now.

        What was written already is not written again.
        """
        async with self._announcing:  # an older notice must not overtake a newer one
            rollout = await self._ledger.refresh(group_id)
            notice = None if rollout is None else await self._notice(group_id, rollout)
            if rollout is None or notice is None or self._posted.get(group_id) == notice:
                return
            desired = msgspec.to_builtins(notice)
            await self._shadows.set_desired(deployment_thing(rollout.core_thing_name), desired)
            self._posted[group_id] = notice

    async def _build_group(self, record: Record[Deployment]) -> None:
        contents = await self._contents(record.document.group_version_id)
        errors = await self._service_role_errors(record, contents)
        if errors:
            shown = "; ".join(error.message for error in errors[:MAX_SHOWN_FAULTS])
            await self._fail(record, shown, errors)
            return
        # On a thread: a large group takes a second, and calls are answered meanwhile.
        resolved = await asyncio.to_thread(resolve, await self._parts(record, contents))
        if isinstance(resolved, Unresolvable):
            await self._fail(record, resolved.message, resolved.errors)
            return
        rollout = await self._store.get(ROLLOUT, self._home.account, resolved.group_id)
        reset_at = None if rollout is None else rollout.document.reset_at
        files = await asyncio.to_thread(self._files, record, resolved, reset_at)
        async with self._store.transaction() as tx:
            await deployments.deliver(tx, self._home, record, resolved.core, files)
        await self._deliver_notice(resolved.group_id)

    async def _service_role_errors(
        self, record: Record[Deployment], contents: Mapping[str, Content]
    ) -> tuple[ErrorDetail, ...]:
        """Return why the account's service role does not allow what building takes, if so."""
        needs = deployment_needs(contents, self._home)
        try:
            refusals = await self._roles.service_role_refusals(record.parent or "", needs)
        except ServiceRoleError as error:
            return (ErrorDetail(code=error.reason_code, message=error.message),)
        return tuple(
            ErrorDetail(code="SERVICE_ROLE_PERMISSION_ERROR", message=str(refusal))
            for refusal in refusals
        )

    async def _deliver_notice(self, group_id: str) -> None:
        """Tell the core; if that fails, it is tried again until it does not."""
        self._to_announce.add(group_id)
        try:
            await self.announce(group_id)
        except BaseException:
            self._try_again_later()
            raise
        self._to_announce.discard(group_id)

    async def _build_reset(self, record: Record[Deployment]) -> None:
        files = self._files(record, None) if record.document.core_thing_arn else None
        async with self._store.transaction() as tx:
            await deployments.deliver(tx, self._home, record, None, files)
        await self._deliver_notice(record.parent or "")

    async def _parts(
        self, record: Record[Deployment], contents: Mapping[str, Content]
    ) -> GroupParts:
        home, group_id = self._home, record.parent or ""
        named = things_named_in(contents, home)
        cores = things_named_in(contents, home, ("Core",))
        principals = await self._registry.thing_principals(named)
        # They are asked about only where a thing has none of its own.
        lone = () if all(principals.values()) else certificates_named_in(contents, home)
        registered = await self._registry.certificates(lone)
        group = await self._store.get(GROUP, home.account, group_id)
        if group is None:
            raise VersionConflictError("the group was deleted")
        return GroupParts(
            group_id=group_id,
            group_version_id=record.document.group_version_id,
            deployment_id=record.id,
            home=home,
            contents=contents,
            things={name: frozenset(ids) for name, ids in principals.items()},
            registered_certificates=frozenset(registered),
            core_groups=await self._index.groups_of_cores(cores) - {group_id},
            crowded=frozenset([name for name in named if await self._is_crowded(name, group_id)]),
            authorities=await self._authorities(group_id),
            server_certificate_validity_ms=group.document.certificate_validity_ms,
        )

    async def _contents(self, group_version_id: str) -> Mapping[str, Content]:
        version = await self._store.get(GROUP_VERSION, self._home.account, group_version_id)
        contents: dict[str, Content] = {}
        for arn in () if version is None else version.document.arns.values():
            parts = read_version_arn(arn, self._home)
            if parts is None:
                continue
            kind = KINDS_BY_PATH[parts[0]]
            found = await self._store.get(kind.versions, self._home.account, parts[2])
            if found is not None:
                contents[kind.name] = found.document.content
        return contents

    async def _is_crowded(self, thing_name: str, group_id: str) -> bool:
        others = await self._index.groups_claiming(thing_name) - {group_id}
        return len(others) >= MAX_GROUPS_OF_A_DEVICE

    async def _authorities(self, group_id: str) -> tuple[str, ...]:
        """Return the certificates clients may trust, the one that signs now last."""
        records = await self._store.all(AUTHORITY, self._home.account, parent=group_id)
        now = self._clock.now()
        ordered = sorted(records, key=lambda record: record.document.active)
        return tuple(
            record.document.certificate_pem
            for record in ordered
            if record.document.active or authorities.overlaps(record.document, now)
        )

    def _files(
        self,
        record: Record[Deployment],
        resolved: GroupDeployment | None,
        reset_at: datetime | None = None,
    ) -> DeploymentFiles:
        group = b"" if resolved is None else encode(resolved)
        artifacts = () if resolved is None else (_reference(ARTIFACT_GROUP, group),)
        core = record.document.core_thing_arn if resolved is None else resolved.core.thing_arn
        manifest = DeploymentManifest(
            deployment_id=record.id,
            deployment_type=record.document.deployment_type,
            group_id=record.parent or "",
            group_version_id=record.document.group_version_id,
            core_thing_arn=core,
            created_at=record.created_at,
            artifacts=artifacts,
            reset_at=reset_at,
        )
        return DeploymentFiles(manifest=self._signer.signed(encode(manifest)), group=group)

    async def _fail(
        self, record: Record[Deployment], message: str, errors: tuple[ErrorDetail, ...]
    ) -> None:
        async with self._store.transaction() as tx:
            await deployments.fail(tx, self._home, record, message, errors)

    async def _fail_internally(self, deployment_id: str) -> None:
        message = "The deployment could not be built: an internal error; see the cloud's log."
        try:
            record = await self._store.get(DEPLOYMENT, self._home.account, deployment_id)
            if record is not None and record.document.state == "Building":
                await self._fail(record, message, ())
        except HedgerowError as error:
            # Not even that can be written: it is built again as soon as there is room.
            _LOG.warning("a deployment is built again soon", id=deployment_id, reason=error.message)
            loop = asyncio.get_running_loop()
            loop.call_later(RETRY_SECONDS, self.build_soon, deployment_id)

    async def _follow_members(self) -> None:
        """Tell every core whose list of members became another one."""
        while True:
            await self._members_changed.wait()
            self._members_changed.clear()
            things, self._changed_things = self._changed_things, set()
            for thing in things:
                self._to_announce.update(await self._index.groups_claiming(thing))
            await self._announce_all()

    async def _announce_all(self) -> None:
        for group_id in tuple(self._to_announce):
            try:
                await self.announce(group_id)
            except Exception:  # noqa: BLE001 - one group's trouble must not keep others waiting
                _LOG.exception("telling a core of its members failed", group=group_id)
                self._try_again_later()
            else:
                self._to_announce.discard(group_id)

    def _try_again_later(self) -> None:
        asyncio.get_running_loop().call_later(RETRY_SECONDS, self._members_changed.set)

    async def _notice(self, group_id: str, rollout: Rollout) -> DeploymentNotice | None:
        if rollout.target is None or not rollout.core_thing_name:
            return None
        record = await self._store.get(DEPLOYMENT, self._home.account, rollout.target)
        if record is None:
            return None
        return DeploymentNotice(
            group_id=group_id,
            deployment_id=rollout.target,
            deployment_type=record.document.deployment_type,
            membership_serial=rollout.membership_serial,
            role_version=await self._role_version(group_id),
        )

    async def _role_version(self, group_id: str) -> str:
        group = await self._store.get(GROUP, self._home.account, group_id)
        associated = None if group is None else group.document.role_associated_at
        return "" if associated is None else iso_milliseconds(associated)


def _reference(name: str, content: bytes) -> ArtifactReference:
    return ArtifactReference(
        name=name, size=len(content), sha256=hashlib.sha256(content).hexdigest()
    )
