"""What Greengrass does with execution roles in an account, as its trail records it."""

from typing import Final

from hedgerow.cloud.cloudtrail import ServiceCall, Trail
from hedgerow.cloud.greengrass import BulkCall

_SOURCE: Final = "greengrass.amazonaws.com"


def record_bulk_call(trail: Trail, call: BulkCall) -> None:
    """Record one deployment of a bulk deployment, or its refusal. Raises if that cannot be kept."""
    error, made = call.outcome.error, call.outcome.deployment_id
    trail.record_service_call(
        ServiceCall(
            service=_SOURCE,
            event_source=_SOURCE,
            operation="CreateDeployment",
            input={
                "GroupId": call.group_id,
                "GroupVersionId": call.group_version_id,
                "DeploymentType": "NewDeployment",
            },
            output={"DeploymentId": made} if made else None,
            error_code="" if error is None else error.code,
            error_message="" if error is None else error.message,
            on_behalf_of=call.bulk_arn,
        )
    )
