"""Events: what one record says, in the shape that CloudTrail documents.

Sources: guide page logging-using-cloudtrail and CloudTrail's reference of record contents, from
which the sizes of fields come. An event is a mapping that is encoded once and then only bytes.

What is ours: `additionalEventData` holds `rootUse` where the account's root made the call, and
`decision`, the authorizer's facts: which statement of which policy decided.
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

import msgspec

from hedgerow.aws import CallRecord
from hedgerow.cloud.cloudtrail.identity import (
    claimed_identity,
    is_root,
    iso_seconds,
    user_identity,
)
from hedgerow.cloud.cloudtrail.parameters import HIDDEN, cut, printed
from hedgerow.cloud.cloudtrail.refusals import EVENT_NAMES, Refusal
from hedgerow.kernel import Secret, new_uuid

EVENT_VERSION: Final = "1.08"
UNIDENTIFIED: Final = "UnidentifiedCall"
"""The name of a call that was refused before its operation was known."""
DEVICE_SOURCE: Final = "iot.amazonaws.com"
TRAIL_SOURCE: Final = "cloudtrail.amazonaws.com"

_KIB = 1024
MAX_TEXT_BYTES = _KIB
"""Of the user agent, the error's code and its message."""
MAX_PARAMETER_BYTES = 100 * _KIB
"""Of the parameters, the response elements and the details of a service event, each."""
MAX_ADDITIONAL_BYTES = 28 * _KIB
_LIMITS: Mapping[str, int] = MappingProxyType(
    {
        "requestParameters": MAX_PARAMETER_BYTES,
        "responseElements": MAX_PARAMETER_BYTES,
        "serviceEventDetails": MAX_PARAMETER_BYTES,
        "additionalEventData": MAX_ADDITIONAL_BYTES,
    }
)
_MAX_WORD = 256
_MESSAGE_IN_RESPONSE = frozenset({"greengrass.amazonaws.com"})
"""Services whose refusals are in the record as the answer's own `Message`, as documented."""

Event = dict[str, Any]


def call_event(record: CallRecord, account: str) -> Event:
    """Return the event of one call of the control plane."""
    source = _source(record)
    identity = (
        claimed_identity(cut(record.access_key_id, _MAX_WORD))
        if record.caller is None
        else user_identity(record.caller.principal, record.access_key_id)
    )
    event = _asked(record, source, identity)
    if record.error_code is not None:
        event["errorCode"] = cut(record.error_code, MAX_TEXT_BYTES)
        event["errorMessage"] = cut(record.error_message or "", MAX_TEXT_BYTES)
    event["requestParameters"] = printed(source, record.input)
    event["responseElements"] = _response(record, source)
    additional = _additional(record, identity)
    if additional:
        event["additionalEventData"] = additional
    event["requestID"] = record.request_id
    event["eventID"] = new_uuid()
    event["readOnly"] = record.read_only
    event["eventType"] = "AwsApiCall"
    if record.api_version:
        event["apiVersion"] = record.api_version
    event["managementEvent"] = True
    event["recipientAccountId"] = account
    # A peer that came through a private door names it; what else a peer is does not matter here.
    endpoint = getattr(getattr(record.peer, "endpoint", None), "id", None)
    if endpoint is not None:
        event["vpcEndpointId"] = endpoint
    event["eventCategory"] = "Management"
    return event


def refusal_event(refusal: Refusal, account: str, region: str, at: datetime) -> Event:
    """Return the event of one refused attempt of a device."""
    event = _service_event(EVENT_NAMES[refusal.attempt], DEVICE_SOURCE, account, region, at)
    if refusal.certificate_id:
        event["userIdentity"] = {"type": "Certificate", "principalId": refusal.certificate_id}
    else:
        event["userIdentity"] = {"type": "Unknown"}
    event["sourceIPAddress"] = refusal.address
    event["errorCode"] = cut(refusal.code, MAX_TEXT_BYTES)
    event["errorMessage"] = cut(refusal.reason, MAX_TEXT_BYTES)
    event["managementEvent"] = False
    event["eventCategory"] = "Data"
    if refusal.details:
        details = {name: cut(text, MAX_TEXT_BYTES) for name, text in refusal.details.items()}
        event["serviceEventDetails"] = details
    return event


def trail_event(
    name: str, details: Mapping[str, Any], account: str, region: str, at: datetime
) -> Event:
    """Return the event of something that the record itself has to say, such as a repair."""
    event = _service_event(name, TRAIL_SOURCE, account, region, at)
    event["serviceEventDetails"] = details
    return event


def encoded(event: Event) -> bytes:
    """Return the event's JSON: the bytes that are kept, chained and delivered.

    Whatever a caller put into it, it can be encoded: a call must not escape its record.
    """
    try:
        body = _ENCODER.encode(event)
    except UnicodeEncodeError:
        event = _well_formed(event)
        body = _ENCODER.encode(event)
    if len(body) > MAX_ADDITIONAL_BYTES:  # the smallest of the limits: no field can be over it
        body = _ENCODER.encode(_within_limits(event))
    return body


def _asked(record: CallRecord, source: str, identity: Mapping[str, Any]) -> Event:
    """Return who asked what of whom, when and from where."""
    return {
        "eventVersion": EVENT_VERSION,
        "userIdentity": identity,
        "eventTime": iso_seconds(record.at),
        "eventSource": source,
        "eventName": record.operation or UNIDENTIFIED,
        "awsRegion": record.region,
        "sourceIPAddress": record.source_ip,
        "userAgent": cut(record.user_agent, MAX_TEXT_BYTES),
    }


def _service_event(name: str, source: str, account: str, region: str, at: datetime) -> Event:
    return {
        "eventVersion": EVENT_VERSION,
        "userIdentity": {"type": "AWSService", "invokedBy": source},
        "eventTime": iso_seconds(at),
        "eventSource": source,
        "eventName": name,
        "awsRegion": region,
        "sourceIPAddress": source,
        "userAgent": source,
        "requestParameters": None,
        "responseElements": None,
        "eventID": new_uuid(),
        "readOnly": False,
        "eventType": "AwsServiceEvent",
        "managementEvent": True,
        "recipientAccountId": account,
        "eventCategory": "Management",
    }


def _source(record: CallRecord) -> str:
    if record.event_source:
        return record.event_source
    return f"{cut(record.service, _MAX_WORD)}.amazonaws.com" if record.service else "unknown"


def _response(record: CallRecord, source: str) -> dict[str, Any] | None:
    if record.error_code is None:
        return printed(source, record.output)
    if source in _MESSAGE_IN_RESPONSE:
        return {"Message": cut(record.error_message or "", MAX_TEXT_BYTES)}
    return None


def _additional(record: CallRecord, identity: Mapping[str, Any]) -> dict[str, Any]:
    additional: dict[str, Any] = {}
    if is_root(identity):
        additional["rootUse"] = True
    if record.decision:
        additional["decision"] = record.decision
    return additional


def _printable(value: Any) -> Any:
    """Turn what JSON has no form for into what it has; a secret stays one."""
    if isinstance(value, Mapping):
        return dict(value)
    return HIDDEN if isinstance(value, Secret | bytes) else str(value)


def _within_limits(event: Event) -> Event:
    """Return the event with CloudTrail's note in place of every field that is too large."""
    return {name: _within_limit(name, value) for name, value in event.items()}


def _within_limit(name: str, value: Any) -> Any:
    limit = _LIMITS.get(name)
    size = 0 if limit is None else len(_ENCODER.encode(value))
    if limit is None or size <= limit:
        return value
    note = {"omitted": True, "originalSize": size, "reason": f"{name} is larger than {limit} bytes"}
    # The flag of root's use is never the victim of a long decision.
    return {"rootUse": True, **note} if isinstance(value, dict) and "rootUse" in value else note


def _well_formed(value: Any) -> Any:
    """Return a copy in which no text has half a surrogate pair, which JSON cannot carry."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, Mapping):
        return {_well_formed(name): _well_formed(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_well_formed(inner) for inner in value]
    return value


_ENCODER = msgspec.json.Encoder(enc_hook=_printable)
