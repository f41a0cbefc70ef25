"""Workers and their states, and the answer to a question about some of them. Pure.

Source: guide page health-check.
"""

from collections.abc import Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import msgspec

from hedgerow.kernel import CallerError

_FUNCTION = "arn:aws:lambda:::function:"

SYSTEM_FUNCTIONS = MappingProxyType(
    {
        "GGCloudSpooler": f"{_FUNCTION}GGCloudSpooler:1",
        "GGConnManager": f"{_FUNCTION}GGConnManager",
        "GGDeviceCertificateManager": f"{_FUNCTION}GGDeviceCertificateManager",
        "GGIPDetector": f"{_FUNCTION}GGIPDetector:1",
        "GGSecretManager": f"{_FUNCTION}GGSecretManager:1",
        "GGShadowService": f"{_FUNCTION}GGShadowService",
        "GGShadowSyncManager": f"{_FUNCTION}GGShadowSyncManager",
        "GGStreamManager": f"{_FUNCTION}GGStreamManager:1",
        "GGTES": f"{_FUNCTION}GGTES",
    }
)
"""The documented system functions and their ARNs, version suffixes as documented."""


class WorkerState(StrEnum):
    """The documented states."""

    WORKING = "Working"
    WAITING = "Waiting"
    STARTING = "Starting"
    FAILED_INITIALIZATION = "FailedInitialization"
    TERMINATED = "Terminated"
    NOT_STARTED = "NotStarted"
    INITIALIZED = "Initialized"


class Worker(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """Health of one worker; the process id travels as a string, as in the documented answer."""

    func_arn: str
    worker_id: str
    process_id: str
    worker_state: WorkerState


class WorkersAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """The answer to a `POST`."""

    workers: tuple[Worker, ...]
    invalid_arns: tuple[str, ...]


class _WorkersRequest(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    func_arns: tuple[str, ...]


class BadWorkersRequestError(CallerError):
    """A request that is answered with 400 and the documented sentence."""

    code = "InvalidRequest"


def select_workers(body: bytes, workers: Sequence[Worker]) -> WorkersAnswer:
    """Return the workers a request names, and the ARNs that name none."""
    try:
        wanted: Any = msgspec.json.decode(body, type=_WorkersRequest).func_arns
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadWorkersRequestError("Invalid request") from error
    if not wanted:
        raise BadWorkersRequestError("Invalid request")
    if len(wanted) > len(workers):
        raise BadWorkersRequestError("Request exceeds max number of workers")
    known = {worker.func_arn for worker in workers}
    return WorkersAnswer(
        workers=tuple(worker for worker in workers if worker.func_arn in wanted),
        invalid_arns=tuple(arn for arn in wanted if arn not in known),
    )
