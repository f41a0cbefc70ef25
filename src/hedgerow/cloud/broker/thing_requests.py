"""Requests of things that wait for their answers: bounded for each thing and for all together."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

MAX_WAITING_PER_THING: Final = 10
"""Requests of one thing that are not answered yet; one more is turned away."""
MAX_WAITING: Final = 1000
"""The same for all things together."""

_Request = TypeVar("_Request")


class ThingRequests(Generic[_Request]):
    """Has requests answered in the order they came, one after the other.

    `answer` must not raise. `turn_away` is called, a little later, for one too many.
    """

    def __init__(
        self,
        name: str,
        answer: Callable[[_Request], Awaitable[None]],
        turn_away: Callable[[_Request], None],
    ) -> None:
        self._name = name
        self._answer = answer
        self._turn_away = turn_away
        self._waiting: asyncio.Queue[tuple[str, _Request]] = asyncio.Queue()
        self._waiting_of_thing: Counter[str] = Counter()
        self._worker: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to answer."""
        loop = asyncio.get_running_loop()
        self._worker = loop.create_task(self._answer_all(), name=self._name)

    async def stop(self) -> None:
        """Stop answering; what waits is dropped, as at a restart."""
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)
            self._worker = None

    def put(self, thing_name: str, request: _Request) -> None:
        """Have a request answered, or turned away if too many wait."""
        if (
            self._waiting_of_thing[thing_name] >= MAX_WAITING_PER_THING
            or self._waiting.qsize() >= MAX_WAITING
        ):
            # Not from within the broker's own delivery of the request.
            asyncio.get_running_loop().call_soon(self._turn_away, request)
            return
        self._waiting_of_thing[thing_name] += 1
        self._waiting.put_nowait((thing_name, request))

    async def _answer_all(self) -> None:
        while True:
            thing_name, request = await self._waiting.get()
            try:
                await self._answer(request)
            finally:
                self._waiting_of_thing[thing_name] -= 1
                if not self._waiting_of_thing[thing_name]:
                    del self._waiting_of_thing[thing_name]
