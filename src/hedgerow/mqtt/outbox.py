"""One client's outgoing bytes: collected during a read, written in one go, bounded."""

import asyncio

from hedgerow.kernel import Clock
from hedgerow.mqtt.brake import Brake, Publisher
from hedgerow.mqtt.limits import Limits


class Outbox:
    """Takes frames in order and hands them to the transport in one write per flush.

    A client that reads slowly holds up its publishers for a short while (as TCP would); if it
    has not caught up by then they go on, what does not fit is dropped and counted, and it may
    not hold anyone up again for a while.
    INVARIANT: at most `limits.outgoing_bytes` wait here for a client that reads slowly.
    """

    __slots__ = (
        "_brake",
        "_clock",
        "_closed",
        "_grace_ends",
        "_limits",
        "_pending",
        "_room",
        "_transport",
        "_writable",
        "queued",
    )

    def __init__(self, transport: asyncio.Transport, limits: Limits, clock: Clock) -> None:
        self._transport = transport
        self._limits = limits
        self._clock = clock
        self._pending: list[bytes] = []
        self._room = limits.outgoing_bytes
        self._writable = True
        self._closed = False
        self._grace_ends = 0.0
        self._brake = Brake(limits.publisher_pause_s, self._lose_patience)
        self.queued = False
        """Whether it stands in the broker's list of outboxes to flush."""

    def push(self, chunk: bytes) -> bool:
        """Take bytes of whole packets; False if there is no room and nothing was taken."""
        size = len(chunk)
        if size > self._room and not self.make_room(size):
            return False
        self._room -= size
        self._pending.append(chunk)
        return True

    def make_room(self, size: int) -> bool:
        """Return whether `push` will take so many bytes; what waits is written if that helps."""
        if size <= self._room:
            return True
        if self._writable:
            self.flush()
        return self._writable or size <= self._room

    def flush(self) -> bool:
        """Write what is pending in one go; False if the client is slow and it has to wait."""
        if self._writable and self._pending:
            pending, self._pending = self._pending, []
            self._room = self._limits.outgoing_bytes
            self._transport.write(pending[0] if len(pending) == 1 else b"".join(pending))
        return self._writable or self._closed

    def hold_up(self, publisher: Publisher) -> bool:
        """Make a publisher wait for this slow client, unless either has had its chance.

        Else a few clients that do not read would hold it up in turn, for ever.
        """
        in_grace = self._clock.monotonic() < self._grace_ends
        if self._closed or in_grace or publisher.is_impatient:
            return False
        self._brake.hold(publisher)
        return True

    def pause(self) -> None:
        """Note that the transport is full."""
        self._writable = False

    def resume(self) -> None:
        """Note that the transport has room again: write on and let the publishers go on."""
        self._writable = True
        if self.flush():
            self._brake.let_go()

    def discard(self) -> None:
        """Forget what was not written yet: it must not be said after all."""
        self._pending.clear()

    def close(self) -> None:
        """Forget everything; nothing may be pushed afterwards."""
        self._closed, self._writable = True, False
        self._pending.clear()
        self._room = 0
        self._brake.let_go()

    def _lose_patience(self) -> None:
        self._grace_ends = self._clock.monotonic() + self._limits.publisher_grace_s
        self._brake.let_go()
