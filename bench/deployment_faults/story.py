"""One run: an operation, a fault that strikes meanwhile, and what came of it."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from botocore.exceptions import ClientError

from bench.deployment_faults.faults import DAY_S, Fault, drawn
from bench.deployment_faults.judge import Case, Ledger, judged
from bench.deployment_faults.probe import Guest
from bench.deployment_faults.processes import EndedError
from bench.deployment_faults.world import VERSIONS, NotNowError, World

LONGEST_S: Final = 45.0
"""A deployment that has not come to its end by then never will."""
_POLL_S: Final = 0.02
_FULL_S: Final = 0.5
"""The cloud's disk is full for so long at least: while it is, nothing can come to an end."""
_LINES_SHOWN: Final = 12
_ENDED: Final = frozenset({"Success", "Failure"})
_WRONG_CLOCKS: Final = {"core-clock-ahead": DAY_S, "core-clock-behind": -DAY_S}
_OPERATIONS: Final = {"NewDeployment": 32, "Redeployment": 4, "ResetDeployment": 3, "Force": 1}


@dataclass(slots=True)
class Report:
    """What one run came to; `wrong` says what should not be."""

    number: int
    fault: Fault
    operation: str
    struck: bool = False
    status: str = ""
    reason: str = ""
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Story:
    """Plays one run in a world."""

    def __init__(
        self,
        world: World,
        ledger: Ledger,
        number: int,
        chance: random.Random,
        *,
        guest: Guest | None = None,
    ) -> None:
        self._world = world
        self._guest = guest
        self._ledger = ledger
        self._chance = chance
        self._version = chance.randrange(VERSIONS)
        self._token = f"run-{number}-{chance.getrandbits(64):x}"
        self._diary: list[str] = []
        self._began = 0.0
        self._begun = asyncio.Event()
        self._under_way = asyncio.Event()
        self._left_to_strike = 0
        self.is_spoiled = False
        """Whether no further run can be played in this world."""
        self.report = Report(number, Fault(), self._drawn_operation())

    async def play(self, only: str | None = None) -> Report:
        """Run it; whatever is wrong stands in the report, and the world is whole again."""
        report, loop = self.report, asyncio.get_running_loop()
        self._began = began = loop.time()
        report.fault = self._drawn_fault(only)
        self._ledger.begin()
        try:
            await self._prepare()
            async with asyncio.timeout(LONGEST_S), self._caretakers():
                self._note("everything is prepared")
                deployment_id = await self._create()
                case = self._case(deployment_id)
                self._note(f"{deployment_id} has begun")
                self._under_way.set()
                report.status = await self._outcome(deployment_id)
                report.wrong += await judged(self._world, self._ledger, case, report.status)
            if self._guest is not None and None not in {*case.old, case.new}:
                report.wrong += await self._guest.has_stayed()
            self._check_expectation()
        except TimeoutError:
            report.wrong.append(f"it never came to an end: {self._evidence()}")
            self.is_spoiled = True
        except (EndedError, ClientError) as error:
            report.wrong.append(f"it was cut off: {error}")
            self.is_spoiled = True
        await self._heal()
        report.seconds = loop.time() - began
        return report

    # ---- the operation

    def _drawn_operation(self) -> str:
        if self._ledger.running is None or self._ledger.running in self._ledger.forgotten:
            return "NewDeployment"
        names = list(_OPERATIONS)
        return self._chance.choices(names, list(_OPERATIONS.values()))[0]

    def _drawn_fault(self, only: str | None) -> Fault:
        fault = drawn(self._chance, only, is_small=self._world.small_disk is not None)
        if fault.name != "older-manifest":
            return fault
        if self._ledger.running is None:
            return Fault()
        return Fault(name=fault.name, older=self._ledger.running)

    async def _create(self) -> str:
        """Make the call until it is answered; the token makes it one call."""
        self._begun.set()
        operation, members = self._call()
        while True:
            try:
                return str((await self._world.call(operation, **members))["DeploymentId"])
            except NotNowError:
                await asyncio.sleep(_POLL_S)

    def _call(self) -> tuple[str, dict[str, Any]]:
        if self.report.operation in {"ResetDeployment", "Force"}:
            force = self.report.operation == "Force"
            return "reset_deployments", {"Force": force, "AmznClientToken": self._token}
        if self.report.operation == "Redeployment":
            earlier = self._ledger.running or ""
            self._version = self._ledger.version_of[earlier]
            more = {"DeploymentId": earlier}
        else:
            more = {"GroupVersionId": self._world.versions[self._version]}
        return "create_deployment", {
            "DeploymentType": self.report.operation,
            "AmznClientToken": self._token,
            **more,
        }

    def _case(self, deployment_id: str) -> Case:
        if self.report.operation in {"ResetDeployment", "Force"}:
            return self._ledger.case(
                deployment_id, None, is_forced=self.report.operation == "Force"
            )
        return self._ledger.case(deployment_id, self._version)

    async def _outcome(self, deployment_id: str) -> str:
        while True:
            with suppress(NotNowError):
                answer = await self._world.call("get_deployment_status", DeploymentId=deployment_id)
                if answer["DeploymentStatus"] in _ENDED:
                    self.report.reason = answer.get("ErrorMessage", "")
                    return str(answer["DeploymentStatus"])
            await asyncio.sleep(_POLL_S)

    def _check_expectation(self) -> None:
        report = self.report
        report.struck |= self._world.core.struck or self._world.cloud.struck
        struck = report.struck or not report.fault.kind.side
        expected = report.fault.kind.ends if struck else "Success"
        if report.operation == "Force":
            expected = "Success"
        if expected not in {"either", report.status}:
            report.wrong.append(f"it ended in {report.status}: {report.reason}")

    # ---- the fault

    async def _prepare(self) -> None:
        world, fault = self._world, self.report.fault
        if fault.kind.side == "core":
            await world.core.arm(fault)
        elif fault.kind.side == "cloud":
            await world.cloud.arm(fault)
        elif fault.name == "core-off":
            await world.core.end()
        elif fault.name in _WRONG_CLOCKS:
            await world.restart_core(clock_offset_s=_WRONG_CLOCKS[fault.name])
        self._left_to_strike = 1 if fault.name == "core-killed-twice" else 0

    @asynccontextmanager
    async def _caretakers(self) -> AsyncIterator[None]:
        """Strike when it is time, and start again what was killed."""
        works: list[Callable[[], Coroutine[Any, Any, None]]] = [self._keep_cloud, self._strike]
        if self.report.fault.name != "core-off":
            works.append(self._keep_core)
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(work()) for work in works]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            for found in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(found, Exception):
                    self.report.wrong.append(f"a caretaker failed: {found!r}")

    async def _strike(self) -> None:
        world, fault = self._world, self.report.fault
        await self._begun.wait()
        await asyncio.sleep(fault.seconds * (0.25 if fault.name == "core-disk-small" else 1))
        match fault.name:
            case "core-killed-late":
                world.core.send(signal.SIGKILL)
            case "core-stopped":
                world.core.send(signal.SIGTERM)
            case "cloud-killed-late":
                world.cloud.send(signal.SIGKILL)
            case "both-killed":
                both = [world.core, world.cloud]
                self._chance.shuffle(both)
                both[0].send(signal.SIGKILL)
                await asyncio.sleep(self._chance.random() * 0.1)
                both[1].send(signal.SIGKILL)
            case "core-off":
                await self._under_way.wait()
                await asyncio.sleep(fault.seconds)
                await world.start_core()
            case "link-cut" | "link-dark":
                await self._break_links()
            case "core-disk-small" if world.small_disk is not None:
                # Rather soon: a core that sees at the beginning that there is no room does nothing.
                world.small_disk.fill(fault.step)
            case "cloud-disk-full":
                await asyncio.sleep(_FULL_S)
                await world.cloud.arm(Fault())

    async def _break_links(self) -> None:
        is_dark = self.report.fault.name == "link-dark"
        for link in self._world.links:
            link.largest_budget = 200 if is_dark else self._chance.choice((600, 3_000, 12_000))
            link.cutting = True
            if is_dark or self._chance.random() < 0.5:
                link.cut_all()
        await asyncio.sleep(0.2 + self._chance.random())
        self._mend_links()

    def _mend_links(self) -> None:
        for link in self._world.links:
            link.cutting = False

    async def _keep_core(self) -> None:
        while True:
            core = self._world.core
            await core.ended.wait()
            self._ended("core", core.status)
            self.report.struck |= core.struck
            self.report.wrong += self._ledger.at_death(self._world.on_disk())
            await asyncio.sleep(self._chance.random() ** 2 * 0.2)
            again = None
            if self._left_to_strike:
                self._left_to_strike -= 1
                again = Fault(name="core-killed", step=self._chance.randint(1, 60))
            await self._world.start_core(again)
            self._note("core is there again")

    async def _keep_cloud(self) -> None:
        while True:
            cloud = self._world.cloud
            await cloud.ended.wait()
            self._ended("cloud", cloud.status)
            self.report.struck |= cloud.struck
            await asyncio.sleep(self._chance.random() ** 2 * 0.2)
            await self._world.start_cloud()
            self._note("cloud is there again")

    def _evidence(self) -> str:
        """Return what the core said last; what both do now is printed by themselves."""
        for process in (self._world.core, self._world.cloud):
            process.send(signal.SIGUSR2)
        log = self._world.root / "ggc/var/log/system/runtime.log"
        lines = log.read_text(encoding="utf-8").splitlines()[-_LINES_SHOWN:]
        alive = f"core {self._world.core.state}, cloud {self._world.cloud.state}"
        return "\n    ".join([alive, *self._diary, "the core's log ends:", *lines])

    def _note(self, what: str) -> None:
        self._diary.append(f"{asyncio.get_running_loop().time() - self._began:.3f} s: {what}")

    def _ended(self, who: str, status: int | None) -> None:
        self._note(f"{who} ended with {status}")
        if status not in {-signal.SIGKILL, 0}:
            self.report.wrong.append(f"the {who} ended by itself with status {status}")

    async def _heal(self) -> None:
        """Take every fault away, and have both processes there, none of them armed."""
        world, report = self._world, self.report
        self._mend_links()
        if world.small_disk is not None:
            world.small_disk.empty()
        try:
            async with asyncio.timeout(LONGEST_S):
                # What was armed may still strike until it is disarmed.
                await world.cloud.arm(Fault())
                await world.core.arm(Fault())
                world.clock_offset_s, was = 0.0, world.clock_offset_s
                if was:
                    await world.core.end(signal.SIGTERM)
                await world.start_cloud()
                await world.start_core()
        except TimeoutError:
            report.wrong.append("the world could not be made whole again")
        world.core.struck = world.cloud.struck = False
        self._ledger.settle(world.on_disk())
        if self._guest is not None:
            await self._guest.come()
