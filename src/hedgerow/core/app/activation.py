"""What a deployment changes in the running core, made ready first and changed over in one step."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from hedgerow.core.addresses import AddressDetector, wants_detection
from hedgerow.core.app.health_check import HealthCheck
from hedgerow.core.app.wiping import wipe_folders
from hedgerow.core.certificates import CertificateKeeper
from hedgerow.core.config import CoreFolders
from hedgerow.core.credentials import Credentials
from hedgerow.core.deployment import (
    Demand,
    StoredDeployment,
    UnhealthyError,
    VerifiedGroup,
    VerifiedMembership,
    shortcomings,
)
from hedgerow.core.link import CloudLink
from hedgerow.core.server import LocalServer, Serving
from hedgerow.core.shadow import LocalShadows, ShadowSync
from hedgerow.core.spool import CloudQueue, SpoolSettings
from hedgerow.core.switchboard import Switchboard
from hedgerow.kernel import CallerError, HedgerowError

_PERSISTENT = "AtLeastOncePersistent"
"""The `GG_CONFIG_SUBSCRIPTION_QUALITY` with sessions that the cloud keeps."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a core that a group configures."""

    server: LocalServer
    queue: CloudQueue
    keeper: CertificateKeeper
    detector: AddressDetector
    link: CloudLink
    credentials: Credentials
    shadows: LocalShadows
    sync: ShadowSync


@dataclass(frozen=True, slots=True)
class _Plan:
    """A group, compiled: everything that could fail has been done."""

    group: VerifiedGroup
    switchboard: Switchboard
    spool: SpoolSettings
    detects: bool


class GroupActivation:
    """Keeps the promises of `deployment.Activation`."""

    def __init__(self, parts: Parts, folders: CoreFolders, health: HealthCheck) -> None:
        self._parts = parts
        self._folders = folders
        self._health = health
        self._running: _Plan | None = None

    def resume(self, stored: StoredDeployment) -> None:
        """Put in force at start what lies on disk, without a word to the cloud."""
        if stored.group is None:
            return
        plan = _compiled(stored.group)
        self._parts.queue.open(plan.spool)
        self._change_over(plan, stored.membership)
        self._parts.keeper.take_up(plan.group.group.group_id)

    def go_back(self, stored: StoredDeployment) -> None:
        """Put in force again what ran before, or nothing; without a word to the cloud."""
        if stored.group is None:
            self.withdraw()
            return
        plan = _compiled(stored.group)
        self._change_over(plan, stored.membership)
        self._parts.keeper.go_back(plan.group.group.group_id)

    async def prepare(
        self, group: VerifiedGroup, membership: VerifiedMembership
    ) -> Callable[[], None]:
        """Compile the group and have a server certificate; return the step that changes over."""
        plan = _compiled(group)
        parts = self._parts
        _require_none([*shortcomings(self._demands(plan)), *self._health.closed_ports()])
        # What is detected is published after the change, when a certificate that names it serves.
        announced = parts.detector.entries(parts.server.port) if plan.detects else ()
        serve_certificate = await parts.keeper.prepare(group.group.group_id, announced)

        def change_over() -> None:
            self._change_over(plan, membership)
            serve_certificate()

        return change_over

    async def check(self, group: VerifiedGroup) -> None:
        """Pass only if the core does its work with this group; `UnhealthyError` says what fails."""
        plan = self._running
        if plan is None or plan.group is not group:
            raise UnhealthyError("another group is in force than the one that was deployed")
        await self._health.run(group, plan.spool.storage)

    def forget_others(self) -> None:
        """Forget the shadows of things that are not in the group, logs and code of functions."""
        _require_none(
            [
                *_complaints(self._parts.shadows.forget_others),
                *wipe_folders((self._folders.user_log, self._folders.functions)),
            ]
        )

    def update_membership(self, membership: VerifiedMembership) -> None:
        """Put a newer list of certificates in force at once."""
        plan = self._running
        if plan is not None:
            self._parts.server.serve(Serving.of(plan.group, membership, plan.switchboard))

    def withdraw(self) -> None:
        """Stop serving the group: cut every client, restore defaults, and keep everything."""
        self._running = None
        parts = self._parts
        parts.server.stop_serving()
        parts.keeper.serve_nothing()
        parts.credentials.reset()
        parts.shadows.withdraw()
        parts.sync.reset()
        parts.link.listen_to_shadows(())
        parts.link.listen_to(())
        parts.detector.switch_off()
        parts.queue.serve(Switchboard().subjects_to_cloud)

    def wipe(self) -> None:
        """Stop serving, and forget what a reset takes away; an error names what is left.

        That are the server's certificate and key, the local shadows, retained messages, and the
        logs and the code of functions. What waits for the cloud is still sent, from memory.
        """
        self.withdraw()
        parts = self._parts
        parts.queue.configure(SpoolSettings())
        folders = [self._folders.user_log, self._folders.functions]
        if parts.queue.storage == "Memory":
            folders.append(self._folders.spool)
        _require_none(
            [
                *_complaints(parts.keeper.reset, parts.shadows.reset, parts.server.forget_retained),
                *wipe_folders(folders),
            ]
        )

    def _demands(self, plan: _Plan) -> tuple[Demand, ...]:
        """Return what the group wants to keep on this core's disk."""
        state = Demand(self._folders.state, 0, "the group")
        if plan.spool.storage != "FileSystem":
            return (state,)
        held = self._parts.queue.counters.waiting_bytes
        wanted = max(plan.spool.max_size_bytes - held, 0)
        return (state, Demand(self._folders.state, wanted, "the queue for the cloud"))

    def _change_over(self, plan: _Plan, membership: VerifiedMembership | None) -> None:
        parts = self._parts
        self._running = plan
        parts.shadows.serve(plan.group.group)
        parts.server.serve(Serving.of(plan.group, membership, plan.switchboard))
        parts.sync.serve(plan.group.group)
        parts.link.listen_to_shadows(parts.sync.filters)
        parts.queue.configure(plan.spool)
        parts.queue.serve(plan.switchboard.subjects_to_cloud)
        parts.credentials.serve_group(plan.group.group.group_id)
        parts.link.listen_to(
            plan.switchboard.cloud_subjects(),
            persistent=plan.spool.subscription_quality == _PERSISTENT,
        )
        if plan.detects:
            parts.detector.switch_on(parts.server.port)
        else:
            parts.detector.switch_off()
        parts.server.recall()


def _complaints(*steps: Callable[[], None]) -> Iterator[str]:
    """Take every step, and yield what went wrong in each."""
    for step in steps:
        try:
            step()
        except (HedgerowError, OSError) as error:
            yield str(error)


def _require_none(left: Sequence[str]) -> None:
    if left:
        raise CallerError("; ".join(left))


def _compiled(group: VerifiedGroup) -> _Plan:
    document = group.group
    return _Plan(
        group=group,
        switchboard=Switchboard.compile(document.subscriptions),
        spool=SpoolSettings.of(document.functions),
        detects=wants_detection(document.functions),
    )
