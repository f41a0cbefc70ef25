"""Connections whose handshake is not finished: so many at most, and none that keeps others out.

Whoever has connected and says nothing would otherwise hold its place until the handshake's time is
up, and a few hundred of those shut everybody out without a single secret.
"""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

PATIENCE_S = 2.0
"""How long a client that never said a word keeps its place when others wait for one."""

THINKING_S = 5.0
"""How long one keeps it that has spoken. Small devices take seconds to sign with an RSA key."""


class Visitor:
    """One connection from its acceptance to the end of its handshake."""

    def __init__(self, connection: socket.socket, address: str, since: float) -> None:
        self.connection = connection
        self.address = address
        self.since = since
        self.is_loops = False
        """Whether the event loop owns the socket, and closes it however the handshake ends."""
        self.calls = 0
        """How often the handshake was gone on with: at first, then for whatever the client says."""
        self.told = False
        """Whether the refusal of this handshake has been told."""
        self.admitted = False
        """Whether the handshake is complete and the connection belongs to its protocol."""

    @property
    def has_spoken(self) -> bool:
        """Whether something of the client was read."""
        return self.calls > 1

    def is_silent(self) -> bool:
        """Tell whether nothing from this client waits to be read."""
        flags = socket.MSG_PEEK | socket.MSG_DONTWAIT
        try:
            return not self.connection.recv(1, flags)  # it has hung up
        except BlockingIOError:
            return True
        except OSError:
            return True  # closed or broken: the loop is about to notice


class WaitingRoom:
    """Owns the tasks of unfinished handshakes, at most `places` of them."""

    def __init__(self, places: int, turn_away: Callable[[Visitor], None]) -> None:
        self._places = places
        self._turn_away = turn_away
        self._waiting: dict[Visitor, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def has_place(self, now: float) -> bool:
        """Tell whether somebody can enter, turning away who has been silent for too long."""
        return len(self._waiting) < self._places or self._make_place(now)

    def enter(
        self,
        visitor: Visitor,
        handshake: Callable[[Visitor], Coroutine[Any, Any, None]],
        when_left: Callable[[], None],
    ) -> None:
        """Start the handshake; `when_left` is called when its task has ended."""
        task = asyncio.get_running_loop().create_task(handshake(visitor), name="tls")
        self._waiting[visitor] = task

        def ended(task: asyncio.Task[None]) -> None:
            self._ending.discard(task)
            self._waiting.pop(visitor, None)
            if not visitor.is_loops:
                visitor.connection.close()
            when_left()

        task.add_done_callback(ended)

    def dismiss(self, visitor: Visitor) -> None:
        """End a handshake, if it has not ended yet."""
        if visitor in self._waiting:
            self._dismiss(visitor)

    async def clear(self) -> None:
        """End all unfinished handshakes, and wait until they have."""
        tasks = [*self._waiting.values(), *self._ending]
        for visitor in list(self._waiting):
            self._dismiss(visitor)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _make_place(self, now: float) -> bool:
        for visitor in self._waiting:  # the longest waiting first
            waited = now - visitor.since
            if waited < PATIENCE_S:
                return False
            if visitor.admitted or (visitor.has_spoken and waited < THINKING_S):
                continue
            if visitor.is_silent():
                self._turn_away(visitor)
                self._dismiss(visitor)
                return True
        return False

    def _dismiss(self, visitor: Visitor) -> None:
        task = self._waiting.pop(visitor)
        self._ending.add(task)
        # A connection that was admitted in this very moment is its protocol's, not ours to cut.
        if not visitor.admitted:
            task.cancel()
