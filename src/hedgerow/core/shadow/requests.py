"""Requests to local shadows: taken from the broker, answered one after the other, in order."""

import asyncio
from collections import Counter, deque
from typing import Final

from hedgerow.contract import ShadowTopic, parse_shadow_topic
from hedgerow.core.shadow.local import LocalShadows
from hedgerow.mqtt import Message
from hedgerow.shadow import TOO_MANY_REQUESTS, ShadowError

MAX_WAITING_PER_THING: Final = 10
"""Requests to one thing's shadow that are not answered yet; one more is answered with 429."""
MAX_WAITING: Final = 1000
"""The same for all things together."""


class ShadowRequests:
    """The queue between the local server and the shadows."""

    def __init__(self, shadows: LocalShadows) -> None:
        self._shadows = shadows
        self._waiting: deque[tuple[ShadowTopic, bytes]] = deque()
        self._waiting_of_thing: Counter[str] = Counter()
        self._arrived = asyncio.Event()

    def take(self, message: Message) -> None:
        """Take a message on a request topic (a `Tap`); any other message is nobody's, wills too.

        Source: AWS IoT Core Developer Guide, Using shadows in apps and services.
        """
        request = parse_shadow_topic(message.topic)
        if request is None or request.event or message.is_will:
            return
        if (
            self._waiting_of_thing[request.thing_name] >= MAX_WAITING_PER_THING
            or len(self._waiting) >= MAX_WAITING
        ):
            refusal = ShadowError(TOO_MANY_REQUESTS, "Too many requests")
            # Not from within the broker's own delivery of the request.
            asyncio.get_running_loop().call_soon(self._shadows.reject, request, refusal)
            return
        self._waiting_of_thing[request.thing_name] += 1
        self._waiting.append((request, message.payload))
        self._arrived.set()

    async def run(self) -> None:
        """Answer until cancelled; the loop goes on with other work after each request."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                request, payload = self._waiting.popleft()
                self._waiting_of_thing[request.thing_name] -= 1
                if not self._waiting_of_thing[request.thing_name]:
                    del self._waiting_of_thing[request.thing_name]
                self._shadows.answer(request, payload)
                await asyncio.sleep(0)
