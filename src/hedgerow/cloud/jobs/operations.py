"""The operations of the `iot` API on jobs, as boto3 and the AWS CLI call them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Final, Protocol

from hedgerow.aws import Answer, AwsError, Call, Service, operation
from hedgerow.cloud.iot.arns import job_arn, thing_arn
from hedgerow.cloud.iot.documents import THING, THING_GROUP
from hedgerow.cloud.jobs import control
from hedgerow.cloud.jobs.control import JobExistsError
from hedgerow.cloud.jobs.desk import JobDesk
from hedgerow.cloud.jobs.documents import (
    JOB,
    JOB_EXECUTION,
    JOB_ROLLOUT,
    JOB_TEXT,
    THING_JOB,
    Attempt,
    ExecutionStatus,
    Job,
    execution_id,
)
from hedgerow.cloud.jobs.executions import seconds_left
from hedgerow.cloud.jobs.faults import JobError, no_such_execution, no_such_job, no_such_thing
from hedgerow.cloud.jobs.settings import settings_shown
from hedgerow.cloud.jobs.targets import groups_of
from hedgerow.cloud.jobs.told import process_details
from hedgerow.kernel import quoted
from hedgerow.store import InvalidPageTokenError, Kind, Page, Record

Members = Mapping[str, Any]

DEFAULT_PAGE_SIZE: Final = 100
MAX_PROCESSING_SHOWN: Final = 100
_STATUSES: Final[tuple[ExecutionStatus, ...]] = (
    "CANCELED",
    "SUCCEEDED",
    "FAILED",
    "REJECTED",
    "QUEUED",
    "IN_PROGRESS",
    "REMOVED",
    "TIMED_OUT",
)


class RoleCheck(Protocol):
    """Who knows whether a role can be used to sign URLs of files."""

    async def require_signer(self, role_arn: str, job_id: str) -> None:
        """Return if the role is of this account and trusts AWS IoT, else raise `JobError`."""


class JobOperations(Service):
    """CreateJob to DeleteJobExecution, a part of the service `iot`."""

    model_name: ClassVar[str] = "iot"

    def __init__(self, desk: JobDesk, roles: RoleCheck) -> None:
        self._desk = desk
        self._store = desk.store
        self._home = desk.home
        self._roles = roles

    @operation("CreateJob")
    async def create_job(self, call: Call) -> Answer:
        """Make a job, and roll it out."""
        async with _aws_errors(self._desk):
            await self._check_role(call.input)
            return await self._desk.create(call.input)

    @operation("AssociateTargetsWithJob")
    async def associate_targets_with_job(self, call: Call) -> Answer:
        """Give a continuous job more groups."""
        async with _aws_errors(self._desk), self._desk.working() as work:
            return await control.associate(work, self._home, call.input)

    @operation("UpdateJob")
    async def update_job(self, call: Call) -> Answer:
        """Change the settings of a job in progress."""
        async with _aws_errors(self._desk):
            await self._check_role(call.input)
            async with self._desk.working() as work:
                await control.update(work, call.input)
        return None

    @operation("CancelJob")
    async def cancel_job(self, call: Call) -> Answer:
        """Cancel a job."""
        async with _aws_errors(self._desk):
            async with self._desk.working() as work:
                answer = await control.cancel(work, self._home, call.input)
            await self._desk.step(call.input["jobId"])
        return answer

    @operation("DeleteJob")
    async def delete_job(self, call: Call) -> Answer:
        """Delete a job with its executions."""
        async with _aws_errors(self._desk):
            async with self._desk.working() as work:
                await control.delete(work, call.input)
            await self._desk.step(call.input["jobId"])
        return None

    @operation("CancelJobExecution")
    async def cancel_job_execution(self, call: Call) -> Answer:
        """Cancel a job on one thing."""
        async with _aws_errors(self._desk), self._desk.working() as work:
            await control.cancel_execution(work, call.input)
        return None

    @operation("DeleteJobExecution")
    async def delete_job_execution(self, call: Call) -> Answer:
        """Delete a job's execution on one thing."""
        async with _aws_errors(self._desk), self._desk.working() as work:
            await control.delete_execution(work, call.input)
        return None

    @operation("DescribeJob")
    async def describe_job(self, call: Call) -> Answer:
        """Return a job with its settings and counts."""
        record = await self._job(call.input["jobId"])
        job = record.document
        details = process_details(job, _STATUSES)
        rollout = await self._store.get(JOB_ROLLOUT, self._home.account, record.id)
        if rollout is not None:
            left = rollout.document.left[:MAX_PROCESSING_SHOWN]
            details["processingTargets"] = [thing_arn(self._home, name) for name in left]
        shown = {
            **self._summary(record),
            **settings_shown(job),
            "targets": list(job.targets),
            "jobProcessDetails": details,
        }
        more = {
            "description": job.description,
            "reasonCode": job.reason_code,
            "comment": job.comment,
        }
        shown.update({name: value for name, value in more.items() if value})
        if job.status == "CANCELED":
            shown["forceCanceled"] = job.force
        return {"job": shown}

    @operation("GetJobDocument")
    async def get_job_document(self, call: Call) -> Answer:
        """Return a job's document."""
        record = await self._store.get(JOB_TEXT, self._home.account, call.input["jobId"])
        if record is None:
            raise no_such_job(call.input["jobId"]).in_aws()
        return {"document": record.document.text}

    @operation("ListJobs")
    async def list_jobs(self, call: Call) -> Answer:
        """Return a page of jobs; a filter can leave a page short of the number asked for."""
        group = await self._group_asked(call.input)
        page = await self._page(JOB, call.input)
        rows = [
            self._summary(record)
            for record in page.records
            if _is_asked_for(record.document, call.input)
            and (group is None or group in groups_of(self._home, record.document.targets))
        ]
        return _paged({"jobs": rows}, page)

    @operation("DescribeJobExecution")
    async def describe_job_execution(self, call: Call) -> Answer:
        """Return a job's execution on a thing."""
        job_id, thing = call.input["jobId"], call.input["thingName"]
        record = await self._store.get(
            JOB_EXECUTION, self._home.account, execution_id(job_id, thing)
        )
        attempt = record.document.attempt(call.input.get("executionNumber")) if record else None
        if attempt is None:
            raise no_such_execution(job_id, thing).in_aws()
        shown: dict[str, Any] = {
            "jobId": job_id,
            "thingArn": thing_arn(self._home, thing),
            "statusDetails": {"detailsMap": attempt.details},
            "forceCanceled": attempt.force_canceled,
            "versionNumber": attempt.version,
            **_execution_summary(attempt),
        }
        left = seconds_left(attempt, self._desk.now())
        if left is not None:
            shown["approximateSecondsBeforeTimedOut"] = left
        del shown["retryAttempt"]
        return {"execution": shown}

    @operation("ListJobExecutionsForJob")
    async def list_job_executions_for_job(self, call: Call) -> Answer:
        """Return a page of a job's executions."""
        await self._job(call.input["jobId"])
        page = await self._page(JOB_EXECUTION, call.input, parent=call.input["jobId"])
        rows = [
            {
                "thingArn": thing_arn(self._home, record.document.thing_name),
                "jobExecutionSummary": _execution_summary(record.document.latest),
            }
            for record in page.records
            if call.input.get("status") in {None, record.document.latest.status}
        ]
        return _paged({"executionSummaries": rows}, page)

    @operation("ListJobExecutionsForThing")
    async def list_job_executions_for_thing(self, call: Call) -> Answer:
        """Return a page of the executions that a thing has or had."""
        thing = call.input["thingName"]
        if await self._store.get(THING, self._home.account, thing) is None:
            raise no_such_thing(thing).in_aws()
        page = await self._page(THING_JOB, call.input, parent=thing)
        rows = []
        for link in page.records:
            job_id = link.document.job_id
            record = await self._store.get(
                JOB_EXECUTION, self._home.account, execution_id(job_id, thing)
            )
            if record is None or call.input.get("jobId") not in {None, job_id}:
                continue
            if call.input.get("status") in {None, record.document.latest.status}:
                summary = _execution_summary(record.document.latest)
                rows.append({"jobId": job_id, "jobExecutionSummary": summary})
        return _paged({"executionSummaries": rows}, page)

    async def _check_role(self, request: Members) -> None:
        role_arn = (request.get("presignedUrlConfig") or {}).get("roleArn")
        if role_arn:
            await self._roles.require_signer(role_arn, request["jobId"])

    async def _job(self, job_id: str) -> Record[Job]:
        record = await self._store.get(JOB, self._home.account, job_id)
        if record is None:
            raise no_such_job(job_id).in_aws()
        return record

    async def _group_asked(self, request: Members) -> str | None:
        """Return the thing group that a list is asked for, by name or by id."""
        name, identifier = request.get("thingGroupName"), request.get("thingGroupId")
        if identifier is not None:
            groups = await self._store.all(THING_GROUP, self._home.account)
            found = [one.id for one in groups if one.document.group_id == identifier]
            if not found:
                raise JobError(
                    "ResourceNotFound", f"Thing group {quoted(identifier)} does not exist."
                ).in_aws()
            return found[0]
        return name

    async def _page(
        self, kind: Kind[Any], request: Members, *, parent: str | None = None
    ) -> Page[Any]:
        try:
            return await self._store.list(
                kind,
                self._home.account,
                parent=parent,
                limit=request.get("maxResults") or DEFAULT_PAGE_SIZE,
                after=request.get("nextToken"),
            )
        except InvalidPageTokenError as error:
            raise JobError("InvalidRequest", error.message).in_aws() from error

    def _summary(self, record: Record[Job]) -> dict[str, Any]:
        job = record.document
        shown: dict[str, Any] = {
            "jobArn": job_arn(self._home, record.id),
            "jobId": record.id,
            "targetSelection": job.selection,
            "status": job.status,
            "createdAt": record.created_at,
            "lastUpdatedAt": record.updated_at,
            "isConcurrent": job.phase != "settled",
        }
        return shown if job.completed_at is None else {**shown, "completedAt": job.completed_at}


@asynccontextmanager
async def _aws_errors(desk: JobDesk) -> AsyncIterator[None]:
    try:
        yield
    except JobExistsError as error:
        raise AwsError(
            "ResourceAlreadyExistsException",
            error.message,
            fields={"resourceId": error.job_id, "resourceArn": job_arn(desk.home, error.job_id)},
        ) from error
    except JobError as error:
        raise error.in_aws() from error


def _is_asked_for(job: Job, request: Members) -> bool:
    return request.get("status") in {None, job.status} and request.get("targetSelection") in {
        None,
        job.selection,
    }


def _execution_summary(attempt: Attempt) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "status": attempt.status,
        "queuedAt": attempt.queued_at,
        "lastUpdatedAt": attempt.updated_at,
        "executionNumber": attempt.number,
        "retryAttempt": attempt.retry,
    }
    return shown if attempt.started_at is None else {**shown, "startedAt": attempt.started_at}


def _paged(answer: dict[str, Any], page: Page[Any]) -> Members:
    return answer if page.next_token is None else {**answer, "nextToken": page.next_token}
