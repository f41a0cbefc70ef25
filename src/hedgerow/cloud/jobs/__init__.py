"""Jobs: what administrators have things do, and how far each thing has come with it.

In come calls of administrators (`JobOperations`, a part of the API `iot`), of devices (over MQTT
and HTTPS, through `broker` and `dataplane`) and of programs (`IotJobsDataService`); out go answers,
notices to things (to listeners of `JobDesk`) and events (to `events`). `JobRunner` rolls out,
cancels, deletes and times out in the background. It imports `kernel`, `aws`, `store`, `contract`
and, of the cloud, `home`, `events`, the records of `iot`, and what `iam` and `sts` know of roles.
What must never happen here: an execution changes without its job's counts, work is begun that
the job's phase does not tell of, or a request changes an execution of another thing than it names.
Whether the asker may ask is decided before it comes here.

Tests: `tests/unit/cloud/jobs`, `tests/interop/test_boto3_jobs.py`, `tests/security/test_jobs_*`.
"""

from hedgerow.cloud.jobs.data_service import IotJobsDataService
from hedgerow.cloud.jobs.desk import JobDesk
from hedgerow.cloud.jobs.faults import IN_AWS, JobError
from hedgerow.cloud.jobs.index import JobIndex
from hedgerow.cloud.jobs.operations import JobOperations, RoleCheck
from hedgerow.cloud.jobs.requests import (
    AskDescribe,
    AskPending,
    AskStart,
    AskUpdate,
    read_json,
    read_members,
    token_in,
)
from hedgerow.cloud.jobs.runner import JobRunner
from hedgerow.cloud.jobs.signers import SignerRoles
from hedgerow.cloud.jobs.told import state_shown, with_plain_document

__all__ = [
    "IN_AWS",
    "AskDescribe",
    "AskPending",
    "AskStart",
    "AskUpdate",
    "IotJobsDataService",
    "JobDesk",
    "JobError",
    "JobIndex",
    "JobOperations",
    "JobRunner",
    "RoleCheck",
    "SignerRoles",
    "read_json",
    "read_members",
    "state_shown",
    "token_in",
    "with_plain_document",
]
