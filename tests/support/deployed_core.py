"""A core as far as deployments change it, with deployments that are verified: no cloud at all."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog
from tests.support.cloud_documents import GroupDouble, thing_arn
from tests.support.local_server import verified

from hedgerow.core.deployment import (
    DeploymentFolder,
    StoredDeployment,
    UnhealthyError,
    VerifiedGroup,
    VerifiedMembership,
)
from hedgerow.core.deployment.switching import Switcher
from hedgerow.kernel import HedgerowError

FIRST = "11111111-bbbb-4000-8000-000000000001"
SECOND = "22222222-bbbb-4000-8000-000000000002"
THIRD = "33333333-bbbb-4000-8000-000000000003"
OTHER_GROUP = "99999999-aaaa-4000-8000-000000000009"


@dataclass
class ActiveCore:
    """What is in force. Keeps the promises of `deployment.Activation`, and ails as it is told."""

    ails: set[str] = field(default_factory=set)
    """Deployments with which the core is not healthy."""
    unable: set[str] = field(default_factory=set)
    """Deployments that cannot be put in force."""
    crash: BaseException | None = None
    """What the step that changes over raises."""
    check_fault: Exception | None = None
    """What the health check itself breaks with."""
    wipe_fault: HedgerowError | None = None
    group: VerifiedGroup | None = None
    membership: VerifiedMembership | None = None
    wiped: int = 0
    forgotten: int = 0

    async def prepare(
        self, group: VerifiedGroup, membership: VerifiedMembership
    ) -> Callable[[], None]:
        """Return the step that puts the group in force."""

        def change_over() -> None:
            if self.crash is not None:
                raise self.crash
            self.group, self.membership = group, membership

        return change_over

    async def check(self, group: VerifiedGroup) -> None:
        """Be as healthy as the test wants."""
        assert self.group == group
        if self.check_fault is not None:
            raise self.check_fault
        if group.group.deployment_id in self.ails:
            raise UnhealthyError("the local MQTT server: it lets nobody in")

    def resume(self, stored: StoredDeployment) -> None:
        """Put in force at start."""
        if stored.deployment_id in self.unable:
            raise UnhealthyError("it cannot be put in force")
        self.group, self.membership = stored.group, stored.membership

    def go_back(self, stored: StoredDeployment) -> None:
        """Put in force again."""
        self.resume(stored)

    def forget_others(self) -> None:
        """Count it."""
        self.forgotten += 1

    def update_membership(self, membership: VerifiedMembership) -> None:
        """Put in force."""
        self.membership = membership

    def withdraw(self) -> None:
        """Serve nobody."""
        self.group = self.membership = None

    def wipe(self) -> None:
        """Count it."""
        self.withdraw()
        if self.wipe_fault is not None:
            raise self.wipe_fault
        self.wiped += 1


class DeployedCore:
    """A folder, what is in force, and the switcher; `restart` loses all but the disk."""

    def __init__(self, path: Path, double: GroupDouble | None = None) -> None:
        self.path = path
        self.double = GroupDouble(deployment_id=FIRST) if double is None else double
        if double is None:
            self.double.devices = [self.double.keys.device("A"), self.double.keys.device("B")]
        self.restart()

    def copied_to(self, path: Path) -> "DeployedCore":
        """Return another core with the same on its disk, running."""
        shutil.copytree(self.path, path, symlinks=True)
        double = replace(self.double, devices=list(self.double.devices), revoked=set())
        core = DeployedCore(path, double)
        core.switcher.begin()
        core.folder.forget_starts()
        return core

    def restart(self) -> None:
        """Come up anew; nothing is served yet."""
        self.active = ActiveCore()
        roots = [self.double.keys.root.certificate]
        self.folder = DeploymentFolder(self.path, thing_arn(self.double.core), roots)
        self.switcher = Switcher(self.folder, self.active, structlog.get_logger())

    async def deploy(self, deployment_id: str, group_id: str = "") -> None:
        """Run a deployment, as the agent does once it is verified."""
        if deployment_id != self.double.deployment_id:
            self.double.new_deployment(deployment_id)
        if group_id:
            self.double.group_id = group_id
        group, membership = verified(self.double)
        self.switcher.require_room(group.manifest)
        await self.switcher.switch(group, membership)

    def reset(self) -> None:
        """Carry out a reset."""
        self.double.new_deployment(THIRD, "ResetDeployment")
        self.switcher.reset(verified(self.double)[0].manifest)

    @property
    def mode(self) -> str:
        """How it runs, in a word."""
        return self.switcher.mode.value

    @property
    def runs(self) -> str | None:
        """The deployment in force; what the switcher says is the same, or the test fails."""
        running = self.active.group.group.deployment_id if self.active.group else None
        assert self.switcher.running_id == running
        return running
