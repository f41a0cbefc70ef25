"""Time, always asked for through a `Clock`, so that tests can drive it."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where a room gets the time from."""

    def now(self) -> datetime:
        """Return the wall-clock time, aware, in UTC."""

    def monotonic(self) -> float:
        """Return seconds that never run backwards, from an arbitrary start."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the wall-clock time, aware, in UTC."""
        return datetime.now(UTC)  # noqa: TID251 - this is the one place that asks the system

    def monotonic(self) -> float:
        """Return the system's monotonic seconds."""
        return time.monotonic()


def iso_milliseconds(moment: datetime) -> str:
    """Print a moment as greengrass does: `2026-10-07T00:00:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
