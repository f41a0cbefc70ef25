"""Telemetry of cores, heard by the cloud: checked, told as an event, kept for a week.

Source: guide page telemetry. It is best effort: nothing is asked for again.
"""

import asyncio
from collections import OrderedDict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
import structlog

from hedgerow.cloud.events import Publisher, append_lines, bridge_event
from hedgerow.cloud.greengrass.status_events import SOURCE
from hedgerow.cloud.home import Home
from hedgerow.contract import TelemetryMessage
from hedgerow.kernel import CallerError, Clock, HedgerowError, new_uuid

DETAIL_TYPE: Final = "Greengrass Telemetry Data"
KEPT_FOR: Final = timedelta(days=7)
SHORTEST_INTERVAL: Final = timedelta(minutes=10)
"""What a core says sooner after the time before is not heard: it should come once a day."""
MAX_POINTS: Final = 1_000
MAX_WAITING: Final = 200
MAX_CORES: Final = 100_000
"""Of so many cores it is known when they were heard last."""
_TIDY_SECONDS: Final = 600.0
_LOG = structlog.get_logger("hedgerow.cloud.greengrass.telemetry")


def event_topic(core_thing_name: str) -> str:
    """Return the topic of the account's broker that tells a core's telemetry."""
    return f"$aws/events/greengrass/telemetry/{core_thing_name}"


class TelemetryLog:
    """One file a day, `<date>.log`, each gone before anything in it is older than a week.

    Blocking: write to it from a thread.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, line: bytes, now: datetime) -> None:
        """Append a line and have it on the disk, or raise `OSError`."""
        append_lines(self._folder / f"{now:%Y-%m-%d}.log", [line])

    def tidy(self, now: datetime) -> None:
        """Delete the files that are as old as a line may become."""
        oldest = f"{now - KEPT_FOR:%Y-%m-%d}"
        for path in self._folder.glob("????-??-??.log"):
            if path.stem <= oldest:
                path.unlink(missing_ok=True)


class TelemetryDesk:
    """Hears the cores of one account. `hear` decides nothing of who may speak."""

    def __init__(self, home: Home, publisher: Publisher, log: TelemetryLog, clock: Clock) -> None:
        self._home = home
        self._publisher = publisher
        self._log = log
        self._clock = clock
        self._heard: OrderedDict[str, float] = OrderedDict()
        self._waiting: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(MAX_WAITING)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to tell and to tidy up."""
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._tell_forever(), name="telemetry"),
            loop.create_task(self._tidy_forever(), name="telemetry tidying"),
        ]

    async def stop(self) -> None:
        """Stop; what waits is lost."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def hear(self, core: str, payload: bytes) -> None:
        """Take what a core has published; what is no telemetry is logged and let go.

        So is, without a line, what comes too soon: no core fills the log, with good or bad.
        """
        if not self._is_due(core):
            return
        try:
            self._waiting.put_nowait((core, self._event(_read(core, payload))))
        except asyncio.QueueFull:
            _LOG.warning("telemetry is lost: too much of it waits", core=core)
        except CallerError as error:
            _LOG.warning("telemetry is not taken", core=core, reason=error.message)

    async def tell(self) -> None:
        """Tell the oldest event that waits, or wait for one."""
        core, line = await self._waiting.get()
        try:
            await self._publisher.publish(event_topic(core), line, qos=0)
        except HedgerowError as error:
            _LOG.warning("telemetry was not published", core=core, reason=error.message)
        try:
            await asyncio.to_thread(self._log.write, line, self._clock.now())
        except OSError as error:
            _LOG.error("telemetry cannot be written down", core=core, reason=str(error))

    async def _tell_forever(self) -> None:
        while True:
            await self.tell()

    async def _tidy_forever(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self._log.tidy, self._clock.now())
            except OSError as error:
                _LOG.error("old telemetry cannot be deleted", reason=str(error))
            await asyncio.sleep(_TIDY_SECONDS)

    def _is_due(self, core: str) -> bool:
        """Tell whether it is time to hear a core, and take it for heard."""
        now = self._clock.monotonic()
        before = self._heard.get(core)
        if before is not None and now - before < SHORTEST_INTERVAL.total_seconds():
            return False
        self._heard[core] = now
        self._heard.move_to_end(core)
        if len(self._heard) > MAX_CORES:
            self._heard.popitem(last=False)
        return True

    def _event(self, message: TelemetryMessage) -> bytes:
        return bridge_event(
            self._home,
            event_id=new_uuid(),
            at=self._clock.now(),
            source=SOURCE,
            detail_type=DETAIL_TYPE,
            detail=message,
        )


def _read(core: str, payload: bytes) -> TelemetryMessage:
    try:
        message = msgspec.json.decode(payload, type=TelemetryMessage)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CallerError(f"it cannot be read: {error}") from error
    if message.thing_name != core:
        raise CallerError("it says that it is another core's")
    if len(message.points) > MAX_POINTS:
        raise CallerError(f"it has more than {MAX_POINTS} data points")
    return message
