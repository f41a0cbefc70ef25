"""What administrators do with jobs: make, change, cancel and delete, in one transaction each."""

from collections.abc import Mapping
from typing import Any

import msgspec

from hedgerow.cloud.home import Home
from hedgerow.cloud.iot.arns import job_arn
from hedgerow.cloud.jobs import executions, steps
from hedgerow.cloud.jobs.documents import (
    JOB,
    JOB_ROLLOUT,
    JOB_TEXT,
    PENDING,
    Job,
    JobExecution,
    JobRollout,
    JobText,
)
from hedgerow.cloud.jobs.faults import JobError, invalid, no_such_execution
from hedgerow.cloud.jobs.settings import new_job, require_few, with_settings
from hedgerow.cloud.jobs.targets import groups_of, things_of
from hedgerow.cloud.jobs.work import JobWork
from hedgerow.kernel import quoted
from hedgerow.store import AlreadyExistsError, Record

Members = Mapping[str, Any]
_ENDED = frozenset({"COMPLETED", "CANCELED"})


class JobExistsError(JobError):
    """A job of this id exists already."""

    def __init__(self, job_id: str) -> None:
        super().__init__("InvalidRequest", f"Job {quoted(job_id)} already exists.")
        self.job_id = job_id


async def create(work: JobWork, home: Home, request: Members) -> Members:
    """Make a job, and roll out what may be at once."""
    job_id = request["jobId"]
    job, text = new_job(request)
    things = await things_of(work.tx, home, job.targets)
    try:
        await work.tx.insert(JOB, home.account, job_id, job)
    except AlreadyExistsError:
        raise JobExistsError(job_id) from None
    await work.tx.insert(JOB_TEXT, home.account, job_id, JobText(text=text))
    if things:
        rollout = JobRollout(left=things, minute=work.now)
        await work.tx.insert(JOB_ROLLOUT, home.account, job_id, rollout)
    await steps.roll_out(work, home, job_id)
    return named(home, job_id, job)


async def associate(work: JobWork, home: Home, request: Members) -> Members:
    """Give a continuous job more groups, and roll out what may be at once."""
    job_id = request["jobId"]
    job = await work.job(job_id)
    _require_in_progress(job_id, job)
    if job.selection != "CONTINUOUS":
        raise invalid(f"Job {quoted(job_id)} is no continuous job; make another one for these.")
    added = [target for target in dict.fromkeys(request["targets"]) if target not in job.targets]
    if len(groups_of(home, added)) != len(added):
        raise invalid("The targets that are added to a job are thing groups of this account.")
    targets = require_few((*job.targets, *added))
    things = await things_of(work.tx, home, added)
    record = await work.tx.get(JOB_ROLLOUT, home.account, job_id)
    if record is not None:
        left = tuple(dict.fromkeys((*record.document.left, *things)))
        await work.tx.update(record, msgspec.structs.replace(record.document, left=left))
    elif things:
        rollout = JobRollout(left=things, minute=work.now)
        await work.tx.insert(JOB_ROLLOUT, home.account, job_id, rollout)
    comment = request.get("comment") or job.comment
    changed = msgspec.structs.replace(job, targets=targets, comment=comment, phase="rolling-out")
    work.put_job(job_id, changed)
    await steps.roll_out(work, home, job_id)
    return named(home, job_id, changed)


async def update(work: JobWork, request: Members) -> None:
    """Change the settings of a job that has not ended."""
    job = await work.job(request["jobId"])
    _require_in_progress(request["jobId"], job)
    work.put_job(request["jobId"], with_settings(job, request))


async def cancel(work: JobWork, home: Home, request: Members) -> Members:
    """Cancel a job: what is queued, and by force what is in progress."""
    job_id = request["jobId"]
    job = await work.job(job_id)
    if job.status == "CANCELED" and job.phase == "settled" and not request.get("force"):
        return named(home, job_id, job)
    if job.status not in {"IN_PROGRESS", "CANCELED"}:
        raise invalid(f"Job {quoted(job_id)} is {job.status} and cannot be canceled.")
    changed = msgspec.structs.replace(
        job,
        status="CANCELED",
        phase="canceling",
        force=bool(request.get("force")),
        reason_code=request.get("reasonCode") or job.reason_code,
        comment=request.get("comment") or job.comment,
    )
    work.put_job(job_id, changed)
    return named(home, job_id, changed)


async def delete(work: JobWork, request: Members) -> None:
    """Begin to delete a job; one in progress only by force."""
    job_id = request["jobId"]
    job = await work.job(job_id)
    if job.status == "DELETION_IN_PROGRESS":
        raise JobError("InvalidStateTransition", f"Job {quoted(job_id)} is being deleted already.")
    if job.status not in _ENDED and not request.get("force"):
        raise JobError(
            "InvalidStateTransition",
            f"Job {quoted(job_id)} is {job.status}; cancel it first, or use force.",
        )
    changed = msgspec.structs.replace(job, status="DELETION_IN_PROGRESS", phase="deleting")
    work.put_job(job_id, changed)


async def cancel_execution(work: JobWork, request: Members) -> None:
    """Cancel a job on one thing."""
    record = await existing_execution(work, request["jobId"], request["thingName"])
    attempt = executions.canceled(
        record.document.latest,
        work.now,
        force=bool(request.get("force")),
        expected_version=request.get("expectedVersion"),
        details=request.get("statusDetails"),
    )
    await work.change(record, attempt)


async def delete_execution(work: JobWork, request: Members) -> None:
    """Delete the execution of a job on one thing; one in progress only by force."""
    job_id, thing, number = request["jobId"], request["thingName"], request["executionNumber"]
    record = await existing_execution(work, job_id, thing)
    execution = record.document
    if execution.attempt(number) is None:
        raise no_such_execution(job_id, thing)
    if execution.latest.number != number:
        earlier = tuple(one for one in execution.earlier if one.number != number)
        await work.tx.update(record, msgspec.structs.replace(execution, earlier=earlier))
        return
    if execution.latest.status == "IN_PROGRESS" and not request.get("force"):
        raise JobError(
            "InvalidStateTransition", "The execution is IN_PROGRESS; use force to delete it."
        )
    await work.drop(record)


async def existing_execution(work: JobWork, job_id: str, thing: str) -> Record[JobExecution]:
    """Return a job's execution on a thing, or raise `JobError`."""
    record = await work.execution(job_id, thing)
    if record is None:
        raise no_such_execution(job_id, thing)
    return record


async def remove(work: JobWork, job_id: str, thing: str) -> None:
    """Take a thing out of a job that it is not meant for any more."""
    record = await work.execution(job_id, thing)
    if record is not None and record.document.latest.status in PENDING:
        await work.change(record, executions.ended(record.document.latest, "REMOVED", work.now))


def named(home: Home, job_id: str, job: Job) -> Members:
    """Return how a call names the job it was about."""
    answer = {"jobArn": job_arn(home, job_id), "jobId": job_id}
    return {**answer, "description": job.description} if job.description else answer


def _require_in_progress(job_id: str, job: Job) -> None:
    if job.status != "IN_PROGRESS":
        raise invalid(f"Job {quoted(job_id)} is {job.status}; it cannot be changed any more.")
