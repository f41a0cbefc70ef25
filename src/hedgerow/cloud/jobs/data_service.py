"""The `iot-jobs-data` service, as boto3 and the AWS CLI call it: what devices do, with IAM keys."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar

from hedgerow.aws import Answer, Call, Service, operation
from hedgerow.cloud.jobs.desk import JobDesk
from hedgerow.cloud.jobs.faults import JobError
from hedgerow.cloud.jobs.requests import AskDescribe, AskStart, AskUpdate, read_members


class IotJobsDataService(Service):
    """Pending executions of a thing: listed, started, described, reported on."""

    model_name: ClassVar[str] = "iot-jobs-data"
    iam_prefix: ClassVar[str] = "iotjobsdata"
    malformed_code: ClassVar[str] = "InvalidRequestException"
    invalid_code: ClassVar[str] = "InvalidRequestException"
    denied_code: ClassVar[str] = "ForbiddenException"
    internal_code: ClassVar[str] = "ServiceUnavailableException"

    def __init__(self, desk: JobDesk) -> None:
        self._desk = desk

    @operation("GetPendingJobExecutions")
    async def get_pending_job_executions(self, call: Call) -> Answer:
        """Return what is pending for a thing."""
        async with _aws_errors():
            return await self._desk.pending(call.input["thingName"])

    @operation("StartNextPendingJobExecution")
    async def start_next_pending_job_execution(self, call: Call) -> Answer:
        """Start what is next for a thing."""
        async with _aws_errors():
            asked = read_members(call.input, AskStart)
            return await self._desk.start_next(call.input["thingName"], asked)

    @operation("DescribeJobExecution")
    async def describe_job_execution(self, call: Call) -> Answer:
        """Return an execution."""
        async with _aws_errors():
            asked = read_members(call.input, AskDescribe)
            return await self._desk.describe(call.input["thingName"], call.input["jobId"], asked)

    @operation("UpdateJobExecution")
    async def update_job_execution(self, call: Call) -> Answer:
        """Report on an execution."""
        async with _aws_errors():
            asked = read_members(call.input, AskUpdate)
            return await self._desk.update(call.input["thingName"], call.input["jobId"], asked)


@asynccontextmanager
async def _aws_errors() -> AsyncIterator[None]:
    try:
        yield
    except JobError as error:
        raise error.in_aws() from error
