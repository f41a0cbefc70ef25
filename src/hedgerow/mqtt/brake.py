"""Holds up those who publish faster than one client takes."""

import asyncio
from collections.abc import Callable
from typing import Protocol


class Publisher(Protocol):
    """A connection that can be asked to wait."""

    @property
    def is_impatient(self) -> bool:
        """Return whether it has just waited for somebody who did not read."""

    def hold(self, brake: "Brake") -> None:
        """Stop reading until `release`."""

    def release(self, brake: "Brake") -> None:
        """Read on, unless another brake still holds."""


class Brake:
    """Makes publishers wait until it lets go; `tired` is called after they waited too long."""

    __slots__ = ("_patience_s", "_publishers", "_timer", "_tired")

    def __init__(self, patience_s: float, tired: Callable[[], None]) -> None:
        self._patience_s = patience_s
        self._tired = tired
        self._publishers: set[Publisher] = set()
        self._timer: asyncio.TimerHandle | None = None

    def hold(self, publisher: Publisher) -> None:
        """Make a publisher wait; patience runs from the first one on."""
        self._publishers.add(publisher)
        publisher.hold(self)
        if self._timer is None:
            self.wait_on()

    def wait_on(self) -> None:
        """Have patience for as long again."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(self._patience_s, self._tired)

    def let_go(self) -> None:
        """Let everyone read on."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._publishers:
            self._publishers.pop().release(self)
