"""The meter: how many refusals get a record of their own, and how the others are counted.

Refusals cost their sender nothing, so records of them are bounded: each source address has a small
allowance that refills slowly, and the account has one for all. What is over the allowance is
counted by what it was, for a minute at a time. The first one counted says so in a record at once,
and the minute ends with a record of the counts: nothing is dropped without a trace, even if the
process is killed in between.
"""

from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import Final

SOURCE_BURST: Final = 20
SOURCE_REFILL_SECONDS: Final = 30.0
ACCOUNT_BURST: Final = 200
ACCOUNT_REFILL_SECONDS: Final = 5.0
COUNT_SECONDS: Final = 60.0
MAX_SOURCES: Final = 1024
MAX_GROUPS: Final = 50
"""Kinds of refusals told apart in one count; the rest is one more kind."""
OTHERS: Final = ("others", "others", "others")

Group = tuple[str, str, str]
"""(event name, error code, source address)."""


@dataclass(slots=True)
class _Allowance:
    tokens: float
    at: float

    def take(self, now: float, burst: int, refill: float) -> bool:
        self.tokens = min(float(burst), self.tokens + (now - self.at) / refill)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@dataclass(frozen=True, slots=True)
class Count:
    """What was counted in one minute. Times are monotonic seconds."""

    since: float
    groups: dict[Group, int]

    @property
    def total(self) -> int:
        """How many refusals had no record of their own."""
        return sum(self.groups.values())


@dataclass(slots=True)
class Meter:
    """Decides for each refusal whether it is recorded, and counts the others."""

    _account: _Allowance = field(default_factory=lambda: _Allowance(ACCOUNT_BURST, 0.0))
    _sources: OrderedDict[str, _Allowance] = field(default_factory=OrderedDict)
    _counts: Counter[Group] = field(default_factory=Counter)
    _since: float | None = None

    def admits(self, group: Group, now: float) -> bool:
        """Say whether this refusal gets its own record; one that does not must be `counted`."""
        source = self._source(group[2], now)
        return source.take(now, SOURCE_BURST, SOURCE_REFILL_SECONDS) and self._account.take(
            now, ACCOUNT_BURST, ACCOUNT_REFILL_SECONDS
        )

    @property
    def counting(self) -> bool:
        """Whether a count is under way; the first of one is said in the record."""
        return self._since is not None

    def count(self, group: Group, now: float) -> None:
        """Count a refusal that gets no record of its own."""
        if self._since is None:
            self._since = now
        known = group in self._counts or len(self._counts) < MAX_GROUPS
        self._counts[group if known else OTHERS] += 1

    def due_at(self) -> float | None:
        """Return when the count under way ends; None if there is none."""
        return None if self._since is None else self._since + COUNT_SECONDS

    def current(self) -> Count | None:
        """Return the count under way; call `settle` when it is in the record."""
        if self._since is None:
            return None
        return Count(self._since, dict(self._counts))

    def settle(self) -> None:
        """Begin anew after a count was recorded."""
        self._since = None
        self._counts.clear()

    def _source(self, address: str, now: float) -> _Allowance:
        source = self._sources.get(address)
        if source is None:
            if len(self._sources) >= MAX_SOURCES:
                self._sources.popitem(last=False)
            source = self._sources[address] = _Allowance(SOURCE_BURST, now)
        else:
            self._sources.move_to_end(address)
        return source
