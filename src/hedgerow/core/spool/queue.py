"""The queue in force: what waits, what is asked of it, what became of it."""

import asyncio
import shutil
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from hedgerow.core.spool.caution import SubjectsOf
from hedgerow.core.spool.files import FileSpool
from hedgerow.core.spool.full import QueueFullError, QueueFullPolicy
from hedgerow.core.spool.memory import MemorySpool
from hedgerow.core.spool.outlet import Published, Publisher, Retry
from hedgerow.core.spool.sender import Sender
from hedgerow.core.spool.settings import SpoolSettings, StorageType
from hedgerow.core.spool.spool import Extras, QueuedMessage, Spool, size_in_queue
from hedgerow.kernel import Clock

DEFAULT_WINDOW = 20
"""How many messages are under way at once. One, as documented, is a round trip a message: 20 a
second where a round trip takes 50 ms. Order is kept with more of them too, so this is the default;
the documented one is the option `spoolerInFlight`."""

_SYNC_INTERVAL_SECONDS = 1.0
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class QueueCounters:
    """What became of the messages for the cloud since the start: each is counted once."""

    waiting: int
    waiting_bytes: int
    in_flight: int
    sent: int
    dropped: int
    refused: int
    expired: int


class CloudQueue:
    """Owns the spool in force; a `Sender` empties it.

    A message that the cloud answers with a refusal leaves the queue too, counted and logged with
    the cloud's reason: it would be refused again and hold up all the others.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Clock,
        log: FilteringBoundLogger,
        retry: Retry,
        window: int = DEFAULT_WINDOW,
        topics_arn: str = "",
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._log = log
        self._topics_arn = topics_arn
        self._settings = SpoolSettings()
        self._spool: Spool = MemorySpool(self._settings.max_size_bytes)
        self._settings_to_come: SpoolSettings | None = None
        self._sent = 0
        self._refused = 0
        self._expired = 0
        self._dropped_before = 0
        self._sender = Sender(self, window, clock, retry)

    @property
    def storage(self) -> StorageType:
        """Where messages wait now: in memory too if the disk takes none."""
        return "Memory" if isinstance(self._spool, MemorySpool) else "FileSystem"

    @property
    def counters(self) -> QueueCounters:
        """The counters now."""
        return QueueCounters(
            waiting=self._spool.count,
            waiting_bytes=self._spool.size_bytes,
            in_flight=self._sender.in_flight,
            sent=self._sent,
            dropped=self._dropped_before + self._spool.dropped,
            refused=self._refused,
            expired=self._expired,
        )

    @property
    def problem(self) -> str | None:
        """What the cloud refuses altogether now, or None."""
        subjects = self._sender.caution.refused_subjects
        if not subjects:
            return None
        resource = self._topics_arn + subjects[0].replace("+", "*").replace("#", "*")
        others = f" (and {len(subjects) - 1} more subjects)" if len(subjects) > 1 else ""
        return (
            f"the cloud refuses what rows with the subject {subjects[0]} send to it{others}; "
            f"the core's policy must allow iot:Publish on {resource}, or the row has to go"
        )

    @property
    def spool(self) -> Spool:
        """The spool in force."""
        return self._spool

    @property
    def is_changing(self) -> bool:
        """Tell whether nothing more may be sent before the settings have changed."""
        return self._settings_to_come is not None

    def put(
        self,
        topic: str,
        payload: bytes,
        *,
        properties: bytes = b"",
        expires_in_s: int | None = None,
        policy: QueueFullPolicy = QueueFullPolicy.BEST_EFFORT,
    ) -> None:
        """Queue a message for the cloud; with `ALL_OR_EXCEPTION` raise `QueueFullError` if full."""
        expires_at_ms = 0
        if expires_in_s is not None:
            expires_at_ms = max(self._now_ms() + expires_in_s * 1000, 1)
        extras = Extras(expires_at_ms, properties)
        if policy is QueueFullPolicy.ALL_OR_EXCEPTION and not self._spool.has_room(
            size_in_queue(topic, payload, extras)
        ):
            raise QueueFullError(
                "the queue for the cloud is full; try again later, publish with queueFullPolicy "
                "BestEffort, or give GGCloudSpooler a larger GG_CONFIG_MAX_SIZE_BYTES"
            )
        self._spool.put(topic, payload, extras)
        self._sender.wake()

    def remaining_s(self, message: QueuedMessage) -> int | None:
        """Return the whole seconds that a message is still good for, 0 if none; None: no end."""
        ends = message.extras.expires_at_ms
        return None if not ends else max(-((self._now_ms() - ends) // 1000), 0)

    def configure(self, settings: SpoolSettings) -> None:
        """Keep the queue as a deployment asks; what waits is carried over in its order.

        What is in flight is answered first, so that it is not sent twice.
        """
        if self._sender.in_flight:
            self._settings_to_come = settings
        elif settings != self._settings:
            old, self._spool = self._spool, self._reopened(settings)
            self._settings = settings
            self._dropped_before += old.dropped
            self._sender.wake()

    def serve(self, subjects_of: SubjectsOf) -> None:
        """Go by the rows of this table from now on, to judge what the cloud refuses."""
        self._sender.caution.serve(subjects_of)

    def change_settings(self) -> None:
        """Take the settings that waited until nothing was in flight."""
        if self._settings_to_come is not None:
            settings, self._settings_to_come = self._settings_to_come, None
            self.configure(settings)

    def open(self, settings: SpoolSettings) -> None:
        """Open the queue at start: what lies in files waits again."""
        self._settings = settings
        self._spool = self._made(settings)
        self._sender.wake()

    async def run(self, publisher: Publisher) -> None:
        """Send until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._sender.run(publisher), name="spool sender")
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

    def count_expired(self) -> None:
        """Take note of a message whose time was up before it could be sent."""
        self._expired += 1

    def count_refused_unasked(self) -> None:
        """Take note of a message on a topic or subject that the cloud has refused a moment ago."""
        self._refused += 1

    def count_answer(self, message: QueuedMessage, answer: Published) -> None:
        """Take note of the cloud's answer to a message that still waited for it."""
        if answer.accepted:
            self._sent += 1
            return
        self._refused += 1
        self._log.warning("the cloud refused a message", topic=message.topic, reason=answer.reason)

    def tell_interrupted(self, reason: str) -> None:
        """Say why what is in flight is sent again."""
        self._log.info("publications to the cloud are tried again", reason=reason)

    async def _sync(self) -> None:
        while True:
            await asyncio.sleep(_SYNC_INTERVAL_SECONDS)
            try:
                await self._spool.sync()
            except OSError as error:
                self._log.warning("the queue could not be synced", reason=str(error))

    def _now_ms(self) -> int:
        return round(self._clock.now().timestamp() * 1000)

    def _reopened(self, settings: SpoolSettings) -> Spool:
        """Return a spool with the new settings that holds what the old one held."""
        old = self._spool
        if settings.storage == self._settings.storage == "FileSystem":
            old.close()
            return self._made(settings)
        new = self._made(settings)
        while (message := old.oldest()) is not None:
            if not self._sender.forget(message.number):
                new.put(message.topic, message.payload, message.extras)
            old.remove(message.number)
        old.close()
        if isinstance(new, MemorySpool):  # nothing of what was sent stays readable on the disk
            shutil.rmtree(self._folder, ignore_errors=True)
        return new

    def _made(self, settings: SpoolSettings) -> Spool:
        """Return a spool; a disk that takes none leaves the core with one in memory."""
        if settings.storage == "FileSystem":
            try:
                return FileSpool(self._folder, settings.max_size_bytes)
            except OSError as error:
                self._log.error("the queue is kept in memory", reason=str(error))
        return MemorySpool(settings.max_size_bytes)
