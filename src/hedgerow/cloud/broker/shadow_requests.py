"""Requests to shadows over MQTT: taken from the broker, answered on the shadow's own topics."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import structlog

from hedgerow.cloud.iot_data import ShadowService
from hedgerow.contract import ShadowTopic, parse_shadow_topic
from hedgerow.mqtt import Message
from hedgerow.shadow import ShadowError

MAX_WAITING_PER_THING: Final = 10
"""Requests to one thing's shadow that are not answered yet; one more is answered with 429."""
MAX_WAITING: Final = 1000
"""The same for all things together."""

_TOO_MANY_REQUESTS: Final = 429
_INTERNAL_FAILURE: Final = 500

_log = structlog.get_logger("hedgerow.cloud.broker.shadow_requests")

Publish = Callable[[str, bytes], None]


class ShadowRequests:
    """Answers requests in the order they came, one after the other.

    `accepted` answers to updates and deletions, deltas and documents are published by whoever
    listens to the shadow service, so that changes over HTTPS are told as well.
    """

    def __init__(self, shadows: ShadowService, publish: Publish) -> None:
        self._shadows = shadows
        self._publish = publish
        self._waiting: asyncio.Queue[tuple[ShadowTopic, bytes]] = asyncio.Queue()
        self._waiting_of_thing: Counter[str] = Counter()
        self._worker: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to answer."""
        loop = asyncio.get_running_loop()
        self._worker = loop.create_task(self._answer_all(), name="shadow requests")

    async def stop(self) -> None:
        """Stop answering; what waits is dropped, as at a restart."""
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)
            self._worker = None

    def take(self, message: Message) -> None:
        """Take a message on a request topic (a `Tap`); a will is none, as in AWS IoT Core."""
        request = parse_shadow_topic(message.topic)
        if request is None or request.event or message.is_will:
            return
        if (
            self._waiting_of_thing[request.thing_name] >= MAX_WAITING_PER_THING
            or self._waiting.qsize() >= MAX_WAITING
        ):
            refusal = ShadowError(_TOO_MANY_REQUESTS, "Too many requests")
            # Not from within the broker's own delivery of the request.
            asyncio.get_running_loop().call_soon(self._reject, request, refusal)
            return
        self._waiting_of_thing[request.thing_name] += 1
        self._waiting.put_nowait((request, message.payload))

    async def _answer_all(self) -> None:
        while True:
            request, payload = await self._waiting.get()
            try:
                await self._answer(request, payload)
            finally:
                self._waiting_of_thing[request.thing_name] -= 1
                if not self._waiting_of_thing[request.thing_name]:
                    del self._waiting_of_thing[request.thing_name]

    async def _answer(self, request: ShadowTopic, payload: bytes) -> None:
        try:
            answer = await self._asked(request, payload)
        except ShadowError as error:
            self._reject(request, error)
        except Exception as error:  # noqa: BLE001 - one request's failure must not end the others
            _log.error("a shadow request failed", failure=type(error).__name__)
            self._reject(request, ShadowError(_INTERNAL_FAILURE, "Internal service failure"))
        else:
            if request.verb == "get":
                self._publish(str(replace(request, event="accepted")), answer)

    async def _asked(self, request: ShadowTopic, payload: bytes) -> bytes:
        ask = {
            "get": self._shadows.get,
            "update": self._shadows.update,
            "delete": self._shadows.delete,
        }[request.verb]
        return await ask(request.thing_name, payload, shadow_name=request.shadow_name)

    def _reject(self, request: ShadowTopic, error: ShadowError) -> None:
        self._publish(str(replace(request, event="rejected")), self._shadows.rejection(error))
