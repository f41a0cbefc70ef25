"""What becomes of an attempt at a job: by its device, by its timers, by an administrator. Pure.

| from | a device makes it | the cloud makes it |
| --- | --- | --- |
| QUEUED | IN_PROGRESS, SUCCEEDED, FAILED, REJECTED | CANCELED, REMOVED |
| IN_PROGRESS | IN_PROGRESS, SUCCEEDED, FAILED, REJECTED | CANCELED (by force), TIMED_OUT, REMOVED |

Every other status is terminal. Source: AWS IoT Core Developer Guide, "Jobs and job execution
states" and "How job configurations work".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, cast

import msgspec

from hedgerow.cloud.jobs.documents import (
    PENDING,
    Attempt,
    ExecutionStatus,
    Job,
    JobExecution,
    Pending,
)
from hedgerow.cloud.jobs.faults import JobError, invalid
from hedgerow.kernel import quoted

BY_DEVICE: Final = frozenset({"IN_PROGRESS", "SUCCEEDED", "FAILED", "REJECTED"})
MAX_DETAILS: Final = 10
MAX_DETAIL_LENGTH: Final = 1024
MAX_TIMEOUT_MINUTES: Final = 7 * 24 * 60
NO_STEP_TIMER: Final = -1
"""What a device gives as minutes to have its own timer taken away."""

_KEY: Final = re.compile(r"[a-zA-Z0-9:_-]{1,128}")
_FIRST: Final = 1


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a device wants of an attempt, not yet held against it."""

    status: str
    details: Mapping[str, str] | None = None
    expected_version: int | None = None
    step_minutes: int | None = None


def queued(now: datetime, *, number: int = _FIRST, retry: int = 0) -> Attempt:
    """Return an attempt that waits for its device."""
    return Attempt(number=number, status="QUEUED", queued_at=now, updated_at=now, retry=retry)


def by_device(attempt: Attempt, wanted: Wanted, job: Job, now: datetime) -> Attempt:
    """Return the attempt as its device wants it, or raise `JobError`."""
    if wanted.status not in BY_DEVICE:
        raise invalid(f"A device sets {', '.join(sorted(BY_DEVICE))}, not {quoted(wanted.status)}.")
    if wanted.details is not None:
        require_details(wanted.details)
    _require_version(attempt, wanted.expected_version)
    if attempt.status not in PENDING:
        raise JobError(
            "InvalidStateTransition",
            f"The execution is {attempt.status}; it cannot become {wanted.status} any more.",
            attempt,
        )
    status = cast("ExecutionStatus", wanted.status)
    changed = _moved(attempt, status, now, wanted.details)
    if status != "IN_PROGRESS":
        return msgspec.structs.replace(changed, deadline=None, step_deadline=None)
    if attempt.started_at is None:
        changed = msgspec.structs.replace(
            changed, started_at=now, deadline=_after(now, job.timeout_minutes)
        )
    return _with_step(changed, wanted.step_minutes, now)


def canceled(
    attempt: Attempt,
    now: datetime,
    *,
    force: bool,
    expected_version: int | None = None,
    details: Mapping[str, str] | None = None,
) -> Attempt:
    """Return the attempt canceled; one in progress only by force, else `JobError`."""
    if details is not None:
        require_details(details)
    _require_version(attempt, expected_version)
    if attempt.status not in PENDING or (attempt.status == "IN_PROGRESS" and not force):
        hint = "; use force" if attempt.status == "IN_PROGRESS" else ""
        raise JobError(
            "InvalidStateTransition",
            f"The execution is {attempt.status} and cannot be canceled{hint}.",
            attempt,
        )
    return msgspec.structs.replace(
        _moved(attempt, "CANCELED", now, details),
        deadline=None,
        step_deadline=None,
        force_canceled=force and attempt.status == "IN_PROGRESS",
    )


def ended(attempt: Attempt, status: ExecutionStatus, now: datetime) -> Attempt:
    """Return the attempt as the cloud ends it: TIMED_OUT or REMOVED."""
    return msgspec.structs.replace(
        _moved(attempt, status, now, None), deadline=None, step_deadline=None
    )


def due(attempt: Attempt) -> datetime | None:
    """Return when an attempt in progress is timed out, by whichever timer ends first."""
    timers = [one for one in (attempt.deadline, attempt.step_deadline) if one is not None]
    return min(timers) if timers and attempt.status == "IN_PROGRESS" else None


def seconds_left(attempt: Attempt, now: datetime) -> int | None:
    """Return the seconds until an attempt is timed out, None if it will not be."""
    moment = due(attempt)
    return None if moment is None else max(0, int((moment - now).total_seconds()))


def may_be_retried(execution: JobExecution, job: Job) -> bool:
    """Tell whether an execution that has failed or timed out is to be tried again."""
    failure = execution.latest.status
    attempts = (*execution.earlier, execution.latest)
    for criterion in job.retries:
        kinds = {"FAILED", "TIMED_OUT"} if criterion.failure == "ALL" else {criterion.failure}
        if failure in kinds:
            return sum(one.status in kinds for one in attempts) <= criterion.retries
    return False


def retried(execution: JobExecution, now: datetime) -> JobExecution:
    """Return the execution with one more attempt that waits for its device."""
    last = execution.latest
    return msgspec.structs.replace(
        execution,
        latest=queued(now, number=last.number + 1, retry=last.retry + 1),
        earlier=(*execution.earlier, last),
    )


def pending(job_id: str, attempt: Attempt) -> Pending:
    """Return an attempt as the list of its thing has it."""
    return Pending(
        job_id=job_id,
        number=attempt.number,
        status=attempt.status,
        queued_at=attempt.queued_at,
        updated_at=attempt.updated_at,
        version=attempt.version,
        started_at=attempt.started_at,
        due=due(attempt),
    )


def require_details(details: Mapping[str, str]) -> None:
    """Raise `JobError` for status details of too many, too long or unprintable pairs."""
    if len(details) > MAX_DETAILS:
        raise invalid(f"There are at most {MAX_DETAILS} status details, not {len(details)}.")
    for name, value in details.items():
        if not _KEY.fullmatch(name):
            raise invalid(
                f"The name of a status detail has 1 to 128 of a-z A-Z 0-9 : _ -, not {quoted(name)}"
            )
        if not 0 < len(value) <= MAX_DETAIL_LENGTH or not value.isprintable():
            raise invalid(
                f"The status detail {quoted(name)} has 1 to {MAX_DETAIL_LENGTH} characters, "
                "without control characters."
            )


def _require_version(attempt: Attempt, expected: int | None) -> None:
    if expected is not None and expected != attempt.version:
        raise JobError(
            "VersionMismatch",
            f"The execution has version {attempt.version}, not {expected}; look at it again.",
            attempt,
        )


def _moved(
    attempt: Attempt, status: ExecutionStatus, now: datetime, details: Mapping[str, str] | None
) -> Attempt:
    return msgspec.structs.replace(
        attempt,
        status=status,
        updated_at=now,
        version=attempt.version + 1,
        details=attempt.details if details is None else dict(details),
    )


def _with_step(attempt: Attempt, minutes: int | None, now: datetime) -> Attempt:
    if minutes is None:
        return attempt
    if minutes == NO_STEP_TIMER:
        return msgspec.structs.replace(attempt, step_deadline=None)
    if not 1 <= minutes <= MAX_TIMEOUT_MINUTES:
        raise invalid(f"stepTimeoutInMinutes is from 1 to {MAX_TIMEOUT_MINUTES}, or -1 for none.")
    return msgspec.structs.replace(attempt, step_deadline=_after(now, minutes))


def _after(now: datetime, minutes: int | None) -> datetime | None:
    return None if minutes is None else now + timedelta(minutes=minutes)
