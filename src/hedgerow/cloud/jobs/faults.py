"""What is wrong with a request about jobs: the codes of the MQTT API, and AWS's for each of them.

Source: AWS IoT Core Developer Guide, "AWS IoT jobs APIs", ErrorResponse; statuses are those of the
models `iot` and `iot-jobs-data`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

from hedgerow.aws import AwsError
from hedgerow.cloud.jobs.documents import Attempt
from hedgerow.kernel import CallerError, quoted

FaultCode = Literal[
    "InvalidJson",
    "InvalidRequest",
    "InvalidStateTransition",
    "ResourceNotFound",
    "VersionMismatch",
    "InternalError",
    "RequestThrottled",
    "TerminalStateReached",
]

IN_AWS: Final[Mapping[FaultCode, tuple[str, int]]] = MappingProxyType(
    {
        "InvalidJson": ("InvalidRequestException", 400),
        "InvalidRequest": ("InvalidRequestException", 400),
        "InvalidStateTransition": ("InvalidStateTransitionException", 409),
        "ResourceNotFound": ("ResourceNotFoundException", 404),
        "VersionMismatch": ("VersionConflictException", 409),
        "InternalError": ("ServiceUnavailableException", 503),
        "RequestThrottled": ("ThrottlingException", 429),
        "TerminalStateReached": ("TerminalStateException", 410),
    }
)
"""The exception and the status of each code, as the HTTPS APIs have them."""


class JobError(CallerError):
    """A request about a job that cannot be done; `attempt` is how the execution stands."""

    def __init__(self, code: FaultCode, message: str, attempt: Attempt | None = None) -> None:
        super().__init__(message, code=code)
        self.fault: FaultCode = code
        self.attempt = attempt

    def in_aws(self) -> AwsError:
        """Return it as the HTTPS APIs answer it."""
        code, status = IN_AWS[self.fault]
        return AwsError(code, self.message, http_status=status)


def invalid(message: str) -> JobError:
    """Return the fault of a request that makes no sense as it is."""
    return JobError("InvalidRequest", message)


def no_such_job(job_id: str) -> JobError:
    """Return the fault of a job that does not exist."""
    return JobError("ResourceNotFound", f"Job {quoted(job_id)} does not exist.")


def no_such_execution(job_id: str, thing_name: str) -> JobError:
    """Return the fault of a thing that a job has not come to."""
    return JobError(
        "ResourceNotFound",
        f"Job {quoted(job_id)} has no such execution on thing {quoted(thing_name)}.",
    )


def no_such_thing(thing_name: str) -> JobError:
    """Return the fault of a thing that is not registered."""
    return JobError("ResourceNotFound", f"Thing {quoted(thing_name)} does not exist.")


def too_much(message: str) -> AwsError:
    """Return the error for one thing too many."""
    return AwsError("LimitExceededException", message)
