"""Messages over HTTPS: devices publish, and read what is retained, under their certificate.

Source: AWS IoT Core Developer Guide, "HTTPS": `POST /topics/<topic>?qos=1`; AWS IoT data plane API
for the query, the headers of MQTT 5's properties, and retained messages.
"""

import base64
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from hedgerow.aws import HttpAnswer
from hedgerow.cloud.dataplane.answers import JSON, MissingError, ok
from hedgerow.cloud.dataplane.authorized import Authorized
from hedgerow.cloud.iot import DeviceDirectory
from hedgerow.cloud.iot_data import (
    MAX_RESULTS,
    Publisher,
    RetainedPages,
    header_json,
    last_modified_ms,
    message_properties,
    require_publishable,
    user_properties_json,
)
from hedgerow.kernel import CallerError, DeniedError, new_uuid, quoted

RETAIN: Final = "iot:RetainPublish"
_TOO_MANY_REQUESTS: Final = 429
_HEADERS: Final = {
    "payloadFormatIndicator": "x-amz-mqtt5-payload-format-indicator",
    "correlationData": "x-amz-mqtt5-correlation-data",
}
_USER_PROPERTIES: Final = "x-amz-mqtt5-user-properties"
_TRUTHS: Final = {"true": True, "false": False}
_QOS: Final = ("0", "1")


class MessageCalls:
    """Publish, and what topics retain. HTTPS knows no client id, so policies cannot ask for one."""

    def __init__(self, publisher: Publisher, directory: DeviceDirectory) -> None:
        self._publisher = publisher
        self._pages = RetainedPages(publisher)
        self._directory = directory

    async def publish(self, request: Authorized) -> HttpAnswer:
        """Publish a message; to have it retained is a right of its own."""
        topic, asked = request.parameters["topic"], request.parameters
        qos, retain = asked.get("qos", "0"), _TRUTHS.get(asked.get("retain", "false").lower())
        if qos not in _QOS:
            raise CallerError(f"qos is 0 or 1, not {quoted(qos)}")
        if retain is None:
            raise CallerError("retain is true or false")
        require_publishable(topic, request.body, retain=retain)
        properties = message_properties(_properties(asked, request.headers))
        if retain:
            self._require_retain(request)
            has_room = self._publisher.has_room_to_retain
            if request.body and not has_room(topic, len(request.body)):
                return _throttled()
        await self._publisher.publish(
            topic, request.body, qos=int(qos), retain=retain, properties=properties
        )
        return ok(msgspec.json.encode({"message": "OK", "traceId": new_uuid()}))

    async def get_retained(self, request: Authorized) -> HttpAnswer:
        """Return what a topic retains."""
        topic = request.parameters["topic"]
        message = self._publisher.retained(topic)
        if message is None:
            raise MissingError(f"the topic {quoted(topic)} retains no message")
        user = user_properties_json(message.properties)
        answer: dict[str, Any] = {
            "topic": message.topic,
            "payload": base64.b64encode(message.payload).decode(),
            "qos": message.qos,
            **last_modified_ms(message),
        }
        if user is not None:
            answer["userProperties"] = base64.b64encode(user).decode()
        return ok(msgspec.json.encode(answer))

    async def list_retained(self, request: Authorized) -> HttpAnswer:
        """Return a page of topics that retain a message."""
        asked = request.parameters
        wanted = asked.get("maxResults", str(MAX_RESULTS))
        if not (wanted.isascii() and wanted.isdigit() and 1 <= int(wanted) <= MAX_RESULTS):
            raise CallerError(f"maxResults is from 1 to {MAX_RESULTS}")
        asker = request.device.certificate_id
        return ok(msgspec.json.encode(self._pages.page(asker, int(wanted), asked.get("nextToken"))))

    def _require_retain(self, request: Authorized) -> None:
        resource = request.match.resource
        decision = self._directory.authorize(request.device, RETAIN, resource)
        if not decision.allowed:
            raise DeniedError(f"{RETAIN} on {resource} is refused: {decision.reason}")


def _properties(asked: Mapping[str, str], headers: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {
        name: asked[name] for name in ("contentType", "responseTopic") if name in asked
    }
    expiry = asked.get("messageExpiry")
    if expiry is not None:
        if not (expiry.isascii() and expiry.isdigit()):
            raise CallerError("messageExpiry is a number of seconds")
        found["messageExpiry"] = int(expiry)
    for member, header in _HEADERS.items():
        if header in headers:
            found[member] = headers[header]
    if _USER_PROPERTIES in headers:
        found["userProperties"] = header_json(headers[_USER_PROPERTIES])
    return found


def _throttled() -> HttpAnswer:
    body = {"message": "no more messages can be retained; let some go by empty ones"}
    return HttpAnswer(_TOO_MANY_REQUESTS, JSON, msgspec.json.encode(body))
