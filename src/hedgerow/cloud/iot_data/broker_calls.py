"""The calls of `iot-data` that concern the broker: publishing, retained messages, connections."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final, Protocol

from hedgerow.aws import Answer, AwsError, Call, Service, decode_token, encode_token, operation
from hedgerow.cloud.iot_data.message_properties import (
    last_modified_ms,
    message_properties,
    user_properties_json,
)
from hedgerow.contract import parse_shadow_topic
from hedgerow.kernel import CallerError, Secret, quoted, random_bytes
from hedgerow.mqtt import KeptMessage, valid_topic
from hedgerow.mqtt.codec import Properties

MAX_PAYLOAD_BYTES: Final = 128 * 1024
MAX_TOPIC_BYTES: Final = 256
MAX_TOPIC_SLASHES: Final = 7
MAX_RESULTS: Final = 200
_KEY_BYTES: Final = 32


class Publisher(Protocol):
    """The cloud's broker, as programs may use it: it publishes as the cloud itself."""

    async def publish(
        self, topic: str, payload: bytes, *, qos: int, retain: bool, properties: Properties
    ) -> None:
        """Give a message to everyone who is subscribed and may receive it."""

    def retained(self, topic: str) -> KeptMessage | None:
        """Return the message that a topic retains, or None."""

    def retained_topics(self) -> Sequence[KeptMessage]:
        """Return all retained messages, by topic."""

    def has_room_to_retain(self, topic: str, payload_bytes: int) -> bool:
        """Return whether a message of this size could be retained under a topic."""

    def delete_connection(self, client_id: str, *, clean_session: bool, will: bool) -> bool:
        """Disconnect a client; False if there is none of that id."""


class RetainedPages:
    """Lists retained messages page by page. A page's token is good until the cloud stops."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._key = Secret(random_bytes(_KEY_BYTES))

    def page(self, asker: str, limit: int, token: str | None) -> dict[str, Any]:
        """Return a page, or raise `InvalidPageTokenError` for a token of another asker's list."""
        scope = f"ListRetainedMessages/{asker}"
        after = decode_token(self._key, scope, token) if token else ""
        left = [one for one in self._publisher.retained_topics() if one.topic > after]
        answer: dict[str, Any] = {"retainedTopics": [_summary(one) for one in left[:limit]]}
        if len(left) > limit:
            answer["nextToken"] = encode_token(self._key, scope, left[limit - 1].topic)
        return answer


class BrokerCalls(Service):
    """Publish, GetRetainedMessage, ListRetainedMessages and DeleteConnection.

    Whether the caller may is decided before; the retain flag is a right of its own.
    """

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._pages = RetainedPages(publisher)

    @operation("Publish")
    async def publish(self, call: Call) -> Answer:
        """Publish a message; of the reserved topics, only requests to shadows are open."""
        topic, payload = call.input["topic"], call.input.get("payload") or b""
        retain = bool(call.input.get("retain"))
        require_publishable(topic, payload, retain=retain)
        properties = message_properties(call.input)
        has_room = self._publisher.has_room_to_retain
        if retain and payload and not has_room(topic, len(payload)):
            raise AwsError(
                "ThrottlingException",
                "No more messages can be retained; delete some first.",
                http_status=HTTPStatus.TOO_MANY_REQUESTS,
            )
        await self._publisher.publish(
            topic, payload, qos=call.input.get("qos") or 0, retain=retain, properties=properties
        )
        return None

    @operation("GetRetainedMessage")
    async def get_retained_message(self, call: Call) -> Answer:
        """Return what a topic retains."""
        topic = call.input["topic"]
        message = self._publisher.retained(topic)
        if message is None:
            raise AwsError(
                "ResourceNotFoundException", f"The topic {quoted(topic)} retains no message."
            )
        answer: dict[str, Any] = {
            "topic": message.topic,
            "payload": message.payload,
            "qos": message.qos,
            **last_modified_ms(message),
        }
        user = user_properties_json(message.properties)
        return answer if user is None else {**answer, "userProperties": user}

    @operation("ListRetainedMessages")
    async def list_retained_messages(self, call: Call) -> Answer:
        """Return a page of topics that retain a message, without the messages."""
        limit = call.input.get("maxResults") or MAX_RESULTS
        return self._pages.page(call.account, limit, call.input.get("nextToken"))

    @operation("DeleteConnection")
    async def delete_connection(self, call: Call) -> Answer:
        """Disconnect a client, with or without its session and its will."""
        client_id = call.input["clientId"]
        found = self._publisher.delete_connection(
            client_id,
            clean_session=bool(call.input.get("cleanSession")),
            will=not call.input.get("preventWillMessage"),
        )
        if not found:
            raise AwsError(
                "ResourceNotFoundException", f"No client {quoted(client_id)} is connected."
            )
        return None


def require_publishable(topic: str, payload: bytes, *, retain: bool) -> None:
    """Raise `CallerError` for what no client could publish either."""
    if not valid_topic(topic):
        raise CallerError(f"{quoted(topic)} is not a topic name; it has no '+', '#' or NUL.")
    if len(topic.encode()) > MAX_TOPIC_BYTES or topic.count("/") > MAX_TOPIC_SLASHES:
        raise CallerError(
            f"A topic has at most {MAX_TOPIC_BYTES} bytes and {MAX_TOPIC_SLASHES} slashes."
        )
    if topic.startswith("$"):
        reserved = parse_shadow_topic(topic)
        if reserved is None or reserved.event:
            raise CallerError(f"The topic {quoted(topic)} is reserved.")
        if retain:
            raise CallerError(f"Nothing is retained on the reserved topic {quoted(topic)}.")
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise CallerError(f"A payload has at most {MAX_PAYLOAD_BYTES} bytes, not {len(payload)}.")


def _summary(message: KeptMessage) -> dict[str, Any]:
    return {
        "topic": message.topic,
        "payloadSize": len(message.payload),
        "qos": message.qos,
        **last_modified_ms(message),
    }
