"""A clock that tests set by hand; it keeps the contract of `kernel.Clock`."""

from datetime import UTC, datetime, timedelta


class ManualClock:
    """Starts at a fixed moment and moves only when told to."""

    def __init__(self, start: datetime = datetime(2026, 10, 7, 12, 0, tzinfo=UTC)) -> None:
        self._now = start
        self._monotonic = 1000.0

    def now(self) -> datetime:
        """Return the moment it was set to."""
        return self._now

    def monotonic(self) -> float:
        """Return seconds that grow with `advance`."""
        return self._monotonic

    def advance(self, step: timedelta) -> None:
        """Move both clocks forwards."""
        self._now += step
        self._monotonic += step.total_seconds()
