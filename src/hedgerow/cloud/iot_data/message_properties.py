"""MQTT 5's properties of a message as they come over HTTP: read strictly, or refused.

Source: AWS IoT data plane API, Publish; the same members come by boto3 and by devices' HTTPS.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, Final

from hedgerow.kernel import CallerError
from hedgerow.mqtt import KeptMessage, valid_topic
from hedgerow.mqtt.codec import NO_PROPERTIES, Properties

MAX_USER_PROPERTIES: Final = 100
MAX_PROPERTIES_BYTES: Final = 8 * 1024
"""AWS IoT Core Developer Guide, MQTT 5: what properties may take beside the payload."""
MAX_EXPIRY_S: Final = 2**32 - 1
_FORMATS: Final = {"UNSPECIFIED_BYTES": False, "UTF8_DATA": True}

UserProperties = tuple[tuple[str, str], ...]


def message_properties(members: Mapping[str, Any]) -> Properties:
    """Return the properties that the members of a Publish say, or raise `CallerError`."""
    indicator = members.get("payloadFormatIndicator")
    expiry_s = members.get("messageExpiry")
    response_topic = members.get("responseTopic")
    content_type = members.get("contentType")
    correlation = members.get("correlationData")
    user = members.get("userProperties")
    if (
        indicator is None
        and expiry_s is None
        and not any((response_topic, content_type, correlation, user))
    ):
        return NO_PROPERTIES
    if indicator is not None and indicator not in _FORMATS:
        raise CallerError(f"payloadFormatIndicator is one of {', '.join(_FORMATS)}")
    if expiry_s is not None and not 0 <= expiry_s <= MAX_EXPIRY_S:
        raise CallerError(f"messageExpiry is from 0 to {MAX_EXPIRY_S} seconds")
    if response_topic and not valid_topic(response_topic):
        raise CallerError("responseTopic is no topic name; it has no '+', '#' or NUL")
    properties = Properties(
        payload_format_indicator=None if indicator is None else _FORMATS[indicator],
        message_expiry_interval=expiry_s,
        response_topic=response_topic or None,
        content_type=content_type or None,
        correlation_data=_base64(correlation, "correlationData") if correlation else None,
        user_property=_user_properties(user) if user else (),
    )
    if _size(properties) > MAX_PROPERTIES_BYTES:
        raise CallerError(f"the properties of a message take at most {MAX_PROPERTIES_BYTES} bytes")
    return properties


def last_modified_ms(message: KeptMessage) -> dict[str, int]:
    """Return when a retained message was taken, as the member that says it."""
    taken_at = message.taken_at
    return {} if taken_at is None else {"lastModifiedTime": int(taken_at * 1000)}


def user_properties_json(properties: Properties) -> bytes | None:
    """Return user properties as GetRetainedMessage gives them, None if there are none."""
    pairs = properties.user_property
    return json.dumps([{name: value} for name, value in pairs]).encode() if pairs else None


def header_json(text: str) -> Any:
    """Return the JSON value of a header that carries one as base64, or raise `CallerError`."""
    try:
        return json.loads(_base64(text, "userProperties"))
    except ValueError as wrong:
        raise CallerError("userProperties is base64 of a JSON array of objects") from wrong


def _user_properties(found: Any) -> UserProperties:
    """Read an array of objects, or the text of one: SDKs send the text that they are given."""
    if isinstance(found, str):
        try:
            found = json.loads(found)
        except ValueError as wrong:
            raise CallerError("userProperties is a JSON array of objects") from wrong
    if not isinstance(found, list) or len(found) > MAX_USER_PROPERTIES:
        raise CallerError(
            f"userProperties is a JSON array of at most {MAX_USER_PROPERTIES} objects"
        )
    pairs = []
    for each in found:
        if not isinstance(each, dict) or not all(isinstance(v, str) for v in each.values()):
            raise CallerError("each of userProperties is an object whose values are strings")
        pairs += list(each.items())
    return tuple(pairs)


def _base64(text: str, member: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as wrong:
        raise CallerError(f"{member} has to be base64") from wrong


def _size(properties: Properties) -> int:
    texts = [properties.response_topic or "", properties.content_type or ""]
    texts += [part for pair in properties.user_property for part in pair]
    if any("\0" in text or not text.isprintable() for text in texts):
        raise CallerError("the properties of a message are printable text")
    return sum(len(text.encode()) for text in texts) + len(properties.correlation_data or b"")
