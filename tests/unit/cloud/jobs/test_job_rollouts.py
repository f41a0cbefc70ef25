"""Jobs of many things: rolled out at a rate, aborted, canceled, deleted, following their group."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.jobs import JobStage, job_stage
from tests.support.registry import HOME

from hedgerow.aws import AwsError
from hedgerow.cloud.iot import thing_groups, things
from hedgerow.cloud.iot.arns import thing_arn, thing_group_arn
from hedgerow.cloud.jobs import JobError, index
from hedgerow.cloud.jobs.documents import (
    JOB_EXECUTION,
    JOB_QUEUE,
    JOB_ROLLOUT,
    JOB_TEXT,
    THING_JOB,
    RolloutRate,
)
from hedgerow.cloud.jobs.progress import rate_per_minute
from hedgerow.cloud.jobs.steps import BATCH
from hedgerow.store import Kind

FLEET = [f"t{number}" for number in range(60)]


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[JobStage]:
    async with job_stage(tmp_path) as opened:
        yield opened


async def test_a_group_is_rolled_out_to_in_batches(stage: JobStage) -> None:
    await stage.things(*FLEET, group="fleet")
    await stage.create("j1", group="fleet")
    assert await stage.counts("j1") == {"QUEUED": BATCH}
    assert (await stage.job("j1")).phase == "rolling-out"
    await stage.settle()
    assert await stage.counts("j1") == {"QUEUED": len(FLEET)}
    assert (await stage.job("j1")).phase == "settled"
    assert await stage.store.get(JOB_ROLLOUT, HOME.account, "j1") is None


async def test_a_rollout_goes_on_after_a_restart(tmp_path: Path) -> None:
    async with job_stage(tmp_path) as stage:
        await stage.things(*FLEET, group="fleet")
        await stage.create("j1", group="fleet")
    async with job_stage(tmp_path) as stage:
        await stage.settle()
        assert await stage.counts("j1") == {"QUEUED": len(FLEET)}


async def test_a_snapshot_is_for_those_who_were_there(stage: JobStage) -> None:
    await stage.things(*FLEET[:4], group="fleet")
    await stage.things("late")
    await stage.create("j1", group="fleet", jobExecutionsRolloutConfig={"maximumPerMinute": 1})
    async with stage.store.transaction() as tx:
        await thing_groups.remove(tx, HOME, "fleet", "t1")
        await thing_groups.add(tx, HOME, "fleet", "late")
        await thing_groups.remove(tx, HOME, "fleet", "t3")
        await things.delete(tx, HOME, {"thingName": "t3"})
    for _ in range(4):
        stage.clock.advance(timedelta(minutes=1))
        await stage.settle()
    executions = await stage.store.all(JOB_EXECUTION, HOME.account, parent="j1")
    assert [one.document.thing_name for one in executions] == ["t0", "t1", "t2"]


async def test_a_constant_rate_is_kept(stage: JobStage) -> None:
    await stage.things(*FLEET[:25], group="fleet")
    await stage.create("j1", group="fleet", jobExecutionsRolloutConfig={"maximumPerMinute": 10})
    for expected in (10, 20, 25):
        await stage.settle()
        assert await stage.counts("j1") == {"QUEUED": expected}
        stage.clock.advance(timedelta(seconds=59))
        await stage.settle()
        assert await stage.counts("j1") == {"QUEUED": expected}
        stage.clock.advance(timedelta(seconds=1))


def test_an_exponential_rate_grows_as_the_guide_shows_it() -> None:
    rate = RolloutRate(base=50, factor=2, per_notified=1000, maximum=300)
    grown = [rate_per_minute(rate, notified, 0) for notified in (0, 999, 1000, 2000, 3000)]
    assert grown == [50, 50, 100, 200, 300]
    rate = RolloutRate(base=1000, factor=5, per_succeeded=1)
    assert rate_per_minute(rate, 0, 10**9) is not None


async def test_a_job_is_aborted_at_the_share_of_failures_that_it_names(stage: JobStage) -> None:
    criterion = {
        "failureType": "FAILED",
        "action": "CANCEL",
        "thresholdPercentage": 20.0,
        "minNumberOfExecutedThings": 5,
    }
    await stage.things(*FLEET[:10], group="fleet")
    await stage.create("j1", group="fleet", abortConfig={"criteriaList": [criterion]})
    await stage.report("t9", "j1", "IN_PROGRESS")
    await stage.report("t0", "j1", "FAILED")
    await stage.report("t1", "j1", "REJECTED")
    await stage.settle()
    assert (await stage.job("j1")).status == "IN_PROGRESS"
    await stage.report("t2", "j1", "FAILED")
    await stage.settle()
    job = await stage.job("j1")
    assert (job.status, job.reason_code) == ("CANCELED", "ABORT_CRITERION_MET")
    counts = {"FAILED": 2, "REJECTED": 1, "IN_PROGRESS": 1, "CANCELED": 6}
    assert await stage.counts("j1") == counts
    await stage.report("t9", "j1", "SUCCEEDED")
    topics = [event.topic for event in await stage.events()]
    assert "$aws/events/job/j1/cancellation_in_progress" in topics
    assert "$aws/events/job/j1/canceled" in topics


async def test_canceling_by_force_takes_what_is_in_progress_too(stage: JobStage) -> None:
    await stage.things(*FLEET, group="fleet")
    await stage.create("j1", group="fleet")
    await stage.start("t0")
    await stage.act("cancel", "j1", comment="enough", reasonCode="ENOUGH")
    await stage.settle()
    counts = await stage.counts("j1")
    assert counts.pop("IN_PROGRESS") == 1
    assert counts == {"CANCELED": BATCH - 1}
    await stage.act("cancel", "j1", force=True)
    await stage.settle()
    assert await stage.counts("j1") == {"CANCELED": BATCH}
    assert await stage.desk.pending("t50") == {"inProgressJobs": [], "queuedJobs": []}
    with pytest.raises(JobError, match="cannot be changed"):
        await stage.act("update", "j1", description="late")


async def test_a_deleted_job_leaves_nothing_behind(stage: JobStage) -> None:
    await stage.things(*FLEET, group="fleet")
    await stage.create("j1", group="fleet")
    with pytest.raises(JobError, match="use force"):
        await stage.act("delete", "j1")
    await stage.act("delete", "j1", force=True)
    with pytest.raises(JobError, match="already"):
        await stage.act("delete", "j1", force=True)
    await stage.settle()
    kinds: tuple[Kind[Any], ...] = (JOB_EXECUTION, JOB_QUEUE, JOB_ROLLOUT, JOB_TEXT, THING_JOB)
    for kind in kinds:
        assert await stage.store.all(kind, HOME.account) == ()
    assert (await stage.events())[-1].topic == "$aws/events/job/j1/deleted"
    await stage.create("j1", "t0")


async def test_a_continuous_job_follows_its_group(stage: JobStage) -> None:
    await stage.things("t0", "t1", group="fleet")
    await stage.things("t2")
    await stage.create("j1", group="fleet", targetSelection="CONTINUOUS")
    await stage.report("t0", "j1", "SUCCEEDED")
    await move(stage, "add", "t2")
    assert await stage.counts("j1") == {"SUCCEEDED": 1, "QUEUED": 2}
    await move(stage, "remove", "t1")
    await move(stage, "remove", "t0")
    assert await stage.counts("j1") == {"SUCCEEDED": 1, "QUEUED": 1, "REMOVED": 1}
    await move(stage, "add", "t1")
    assert await stage.counts("j1") == {"SUCCEEDED": 1, "QUEUED": 2}
    assert (await stage.start("t1"))["executionNumber"] == 2
    await stage.report("t1", "j1", "SUCCEEDED")
    await stage.report("t2", "j1", "SUCCEEDED")
    assert (await stage.job("j1")).status == "IN_PROGRESS"


async def move(stage: JobStage, how: str, thing: str) -> None:
    """Put a thing into the group, or take it out, and let jobs follow."""
    async with stage.store.transaction() as tx:
        await (thing_groups.add if how == "add" else thing_groups.remove)(tx, HOME, "fleet", thing)
    await stage.settle()


async def test_a_continuous_job_takes_more_groups(stage: JobStage) -> None:
    await stage.things("t0", group="fleet")
    await stage.things("t1", "t2", group="depot")
    await stage.create("j1", group="fleet", targetSelection="CONTINUOUS")
    await stage.create("j2", group="fleet")
    depot = thing_group_arn(HOME, "depot")
    await stage.act("associate", "j1", targets=[depot, thing_group_arn(HOME, "fleet")])
    assert await stage.counts("j1") == {"QUEUED": 3}
    assert (await stage.job("j1")).targets == (thing_group_arn(HOME, "fleet"), depot)
    for job_id, targets, words in (
        ("j2", [depot], "no continuous job"),
        ("j1", [thing_arn(HOME, "t1")], "thing groups"),
        ("j1", [thing_group_arn(HOME, "none")], "does not exist"),
    ):
        with pytest.raises(JobError, match=words):
            await stage.act("associate", job_id, targets=targets)
    async with stage.store.transaction() as tx:
        await thing_groups.remove(tx, HOME, "depot", "t2")
    await stage.settle()
    assert await stage.counts("j1") == {"QUEUED": 2, "REMOVED": 1}


async def test_what_happened_while_nothing_ran_is_found_at_the_start(tmp_path: Path) -> None:
    async with job_stage(tmp_path) as stage:
        await stage.things("t0", "t1", group="fleet")
        await stage.things("t2", "t3")
        await stage.create("j1", group="fleet", targetSelection="CONTINUOUS")
        await stage.create("j2", "t3")
        stage.index.stop()
        async with stage.store.transaction() as tx:
            await thing_groups.add(tx, HOME, "fleet", "t2")
            await thing_groups.remove(tx, HOME, "fleet", "t1")
            await things.delete(tx, HOME, {"thingName": "t3"})
    async with job_stage(tmp_path) as stage:
        await stage.runner.catch_up()
        assert await stage.counts("j1") == {"QUEUED": 2, "REMOVED": 1}
        assert await stage.counts("j2") == {"REMOVED": 1}
        assert (await stage.job("j2")).status == "COMPLETED"


async def test_a_deleted_thing_is_taken_out_of_its_jobs(stage: JobStage) -> None:
    await stage.things("t0", "t1")
    await stage.create("j1", "t0", "t1")
    async with stage.store.transaction() as tx:
        await things.delete(tx, HOME, {"thingName": "t0"})
    await stage.settle()
    assert await stage.counts("j1") == {"QUEUED": 1, "REMOVED": 1}


async def test_a_job_for_an_empty_group_is_complete_at_once(stage: JobStage) -> None:
    await stage.things(group="fleet")
    await stage.create("j1", group="fleet")
    assert (await stage.job("j1")).status == "COMPLETED"


@pytest.mark.parametrize(
    ("request_part", "words"),
    [
        ({"document": "{"}, "not JSON"),
        ({"document": ""}, "needs a document"),
        ({"document": '"${aws:iot:s3-presigned-url:https://s3/x}"'}, "presigned"),
        ({"documentSource": "https://s3.amazonaws.com/b/k"}, "documentSource"),
        ({"schedulingConfig": {"startTime": "2027-01-01 00:00"}}, "schedulingConfig"),
        ({"tags": [{"Key": "a", "Value": "b"}]}, "tags"),
        ({"targets": ["arn:aws:iot:eu-west-1:123456789012:thing/nobody"]}, "does not exist"),
        ({"targets": ["arn:aws:iot:eu-west-1:123456789012:thinggroup/none"]}, "does not exist"),
        ({"targets": ["arn:aws:iot:eu-west-1:999999999999:thing/t0"]}, "this account"),
        ({"targets": ["arn:aws:iot:us-east-1:123456789012:thing/t0"]}, "this account"),
        ({"timeoutConfig": {"inProgressTimeoutInMinutes": 10081}}, "10080"),
        ({"timeoutConfig": {"inProgressTimeoutInMinutes": 0}}, "10080"),
        (
            {
                "jobExecutionsRetryConfig": {
                    "criteriaList": [
                        {"failureType": "FAILED", "numberOfRetries": 6},
                        {"failureType": "TIMED_OUT", "numberOfRetries": 5},
                    ]
                }
            },
            "10 times",
        ),
        (
            {
                "jobExecutionsRetryConfig": {
                    "criteriaList": [{"failureType": "TIMED_OUT", "numberOfRetries": 1}]
                }
            },
            "timeoutConfig",
        ),
    ],
)
async def test_what_cannot_be_a_job_is_refused_and_leaves_nothing(
    stage: JobStage, request_part: dict[str, Any], words: str
) -> None:
    await stage.things("t0")
    with pytest.raises(JobError, match=words):
        await stage.create("j1", "t0", **request_part)
    assert await stage.store.all(JOB_TEXT, HOME.account) == ()


async def test_an_id_is_given_once(stage: JobStage) -> None:
    await stage.things("t0")
    await stage.create("j1", "t0")
    with pytest.raises(JobError, match="already exists"):
        await stage.create("j1", "t0")


async def test_active_jobs_are_bounded(stage: JobStage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "MAX_ACTIVE_JOBS", 2)
    await stage.things("t0")
    await stage.create("j1", "t0")
    await stage.create("j2", "t0")
    with pytest.raises(AwsError, match="At most 2 jobs"):
        await stage.create("j3", "t0")
    await stage.report("t0", "j1", "SUCCEEDED")
    await stage.create("j3", "t0")


async def test_timers_set_anew_without_end_take_no_room(
    stage: JobStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "_SPARE_ENDS", 5)
    await stage.things("t0")
    await stage.create("j1", "t0")
    await stage.start("t0")
    for minutes in range(1, 31):
        await stage.report("t0", "j1", "IN_PROGRESS", step_timeout_in_minutes=minutes)
    assert len(stage.index._ends) <= 2 + 5
    stage.clock.advance(timedelta(minutes=29))
    await stage.settle()
    assert await stage.counts("j1") == {"IN_PROGRESS": 1}
    stage.clock.advance(timedelta(minutes=1))
    await stage.settle()
    assert await stage.counts("j1") == {"TIMED_OUT": 1}


async def test_what_was_heard_of_and_not_done_is_caught_up_with(stage: JobStage) -> None:
    await stage.things("t0", group="fleet")
    await stage.create("j1", group="fleet", targetSelection="CONTINUOUS")
    await stage.settle()
    await stage.start("t0", step_timeout_in_minutes=1)
    await stage.things("late")
    async with stage.store.transaction() as tx:
        await thing_groups.add(tx, HOME, "fleet", "late")
    stage.clock.advance(timedelta(minutes=2))
    assert stage.index.take_moved()
    assert stage.index.due(stage.clock.now())
    await stage.settle()
    assert await stage.counts("j1") == {"IN_PROGRESS": 1}
    await stage.runner.catch_up()
    await stage.settle()
    assert await stage.counts("j1") == {"TIMED_OUT": 1, "QUEUED": 1}
