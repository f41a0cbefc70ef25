"""Whether a call may be made: one table, one decision, for every operation of every service.

In comes what the gateway asks (`aws.Asked`); out goes what decided for the call, or the refusal
that says what is missing. `EveryCall` names permissions and resources by the table, and
`AccessDecider` judges them by all the policies of the principal; others ask it too. `ServiceCalls`
judges what services do with roles. It imports
`aws`, `policy`, `store`, `cloud.iam` and the tags of `cloud.greengrass`. What must never happen
here: an operation without a row is allowed, a resource of another account is allowed, or the
caller learns which policy refused it.

Tests: `tests/unit/cloud/access`, `tests/security/test_api_authorization*.py`,
`tests/interop/test_boto3_access*.py`.
"""

from hedgerow.cloud.access.decider import AccessDecider, Grants, grants_of
from hedgerow.cloud.access.endpoint import ApiEndpoint, ApiPeer
from hedgerow.cloud.access.every_call import CallExplanation, EveryCall, Step
from hedgerow.cloud.access.rows import Need, Row, Target, models, operations_of, rows_of
from hedgerow.cloud.access.service_calls import ServiceCalls
from hedgerow.cloud.access.tags import ResourceTags, StoredTags, resource_tags

__all__ = [
    "AccessDecider",
    "ApiEndpoint",
    "ApiPeer",
    "CallExplanation",
    "EveryCall",
    "Grants",
    "Need",
    "ResourceTags",
    "Row",
    "ServiceCalls",
    "Step",
    "StoredTags",
    "Target",
    "grants_of",
    "models",
    "operations_of",
    "resource_tags",
    "rows_of",
]
