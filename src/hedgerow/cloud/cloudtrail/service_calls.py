"""Calls that an AWS service makes in an account, as `sts:AssumeRole` for a role that trusts it.

CloudTrail records them beside the calls of people, with the service as the identity.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hedgerow.cloud.cloudtrail.events import EVENT_VERSION, MAX_TEXT_BYTES, Event
from hedgerow.cloud.cloudtrail.identity import iso_seconds
from hedgerow.cloud.cloudtrail.parameters import cut, printed
from hedgerow.kernel import new_uuid


@dataclass(frozen=True, slots=True)
class ServiceCall:
    """One call by a service: members as the model names them, `error_code` only if refused."""

    service: str
    event_source: str
    operation: str
    input: Mapping[str, Any]
    output: Mapping[str, Any] | None = None
    error_code: str = ""
    error_message: str = ""
    on_behalf_of: str = ""
    """The ARN of the resource that the service worked for."""


def service_call_event(call: ServiceCall, account: str, region: str, at: datetime) -> Event:
    """Return the event of such a call."""
    event: Event = {
        "eventVersion": EVENT_VERSION,
        "userIdentity": {"type": "AWSService", "invokedBy": call.service},
        "eventTime": iso_seconds(at),
        "eventSource": call.event_source,
        "eventName": call.operation,
        "awsRegion": region,
        "sourceIPAddress": call.service,
        "userAgent": call.service,
    }
    if call.error_code:
        event["errorCode"] = cut(call.error_code, MAX_TEXT_BYTES)
        event["errorMessage"] = cut(call.error_message, MAX_TEXT_BYTES)
    event["requestParameters"] = printed(call.event_source, call.input)
    event["responseElements"] = printed(call.event_source, call.output)
    if call.on_behalf_of:
        event["additionalEventData"] = {"onBehalfOf": call.on_behalf_of}
    event["requestID"] = new_uuid()
    event["eventID"] = new_uuid()
    event["readOnly"] = False
    event["eventType"] = "AwsApiCall"
    event["managementEvent"] = True
    event["recipientAccountId"] = account
    event["eventCategory"] = "Management"
    return event
