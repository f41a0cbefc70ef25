"""Refusals of the local server: every one counted, each kind logged, none of it a flood."""

from collections import Counter, OrderedDict
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from hedgerow.kernel import Clock
from hedgerow.mqtt import RefusalEvent

QUIET_SECONDS = 60.0
"""A refusal that repeats is logged once in this time, with how often it came since."""

LINES_LIMIT = 300
"""Lines in this time at most: whoever is refused a million different topics writes no more."""

_KINDS_LIMIT = 1000

DEVICES_LIMIT = 5000
"""Devices whose messages without a row are counted one by one: twice as many as a group has."""

NO_ROUTE = "Failed to get routes. Discarding message."
"""V1's line for a message without a row (guide page gg-troubleshooting), which people look for."""


@dataclass(slots=True)
class _Seen:
    logged_at: float
    repeats: int = 0


class RefusalLog:
    """Counts refusals by action and code, and logs them by who, what and why.

    A client that is refused a hundred thousand times a second must not fill the disk or take the
    processor; `counters` has every one of them all the same.
    """

    def __init__(self, clock: Clock, log: FilteringBoundLogger) -> None:
        self._clock = clock
        self._log = log
        self._seen: OrderedDict[tuple[str | None, ...], _Seen] = OrderedDict()
        self._window_began = clock.monotonic()
        self._lines = 0
        self.counters: Counter[str] = Counter()
        self.without_row: Counter[str] = Counter()
        """Messages that no row let pass, by the device that sent them."""

    def refused(self, event: RefusalEvent) -> None:
        """Take note of a refusal of the broker."""
        self.counters[f"{event.action}: {event.code}"] += event.count
        no_row = event.code == "publish-denied"
        if no_row and event.client_id is not None:
            known = event.client_id in self.without_row
            if known or len(self.without_row) < DEVICES_LIMIT:
                self.without_row[event.client_id] += event.count
        kind = (event.action, event.code, event.client_id, event.topic)
        repeats = self._due(kind, event.count)
        if repeats is not None:
            self._log.warning(
                NO_ROUTE if no_row else "refused",
                action=event.action,
                code=event.code,
                reason=event.reason,
                client_id=event.client_id,
                topic=event.topic,
                address=event.address,
                repeats=repeats,
            )

    def handshake_refused(self, reason: str, address: str) -> None:
        """Take note of a handshake that failed."""
        self.counters[f"tls: {reason}"] += 1
        repeats = self._due(("tls", reason, address))
        if repeats is not None:
            self._log.warning(
                "refused", action="tls", reason=reason, address=address, repeats=repeats
            )

    def _due(self, kind: tuple[str | None, ...], count: int = 1) -> int | None:
        """Return how often a kind came since it was last logged if it is to be logged now."""
        now = self._clock.monotonic()
        seen = self._seen.get(kind)
        if seen is not None and now - seen.logged_at < QUIET_SECONDS:
            seen.repeats += count
            return None
        if not self._has_line_left(now):
            return None
        if len(self._seen) >= _KINDS_LIMIT:
            self._seen.popitem(last=False)
        self._seen[kind] = _Seen(now)
        return count - 1 + (seen.repeats if seen is not None else 0)

    def _has_line_left(self, now: float) -> bool:
        if now - self._window_began >= QUIET_SECONDS:
            self._window_began, self._lines = now, 0
        self._lines += 1
        if self._lines == LINES_LIMIT:
            self._log.warning(
                "more is refused than is logged; every refusal is counted",
                lines=LINES_LIMIT,
                seconds=QUIET_SECONDS,
            )
        return self._lines < LINES_LIMIT
