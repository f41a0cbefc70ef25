"""What is measured: the host by Linux's own counters, and the messages the queue has dropped.

Names, namespaces and units are the documented ones (guide page telemetry). Those of functions and
of stream manager have no source while a core runs neither.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from hedgerow.core.telemetry.ledger import Measurement

SYSTEM: Final = "SystemMetrics"
SPOOLER: Final = "CloudSpooler"
_KIBIBYTES_OF_A_MEGABYTE: Final = 1000 * 1000 / 1024
_PERCENT: Final = 100.0
_IDLE: Final = (3, 4)
"""The fields of `/proc/stat` that are no use of the processor: idle, and waiting for the disk."""
_TIMES: Final = 8
"""How many fields count; guests' time, which follows, is in the first two already."""


class HostMeter:
    """Memory, processor and file descriptors of the whole host. Blocking, and short."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._times = self._processor_times()

    def measure(self) -> tuple[Measurement, ...]:
        """Return what is in use now, and of the processor what was since the time before."""
        return (
            Measurement(SYSTEM, "SystemMemUsage", "Megabytes", self._megabytes_in_use()),
            Measurement(SYSTEM, "CpuUsage", "Percent", self._processor_percent()),
            Measurement(SYSTEM, "TotalNumberOfFDs", "Count", self._file_descriptors()),
        )

    def _megabytes_in_use(self) -> float:
        lines = (self._proc / "meminfo").read_text(encoding="ascii").splitlines()
        sizes = {name: int(rest.split()[0]) for name, _, rest in (x.partition(":") for x in lines)}
        return (sizes["MemTotal"] - sizes["MemAvailable"]) / _KIBIBYTES_OF_A_MEGABYTE

    def _processor_percent(self) -> float:
        before, self._times = self._times, self._processor_times()
        busy, total = self._times[0] - before[0], self._times[1] - before[1]
        return _PERCENT * busy / total if total > 0 else 0.0

    def _processor_times(self) -> tuple[int, int]:
        """Return the busy and all ticks of all processors since the host's start."""
        first = (self._proc / "stat").read_text(encoding="ascii").splitlines()[0]
        ticks = [int(field) for field in first.split()[1 : 1 + _TIMES]]
        total = sum(ticks)
        return total - sum(ticks[place] for place in _IDLE), total

    def _file_descriptors(self) -> float:
        return float((self._proc / "sys/fs/file-nr").read_text(encoding="ascii").split()[0])


class DropMeter:
    """Messages for the cloud that the queue has dropped, counted since the time before."""

    def __init__(self, dropped: Callable[[], int]) -> None:
        self._dropped = dropped
        self._before = 0

    def measure(self) -> tuple[Measurement, ...]:
        """Return how many more they have become."""
        before, self._before = self._before, self._dropped()
        more = float(self._before - before)
        return (Measurement(SPOOLER, "DroppedMessageCount", "Count", more),)
