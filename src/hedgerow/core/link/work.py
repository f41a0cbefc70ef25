"""The core's queue of work: bounded, in memory, shared by all that comes from the cloud.

Source: `maxWorkItemCount` and "MQTT persistent sessions", guide page gg-core.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from structlog.typing import FilteringBoundLogger

from hedgerow.kernel import Clock

Work = Callable[[], None]

_ITEMS_AT_ONCE = 32
"""So many items are done before others have their turn on the loop."""

_TELL_SECONDS = 60.0
"""How often the log says that items were ignored."""


class WorkQueue:
    """Does one item after another. What is above the limit is ignored, counted and logged.

    What must not be lost (`add_kept`) waits outside instead, in its order, until there is room; its
    number is bounded by whoever sends it, because it is not acknowledged before it is in.
    """

    def __init__(self, limit: int, *, clock: Clock, log: FilteringBoundLogger) -> None:
        self._limit = limit
        self._clock = clock
        self._log = log
        self._items: deque[Work] = deque()
        self._outside: deque[tuple[Work, Callable[[], None]]] = deque()
        self._queued = asyncio.Event()
        self._told_at = -_TELL_SECONDS
        self.ignored = 0
        """How many items were above the limit since the start."""

    @property
    def waiting(self) -> int:
        """How many items wait, those outside too."""
        return len(self._items) + len(self._outside)

    def add(self, work: Work) -> bool:
        """Queue an item; False if it was ignored."""
        if len(self._items) >= self._limit:
            self.ignored += 1
            self._tell()
            return False
        self._items.append(work)
        self._queued.set()
        return True

    def add_kept(self, work: Work, queued: Callable[[], None]) -> None:
        """Queue an item, now or as soon as there is room; `queued` is called when it is in."""
        self._outside.append((work, queued))
        self._let_in()
        self._queued.set()

    async def run(self) -> None:
        """Do what is queued, until cancelled. A fault of one item is logged and ends only that."""
        while True:
            self._queued.clear()
            if not self._items:
                await self._queued.wait()
            for _ in range(min(len(self._items), _ITEMS_AT_ONCE)):
                work = self._items.popleft()
                self._let_in()
                try:
                    work()
                except Exception:  # noqa: BLE001 - a bug in one part does not stop the others
                    self._log.exception("a message of the cloud was not dealt with")
            await asyncio.sleep(0)

    def _let_in(self) -> None:
        while self._outside and len(self._items) < self._limit:
            work, queued = self._outside.popleft()
            self._items.append(work)
            queued()

    def _tell(self) -> None:
        now = self._clock.monotonic()
        if now - self._told_at >= _TELL_SECONDS:
            self._told_at = now
            self._log.warning(
                "messages of the cloud are ignored: the queue of work is full; raise "
                "runtime.maxWorkItemCount, or subscribe with AtLeastOncePersistent",
                limit=self._limit,
                ignored=self.ignored,
            )
