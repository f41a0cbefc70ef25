"""Executions: what devices, timers and administrators make of them, and what is told of it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.jobs import JobStage, job_stage

from hedgerow.cloud.jobs import JobError


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[JobStage]:
    async with job_stage(tmp_path) as opened:
        yield opened


async def fault_of(stage: JobStage, thing: str, job: str, status: str, **more: object) -> JobError:
    with pytest.raises(JobError) as refused:
        await stage.report(thing, job, status, **more)
    return refused.value


async def test_the_life_of_a_job_on_one_thing(stage: JobStage) -> None:
    await stage.things("gate")
    await stage.create("j1", "gate")
    assert await stage.counts("j1") == {"QUEUED": 1}
    started = await stage.start("gate", status_details={"step": "begun"})
    assert started["status"] == "IN_PROGRESS"
    assert started["statusDetails"] == {"step": "begun"}
    assert started["jobDocument"] == '{"operation":"test"}'
    again = await stage.start("gate", status_details={"step": "other"})
    assert again == started
    await stage.report("gate", "j1", "SUCCEEDED")
    assert (await stage.job("j1")).status == "COMPLETED"
    assert await stage.start("gate") == {}
    assert [event.topic for event in await stage.events()] == [
        "$aws/events/jobExecution/j1/succeeded",
        "$aws/events/job/j1/completed",
    ]


async def test_what_is_over_does_not_begin_again(stage: JobStage) -> None:
    await stage.things("gate")
    await stage.create("j1", "gate")
    await stage.report("gate", "j1", "REJECTED")
    refused = await fault_of(stage, "gate", "j1", "IN_PROGRESS")
    assert refused.fault == "InvalidStateTransition"
    assert refused.attempt is not None
    assert refused.attempt.status == "REJECTED"
    with pytest.raises(JobError) as ended:
        await stage.describe("gate", "j1")
    assert ended.value.fault == "TerminalStateReached"


@pytest.mark.parametrize("status", ["QUEUED", "TIMED_OUT", "CANCELED", "REMOVED", "DONE", ""])
async def test_a_device_sets_no_status_that_is_the_clouds(stage: JobStage, status: str) -> None:
    await stage.things("gate")
    await stage.create("j1", "gate")
    assert (await fault_of(stage, "gate", "j1", status)).fault == "InvalidRequest"
    assert await stage.counts("j1") == {"QUEUED": 1}


async def test_a_report_on_another_version_is_refused_with_the_state(stage: JobStage) -> None:
    await stage.things("gate")
    await stage.create("j1", "gate")
    await stage.report("gate", "j1", "IN_PROGRESS", expected_version=1)
    refused = await fault_of(stage, "gate", "j1", "SUCCEEDED", expected_version=1)
    assert refused.fault == "VersionMismatch"
    assert refused.attempt is not None
    assert refused.attempt.version == 2
    answer = await stage.report(
        "gate", "j1", "IN_PROGRESS", include_job_execution_state=True, include_job_document=True
    )
    assert answer == {
        "executionState": {"status": "IN_PROGRESS", "statusDetails": {}, "versionNumber": 3},
        "jobDocument": '{"operation":"test"}',
    }


@pytest.mark.parametrize(
    "details",
    [
        {f"d{number}": "x" for number in range(11)},
        {"d": "x" * 1025},
        {"d": ""},
        {"d": "a\nb"},
        {"a b": "x"},
        {"": "x"},
    ],
)
async def test_status_details_are_bounded(stage: JobStage, details: dict[str, str]) -> None:
    await stage.things("gate")
    await stage.create("j1", "gate")
    refused = await fault_of(stage, "gate", "j1", "IN_PROGRESS", status_details=details)
    assert refused.fault == "InvalidRequest"


async def test_a_thing_sees_its_own_executions_only(stage: JobStage) -> None:
    await stage.things("gate", "lamp")
    await stage.create("j1", "gate")
    assert await stage.desk.pending("lamp") == {"inProgressJobs": [], "queuedJobs": []}
    assert await stage.start("lamp") == {}
    assert (await fault_of(stage, "lamp", "j1", "SUCCEEDED")).fault == "ResourceNotFound"
    with pytest.raises(JobError, match="does not exist"):
        await stage.desk.pending("nobody")


async def test_the_jobs_timer_ends_an_execution(stage: JobStage) -> None:
    await stage.things("gate")
    await stage.create("j1", "gate", timeoutConfig={"inProgressTimeoutInMinutes": 20})
    stage.clock.advance(timedelta(days=8))
    await stage.settle()
    assert await stage.counts("j1") == {"QUEUED": 1}
    started = await stage.start("gate")
    assert started["approximateSecondsBeforeTimedOut"] == 1200
    stage.clock.advance(timedelta(minutes=20, seconds=-1))
    await stage.settle()
    assert await stage.counts("j1") == {"IN_PROGRESS": 1}
    stage.clock.advance(timedelta(seconds=1))
    await stage.settle()
    assert await stage.counts("j1") == {"TIMED_OUT": 1}
    assert (await stage.job("j1")).status == "COMPLETED"
    assert (await fault_of(stage, "gate", "j1", "SUCCEEDED")).fault == "InvalidStateTransition"


async def test_step_timers_replace_each_other_within_the_jobs_timer(stage: JobStage) -> None:
    await stage.things("gate")
    await stage.create("j1", "gate", timeoutConfig={"inProgressTimeoutInMinutes": 20})
    await stage.start("gate")
    for minute, step, left in ((5, 7, 420), (10, 5, 300), (13, 9, 420), (14, -1, 360)):
        stage.clock.advance(timedelta(minutes=minute) - timedelta(minutes=passed(stage)))
        await stage.settle()
        await stage.report("gate", "j1", "IN_PROGRESS", step_timeout_in_minutes=step)
        assert (await stage.describe("gate", "j1"))["approximateSecondsBeforeTimedOut"] == left
    for step in (0, -2, 10081):
        refused = await fault_of(stage, "gate", "j1", "IN_PROGRESS", step_timeout_in_minutes=step)
        assert refused.fault == "InvalidRequest"


def passed(stage: JobStage) -> float:
    """Return the minutes since the clock's first moment."""
    return (stage.clock.monotonic() - 1000.0) / 60


async def test_failures_are_tried_again_as_often_as_the_job_says(stage: JobStage) -> None:
    retries = {"criteriaList": [{"failureType": "FAILED", "numberOfRetries": 2}]}
    await stage.things("gate")
    await stage.create("j1", "gate", jobExecutionsRetryConfig=retries)
    for number in (1, 2, 3):
        started = await stage.start("gate")
        assert started["executionNumber"] == number
        await stage.report("gate", "j1", "FAILED")
    assert await stage.start("gate") == {}
    assert await stage.counts("j1") == {"FAILED": 1}
    assert (await stage.job("j1")).status == "COMPLETED"
    with pytest.raises(JobError):
        await stage.describe("gate", "j1", execution_number=4)


async def test_what_is_rejected_is_not_tried_again(stage: JobStage) -> None:
    retries = {"criteriaList": [{"failureType": "ALL", "numberOfRetries": 5}]}
    await stage.things("gate")
    await stage.create("j1", "gate", jobExecutionsRetryConfig=retries)
    await stage.report("gate", "j1", "REJECTED")
    assert await stage.counts("j1") == {"REJECTED": 1}


async def test_the_notices_of_a_queue_are_those_of_the_guide(stage: JobStage) -> None:
    """The sequence of "Jobs notifications" in AWS's guide, told in the same places."""
    await stage.things("gate")
    await stage.create("job1", "gate")
    notices = dict(stage.heard())
    assert [row["jobId"] for row in notices["gate/jobs/notify"]["jobs"]["QUEUED"]] == ["job1"]
    execution = notices["gate/jobs/notify-next"]["execution"]
    assert (execution["jobId"], execution["jobDocument"]) == ("job1", {"operation": "test"})
    await stage.create("job2", "gate")
    assert [topic for topic, _ in stage.heard()] == ["gate/jobs/notify"]
    await stage.report("gate", "job1", "IN_PROGRESS")
    assert stage.heard() == []
    await stage.create("job3", "gate")
    ((topic, listed),) = stage.heard()
    assert topic == "gate/jobs/notify"
    assert {status: len(rows) for status, rows in listed["jobs"].items()} == {
        "IN_PROGRESS": 1,
        "QUEUED": 2,
    }
    await stage.report("gate", "job1", "SUCCEEDED")
    notices = dict(stage.heard())
    assert notices["gate/jobs/notify-next"]["execution"]["jobId"] == "job2"
    await stage.report("gate", "job3", "IN_PROGRESS")
    ((topic, following),) = stage.heard()
    assert (topic, following["execution"]["jobId"]) == ("gate/jobs/notify-next", "job3")
    await stage.report("gate", "job2", "REJECTED")
    assert [topic for topic, _ in stage.heard()] == ["gate/jobs/notify"]
    await stage.act("delete-execution", "job3", thingName="gate", executionNumber=1, force=True)
    notices = dict(stage.heard())
    assert notices["gate/jobs/notify"]["jobs"] == {}
    assert set(notices["gate/jobs/notify-next"]) == {"timestamp"}


async def test_nothing_is_told_of_what_was_not_committed(stage: JobStage) -> None:
    await stage.things("gate", "lamp")
    with pytest.raises(RuntimeError):
        await fail_after_queueing(stage)
    await stage.things("door")
    assert stage.heard() == []
    await stage.create("j2", "lamp")
    assert {topic.partition("/")[0] for topic, _ in stage.heard()} == {"lamp"}


async def fail_after_queueing(stage: JobStage) -> None:
    async with stage.store.transaction() as tx:
        request = {
            "jobId": "j1",
            "targets": ["arn:aws:iot:eu-west-1:123456789012:thing/gate"],
            "document": "{}",
        }
        await stage.desk.create(request, tx)
        raise RuntimeError("after the work, before the commit")


async def test_a_canceled_execution_says_whether_by_force(stage: JobStage) -> None:
    await stage.things("gate", "lamp")
    await stage.create("j1", "gate", "lamp")
    await stage.act("cancel-execution", "j1", thingName="gate")
    await stage.start("lamp")
    with pytest.raises(JobError, match="use force"):
        await stage.act("cancel-execution", "j1", thingName="lamp")
    with pytest.raises(JobError, match="version 2"):
        await stage.act("cancel-execution", "j1", thingName="lamp", force=True, expectedVersion=1)
    await stage.act("cancel-execution", "j1", thingName="lamp", force=True)
    assert await stage.counts("j1") == {"CANCELED": 2}
    assert (await fault_of(stage, "lamp", "j1", "SUCCEEDED")).fault == "InvalidStateTransition"
    assert (await stage.job("j1")).status == "COMPLETED"
