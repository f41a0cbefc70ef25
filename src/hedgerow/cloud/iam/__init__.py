"""Who there is in an account and what they may (boto3's `iam`): users, groups, roles, policies.

In come administrators' calls through `IamService`, what an account begins with (`found_account`,
`put_role`), and for every call the question of what its principal may (`IamDirectory`); out go
answers and compiled policies. It imports `kernel`, `policy`, `aws`, `store` and the cloud's
`home`. What must never happen here: a policy that is not fully understood is stored or used, an
entity that is gone still has permissions, or a change is answered before it holds.

Tests: `tests/unit/cloud/iam`, `tests/interop/test_boto3_iam*.py`.
"""

from hedgerow.cloud.iam.arns import (
    EntityName,
    group_arn,
    policy_arn,
    read_entity_arn,
    role_arn,
    root_arn,
    user_arn,
)
from hedgerow.cloud.iam.aws_managed import ADMINISTRATOR_ACCESS, AWS_MANAGED
from hedgerow.cloud.iam.directory import IamDirectory
from hedgerow.cloud.iam.facts import GroupFacts, PrincipalPolicies, RoleFacts, UserFacts
from hedgerow.cloud.iam.founding import found_account, put_role
from hedgerow.cloud.iam.service import IamService

__all__ = [
    "ADMINISTRATOR_ACCESS",
    "AWS_MANAGED",
    "EntityName",
    "GroupFacts",
    "IamDirectory",
    "IamService",
    "PrincipalPolicies",
    "RoleFacts",
    "UserFacts",
    "found_account",
    "group_arn",
    "policy_arn",
    "put_role",
    "read_entity_arn",
    "role_arn",
    "root_arn",
    "user_arn",
]
