"""Delivers an account's trails: when something is due, and what becomes of failures.

Every step reads a trail's progress, does one thing, and keeps the new progress. It works by the
clock that it is given; `run_due` does all that is due at this moment.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
import structlog

from hedgerow.cloud.cloudtrail.delivery import plan_digest, plan_file, write_digest, write_file
from hedgerow.cloud.cloudtrail.documents import (
    TRAIL_PROGRESS,
    TRAIL_SETTINGS,
    TrailProgress,
    TrailSettings,
)
from hedgerow.cloud.cloudtrail.keys import TrailKeys
from hedgerow.cloud.cloudtrail.layout import Origin
from hedgerow.cloud.cloudtrail.trail import Trail
from hedgerow.cloud.home import Home
from hedgerow.kernel import Clock, HedgerowError
from hedgerow.store import Record, Store

_log = structlog.get_logger("hedgerow.cloud.cloudtrail")
_LOOK_AT_MOST_EVERY_S: Final = 5.0
_LOOK_AT_LEAST_EVERY_S: Final = 3600.0
"""Where nothing logs, for the journal's old files."""
_FORGET_EVERY: Final = timedelta(hours=1)
MAX_RECORDS_PER_DIGEST: Final = 50_000
"""A digest is made early rather than name more records than this."""


@dataclass(frozen=True, slots=True)
class Intervals:
    """How often files are delivered, and how often digests; AWS's own by default."""

    logs: timedelta = timedelta(minutes=5)
    digests: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Deliveries:
    """Where the trails of all accounts deliver, and how often."""

    folder: Path
    intervals: Intervals = Intervals()

    def of(self, account: str) -> Path:
        """Return the folder that has an account's buckets."""
        return self.folder / account


class Deliverer:
    """Delivers what one account's trails ask for, into folders (buckets) under the account's."""

    def __init__(
        self,
        store: Store,
        home: Home,
        trail: Trail,
        keys: TrailKeys,
        clock: Clock,
        *,
        deliveries: Deliveries,
    ) -> None:
        self._store = store
        self._home = home
        self._trail = trail
        self._keys = keys
        self._clock = clock
        self._folder = deliveries.of(home.account)
        self._intervals = deliveries.intervals
        self._working = asyncio.Lock()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._forgot_at: datetime | None = None

    async def start(self) -> None:
        """Begin to deliver; what a restart left half done is finished first."""
        name = f"trail delivery {self._home.account}"
        self._task = asyncio.get_running_loop().create_task(self._run(), name=name)

    async def stop(self) -> None:
        """Stop; what is not delivered yet is delivered after the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def wake(self) -> None:
        """Look at once whether something is due."""
        self._wake.set()

    async def run_due(self) -> bool:
        """Do everything that is due now; say whether a trail logs, or has to come to its end."""
        busy = False
        async with self._working:
            for settings in await self._store.all(TRAIL_SETTINGS, self._home.account):
                progress = await self._store.get(TRAIL_PROGRESS, self._home.account, settings.id)
                if progress is not None:
                    await self._deliver_if_due(settings, progress)
                    busy |= progress.document.logging or progress.document.concluding
            await self._forget_old()
        return busy

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Deliver nothing while the block changes trails; a round under way is waited for."""
        async with self._working:
            yield

    async def conclude(self, name: str, *, only_if_stopped: bool = False) -> None:
        """Deliver everything a trail has, and sign its last digest: nothing is due after it.

        Inside `paused` only. `only_if_stopped` does it for a trail whose logging was stopped and
        that has not come to its end yet.
        """
        settings = await self._store.get(TRAIL_SETTINGS, self._home.account, name)
        progress = await self._store.get(TRAIL_PROGRESS, self._home.account, name)
        if settings is None or progress is None:
            return
        logging = progress.document.logging and not only_if_stopped
        if logging or progress.document.concluding:
            await self._deliver(settings, progress, stopped=True)

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            pause = min(_LOOK_AT_MOST_EVERY_S, self._intervals.logs.total_seconds())
            try:
                if not await self.run_due():
                    pause = _LOOK_AT_LEAST_EVERY_S
            except Exception as error:  # noqa: BLE001 - the next round may do better
                _log.error("delivery of trails is late", reason=str(error))
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _deliver_if_due(
        self, settings: Record[TrailSettings], progress: Record[TrailProgress]
    ) -> None:
        document, now = progress.document, self._clock.now()
        if not document.logging and not document.concluding:
            return
        half_done = document.next_file is not None or document.next_digest is not None
        last = document.delivered_at
        logs_due = last is None or now >= last + self._intervals.logs
        if document.concluding:
            await self._deliver(settings, progress, stopped=True)
        elif half_done or logs_due or self._digest_is_due(document):
            await self._deliver(settings, progress, stopped=False)

    async def _deliver(
        self,
        settings: Record[TrailSettings],
        progress: Record[TrailProgress],
        *,
        stopped: bool,
    ) -> None:
        """Deliver a trail's records, then a digest that is due; a failure is kept for status."""
        try:
            progress = await self._finish_digest(settings, progress)
            progress = await self._files(settings, progress)
            digest = stopped or self._digest_is_due(progress.document)
            if digest and settings.document.validation:
                progress = await self._digest(settings, progress, stopped=stopped)
            elif digest:
                document = msgspec.structs.replace(
                    progress.document, digest_start=self._clock.now()
                )
                progress = await self._keep(progress, document)
            if progress.document.concluding:
                document = msgspec.structs.replace(progress.document, concluding=False)
                await self._keep(progress, document)
        except (OSError, HedgerowError) as error:
            await self._failed(settings, error)

    def _digest_is_due(self, progress: TrailProgress) -> bool:
        return self._clock.now() >= progress.digest_start + self._intervals.digests

    async def _files(
        self, settings: Record[TrailSettings], progress: Record[TrailProgress]
    ) -> Record[TrailProgress]:
        """Deliver what was recorded until now; what comes meanwhile is for the next time."""
        origin, bucket = self._origin(settings), self._bucket(settings.document.bucket)
        last = self._trail.head.sequence
        while True:
            now, document = self._clock.now(), progress.document
            if document.next_file is None:
                planned = await asyncio.to_thread(
                    plan_file, self._trail, origin, document, last=last, now=now
                )
                if planned is None:
                    return progress
                if planned.skipped and planned.next_file is None:
                    self._tell_of_loss(settings.id, planned.skipped)
                progress = await self._keep(progress, planned)
                continue
            written = await asyncio.to_thread(
                write_file, self._trail, bucket, settings.document, document, now
            )
            progress = await self._keep(progress, written)
            if _listed(progress.document) >= MAX_RECORDS_PER_DIGEST:
                progress = await self._digest(settings, progress, stopped=False)

    async def _digest(
        self,
        settings: Record[TrailSettings],
        progress: Record[TrailProgress],
        *,
        stopped: bool,
    ) -> Record[TrailProgress]:
        planned = plan_digest(
            self._bucket(settings.document.bucket),
            self._origin(settings),
            settings.document,
            progress.document,
            self._clock.now(),
            stopped=stopped,
        )
        return await self._finish_digest(settings, await self._keep(progress, planned))

    async def _finish_digest(
        self, settings: Record[TrailSettings], progress: Record[TrailProgress]
    ) -> Record[TrailProgress]:
        planned = progress.document.next_digest
        if planned is None:
            return progress
        write: Callable[[], TrailProgress] = lambda: write_digest(  # noqa: E731 - it is one call
            self._trail,
            self._bucket(planned.bucket),
            self._origin(settings),
            progress.document,
            key=self._keys.signing,
            interval=self._intervals.digests,
            now=self._clock.now(),
        )
        return await self._keep(progress, await asyncio.to_thread(write))

    async def _keep(
        self, progress: Record[TrailProgress], document: TrailProgress
    ) -> Record[TrailProgress]:
        async with self._store.transaction() as transaction:
            return await transaction.update(progress, document)

    async def _failed(
        self, settings: Record[TrailSettings], error: OSError | HedgerowError
    ) -> None:
        """Keep why a delivery failed; where folders lie on this machine is for the log only."""
        _log.error("a trail could not be delivered", trail=settings.id, reason=str(error))
        reason = error.strerror if isinstance(error, OSError) else error.message
        problem = f"bucket {settings.document.bucket}: {reason}"
        async with self._store.transaction() as transaction:
            progress = await transaction.get(TRAIL_PROGRESS, self._home.account, settings.id)
            if progress is None or progress.document.problem == problem:
                return
            await transaction.update(
                progress, msgspec.structs.replace(progress.document, problem=problem)
            )

    def _tell_of_loss(self, name: str, problem: str) -> None:
        _log.error("records are lost to a trail", trail=name, problem=problem)
        self._trail.record_event("TrailRecordsLost", {"trail": name, "problem": problem})

    async def _forget_old(self) -> None:
        """Remove files of the journal that are past the retention and delivered everywhere."""
        now = self._clock.now()
        if self._forgot_at is not None and now < self._forgot_at + _FORGET_EVERY:
            return
        self._forgot_at = now
        positions = [
            progress.document.position
            for progress in await self._store.all(TRAIL_PROGRESS, self._home.account)
            if progress.document.logging or progress.document.concluding
        ]
        delivered = min(positions, default=self._trail.head.sequence)
        await asyncio.to_thread(self._trail.forget_old, delivered)

    def _origin(self, settings: Record[TrailSettings]) -> Origin:
        home, prefix = self._home, settings.document.prefix
        return Origin(account=home.account, region=home.region, trail=settings.id, prefix=prefix)

    def _bucket(self, name: str) -> Path:
        return self._folder / name


def _listed(progress: TrailProgress) -> int:
    return sum(file.last - file.first + 1 for file in progress.files)
