"""What a client was told by its SDK's threads, to be waited for."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from hedgerow.kernel import UnavailableError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Message:
    """A message that a device received."""

    topic: str
    payload: bytes


class Inbox(Generic[T]):
    """Collects what arrives on any thread; `wait` returns as soon as something fits."""

    def __init__(self) -> None:
        self._items: list[T] = []
        self._changed = threading.Condition()

    def put(self, item: T) -> None:
        """Add one item; called by the SDK."""
        with self._changed:
            self._items.append(item)
            self._changed.notify_all()

    def items(self) -> tuple[T, ...]:
        """Return everything so far."""
        with self._changed:
            return tuple(self._items)

    def wait(self, fits: Callable[[T], bool], what: str, seconds: float = 10) -> T:
        """Return the first item that fits, now or as it comes.

        Raises `UnavailableError` that names `what` at the deadline.
        """

        def found() -> T | None:
            return next((item for item in self._items if fits(item)), None)

        with self._changed:
            item = self._changed.wait_for(found, timeout=seconds)
        if item is None:
            raise UnavailableError(f"waited {seconds:g} seconds in vain for {what}")
        return item
