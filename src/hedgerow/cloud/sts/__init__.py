"""The service `sts`: who a caller is.

In comes a call whose signature was proven; out goes the identity that the proof holds. It imports
`aws` only, and keeps nothing. What must never happen here: an answer that does not come from the
proof. It is tested with boto3 in `tests/interop/test_boto3_greengrass.py`.
"""

from typing import ClassVar

from hedgerow.aws import Answer, Call, Service, operation

__all__ = ["StsService"]


class StsService(Service):
    """GetCallerIdentity; temporary credentials come with IAM."""

    model_name: ClassVar[str] = "sts"

    @operation("GetCallerIdentity")
    async def get_caller_identity(self, call: Call) -> Answer:
        """Return the caller's account, ARN and principal id."""
        return {
            "Account": call.caller.account,
            "Arn": call.caller.arn,
            "UserId": call.caller.principal_id,
        }
