"""The sender: takes the oldest message, publishes it, lets it go when the cloud has it."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from hedgerow.core.spool.files import FileSpool
from hedgerow.core.spool.memory import MemorySpool
from hedgerow.core.spool.settings import SpoolSettings
from hedgerow.core.spool.spool import QueuedMessage, Spool
from hedgerow.kernel import UnavailableError

_SYNC_INTERVAL_SECONDS = 1.0
_RETRY_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Published:
    """The cloud's answer to a publication: accepted, or refused with its reason."""

    accepted: bool
    reason: str = ""


class Publisher(Protocol):
    """The link to the cloud, as the queue needs it."""

    async def wait_connected(self) -> None:
        """Return once a publication can be tried."""

    async def publish(self, topic: str, payload: bytes) -> Published:
        """Publish at QoS 1 and return the cloud's answer; `UnavailableError` without one."""


@dataclass(frozen=True, slots=True)
class QueueCounters:
    """What became of the messages for the cloud since the start."""

    waiting: int
    waiting_bytes: int
    sent: int
    dropped: int
    refused: int


class CloudQueue:
    """Owns the spool in force. One message is in flight at a time, so the order holds.

    A message that the cloud answers with a refusal leaves the queue too, counted and logged with
    the cloud's reason: it would be refused again and hold up all the others.
    """

    def __init__(self, folder: Path, log: FilteringBoundLogger) -> None:
        self._folder = folder
        self._log = log
        self._settings = SpoolSettings()
        self._spool: Spool = MemorySpool(self._settings.max_size_bytes)
        self._queued = asyncio.Event()
        self._in_flight = False
        self._settings_to_come: SpoolSettings | None = None
        self._sent = 0
        self._refused = 0
        self._dropped_before = 0

    @property
    def counters(self) -> QueueCounters:
        """The counters now."""
        return QueueCounters(
            waiting=self._spool.count,
            waiting_bytes=self._spool.size_bytes,
            sent=self._sent,
            dropped=self._dropped_before + self._spool.dropped,
            refused=self._refused,
        )

    def put(self, topic: str, payload: bytes) -> None:
        """Queue a message for the cloud."""
        self._spool.put(topic, payload)
        self._queued.set()

    def configure(self, settings: SpoolSettings) -> None:
        """Keep the queue as a deployment asks; what waits is carried over in its order.

        A message in flight is answered first, so that it is not sent twice.
        """
        if self._in_flight:
            self._settings_to_come = settings
        elif settings != self._settings:
            old, self._spool = self._spool, self._reopened(settings)
            self._settings = settings
            self._dropped_before += old.dropped

    def open(self, settings: SpoolSettings) -> None:
        """Open the queue at start: what lies in files waits again."""
        self._settings = settings
        self._spool = self._made(settings)
        self._queued.set()

    async def run(self, publisher: Publisher) -> None:
        """Send until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._send(publisher), name="spool sender")
            tasks.create_task(self._sync(), name="spool sync")

    def close(self) -> None:
        """Close the spool; what lies in files stays there, and what lies in memory is lost."""
        if self._spool.count and isinstance(self._spool, MemorySpool):
            self._log.warning(
                "messages for the cloud are lost with the memory they waited in; give "
                "GGCloudSpooler GG_CONFIG_STORAGE_TYPE=FileSystem to keep them over a stop",
                messages=self._spool.count,
            )
        self._spool.close()

    async def _send(self, publisher: Publisher) -> None:
        while True:
            if not self._spool.count:
                self._queued.clear()
                await self._queued.wait()
            await publisher.wait_connected()
            message = self._spool.oldest()
            if message is not None and not await self._send_one(publisher, message):
                await asyncio.sleep(_RETRY_SECONDS)

    async def _send_one(self, publisher: Publisher, message: QueuedMessage) -> bool:
        self._in_flight = True
        try:
            answer = await publisher.publish(message.topic, message.payload)
        except UnavailableError as error:
            self._log.info("publication to the cloud is tried again", reason=error.message)
            return False
        else:
            self._count_answer(message, answer)
            self._spool.remove(message.number)
            return True
        finally:
            self._in_flight = False
            if self._settings_to_come is not None:
                settings, self._settings_to_come = self._settings_to_come, None
                self.configure(settings)

    def _count_answer(self, message: QueuedMessage, answer: Published) -> None:
        if answer.accepted:
            self._sent += 1
            return
        self._refused += 1
        self._log.warning("the cloud refused a message", topic=message.topic, reason=answer.reason)

    async def _sync(self) -> None:
        while True:
            await asyncio.sleep(_SYNC_INTERVAL_SECONDS)
            try:
                await self._spool.sync()
            except OSError as error:
                self._log.warning("the queue could not be synced", reason=str(error))

    def _reopened(self, settings: SpoolSettings) -> Spool:
        """Return a spool with the new settings that holds what the old one held."""
        if settings.storage == self._settings.storage == "FileSystem":
            self._spool.close()
            return self._made(settings)
        new = self._made(settings)
        while (message := self._spool.oldest()) is not None:
            new.put(message.topic, message.payload)
            self._spool.remove(message.number)
        self._spool.close()
        return new

    def _made(self, settings: SpoolSettings) -> Spool:
        """Return a spool; a disk that takes none leaves the core with one in memory."""
        if settings.storage == "FileSystem":
            try:
                return FileSpool(self._folder, settings.max_size_bytes)
            except OSError as error:
                self._log.error("the queue is kept in memory", reason=str(error))
        return MemorySpool(settings.max_size_bytes)
