"""One update: what happens in which order, and what is left when it fails."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.update_agent import IN_FULL, PowerCut, UpdateStage, core_program, new_stage

from hedgerow.core.updates import Replaced
from hedgerow.core.updates.journal import Outcome


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[UpdateStage]:
    made = new_stage(tmp_path)
    await made.begin()
    yield made
    await made.core.stop()


@pytest.mark.spec("T08")
async def test_an_update_runs_the_new_version(stage: UpdateStage) -> None:
    stage.publish("1.1.0")
    outcome = await stage.updater().carry_out(stage.job("1.1.0"))
    assert outcome == Outcome(status="SUCCEEDED")
    assert stage.installed().current() == "1.1.0"
    assert await stage.running() == "1.1.0"


@pytest.mark.spec("T02")
@pytest.mark.parametrize("behaviour", ["dies", "cut off"])
async def test_a_version_that_does_not_come_up_as_well_as_the_one_before_is_taken_back(
    stage: UpdateStage, behaviour: str
) -> None:
    stage.publish("1.1.0", behaviour)
    outcome = await stage.updater().carry_out(stage.job("1.1.0"))
    assert isinstance(outcome, Outcome)
    assert outcome.status == "FAILED"
    assert outcome.reason.endswith("1.0.0 runs again")
    assert stage.installed().current() == "1.0.0"
    assert await stage.running() == "1.0.0"


@pytest.mark.spec("T02")
async def test_a_package_that_runs_another_version_than_it_says_is_taken_back(
    stage: UpdateStage,
) -> None:
    stage.place.publish("1.1.0", program=core_program(stage.root, "0.9.0"))
    outcome = await stage.updater().carry_out(stage.job("1.1.0"))
    assert isinstance(outcome, Outcome)
    assert "the core that runs is 0.9.0" in outcome.reason
    assert await stage.running() == "1.0.0"


@pytest.mark.spec("T05")
async def test_without_400_mb_of_free_disk_nothing_is_touched(stage: UpdateStage) -> None:
    stage.publish("1.1.0")
    before = stage.core.holders()
    stage.free = 399_999_999
    outcome = await stage.updater().carry_out(stage.job("1.1.0"))
    assert isinstance(outcome, Outcome)
    assert "needs 400 MB" in outcome.reason
    assert stage.core.holders() == before
    stage.free = 400_000_000
    assert await stage.updater().carry_out(stage.job("1.1.0")) == Outcome(status="SUCCEEDED")


async def test_a_version_that_is_in_force_already_is_a_success_without_a_restart(
    stage: UpdateStage,
) -> None:
    before = stage.core.holders()
    outcome = await stage.updater().carry_out(stage.job("1.0.0"))
    assert isinstance(outcome, Outcome)
    assert outcome.status == "SUCCEEDED"
    assert stage.core.holders() == before


async def test_a_core_that_does_not_stop_is_killed(stage: UpdateStage) -> None:
    stage.publish("1.1.0", "stubborn")
    stage.publish("1.2.0")
    for version in ("1.1.0", "1.2.0"):
        updater = stage.updater()
        assert await updater.carry_out(stage.job(version)) == Outcome(status="SUCCEEDED")
        updater.reported()
    assert await stage.running() == "1.2.0"


@pytest.mark.spec("T02")
@pytest.mark.parametrize("behaviour", ["well", "refuses", *(["dies"] if IN_FULL else [])])
@pytest.mark.timeout(120)
async def test_a_power_cut_at_any_step_leaves_a_whole_version_and_a_true_outcome(
    stage: UpdateStage, behaviour: str
) -> None:
    """The core may or may not have gone with the power; the agent comes back and ends it."""
    stage.publish("1.1.0", behaviour)
    cut_at, cuts = 0, 0
    step = 1 if IN_FULL else 4
    while await _cut(stage, cut_at):
        cut_at += step
        cuts += 1
        if cut_at % 2:
            await stage.core.stop()
        stage.checkpoints.cut_at = -1
        updater = stage.updater()
        updater.adopt_host()
        left = await updater.recover()
        outcome = left[1] if left else await updater.carry_out(stage.job("1.1.0"))
        await _require_whole(stage, outcome, behaviour)
        updater.reported()
        await _start_over(stage)
    assert cuts >= 10 // step


async def _cut(stage: UpdateStage, cut_at: int) -> bool:
    """Cut the power at a step of an update; tell whether there is such a step."""
    stage.checkpoints.cut_at, stage.checkpoints.passed = cut_at, []
    try:
        await stage.updater().carry_out(stage.job("1.1.0"))
    except PowerCut:
        return True
    return False


async def _require_whole(stage: UpdateStage, outcome: object, behaviour: str) -> None:
    assert isinstance(outcome, Outcome)
    expected = ("SUCCEEDED", "1.1.0") if behaviour == "well" else ("FAILED", "1.0.0")
    assert (outcome.status, stage.installed().current()) == expected
    assert await stage.running() == expected[1]


async def _start_over(stage: UpdateStage) -> None:
    await stage.core.stop()
    stage.journal.clear()
    await stage.begin()


async def test_an_update_that_is_interrupted_again_and_again_is_given_up(
    stage: UpdateStage,
) -> None:
    stage.publish("1.1.0")
    for _ in range(3):
        assert await _cut(stage, 1)
        assert await stage.updater().recover() is None
    stage.checkpoints.cut_at = -1
    outcome = await stage.updater().carry_out(stage.job("1.1.0"))
    assert isinstance(outcome, Outcome)
    assert outcome.reason == "it was interrupted too often"


async def test_an_outcome_is_kept_until_it_was_told(stage: UpdateStage) -> None:
    stage.publish("1.1.0")
    await stage.updater().carry_out(stage.job("1.1.0"))
    assert await stage.updater().recover() == ("job", Outcome(status="SUCCEEDED"))
    stage.updater().reported()
    assert await stage.updater().recover() is None


async def test_the_versions_in_force_and_before_it_stay_and_older_ones_go(
    stage: UpdateStage,
) -> None:
    for version in ("1.1.0", "1.2.0"):
        stage.publish(version)
        updater = stage.updater()
        await updater.carry_out(stage.job(version))
        updater.reported()
    packages = {path.name for path in (stage.root / "ggc/packages").iterdir()}
    assert packages == {"1.1.0", "1.2.0"}


async def test_the_agent_is_tried_then_replaced_and_the_new_one_says_so(
    stage: UpdateStage,
) -> None:
    stage.place.publish("1.1.0", software="ota_agent")
    job = stage.job("1.1.0", software="ota_agent")
    assert await stage.updater().carry_out(job) == Replaced(stage.installed("ota_agent").program)
    assert stage.tried == [stage.root / "ota/packages/1.1.0/ggc-ota"]
    stage.own_version = "1.1.0"
    assert await stage.updater().recover() == ("job", Outcome(status="SUCCEEDED"))


async def test_an_agent_whose_new_version_never_takes_over_goes_back(stage: UpdateStage) -> None:
    stage.place.publish("1.1.0", software="ota_agent")
    await stage.updater().carry_out(stage.job("1.1.0", software="ota_agent"))
    for _ in range(2):
        left = await stage.updater().recover()
        assert left is not None
        assert isinstance(left[1], Replaced)
    left = await stage.updater().recover()
    assert left == (
        "job",
        Outcome(status="FAILED", reason="the agent that runs is 1.0.0"),
    )
    assert stage.installed("ota_agent").current() == "1.0.0"


@pytest.mark.spec("T07")
async def test_configuration_group_shadows_and_logs_outlive_an_update(stage: UpdateStage) -> None:
    kept = [
        stage.root / "config/config.json",
        stage.folders.deployment / "group/group.json",
        stage.folders.shadows / "shadows.db",
        stage.folders.system_log / "runtime.log",
    ]
    for path in kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)
    stage.publish("1.1.0")
    updater = stage.updater()
    assert await updater.carry_out(stage.job("1.1.0")) == Outcome(status="SUCCEEDED")
    updater.reported()
    assert [path.read_text() for path in kept] == [path.name for path in kept]
