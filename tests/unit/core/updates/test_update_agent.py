"""The loop: jobs one after another, each with a true report."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.update_agent import IN_FULL, ListedJobs, UpdateStage, new_stage, quiet_log

from hedgerow.core.link import Backoff
from hedgerow.core.updates import Replaced, UpdateAgent
from hedgerow.kernel import CallerError, UnavailableError


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[UpdateStage]:
    made = new_stage(tmp_path)
    await made.begin()
    yield made
    await made.core.stop()


def _agent(stage: UpdateStage, jobs: ListedJobs) -> UpdateAgent:
    retry = Backoff(0.01, 0.01)
    return UpdateAgent(jobs, stage.updater(), retry=retry, log=quiet_log())


async def _until_idle(stage: UpdateStage, jobs: ListedJobs) -> None:
    running = asyncio.get_running_loop().create_task(_agent(stage, jobs).run())
    async with asyncio.timeout(20):
        await jobs.idle.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.spec("T01")
async def test_jobs_are_carried_out_one_after_another(stage: UpdateStage) -> None:
    stage.publish("1.1.0")
    stage.publish("1.2.0")
    jobs = ListedJobs([stage.job("1.1.0", job_id="a"), stage.job("1.2.0", job_id="b")])
    await _until_idle(stage, jobs)
    assert jobs.statuses == [
        ("a", "IN_PROGRESS"),
        ("a", "SUCCEEDED"),
        ("b", "IN_PROGRESS"),
        ("b", "SUCCEEDED"),
    ]
    assert await stage.running() == "1.2.0"


@pytest.mark.spec("T02")
async def test_a_failed_update_is_reported_with_its_reason(stage: UpdateStage) -> None:
    jobs = ListedJobs([stage.job("7.0.0")])
    await _until_idle(stage, jobs)
    _, status, details = jobs.reports[-1]
    assert status == "FAILED"
    assert "offers no 'core/7.0.0/ubuntu-x86_64.tar.gz'" in details["reason"]


async def test_a_report_is_repeated_until_the_cloud_has_it(stage: UpdateStage) -> None:
    stage.publish("1.1.0")
    await stage.updater().carry_out(stage.job("1.1.0"))
    jobs = ListedJobs([], failures=[UnavailableError("cut"), UnavailableError("cut")])
    await _until_idle(stage, jobs)
    assert jobs.statuses == [("job", "SUCCEEDED")]
    assert stage.journal.read() is None


async def test_an_outcome_that_nobody_wants_to_hear_is_let_go(stage: UpdateStage) -> None:
    stage.publish("1.1.0")
    await stage.updater().carry_out(stage.job("1.1.0"))
    jobs = ListedJobs([], failures=[CallerError("the job was deleted")])
    await _until_idle(stage, jobs)
    assert jobs.reports == []
    assert stage.journal.read() is None


@pytest.mark.spec("T02")
@pytest.mark.parametrize("behaviour", ["well", "refuses"])
async def test_a_disk_that_is_full_at_any_step_leaves_a_whole_version_and_a_true_report(
    stage: UpdateStage, behaviour: str
) -> None:
    stage.publish("1.1.0", behaviour)
    for step in range(0, 14, 1 if IN_FULL else 5):
        stage.checkpoints.cut_at, stage.checkpoints.passed = step, []
        stage.checkpoints.failure = OSError
        jobs = ListedJobs([stage.job("1.1.0")])
        await _until_idle(stage, jobs)
        reported, running = jobs.statuses[-1][1], await stage.running()
        assert (reported, running) in {("SUCCEEDED", "1.1.0"), ("FAILED", "1.0.0")}, step
        assert running == stage.installed().current()
        assert reported == "FAILED" or behaviour == "well"
        await stage.core.stop()
        await stage.begin()


async def test_the_agent_ends_when_it_has_replaced_itself(stage: UpdateStage) -> None:
    stage.place.publish("1.1.0", software="ota_agent")
    jobs = ListedJobs([stage.job("1.1.0", software="ota_agent")])
    assert isinstance(await _agent(stage, jobs).run(), Replaced)
    assert jobs.statuses == [("job", "IN_PROGRESS")]
    stage.own_version = "1.1.0"
    await _until_idle(stage, jobs)
    assert jobs.statuses[-1] == ("job", "SUCCEEDED")
