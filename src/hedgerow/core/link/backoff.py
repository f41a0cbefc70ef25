"""How long to wait before trying again: doubling, capped, and spread so that cores do not march."""

import random
from collections.abc import Callable

_FIRST_SECONDS = 0.25
_SPREAD = 0.5


class Backoff:
    """Delays for one thing that is retried; `reset` after a success that lasted, or `ease`.

    Source: `mqttMaxConnectionRetryInterval`, guide page gg-core.
    """

    def __init__(
        self,
        cap_seconds: float,
        first_seconds: float = _FIRST_SECONDS,
        *,
        spread: Callable[[], float] = random.random,  # not a secret: it only spreads load
    ) -> None:
        self._cap = cap_seconds
        self._first = first_seconds
        self._spread = spread
        self._failures = 0

    def next_delay(self) -> float:
        """Return the seconds to wait now, never over the cap."""
        whole = min(self._cap, self._first * 2.0**self._failures)
        if whole < self._cap:
            self._failures += 1
        return whole * (1 - _SPREAD * self._spread())

    def ease(self) -> None:
        """Let the next delay be one step shorter, after a success that proves little."""
        self._failures = max(self._failures - 1, 0)

    def reset(self) -> None:
        """Start again from the shortest delay."""
        self._failures = 0
