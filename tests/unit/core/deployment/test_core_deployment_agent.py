import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from tests.support.clock import ManualClock
from tests.support.cloud_documents import GroupDouble, thing_arn
from tests.support.core import until
from tests.support.deployed_core import ActiveCore
from tests.support.local_server import verified

from hedgerow.contract import (
    ARTIFACT_GROUP,
    ARTIFACT_MEMBERSHIP,
    DeploymentNotice,
    DeploymentStatusReport,
    deployment_thing,
)
from hedgerow.core.deployment import (
    DeploymentAgent,
    DeploymentFolder,
    StoredDeployment,
    UnhealthyError,
    VerifiedGroup,
    VerifiedMembership,
)
from hedgerow.kernel import Arn, CallerError, DeniedError, HedgerowError, UnavailableError

SECOND = "22222222-bbbb-4000-8000-000000000002"


class Cloud:
    """The data plane, by its calls; `failures` are raised instead of an answer, once each."""

    def __init__(self, group: GroupDouble) -> None:
        self.group = group
        self.failures: dict[str, list[Exception]] = {}
        self.statuses: list[tuple[str, str, str]] = []
        self.shadows: list[tuple[str, object]] = []
        self.calls: list[str] = []
        self.clock_ahead = timedelta(0)

    def _called(self, call: str) -> None:
        self.calls.append(call)
        if self.failures.get(call):
            raise self.failures[call].pop(0)

    async def manifest(self, group_id: str, deployment_id: str) -> bytes:
        self._called("manifest")
        assert (group_id, deployment_id) == (self.group.group_id, self.group.deployment_id)
        return self.group.signed_manifest()

    async def artifact(self, _group_id: str, deployment_id: str, name: str) -> bytes:
        self._called(name)
        if name == ARTIFACT_MEMBERSHIP:
            wanted, self.group.deployment_id = self.group.deployment_id, deployment_id
            try:
                return self.group.signed_membership()
            finally:
                self.group.deployment_id = wanted
        return self.group.group_json()

    async def report_status(
        self, _group_id: str, deployment_id: str, report: DeploymentStatusReport
    ) -> None:
        self._called(report.status)
        self.statuses.append((deployment_id[-1], report.status, report.error_message))

    async def report_shadow(self, thing_name: str, reported: object) -> None:
        self._called("shadow")
        self.shadows.append((thing_name, reported))


class Core(ActiveCore):
    """A core that refuses what is prepared, or is ill with whatever runs."""

    refusal: HedgerowError | None = None
    illness: Exception | None = None

    def __init__(self) -> None:
        super().__init__()
        self.checked: list[str] = []

    async def prepare(
        self, group: VerifiedGroup, membership: VerifiedMembership
    ) -> Callable[[], None]:
        if self.refusal is not None:
            raise self.refusal
        return await super().prepare(group, membership)

    async def check(self, group: VerifiedGroup) -> None:
        self.checked.append(group.group.deployment_id)
        if self.illness is not None:
            raise self.illness

    def resume(self, stored: StoredDeployment) -> None:
        if self.refusal is not None:
            raise self.refusal
        super().resume(stored)

    def go_back(self, stored: StoredDeployment) -> None:
        super().resume(stored)


class NoDelay:
    """Tries again at once."""

    def next_delay(self) -> float:
        return 0.001

    def reset(self) -> None:
        pass


class Bench:
    """An agent at work between a cloud and a core of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.double = GroupDouble()
        self.double.devices = [self.double.keys.device("A"), self.double.keys.device("B")]
        self.cloud = Cloud(self.double)
        self.core = Core()
        self.path = folder
        roots = [self.double.keys.root.certificate]
        self.folder = DeploymentFolder(folder, thing_arn(self.double.core), roots)
        self.clock = ManualClock(self.double.created_at)
        self.agent = DeploymentAgent(
            Arn.parse(thing_arn(self.double.core)),
            folder=self.folder,
            roots=roots,
            cloud=self.cloud,
            activation=self.core,
            retry=NoDelay(),
            clock=self.clock,
            log=structlog.get_logger(),
        )

    def tell(self) -> None:
        self.agent.hear(
            DeploymentNotice(
                group_id=self.double.group_id,
                deployment_id=self.double.deployment_id,
                deployment_type=self.double.deployment_type,
                membership_serial=self.double.serial,
            )
        )

    async def deploy(self) -> None:
        before = len(self._ends())
        self.tell()
        await until(lambda: len(self._ends()) > before)

    def _ends(self) -> list[tuple[str, str, str]]:
        return [s for s in self.cloud.statuses if s[1] != "InProgress"]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path / "deployment")
    task = asyncio.get_running_loop().create_task(bench.agent.run())
    yield bench
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.spec("P05")
async def test_a_deployment_is_fetched_run_and_reported(bench: Bench) -> None:
    await bench.deploy()
    await until(lambda: bool(bench.cloud.shadows))
    assert bench.core.group is not None
    assert bench.core.group.group.deployment_id == bench.double.deployment_id
    assert [s[1] for s in bench.cloud.statuses] == ["InProgress", "Success"]
    thing, reported = bench.cloud.shadows[0]
    assert thing == deployment_thing("core-1")
    assert reported == {
        "GroupId": bench.double.group_id,
        "DeploymentId": bench.double.deployment_id,
        "DeploymentType": "NewDeployment",
        "MembershipSerial": 1,
        "RoleVersion": "",
    }


@pytest.mark.spec("I16")
async def test_the_running_group_lies_at_the_documented_path(bench: Bench) -> None:
    await bench.deploy()
    assert (bench.path / "group/group.json").read_bytes() == bench.double.group_json()


async def test_the_same_notice_again_does_nothing(bench: Bench) -> None:
    await bench.deploy()
    await until(lambda: bool(bench.cloud.shadows))
    calls = list(bench.cloud.calls)
    bench.tell()
    await until(lambda: not bench.agent._heard.is_set())
    await asyncio.sleep(0)
    assert bench.cloud.calls == calls


@pytest.mark.parametrize(
    ("call", "failure"),
    [
        ("manifest", DeniedError("not authorized to perform greengrass:GetDeployment on …")),
        (ARTIFACT_GROUP, DeniedError("not authorized: greengrass:GetDeploymentArtifacts on …")),
        (ARTIFACT_MEMBERSHIP, CallerError("there is no such artifact")),
    ],
)
@pytest.mark.spec("D15")
async def test_a_failed_step_leaves_what_runs_and_is_reported_in_the_clouds_words(
    bench: Bench, call: str, failure: Exception
) -> None:
    await bench.deploy()
    running = bench.core.group
    bench.double.new_deployment(SECOND)
    bench.cloud.failures[call] = [failure]
    await bench.deploy()
    assert bench.cloud.statuses[-1] == ("2", "Failure", str(failure))
    assert bench.core.group is running
    assert bench.agent.state.running is not None
    assert bench.agent.state.running.endswith("1")
    assert str(failure) in (bench.agent.state.problem or "")


async def test_a_group_that_cannot_run_here_is_a_failure_with_the_reason(bench: Bench) -> None:
    bench.core.refusal = CallerError("Spool size should be at least 262144 bytes")
    await bench.deploy()
    assert bench.cloud.statuses[-1] == (
        "1",
        "Failure",
        "Spool size should be at least 262144 bytes",
    )
    assert bench.core.group is None
    assert bench.folder.load().group is None


async def test_a_failed_deployment_is_tried_again_with_the_next_notice(bench: Bench) -> None:
    bench.core.refusal = CallerError("not today")
    await bench.deploy()
    bench.core.refusal = None
    await bench.deploy()
    assert bench.cloud.statuses[-1][1] == "Success"


@pytest.mark.parametrize(
    "call", ["InProgress", "manifest", ARTIFACT_GROUP, ARTIFACT_MEMBERSHIP, "Success", "shadow"]
)
async def test_an_unreachable_cloud_is_tried_again_and_nothing_is_done_twice(
    bench: Bench, call: str
) -> None:
    bench.cloud.failures[call] = [UnavailableError("no route to host")] * 2
    await bench.deploy()
    await until(lambda: bool(bench.cloud.shadows))
    ends = [status for _, status, _ in bench.cloud.statuses if status != "InProgress"]
    assert ends == ["Success"]
    if call in {"Success", "shadow"}:
        assert bench.cloud.calls.count("manifest") == 1


@pytest.mark.spec("D10")
async def test_a_refused_report_does_not_undo_what_runs(bench: Bench) -> None:
    refusal = DeniedError("not authorized to perform greengrass:UpdateCoreDeploymentStatus on …")
    bench.cloud.failures = {"InProgress": [refusal], "Success": [refusal]}
    bench.tell()
    await until(lambda: bool(bench.cloud.shadows))
    assert bench.core.group is not None
    assert "greengrass:UpdateCoreDeploymentStatus" in (bench.agent.state.problem or "")


async def test_a_success_that_could_not_be_reported_before_a_stop_is_reported_later(
    bench: Bench,
) -> None:
    await bench.deploy()
    await until(lambda: bench.folder.reported() != "")
    again = Bench(bench.path)
    again.double = again.cloud.group = bench.double
    again.folder._ledger.change(reported="")
    again.agent.begin()
    task = asyncio.get_running_loop().create_task(again.agent.run())
    await again.deploy()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [s[1] for s in again.cloud.statuses] == ["Success"]
    assert "manifest" not in again.cloud.calls


@pytest.mark.promise(4)
async def test_a_newer_list_of_certificates_is_put_in_force_without_a_deployment(
    bench: Bench,
) -> None:
    await bench.deploy()
    a, b = bench.double.devices
    bench.double.revoke(a)
    bench.tell()
    await until(lambda: bench.agent.state.membership_serial == 2)
    assert bench.core.membership is not None
    assert bench.core.membership.certificate_ids == {b.certificate_id}
    await until(lambda: len(bench.cloud.shadows) == 2)
    stored = bench.folder.load()
    assert stored.membership is not None
    assert stored.membership.certificate_ids == {b.certificate_id}


@pytest.mark.promise(4)
async def test_a_full_disk_does_not_keep_a_revoked_device_connected(bench: Bench) -> None:
    await bench.deploy()
    a, b = bench.double.devices
    bench.double.revoke(a)

    def full(membership: VerifiedMembership) -> None:
        del membership
        raise OSError(28, "No space left on device")

    bench.folder.store_membership = full  # type: ignore[method-assign]  # the disk's fault
    bench.tell()
    await until(lambda: "No space left" in (bench.agent.state.problem or ""))
    assert bench.core.membership is not None
    assert bench.core.membership.certificate_ids == {b.certificate_id}
    # And what is in force is not undone by an older list, though the disk knows of none newer.
    bench.double.revoked.clear()
    bench.double.serial = 1
    bench.agent.hear(
        DeploymentNotice(
            group_id=bench.double.group_id,
            deployment_id=bench.double.deployment_id,
            deployment_type="NewDeployment",
            membership_serial=9,
        )
    )
    await until(lambda: "so it is an old one" in (bench.agent.state.problem or ""))
    assert bench.core.membership.certificate_ids == {b.certificate_id}


@pytest.mark.promise(4)
async def test_a_revocation_takes_effect_even_if_the_wished_deployment_cannot_run(
    bench: Bench,
) -> None:
    await bench.deploy()
    a, b = bench.double.devices
    bench.double.new_deployment(SECOND)
    bench.core.refusal = CallerError("not today")
    await bench.deploy()
    bench.double.revoke(a)
    await bench.deploy()
    assert bench.core.membership is not None
    assert bench.core.membership.certificate_ids == {b.certificate_id}
    assert bench.core.group is not None
    assert bench.core.group.group.deployment_id.endswith("1")


@pytest.mark.promise(4)
async def test_a_replayed_list_of_certificates_is_refused_whatever_the_notice_says(
    bench: Bench,
) -> None:
    a, b = bench.double.devices
    bench.double.serial = 5
    await bench.deploy()
    bench.double.revoke(a)
    bench.tell()
    await until(lambda: bench.agent.state.membership_serial == 6)
    bench.double.revoked.clear()
    bench.double.serial = 5
    bench.agent.hear(
        DeploymentNotice(
            group_id=bench.double.group_id,
            deployment_id=bench.double.deployment_id,
            deployment_type="NewDeployment",
            membership_serial=7,
        )
    )
    await until(lambda: "so it is an old one" in (bench.agent.state.problem or ""))
    assert bench.core.membership is not None
    assert bench.core.membership.certificate_ids == {b.certificate_id}
    bench.double.new_deployment(SECOND)
    await bench.deploy()
    assert bench.cloud.statuses[-1][1] == "Failure"
    assert "so it is an old one" in bench.cloud.statuses[-1][2]


@pytest.mark.promise(2)
async def test_a_replayed_deployment_is_refused_and_reported(bench: Bench) -> None:
    older, made = bench.double.deployment_id, bench.double.created_at
    await bench.deploy()
    bench.double.new_deployment(SECOND)
    await bench.deploy()
    bench.double.deployment_id, bench.double.created_at = older, made
    await bench.deploy()
    assert bench.cloud.statuses[-1][:2] == ("1", "Failure")
    assert "redeploy the group" in bench.cloud.statuses[-1][2]
    assert bench.agent.state.running == SECOND


@pytest.mark.promise(2)
async def test_a_deployment_from_before_a_reset_cannot_be_replayed(bench: Bench) -> None:
    older, made = bench.double.deployment_id, bench.double.created_at
    await bench.deploy()
    bench.double.new_deployment(SECOND, "ResetDeployment")
    await bench.deploy()
    bench.double.deployment_id, bench.double.created_at = older, made
    bench.double.deployment_type = "NewDeployment"
    await bench.deploy()
    assert bench.cloud.statuses[-1][:2] == ("1", "Failure")
    assert bench.core.group is None


async def test_a_deployment_by_a_clock_far_ahead_does_not_shut_out_later_ones(
    bench: Bench,
) -> None:
    made = bench.double.created_at
    bench.double.created_at += timedelta(days=3650)
    await bench.deploy()
    bench.double.created_at = made
    bench.double.new_deployment(SECOND)
    await bench.deploy()
    assert bench.agent.state.running == SECOND


@pytest.mark.parametrize("kind", ["ResetDeployment", "ForceResetDeployment"])
async def test_a_reset_takes_the_group_away_once(bench: Bench, kind: str) -> None:
    await bench.deploy()
    bench.double.new_deployment(SECOND, kind)
    await bench.deploy()
    assert bench.cloud.statuses[-1][:2] == ("2", "Success")
    assert bench.core.group is None
    assert bench.folder.load().group is None
    await until(lambda: bench.folder.reported() == SECOND)
    calls = list(bench.cloud.calls)
    bench.tell()
    await until(lambda: not bench.agent._heard.is_set())
    await asyncio.sleep(0)
    assert bench.cloud.calls == calls


async def test_a_group_that_comes_after_a_reset_is_deployed(bench: Bench) -> None:
    await bench.deploy()
    bench.double.new_deployment(SECOND, "ResetDeployment")
    await bench.deploy()
    bench.double.new_deployment(SECOND[:-1] + "3")
    await bench.deploy()
    assert bench.cloud.statuses[-1][:2] == ("3", "Success")


async def test_a_fault_of_the_core_is_reported_and_does_not_end_the_agent(bench: Bench) -> None:
    bench.cloud.failures["manifest"] = [ZeroDivisionError("a bug")]
    await bench.deploy()
    assert bench.cloud.statuses[-1][1] == "Failure"
    await bench.deploy()
    assert bench.cloud.statuses[-1][1] == "Success"


async def test_a_fault_beside_the_deployment_does_not_end_the_agent_either(bench: Bench) -> None:
    bench.cloud.failures["Success"] = [ZeroDivisionError("a bug")]
    bench.tell()
    await until(lambda: "a fault of the core" in (bench.agent.state.problem or ""))
    assert bench.core.group is not None
    bench.tell()
    await until(lambda: bool(bench.cloud.shadows))
    assert bench.cloud.statuses[-1][1] == "Success"
    assert bench.agent.state.problem is None


async def test_the_newest_notice_counts_while_the_cloud_cannot_be_reached(bench: Bench) -> None:
    bench.cloud.failures["manifest"] = [UnavailableError("no route to host")] * 5
    bench.tell()
    await until(lambda: "manifest" in bench.cloud.calls)
    bench.double.new_deployment(SECOND)
    await bench.deploy()
    assert bench.agent.state.running == SECOND


async def restarted(bench: Bench) -> Bench:
    """Return the agent of a core that was stopped and started again, at work."""
    again = Bench(bench.path)
    again.double = again.cloud.group = bench.double
    again.agent.begin()
    return again


@asynccontextmanager
async def at_work(bench: Bench) -> AsyncIterator[Bench]:
    task = asyncio.get_running_loop().create_task(bench.agent.run())
    try:
        yield bench
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


ILL = UnhealthyError("the local MQTT server: it lets nobody in")


@pytest.mark.spec("P06")
async def test_a_failed_health_check_brings_the_last_good_one_back_and_is_reported(
    bench: Bench,
) -> None:
    await bench.deploy()
    first = bench.agent.state.running
    bench.double.new_deployment(SECOND)
    bench.core.illness = ILL
    await bench.deploy()
    number, status, reason = bench.cloud.statuses[-1]
    assert (number, status) == ("2", "Failure")
    assert "health check failed: the local MQTT server: it lets nobody in" in reason
    assert f"the core runs deployment {first} again" in reason
    assert bench.agent.state.running == first
    assert bench.core.group is not None
    assert bench.core.group.group.deployment_id == first
    assert bench.agent.state.last_failure == (SECOND, reason)


async def test_what_was_found_unfit_is_not_tried_again_and_again(bench: Bench) -> None:
    await bench.deploy()
    bench.double.new_deployment(SECOND)
    bench.core.illness = ILL
    await bench.deploy()
    checked = list(bench.core.checked)
    bench.core.illness = None
    bench.tell()
    await until(lambda: not bench.agent._heard.is_set())
    async with at_work(await restarted(bench)) as again:
        again.tell()
        await until(lambda: bool(again.cloud.shadows))
        assert SECOND not in again.core.checked
        assert "InProgress" not in again.cloud.calls
    assert bench.core.checked == checked
    bench.double.new_deployment(SECOND[:-1] + "3")
    await bench.deploy()
    assert bench.cloud.statuses[-1][:2] == ("3", "Success")


@pytest.mark.parametrize("is_ill", [False, True])
async def test_an_outcome_that_could_not_be_told_is_told_after_a_restart(
    bench: Bench, *, is_ill: bool
) -> None:
    await bench.deploy()
    bench.double.new_deployment(SECOND)
    bench.core.illness = ILL if is_ill else None
    word = "Failure" if is_ill else "Success"
    bench.cloud.failures[word] = [UnavailableError("no route to host")] * 10_000
    told = bench.cloud.calls.count(word)
    bench.tell()
    await until(lambda: bench.cloud.calls.count(word) > told)
    async with at_work(await restarted(bench)) as again:
        again.tell()
        await until(lambda: again.folder.reported() == SECOND)
        assert [status[:2] for status in again.cloud.statuses] == [("2", word)]
        assert again.agent.state.running != SECOND or not is_ill


async def test_a_core_that_was_stopped_on_trial_reports_what_it_then_finds(bench: Bench) -> None:
    await bench.deploy()
    bench.double.new_deployment(SECOND)
    group, membership = verified(bench.double)
    bench.folder.stage(group)
    bench.folder.switch(group, membership, before=bench.folder.running_id())
    again = await restarted(bench)
    again.core.illness = ILL
    async with at_work(again):
        again.tell()
        await until(lambda: again.folder.reported() == SECOND)
        assert again.cloud.statuses[-1][:2] == ("2", "Failure")
        assert again.agent.state.running != SECOND
    async with at_work(await restarted(bench)) as third:
        assert third.agent.state.mode == "running"


async def test_a_wrong_clock_is_named_in_the_reason(bench: Bench) -> None:
    bench.cloud.clock_ahead = timedelta(days=2)
    bench.cloud.failures["manifest"] = [CallerError("not this time")]
    await bench.deploy()
    assert (
        "not this time; this machine's clock is 2 days behind the cloud's"
        in (bench.cloud.statuses[-1][2])
    )
    bench.cloud.clock_ahead = -timedelta(days=1)
    assert "24 hours ahead of" in (bench.agent.state.clock_problem or "")
    bench.cloud.clock_ahead = timedelta(minutes=14)
    assert bench.agent.state.clock_problem is None


@pytest.mark.promise(2)
async def test_a_clock_set_back_does_not_let_an_old_deployment_pass_for_new(bench: Bench) -> None:
    """What is new is judged by the cloud's clock; whoever has this machine's gains nothing."""
    bench.double.created_at += timedelta(days=1)
    bench.clock.advance(timedelta(days=1))
    older, made = bench.double.deployment_id, bench.double.created_at
    await bench.deploy()
    bench.double.new_deployment(SECOND)
    await bench.deploy()
    bench.clock.advance(-timedelta(days=1))
    bench.cloud.clock_ahead = timedelta(days=1)
    bench.double.deployment_id, bench.double.created_at = older, made
    await bench.deploy()
    assert bench.cloud.statuses[-1][:2] == ("1", "Failure")
    assert "redeploy the group" in bench.cloud.statuses[-1][2]


@pytest.mark.spec("P10")
async def test_a_reset_that_could_not_wipe_everything_is_no_success(bench: Bench) -> None:
    await bench.deploy()
    bench.double.new_deployment(SECOND, "ResetDeployment")
    bench.core.wipe_fault = CallerError("ggc/var/log/user/x cannot be removed")
    await bench.deploy()
    number, status, reason = bench.cloud.statuses[-1]
    assert (number, status) == ("2", "Failure")
    assert "ggc/var/log/user/x cannot be removed" in reason
    assert bench.core.group is None


async def test_a_disk_without_room_is_a_failure_that_says_so(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.deploy()
    running = bench.agent.state.running
    nothing = os.statvfs_result((4096, 4096, 1000, 0, 0, 1000, 0, 0, 0, 255))
    monkeypatch.setattr("hedgerow.core.deployment.room.os.statvfs", lambda _path: nothing)
    bench.double.new_deployment(SECOND)
    await bench.deploy()
    number, status, reason = bench.cloud.statuses[-1]
    assert (number, status) == ("2", "Failure")
    assert "the deployment needs" in reason
    assert "no room for more files" in reason
    assert ARTIFACT_GROUP not in bench.cloud.calls[bench.cloud.calls.index("Success") :]
    assert bench.agent.state.running == running
