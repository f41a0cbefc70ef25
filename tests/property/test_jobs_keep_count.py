"""Whatever is done to jobs: counts, lists and ends are those of the executions themselves."""

import asyncio
import contextlib
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.jobs import JobStage, job_stage
from tests.support.registry import HOME

from hedgerow.cloud.iot import thing_groups
from hedgerow.cloud.jobs import JobError
from hedgerow.cloud.jobs.documents import (
    JOB,
    JOB_EXECUTION,
    JOB_QUEUE,
    JOB_TEXT,
    PENDING,
    THING_JOB,
)

THINGS = ("t0", "t1", "t2")
JOBS = ("j0", "j1")
GROUP = "fleet"
REPORTS = ("IN_PROGRESS", "SUCCEEDED", "FAILED", "REJECTED")
SETTINGS: tuple[dict[str, Any], ...] = (
    {},
    {"targetSelection": "CONTINUOUS"},
    {"jobExecutionsRolloutConfig": {"maximumPerMinute": 1}},
    {
        "timeoutConfig": {"inProgressTimeoutInMinutes": 5},
        "jobExecutionsRetryConfig": {
            "criteriaList": [{"failureType": "ALL", "numberOfRetries": 1}]
        },
    },
    {
        "abortConfig": {
            "criteriaList": [
                {
                    "failureType": "ALL",
                    "action": "CANCEL",
                    "thresholdPercentage": 50.0,
                    "minNumberOfExecutedThings": 2,
                }
            ]
        }
    },
)

things, jobs = st.sampled_from(THINGS), st.sampled_from(JOBS)
Step = Callable[[JobStage], Awaitable[object]]


async def _move(stage: JobStage, thing: str, *, joins: bool) -> None:
    async with stage.store.transaction() as tx:
        await (thing_groups.add if joins else thing_groups.remove)(tx, HOME, GROUP, thing)


async def _wait(stage: JobStage, minutes: int) -> None:
    stage.clock.advance(timedelta(minutes=minutes))


STEPS: st.SearchStrategy[Step] = st.one_of(
    st.builds(
        lambda job, more, target: (
            lambda stage: (
                stage.create(job, group=GROUP, **more)
                if target == GROUP
                else stage.create(job, target, **more)
            )
        ),
        jobs,
        st.sampled_from(SETTINGS),
        st.sampled_from((GROUP, *THINGS)),
    ),
    st.builds(lambda thing: lambda stage: stage.start(thing), things),
    st.builds(
        lambda thing, job, status: lambda stage: stage.report(thing, job, status),
        things,
        jobs,
        st.sampled_from(REPORTS),
    ),
    st.builds(
        lambda what, job, force: lambda stage: stage.act(what, job, force=force),
        st.sampled_from(("cancel", "delete")),
        jobs,
        st.booleans(),
    ),
    st.builds(
        lambda what, job, thing, force: (
            lambda stage: stage.act(what, job, thingName=thing, executionNumber=1, force=force)
        ),
        st.sampled_from(("cancel-execution", "delete-execution")),
        jobs,
        things,
        st.booleans(),
    ),
    st.builds(
        lambda thing, joins: lambda stage: _move(stage, thing, joins=joins), things, st.booleans()
    ),
    st.builds(lambda minutes: lambda stage: _wait(stage, minutes), st.sampled_from((1, 3, 7))),
    st.just(lambda stage: stage.settle()),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(STEPS, min_size=15, max_size=40))
def test_counts_and_lists_are_those_of_the_executions(steps: list[Step]) -> None:
    asyncio.run(_play(steps))


async def _play(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with job_stage(Path(folder)) as stage:
            await stage.things(*THINGS[:2], group=GROUP)
            await stage.things(*THINGS[2:])
            for step in steps:
                with contextlib.suppress(JobError):
                    await step(stage)
                await _check(stage)
            await stage.settle()
            await _check(stage)
            jobs_left = await stage.store.all(JOB, HOME.account)
            assert {one.document.phase for one in jobs_left} <= {"settled", "rolling-out"}


async def _check(stage: JobStage) -> None:
    executions = await stage.store.all(JOB_EXECUTION, HOME.account)
    all_jobs = await stage.store.all(JOB, HOME.account)
    counted: dict[str, Counter[str]] = {record.id: Counter() for record in all_jobs}
    pending: dict[str, set[tuple[str, int, str]]] = {}
    for record in executions:
        execution = record.document
        latest = execution.latest
        counted[execution.job_id][latest.status] += 1
        if latest.status in PENDING:
            shown = (execution.job_id, latest.number, latest.status)
            pending.setdefault(execution.thing_name, set()).add(shown)
    queues = {
        record.id: {(one.job_id, one.number, one.status) for one in record.document.pending}
        for record in await stage.store.all(JOB_QUEUE, HOME.account)
    }
    assert queues == pending
    links = {record.id for record in await stage.store.all(THING_JOB, HOME.account)}
    assert links == {f"{e.document.thing_name}/{e.document.job_id}" for e in executions}
    texts = {record.id for record in await stage.store.all(JOB_TEXT, HOME.account)}
    assert texts == set(counted)
    for kept in all_jobs:
        job = kept.document
        assert {s: n for s, n in job.counts.items() if n} == dict(counted[kept.id])
        if job.status == "COMPLETED":
            assert job.phase == "settled"
            assert not any(counted[kept.id][status] for status in PENDING)
        elif job.status == "IN_PROGRESS" and job.selection == "SNAPSHOT":
            unfinished = any(counted[kept.id][status] for status in PENDING)
            assert unfinished or job.phase == "rolling-out"
