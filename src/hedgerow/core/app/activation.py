"""What a deployment changes in the running core, made ready first and changed over in one step."""

from collections.abc import Callable
from dataclasses import dataclass

from hedgerow.core.addresses import AddressDetector, wants_detection
from hedgerow.core.certificates import CertificateKeeper
from hedgerow.core.credentials import Credentials
from hedgerow.core.deployment import StoredDeployment, VerifiedGroup, VerifiedMembership
from hedgerow.core.link import CloudLink
from hedgerow.core.server import LocalServer, Serving
from hedgerow.core.shadow import LocalShadows, ShadowSync
from hedgerow.core.spool import CloudQueue, SpoolSettings
from hedgerow.core.switchboard import Switchboard

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

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._running: _Plan | None = None

    def resume(self, stored: StoredDeployment) -> None:
        """Put in force at start what lies on disk, without a word to the cloud."""
        if stored.group is None:
            return
        plan = _compiled(stored.group)
        self._parts.queue.open(plan.spool)
        self._change_over(plan, stored.membership)
        self._parts.keeper.take_up(plan.group.group.group_id)

    async def prepare(
        self, group: VerifiedGroup, membership: VerifiedMembership
    ) -> Callable[[], None]:
        """Compile the group and have a server certificate; return the step that changes over."""
        plan = _compiled(group)
        parts = self._parts
        # What is detected is published after the change, when a certificate that names it serves.
        announced = parts.detector.entries(parts.server.port) if plan.detects else ()
        serve_certificate = await parts.keeper.prepare(group.group.group_id, announced)

        def change_over() -> None:
            self._change_over(plan, membership)
            serve_certificate()

        return change_over

    def update_membership(self, membership: VerifiedMembership) -> None:
        """Put a newer list of certificates in force at once."""
        plan = self._running
        if plan is not None:
            self._parts.server.serve(Serving.of(plan.group, membership, plan.switchboard))

    def reset(self) -> None:
        """Stop serving the group: cut every client, forget the certificate, restore defaults."""
        self._running = None
        parts = self._parts
        parts.server.stop_serving()
        parts.keeper.reset()
        parts.credentials.reset()
        parts.shadows.reset()
        parts.sync.reset()
        parts.link.listen_to_shadows(())
        parts.link.listen_to(())
        parts.detector.switch_off()
        parts.queue.configure(SpoolSettings())
        parts.queue.serve(Switchboard().subjects_to_cloud)

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


def _compiled(group: VerifiedGroup) -> _Plan:
    document = group.group
    return _Plan(
        group=group,
        switchboard=Switchboard.compile(document.subscriptions),
        spool=SpoolSettings.of(document.functions),
        detects=wants_detection(document.functions),
    )
