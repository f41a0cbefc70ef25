"""Requests to shadows over MQTT: taken from the broker, answered on the shadow's own topics."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import structlog

from hedgerow.cloud.broker.thing_requests import ThingRequests
from hedgerow.cloud.iot_data import ShadowService
from hedgerow.contract import ShadowTopic, parse_shadow_topic
from hedgerow.mqtt import Message
from hedgerow.shadow import ShadowError

_TOO_MANY: Final = ShadowError(429, "Too many requests")
_INTERNAL_FAILURE: Final = 500

_log = structlog.get_logger("hedgerow.cloud.broker.shadow_requests")

Publish = Callable[[str, bytes], None]
_Request = tuple[ShadowTopic, bytes]


class ShadowRequests:
    """Answers requests in the order they came, one after the other.

    `accepted` answers to updates and deletions, deltas and documents are published by whoever
    listens to the shadow service, so that changes over HTTPS are told as well.
    """

    def __init__(self, shadows: ShadowService, publish: Publish) -> None:
        self._shadows = shadows
        self._publish = publish
        self._requests = ThingRequests[_Request]("shadow requests", self._answer, self._turn_away)

    async def start(self) -> None:
        """Begin to answer."""
        await self._requests.start()

    async def stop(self) -> None:
        """Stop answering; what waits is dropped, as at a restart."""
        await self._requests.stop()

    def take(self, message: Message) -> None:
        """Take a message on a request topic (a `Tap`); a will is none, as in AWS IoT Core."""
        topic = parse_shadow_topic(message.topic)
        if topic is not None and not topic.event and not message.is_will:
            self._requests.put(topic.thing_name, (topic, message.payload))

    def _turn_away(self, request: _Request) -> None:
        self._reject(request[0], _TOO_MANY)

    async def _answer(self, request: _Request) -> None:
        topic, payload = request
        try:
            answer = await self._asked(topic, payload)
        except ShadowError as error:
            self._reject(topic, error)
        except Exception as error:  # noqa: BLE001 - one request's failure must not end the others
            _log.error("a shadow request failed", failure=type(error).__name__)
            self._reject(topic, ShadowError(_INTERNAL_FAILURE, "Internal service failure"))
        else:
            if topic.verb == "get":
                self._publish(str(replace(topic, event="accepted")), answer)

    async def _asked(self, request: ShadowTopic, payload: bytes) -> bytes:
        ask = {
            "get": self._shadows.get,
            "update": self._shadows.update,
            "delete": self._shadows.delete,
        }[request.verb]
        return await ask(request.thing_name, payload, shadow_name=request.shadow_name)

    def _reject(self, request: ShadowTopic, error: ShadowError) -> None:
        self._publish(str(replace(request, event="rejected")), self._shadows.rejection(error))
