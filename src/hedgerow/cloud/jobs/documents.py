"""What is kept of jobs: the job, its document, its executions, and each thing's list of them.

An execution is kept under its job and thing with all its attempts; what is pending for a thing
stands in one record besides, because it is asked for and told of again and again.
"""

from datetime import datetime
from typing import Final, Literal

import msgspec

from hedgerow.store import Kind

ExecutionStatus = Literal[
    "QUEUED",
    "IN_PROGRESS",
    "SUCCEEDED",
    "FAILED",
    "TIMED_OUT",
    "REJECTED",
    "REMOVED",
    "CANCELED",
]
JobStatus = Literal["IN_PROGRESS", "CANCELED", "COMPLETED", "DELETION_IN_PROGRESS"]
Selection = Literal["SNAPSHOT", "CONTINUOUS"]
Phase = Literal["rolling-out", "settled", "canceling", "deleting"]
"""What the cloud is still doing with a job by itself; AWS calls all but `settled` concurrent."""
FailureType = Literal["FAILED", "REJECTED", "TIMED_OUT", "ALL"]

PENDING: Final[frozenset[ExecutionStatus]] = frozenset({"QUEUED", "IN_PROGRESS"})
"""The statuses that are not terminal."""


class RolloutRate(msgspec.Struct, frozen=True, kw_only=True):
    """How many things a minute are told of a job; without any number, all at once.

    With a base rate it grows by `factor` each time that so many more things were told of the job
    (`per_notified`) or have succeeded (`per_succeeded`).
    """

    maximum: int | None = None
    base: int | None = None
    factor: float = 1.0
    per_notified: int | None = None
    per_succeeded: int | None = None


class AbortCriterion(msgspec.Struct, frozen=True, kw_only=True):
    """The share of failures at which a job is canceled."""

    failure: FailureType
    percentage: float
    minimum: int


class RetryCriterion(msgspec.Struct, frozen=True, kw_only=True):
    """How often an execution is tried again after a failure of this type."""

    failure: FailureType
    retries: int


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A job without its document. `counts` says how many things are in which status."""

    targets: tuple[str, ...]
    selection: Selection = "SNAPSHOT"
    description: str = ""
    role_arn: str = ""
    url_expires_s: int | None = None
    rate: RolloutRate = RolloutRate()
    abort: tuple[AbortCriterion, ...] = ()
    timeout_minutes: int | None = None
    retries: tuple[RetryCriterion, ...] = ()
    status: JobStatus = "IN_PROGRESS"
    phase: Phase = "rolling-out"
    force: bool = False
    """Whether the cancellation or deletion that goes on takes executions in progress too."""
    reason_code: str = ""
    comment: str = ""
    completed_at: datetime | None = None
    counts: dict[str, int] = {}

    def count(self, status: ExecutionStatus) -> int:
        """Return how many things are in a status."""
        return self.counts.get(status, 0)


class JobText(msgspec.Struct, frozen=True, kw_only=True):
    """A job's document, as the caller gave it."""

    text: str


class JobRollout(msgspec.Struct, frozen=True, kw_only=True):
    """Things that a job is still to be rolled out to, and how many were since `minute` began."""

    left: tuple[str, ...]
    minute: datetime
    in_minute: int = 0


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt of a thing at a job. `version` grows with every change.

    `deadline` is when the job's timer ends and `step_deadline` when the device's own does.
    """

    number: int
    status: ExecutionStatus
    queued_at: datetime
    updated_at: datetime
    started_at: datetime | None = None
    details: dict[str, str] = {}
    version: int = 1
    retry: int = 0
    deadline: datetime | None = None
    step_deadline: datetime | None = None
    force_canceled: bool = False


class JobExecution(msgspec.Struct, frozen=True, kw_only=True):
    """A job on a thing: the latest attempt, and those before it, oldest first."""

    job_id: str
    thing_name: str
    latest: Attempt
    earlier: tuple[Attempt, ...] = ()

    def attempt(self, number: int | None) -> Attempt | None:
        """Return the attempt of a number (None: the latest), or None."""
        if number is None:
            return self.latest
        return next((one for one in (*self.earlier, self.latest) if one.number == number), None)


class ThingJob(msgspec.Struct, frozen=True, kw_only=True):
    """That a thing (the record's parent) has an execution of a job."""

    job_id: str


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """An execution that has not ended, as far as a list of them shows it."""

    job_id: str
    number: int
    status: ExecutionStatus
    queued_at: datetime
    updated_at: datetime
    version: int
    started_at: datetime | None = None
    due: datetime | None = None
    """When it is timed out, if it is in progress and has a timer."""


class JobQueue(msgspec.Struct, frozen=True, kw_only=True):
    """What is pending for a thing, in the order in which it was queued."""

    pending: tuple[Pending, ...] = ()


JOB = Kind("job", Job)
JOB_TEXT = Kind("job-text", JobText)
JOB_ROLLOUT = Kind("job-rollout", JobRollout)
JOB_EXECUTION = Kind("job-execution", JobExecution)
THING_JOB = Kind("thing-job", ThingJob)
JOB_QUEUE = Kind("job-queue", JobQueue)

OUR_KINDS: Final = frozenset(
    kind.name for kind in (JOB, JOB_TEXT, JOB_ROLLOUT, JOB_EXECUTION, THING_JOB, JOB_QUEUE)
)


def execution_id(job_id: str, thing_name: str) -> str:
    """Return the id of an execution; neither name can hold a slash."""
    return f"{job_id}/{thing_name}"


def thing_job_id(thing_name: str, job_id: str) -> str:
    """Return the id of a `ThingJob`."""
    return f"{thing_name}/{job_id}"
