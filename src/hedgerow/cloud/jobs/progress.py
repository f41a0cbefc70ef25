"""How far a job has come: how fast it rolls out, when it is aborted, when it is complete. Pure.

Source: AWS IoT Core Developer Guide, "How job configurations work".
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

from hedgerow.cloud.jobs.documents import (
    PENDING,
    AbortCriterion,
    ExecutionStatus,
    Job,
    JobRollout,
    RolloutRate,
)

MINUTE: Final = timedelta(minutes=1)
ABORTED: Final = "ABORT_CRITERION_MET"
"""The reason code of a job that its own abort configuration has canceled."""

_HIGHEST_STEP: Final = 64
_FAILURES: Final[Mapping[str, tuple[ExecutionStatus, ...]]] = {
    "FAILED": ("FAILED",),
    "REJECTED": ("REJECTED",),
    "TIMED_OUT": ("TIMED_OUT",),
    "ALL": ("FAILED", "REJECTED", "TIMED_OUT"),
}


def rate_per_minute(rate: RolloutRate, notified: int, succeeded: int) -> int | None:
    """Return how many things a minute are told now; None is as many as there are."""
    if rate.base is None:
        return rate.maximum
    steps = max(
        notified // rate.per_notified if rate.per_notified else 0,
        succeeded // rate.per_succeeded if rate.per_succeeded else 0,
    )
    now = int(rate.base * rate.factor ** min(steps, _HIGHEST_STEP))
    return now if rate.maximum is None else min(now, rate.maximum)


def allowance(job: Job, rollout: JobRollout, now: datetime) -> int:
    """Return how many more things the job may be rolled out to in this minute."""
    rate = rate_per_minute(job.rate, notified(job), job.count("SUCCEEDED"))
    if rate is None:
        return len(rollout.left)
    used = rollout.in_minute if now - rollout.minute < MINUTE else 0
    return max(0, rate - used)


def rolled_out(rollout: JobRollout, count: int, now: datetime) -> JobRollout:
    """Return what is left after so many of the first things were told."""
    fresh = now - rollout.minute >= MINUTE
    return JobRollout(
        left=rollout.left[count:],
        minute=now if fresh else rollout.minute,
        in_minute=count if fresh else rollout.in_minute + count,
    )


def notified(job: Job) -> int:
    """Return how many things have an execution of the job."""
    return sum(job.counts.values())


def abort_due(job: Job) -> AbortCriterion | None:
    """Return the criterion by which the job is to be canceled now, or None.

    The share is that of the things the job was rolled out to.
    """
    total = notified(job)
    for criterion in job.abort:
        failures = sum(job.count(status) for status in _FAILURES[criterion.failure])
        enough = total >= criterion.minimum
        if enough and failures and failures * 100 >= criterion.percentage * total:
            return criterion
    return None


def settled(job: Job, now: datetime) -> Job:
    """Return the job with what follows from its counts: aborted, complete, or as it is."""
    if job.status != "IN_PROGRESS":
        return job
    criterion = abort_due(job)
    if criterion is not None:
        return msgspec.structs.replace(
            job,
            status="CANCELED",
            phase="canceling",
            force=False,
            reason_code=ABORTED,
            comment=f"{criterion.percentage:g} % of {notified(job)} things or more have failed "
            f"({criterion.failure}).",
        )
    is_done = job.selection == "SNAPSHOT" and job.phase == "settled"
    if is_done and not any(job.count(status) for status in PENDING):
        return msgspec.structs.replace(job, status="COMPLETED", completed_at=now)
    return job
