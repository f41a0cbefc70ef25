"""What is pending for a thing, which of it is next, and what of a change is to be told. Pure.

Source: AWS IoT Core Developer Guide, "Jobs notifications".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from hedgerow.cloud.jobs.documents import PENDING, Attempt, JobQueue, Pending
from hedgerow.cloud.jobs.executions import pending

MAX_TOLD: Final = 10
"""The most executions in one notice."""


@dataclass(frozen=True, slots=True)
class QueueChange:
    """What a change of a thing's list is told by: `notify`, `notify-next`, both or none."""

    list_changed: bool
    next_changed: bool


def with_attempt(queue: JobQueue, job_id: str, attempt: Attempt | None) -> JobQueue:
    """Return the list after an execution has come to this attempt (None: it is gone)."""
    shown = None
    if attempt is not None and attempt.status in PENDING:
        shown = pending(job_id, attempt)
    kept = []
    for one in queue.pending:
        if one.job_id != job_id:
            kept.append(one)
        elif shown is not None and shown.number == one.number:
            kept.append(shown)
            shown = None
    if shown is not None:
        kept.append(shown)
    return JobQueue(pending=tuple(kept))


def in_order(queue: JobQueue) -> Sequence[Pending]:
    """Return what is pending: in progress first, then queued, each in the order of queueing."""
    return sorted(queue.pending, key=lambda one: one.status == "QUEUED")


def next_of(queue: JobQueue) -> Pending | None:
    """Return what a device would start next, or go on with."""
    ordered = in_order(queue)
    return ordered[0] if ordered else None


def change_between(before: JobQueue, after: JobQueue) -> QueueChange:
    """Tell what of a change is to be told."""
    return QueueChange(
        list_changed=_members(before) != _members(after),
        next_changed=_identity(next_of(before)) != _identity(next_of(after)),
    )


def list_notice(queue: JobQueue, now: datetime) -> Mapping[str, Any]:
    """Return the content of a `notify` message: by status, of at most ten executions."""
    jobs: dict[str, list[Mapping[str, Any]]] = {}
    for one in in_order(queue)[:MAX_TOLD]:
        jobs.setdefault(one.status, []).append(summary(one))
    return {"timestamp": int(now.timestamp()), "jobs": jobs}


def summary(one: Pending) -> Mapping[str, Any]:
    """Return a JobExecutionSummary, times in seconds since the epoch."""
    shown: dict[str, Any] = {
        "jobId": one.job_id,
        "queuedAt": int(one.queued_at.timestamp()),
        "lastUpdatedAt": int(one.updated_at.timestamp()),
        "executionNumber": one.number,
        "versionNumber": one.version,
    }
    if one.started_at is not None:
        shown["startedAt"] = int(one.started_at.timestamp())
    return shown


def _members(queue: JobQueue) -> frozenset[tuple[str, int]]:
    return frozenset((one.job_id, one.number) for one in queue.pending)


def _identity(one: Pending | None) -> tuple[str, int] | None:
    return None if one is None else (one.job_id, one.number)
