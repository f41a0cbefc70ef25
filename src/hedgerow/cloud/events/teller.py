"""Tells events: to the broker first, then to the log, and only then it lets them go."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol

import structlog

from hedgerow.cloud.events.documents import EVENT
from hedgerow.cloud.events.envelope import envelope
from hedgerow.cloud.events.log import EventLog
from hedgerow.cloud.home import Home
from hedgerow.kernel import HedgerowError
from hedgerow.store import Change, Record, Store

BATCH: Final = 100
"""So many events are told and let go at once."""
GATHER_SECONDS: Final = 0.05
"""What happens within so long after events were told is told together: it costs two writes to the
disk, and a thousand deployments at once are not to pay those three thousand times."""
PAUSE_SECONDS: Final = 1.0
"""How long after a failure the rest is tried again."""
AT_LEAST_ONCE: Final = 1
_LOG = structlog.get_logger("hedgerow.cloud.events")


class Publisher(Protocol):
    """The account's broker, for those who tell of something."""

    def publish(self, topic: str, payload: bytes, *, qos: int) -> Awaitable[None]:
        """Publish to whoever subscribed."""


class EventTeller:
    """Tells the events of one account, in the order in which they happened.

    INVARIANT: an event is let go only after both were told it. Who is killed in between tells it
    again at the next start, with the same id.
    """

    def __init__(
        self,
        store: Store,
        home: Home,
        *,
        publisher: Publisher,
        log: EventLog,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        self._store = store
        self._home = home
        self._publisher = publisher
        self._log = log
        self._pause_seconds = pause_seconds
        self._waiting = asyncio.Event()
        self._unsubscribe: Callable[[], None] | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Tell what was left, then every event as it is noted."""
        self._waiting.set()
        self._unsubscribe = self._store.on_commit(self._hear)
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._tell_forever(), name=f"events {self._home.account}")

    async def stop(self) -> None:
        """Stop; what was not told is told after the next start."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def tell(self) -> int:
        """Tell the events that wait, and return how many it were. `OSError` if the log is shut."""
        told = 0
        while True:
            page = await self._store.list(EVENT, self._home.account, limit=BATCH)
            if not page.records:
                return told
            lines = [envelope(record, self._home) for record in page.records]
            for record, line in zip(page.records, lines, strict=True):
                await self._publish(record.document.topic, line)
            await asyncio.to_thread(self._log.write, lines)
            await self._let_go(page.records)
            told += len(lines)
            if len(lines) < BATCH:
                return told

    def _hear(self, changes: Sequence[Change]) -> None:
        noted = (EVENT.name, self._home.account)
        if any((change.kind, change.account) == noted for change in changes):
            self._waiting.set()

    async def _tell_forever(self) -> None:
        while True:
            await self._waiting.wait()
            self._waiting.clear()
            try:
                await self.tell()
                await asyncio.sleep(GATHER_SECONDS)
            except (HedgerowError, OSError) as error:
                _LOG.error("events wait: they cannot be written down", reason=str(error))
                await asyncio.sleep(self._pause_seconds)
                self._waiting.set()
            except Exception:  # noqa: BLE001 - whatever it was, the next event has them told
                _LOG.exception("events wait: they could not be told")

    async def _publish(self, topic: str, line: bytes) -> None:
        try:
            await self._publisher.publish(topic, line, qos=AT_LEAST_ONCE)
        except HedgerowError as error:
            # The log has it all the same; a broker that is full must not hold the others up.
            _LOG.warning("an event was not published", topic=topic, reason=error.message)

    async def _let_go(self, records: Sequence[Record[Any]]) -> None:
        async with self._store.transaction() as tx:
            for record in records:
                await tx.delete(record)
