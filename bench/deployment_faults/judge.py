"""What has to be true, whatever happened."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Final

from bench.deployment_faults import probe
from bench.deployment_faults.world import NotNowError, World

_PATIENCE_S: Final = 8.0
_POLL_S: Final = 0.03


@dataclass(frozen=True, slots=True)
class Case:
    """One operation: from which deployments to which. A reset leads to none."""

    deployment_id: str
    old: frozenset[str | None]
    new: str | None
    is_forced: bool = False


@dataclass(slots=True)
class Ledger:
    """What is known of a world between runs.

    `running` is the deployment on the core's disk. One that failed may still be taken: a core that
    starts again, or hears again of what is wished for, tries again, and then says so.
    """

    running: str | None = None
    failed: str | None = None
    version_of: dict[str, int] = field(default_factory=dict)
    forgotten: set[str] = field(default_factory=set)
    """Deployments that a reset made the cloud forget; the core may run one if that reset failed."""
    case_now: Case | None = None

    def begin(self) -> None:
        """Begin a run, of which no operation is known yet."""
        self.case_now = None

    def case(self, deployment_id: str, version: int | None, *, is_forced: bool = False) -> Case:
        """Take a new operation."""
        old = self._possible()
        if version is None:
            self.forgotten |= self.version_of.keys()
        else:
            self.version_of[deployment_id] = version
        new = None if version is None else deployment_id
        self.case_now = Case(deployment_id, frozenset(old), new, is_forced)
        return self.case_now

    def at_death(self, on_disk: str | None) -> list[str]:
        """Return what is wrong with what lies on the disk while the core is dead."""
        case = self.case_now
        allowed = self._possible() if case is None else {*case.old, case.new}
        if case is None:
            # The answer to the call is not there yet, but the core may be ahead of it.
            if on_disk in allowed or on_disk not in self.version_of:
                return []
        elif on_disk in allowed:
            return []
        return [f"when the core was killed its disk had {on_disk}, which is not of {allowed}"]

    def _possible(self) -> set[str | None]:
        """Return what may be on the disk while no new operation is in force.

        A core that runs what was reset makes up for the reset as soon as it can.
        """
        possible = {self.running} | ({self.failed} if self.failed else set())
        return possible | ({None} if possible & self.forgotten else set())

    def settle(self, on_disk: str | None) -> None:
        """End a run."""
        if self.case_now is not None and self.case_now.new not in {None, on_disk}:
            self.failed = self.case_now.new
        elif on_disk == self.failed or self.case_now is not None:
            self.failed = None
        self.running = on_disk


async def judged(world: World, ledger: Ledger, case: Case, status: str) -> list[str]:
    """Return what is wrong with how an operation ended.

    It is looked until all is as it should be: what is said and what is in force are seen one after
    the other, and the core may just be starting.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + _PATIENCE_S
    wrong = _hard(world, case, status)
    while True:
        soft = await _soft(world, ledger, case)
        if not soft or loop.time() > end:
            return [*wrong, *soft]
        await asyncio.sleep(_POLL_S)


def _hard(world: World, case: Case, status: str) -> list[str]:
    """Return what must be true at the moment when success is first seen."""
    if status != "Success" or case.is_forced:
        return []
    found = world.on_disk()
    return [] if found == case.new else [f"success was said, and the disk has {found}"]


async def _soft(world: World, ledger: Ledger, case: Case) -> list[str]:
    """Return what has to be true when everything has come to rest."""
    try:
        answer = await world.call("get_deployment_status", DeploymentId=case.deployment_id)
    except NotNowError:
        return ["the cloud does not answer"]
    status, found = answer["DeploymentStatus"], world.on_disk()
    expected = {case.new} if status == "Success" else case.old
    if case.new is None:
        # A reset that could not remove everything has failed; the group is gone all the same.
        expected = {None} | expected
    wrong = []
    if found not in expected:
        wrong.append(f"{status} was said, and the disk has {found}, not {set(expected)}")
    if status == "Failure" and not answer.get("ErrorMessage"):
        wrong.append("no reason is given for the failure")
    wrong += await _in_force(world, ledger, found)
    if (told := _last_event(world, case.deployment_id)) != status:
        wrong.append(f"the last event says {told}, not {status}")
    return wrong


async def _in_force(world: World, ledger: Ledger, on_disk: str | None) -> list[str]:
    """Return what is wrong with what the core does, which is to be what lies on its disk."""
    if not world.core.is_alive:
        return ["the core is dead"]
    try:
        said = await probe.said_to_run(world)
    except (OSError, ValueError):
        return ["the core does not say what it runs"]
    if said != on_disk:
        return [f"{on_disk} is on the disk, and the core says that it runs {said}"]
    served = await probe.served(world)
    if on_disk is None:
        return [] if served is None else [f"no group is deployed, and {set(served)} is served"]
    expected = ledger.version_of[on_disk]
    if served == frozenset({expected}):
        return []
    return [f"version {expected} is on the disk, and {served and set(served)} is served"]


def _last_event(world: World, deployment_id: str) -> str | None:
    log = world.folder / "cloud/events" / world.group.cloud.account / "events.log"
    try:
        lines = log.read_bytes().splitlines()[-200:]
    except FileNotFoundError:
        return None
    details = [json.loads(line)["detail"] for line in lines]
    of_this = [each["status"] for each in details if each["deployment-id"] == deployment_id]
    if not of_this or "Building" not in of_this:
        return None
    return str(of_this[-1])
