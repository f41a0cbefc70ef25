"""What a core may have of its own group, and say about it: `OwnGroup` is the proof it is its own.

A policy of `*` lets a core name any group; only the core of a group's newest deployment gets an
`OwnGroup` of it. What is not its own looks the same whether it exists or not.
"""

import asyncio
from dataclasses import dataclass, field

from hedgerow.cloud.greengrass import deployments
from hedgerow.cloud.greengrass.documents import DEPLOYMENT, DEPLOYMENT_FILES, Deployment
from hedgerow.cloud.greengrass.group_members import GroupMembers
from hedgerow.cloud.greengrass.index import GroupIndex, GroupView
from hedgerow.cloud.greengrass.membership import MembershipLedger
from hedgerow.cloud.greengrass.signing import DocumentSigner
from hedgerow.cloud.home import Home
from hedgerow.cloud.iot import AdmittedDevice
from hedgerow.contract import DeploymentStatusReport, encode
from hedgerow.kernel import CallerError, DeniedError, quoted
from hedgerow.store import Record, Store

_SEAL = object()


class NoSuchDeploymentError(CallerError):
    """The core's own group has no such deployment, or the deployment no such file."""

    code = "ResourceNotFound"


@dataclass(frozen=True, slots=True)
class OwnGroup:
    """A group, and the device that is its core now.

    INVARIANT: only `CoreDesk.own_group` makes these.
    """

    device: AdmittedDevice
    view: GroupView
    _seal: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self._seal is not _SEAL:
            raise TypeError("an OwnGroup comes from CoreDesk.own_group only")


class CoreDesk:
    """Serves cores, each its own group."""

    def __init__(
        self,
        store: Store,
        home: Home,
        *,
        index: GroupIndex,
        ledger: MembershipLedger,
        signer: DocumentSigner,
    ) -> None:
        self._store = store
        self._home = home
        self._index = index
        self._ledger = ledger
        self._signer = signer

    async def own_group(self, device: AdmittedDevice, group_id: str) -> OwnGroup:
        """Return the proof that the device is the group's core, or raise `DeniedError`."""
        view = await self._index.view(group_id)
        if view is None or view.rollout.core_thing_name not in device.things:
            raise DeniedError(
                f"this certificate is not that of the core of group {quoted(group_id)}, "
                "whatever its policy allows"
            )
        return OwnGroup(device=device, view=view, _seal=_SEAL)

    async def manifest(self, own: OwnGroup, deployment_id: str) -> bytes:
        """Return the signed manifest of a deployment that was made for this core."""
        await self._deployment(own, deployment_id)
        files = await self._store.get(DEPLOYMENT_FILES, self._home.account, deployment_id)
        if files is None:
            raise NoSuchDeploymentError(f"deployment {quoted(deployment_id)} has no files")
        return files.document.manifest

    async def group_file(self, own: OwnGroup, deployment_id: str) -> bytes:
        """Return the deployment's group document, as its manifest's digest says."""
        await self._deployment(own, deployment_id)
        files = await self._store.get(DEPLOYMENT_FILES, self._home.account, deployment_id)
        if files is None or not files.document.group:
            raise NoSuchDeploymentError(
                f"deployment {quoted(deployment_id)} brings no group document"
            )
        return files.document.group

    async def membership_file(self, own: OwnGroup, deployment_id: str) -> bytes:
        """Return the signed list of certificates that the deployment's devices may use now."""
        group = GroupMembers.read(await self.group_file(own, deployment_id))
        membership = await self._ledger.current(group)
        # On a thread: a full group's list is megabytes, and calls are answered meanwhile.
        return await asyncio.to_thread(lambda: self._signer.signed(encode(membership)))

    async def report(
        self, own: OwnGroup, deployment_id: str, core_arn: str, said: DeploymentStatusReport
    ) -> None:
        """Record what the core says of a deployment. Raises `CallerError` if it has no place."""
        record = await self._deployment(own, deployment_id)
        if record.document.core_thing_arn != core_arn:
            raise DeniedError(f"a core reports for itself only, not for {quoted(core_arn)}")
        async with self._store.transaction() as tx:
            current = await tx.get(DEPLOYMENT, self._home.account, deployment_id)
            if current is None:
                raise NoSuchDeploymentError(f"deployment {quoted(deployment_id)} was reset")
            await deployments.report(tx, self._home, current, said)

    async def _deployment(self, own: OwnGroup, deployment_id: str) -> Record[Deployment]:
        record = await self._store.get(DEPLOYMENT, self._home.account, deployment_id)
        if record is None or record.parent != own.view.group_id or not record.document.delivered:
            raise NoSuchDeploymentError(
                f"group {own.view.group_id} has no deployment {quoted(deployment_id)} for its core"
            )
        if record.document.core_thing_name not in own.device.things:
            raise DeniedError(f"deployment {quoted(deployment_id)} was made for another core")
        return record
