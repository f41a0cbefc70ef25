"""Wait for things to happen, never for time to pass: every wait has a condition and a deadline."""

import threading
from collections.abc import Callable

from hedgerow.kernel import SystemClock, UnavailableError

_POLL_SECONDS = 0.02


def until(condition: Callable[[], bool], what: str, seconds: float = 15) -> float:
    """Return how many seconds it took until the condition held.

    For states that no event tells of. Raises `UnavailableError` that names `what` at the deadline.
    """
    clock = SystemClock()
    start = clock.monotonic()
    pause = threading.Event()
    while not condition():
        if clock.monotonic() - start > seconds:
            raise UnavailableError(f"waited {seconds:g} seconds in vain for {what}")
        pause.wait(_POLL_SECONDS)
    return clock.monotonic() - start
