"""The agent: measures by the hour, tells by the day, and keeps both over a stop of the core."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final, Protocol

import msgspec
from structlog.typing import FilteringBoundLogger

from hedgerow.contract import TelemetrySetting, telemetry_topic
from hedgerow.core.telemetry import ledger
from hedgerow.core.telemetry.ledger import Measurement, TelemetryRecord
from hedgerow.kernel import Clock, UnavailableError
from hedgerow.pki import TwinFile

LOOK_AGAIN: Final = timedelta(minutes=1)
"""How often the agent looks at the clock: clocks jump, and machines sleep."""


class Outlet(Protocol):
    """The core's connection to the cloud, as the agent needs it (`link.CloudLink`)."""

    def publish_unanswered(self, topic: str, payload: bytes) -> None:
        """Publish at QoS 0, or raise `UnavailableError` if there is no connection."""


class TelemetryAgent:
    """Telemetry of one core.

    Source: guide page telemetry. What cannot be told because there is no connection is told when
    there is one; what was sent at QoS 0 and lost on its way is lost.
    """

    def __init__(
        self,
        core_thing_name: str,
        file: TwinFile,
        measure: Callable[[], Sequence[Measurement]],
        *,
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self._core = core_thing_name
        self._file = file
        self._measure = measure
        self._clock = clock
        self._log = log
        self._record = self._read()
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()

    @property
    def setting(self) -> TelemetrySetting:
        """The setting in force."""
        return self._record.setting

    @property
    def record(self) -> TelemetryRecord:
        """What is kept now."""
        return self._record

    async def switch(self, setting: TelemetrySetting) -> None:
        """Put a setting in force: now, and after the next start too."""
        if setting == self._record.setting:
            return
        await self._keep(ledger.switched(self._record, setting, self._clock.now()))
        self._log.info("telemetry is switched", telemetry=setting)

    def look_again(self) -> None:
        """Look now whether there is something to do, as after a new connection to the cloud."""
        self._wake.set()

    async def run(self, outlet: Outlet) -> None:
        """Measure and tell until cancelled."""
        while True:
            self._wake.clear()
            await self.check(outlet)
            try:
                async with asyncio.timeout(LOOK_AGAIN.total_seconds()):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def check(self, outlet: Outlet) -> None:
        """Do what is due."""
        now = self._clock.now()
        if ledger.aggregation_due(self._record, now):
            try:
                measured = await asyncio.to_thread(self._measure)
            except (OSError, ValueError, LookupError) as error:
                self._log.warning("the host cannot be measured", reason=str(error))
                measured = ()
            if self.setting == "On":
                await self._keep(ledger.aggregated(self._record, measured, now))
        if ledger.publication_due(self._record, now):
            await self._tell(outlet)

    async def _tell(self, outlet: Outlet) -> None:
        message = ledger.message_of(self._record, self._core)
        try:
            outlet.publish_unanswered(telemetry_topic(self._core), msgspec.json.encode(message))
        except UnavailableError:
            return  # the next connection, or the next look, brings it
        self._log.info("telemetry is published", points=len(message.points))
        await self._keep(ledger.published(self._record, self._clock.now()))

    async def _keep(self, record: TelemetryRecord) -> None:
        """Put a record in force, and on the disk if it takes it."""
        self._record = record
        async with self._writing:  # a switch and a measurement may come at once; the newest stays
            try:
                await asyncio.to_thread(self._file.write, msgspec.json.encode(self._record))
            except OSError as error:
                self._log.warning("telemetry could not be kept", reason=str(error))

    def _read(self) -> TelemetryRecord:
        """Return what was kept; without it both intervals begin now."""
        payload = self._file.read().payload
        if payload is not None:
            try:
                return msgspec.json.decode(payload, type=TelemetryRecord)
            except msgspec.DecodeError as error:
                self._log.warning("what was kept of telemetry is lost", reason=str(error))
        return ledger.begun(self._clock.now())
