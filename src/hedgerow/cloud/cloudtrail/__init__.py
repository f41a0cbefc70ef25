"""The service `cloudtrail`: the record of who did what, which cannot be quietly changed.

In come the record of every call and every refused attempt (`Trail.record_call`, `record_refusal`),
and calls of the API; out go events that can be looked up, files with them in folders, and digests
that chain and sign those files. It imports `aws`, `pki`, `store` and `kernel`. What must never
happen here: an answered call without a record, a secret in a record, a record changed or dropped
without a trace. Verifying (`verification`) needs the delivered folder and the public key, nothing
else.

Tests: `tests/unit/cloud/cloudtrail`, `tests/security/test_trail_*`,
`tests/interop/test_boto3_cloudtrail.py`.
"""

from hedgerow.cloud.cloudtrail.deliverer import Deliverer, Deliveries, Intervals
from hedgerow.cloud.cloudtrail.entries import entered_account
from hedgerow.cloud.cloudtrail.keys import TrailKeys
from hedgerow.cloud.cloudtrail.refusals import Refusal
from hedgerow.cloud.cloudtrail.service import CloudTrailService
from hedgerow.cloud.cloudtrail.service_calls import ServiceCall
from hedgerow.cloud.cloudtrail.trail import Trail

__all__ = [
    "CloudTrailService",
    "Deliverer",
    "Deliveries",
    "Intervals",
    "Refusal",
    "ServiceCall",
    "Trail",
    "TrailKeys",
    "entered_account",
]
