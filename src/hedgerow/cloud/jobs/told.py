"""What is published of jobs: notices to things, and events to whoever watches. Pure.

Source: AWS IoT Core Developer Guide, "Jobs notifications" and "Jobs events".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from hedgerow.cloud.events import Event
from hedgerow.cloud.home import Home
from hedgerow.cloud.iot.arns import thing_arn
from hedgerow.cloud.jobs.documents import Attempt, ExecutionStatus, Job, JobExecution
from hedgerow.cloud.jobs.executions import seconds_left
from hedgerow.contract.job_topics import next_job_notice_topic

JobEventKind = Literal[
    "completed", "canceled", "deleted", "cancellation_in_progress", "deletion_in_progress"
]
_ENDED: Final[tuple[ExecutionStatus, ...]] = (
    "CANCELED",
    "REJECTED",
    "FAILED",
    "REMOVED",
    "SUCCEEDED",
    "TIMED_OUT",
)


@dataclass(frozen=True, slots=True)
class Told:
    """A notice to publish."""

    topic: str
    payload: bytes = field(repr=False)


def execution_shown(
    execution: JobExecution, attempt: Attempt, document: str | None, now: datetime
) -> dict[str, Any]:
    """Return a JobExecution of the data plane, times in seconds since the epoch."""
    shown: dict[str, Any] = {
        "jobId": execution.job_id,
        "thingName": execution.thing_name,
        "status": attempt.status,
        "queuedAt": int(attempt.queued_at.timestamp()),
        "lastUpdatedAt": int(attempt.updated_at.timestamp()),
        "versionNumber": attempt.version,
        "executionNumber": attempt.number,
    }
    if attempt.details:
        shown["statusDetails"] = attempt.details
    if attempt.started_at is not None:
        shown["startedAt"] = int(attempt.started_at.timestamp())
    left = seconds_left(attempt, now)
    if left is not None:
        shown["approximateSecondsBeforeTimedOut"] = left
    if document is not None:
        shown["jobDocument"] = document
    return shown


def state_shown(attempt: Attempt) -> dict[str, Any]:
    """Return a JobExecutionState."""
    return {
        "status": attempt.status,
        "statusDetails": attempt.details,
        "versionNumber": attempt.version,
    }


def with_plain_document(execution: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an execution as messages have it: its document as JSON, not as a text of it."""
    document = execution.get("jobDocument")
    if document is None:
        return execution
    return {**execution, "jobDocument": msgspec.Raw(document.encode())}


def next_notice(thing_name: str, execution: Mapping[str, Any] | None, now: datetime) -> Told:
    """Return the notice of which execution is next, None if none is."""
    content: dict[str, Any] = {"timestamp": int(now.timestamp())}
    if execution is not None:
        content["execution"] = with_plain_document(execution)
    return Told(next_job_notice_topic(thing_name), msgspec.json.encode(content))


def execution_event(
    home: Home, execution: JobExecution, now: datetime, operation: str = ""
) -> Event:
    """Return the event of an execution that has come to an end, or was deleted."""
    attempt = execution.latest
    operation = operation or attempt.status.lower()
    detail = {
        "eventType": "JOB_EXECUTION",
        "timestamp": int(now.timestamp()),
        "operation": operation,
        "jobId": execution.job_id,
        "thingArn": thing_arn(home, execution.thing_name),
        "status": operation.upper(),
        "statusDetails": attempt.details,
    }
    topic = f"$aws/events/jobExecution/{execution.job_id}/{operation}"
    return Event(topic=topic, detail=detail)


def job_event(
    job_id: str, job: Job, kind: JobEventKind, *, created: datetime, now: datetime
) -> Event:
    """Return the event of a job that was completed, canceled or deleted, or begins to be."""
    detail: dict[str, Any] = {
        "eventType": "JOB",
        "timestamp": int(now.timestamp()),
        "operation": kind,
        "jobId": job_id,
        "status": kind.upper(),
        "targetSelection": job.selection,
        "targets": list(job.targets),
        "description": job.description,
        "createdAt": _milliseconds(created),
        "lastUpdatedAt": _milliseconds(now),
    }
    if job.comment:
        detail["comment"] = job.comment
    if job.completed_at is not None:
        detail["completedAt"] = _milliseconds(job.completed_at)
    if kind == "completed":
        detail["jobProcessDetails"] = process_details(job, _ENDED)
    return Event(topic=f"$aws/events/job/{job_id}/{kind}", detail=detail)


def process_details(job: Job, statuses: tuple[ExecutionStatus, ...]) -> dict[str, Any]:
    """Return how many things are in each of these statuses, by the names of the API."""
    return {f"numberOf{_spelt(status)}Things": job.count(status) for status in statuses}


def _spelt(status: str) -> str:
    """Return e.g. `InProgress` for `IN_PROGRESS`."""
    return "".join(word.capitalize() for word in status.split("_"))


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
