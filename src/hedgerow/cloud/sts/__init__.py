"""Temporary credentials, and where every credential is found (boto3's `sts`).

In come calls that ask for a role, a session or an identity, and from other services the wish to
assume a role (`Sessions.assume_role_for_service`); out go credentials that end by themselves.
`StoredCredentials` answers the gateway for every call. It imports `cloud.iam` and `cloud.access`,
`policy`, `aws` and `store`. What must never happen here: credentials without a judged trust, a
session that outlives its role, its user or its time, or a secret in a log or an error.

Tests: `tests/unit/cloud/sts`, `tests/security/test_sts_*`, `tests/interop/test_boto3_sts.py`.
"""

from hedgerow.cloud.sts.assume_role import RoleQuestion, role_question
from hedgerow.cloud.sts.credentials import StoredCredentials
from hedgerow.cloud.sts.last_use import LastUse
from hedgerow.cloud.sts.role_judge import RoleJudge, explain_assumption
from hedgerow.cloud.sts.service import StsService
from hedgerow.cloud.sts.service_trust import service_request
from hedgerow.cloud.sts.sessions import Sessions, TemporaryCredentials

__all__ = [
    "LastUse",
    "RoleJudge",
    "RoleQuestion",
    "Sessions",
    "StoredCredentials",
    "StsService",
    "TemporaryCredentials",
    "explain_assumption",
    "role_question",
    "service_request",
]
