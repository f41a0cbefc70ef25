"""How often one thing may ask: a budget that fills up again, so that none uses up what is for all.

Source: AWS's device SDKs know status 429 of discovery; the numbers are our own.
"""

from typing import Final

from hedgerow.kernel import Clock, UnavailableError, quoted

AT_ONCE: Final = 1_000
A_SECOND: Final = 1_000
THINGS_KEPT: Final = 10_000
"""Of so many things it is known what they have left; the one that came first gives way."""


class TooFastError(UnavailableError):
    """A thing asks more often than it may."""

    code = "TooManyRequests"


class Pace:
    """The budgets of one account's things."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}

    def spend(self, thing_name: str) -> None:
        """Count a request, or raise `TooFastError`."""
        now = self._clock.monotonic()
        left, before = self._left.get(thing_name, (float(AT_ONCE), now))
        left = min(left + (now - before) * A_SECOND, AT_ONCE)
        if left < 1:
            raise TooFastError(
                f"the thing {quoted(thing_name)} asks more than {A_SECOND} times a second; "
                "wait, then ask again"
            )
        if thing_name not in self._left and len(self._left) >= THINGS_KEPT:
            self._left.pop(next(iter(self._left)))
        self._left[thing_name] = (left - 1, now)
