"""What the agent is asked to do, and how it says how that went."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from hedgerow.contract.updates import SoftwareUpdate

JobStatus = Literal["IN_PROGRESS", "SUCCEEDED", "FAILED", "REJECTED"]


@dataclass(frozen=True, slots=True)
class UpdateJob:
    """A job that asks for an update."""

    job_id: str
    update: SoftwareUpdate


class JobSource(Protocol):
    """Where jobs come from. Errors are `UnavailableError` when trying again can help."""

    async def next(self) -> UpdateJob | None:
        """Return the next job that asks for an update, or None; jobs of other types stay."""

    async def report(self, job_id: str, status: JobStatus, details: Mapping[str, str]) -> None:
        """Say how a job goes; `CallerError` if nobody wants to know any more."""

    async def wait(self) -> None:
        """Return when there may be a job."""
