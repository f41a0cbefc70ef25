"""Roles that services assume in an account, as its trail records them."""

from datetime import timedelta
from typing import Final

from hedgerow.cloud.cloudtrail import ServiceCall, Trail
from hedgerow.cloud.greengrass import Assumption
from hedgerow.cloud.iot import RoleAssumption

GREENGRASS: Final = "greengrass.amazonaws.com"
_SOURCE: Final = "sts.amazonaws.com"


def record_assumed_role(
    trail: Trail, assumption: Assumption | RoleAssumption, service: str = GREENGRASS
) -> None:
    """Record one attempt, successful or refused. Raises if the trail cannot keep it."""
    request = {
        "RoleArn": assumption.role_arn,
        "RoleSessionName": assumption.session_name,
        "DurationSeconds": assumption.duration // timedelta(seconds=1),
    }
    keys = assumption.keys
    trail.record_service_call(
        ServiceCall(
            service=service,
            event_source=_SOURCE,
            operation="AssumeRole",
            input=request,
            output=None
            if keys is None
            else {
                "Credentials": {
                    "AccessKeyId": keys.access_key_id,
                    "SessionToken": keys.session_token,
                    "Expiration": keys.expires_at,
                },
                "AssumedRoleUser": {
                    "AssumedRoleId": keys.principal.id,
                    "Arn": keys.principal.arn,
                },
            },
            error_code="" if keys is not None else "AccessDenied",
            error_message=assumption.refusal,
            on_behalf_of=assumption.source_arn,
        )
    )
