"""The core's spool under the kill: what was queued stays queued, in order, until it is let go."""

import asyncio
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from bench.kill9.zygote import READY, Entry, FailedError, Tell
from hedgerow.core.spool import FileSpool

_SIZE_BYTES: Final = 262_144
"""The smallest there is, so that segments follow each other quickly."""
_ROOM_BYTES: Final = 40_000
"""No message is queued beyond this, so that none is replaced: whatever is missing was lost."""
_NUMBER_BYTES: Final = 8


class Spooled:
    """The subject. The account: which messages must wait, and what is open at the end of a life."""

    name = "spool"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: dict[int, None] = {}
        self._putting: int | None = None
        self._removing: int | None = None
        self._next = 1
        self._acknowledged = 0

    @property
    def acknowledged(self) -> int:
        """How many messages were queued."""
        return self._acknowledged

    def take(self, entry: Entry) -> None:
        """Take what was told into the account."""
        word, *rest = entry
        if word == "putting":
            self._putting, self._next = rest[0], rest[0] + 1
        elif word == "put":
            self._putting = None
            self._waiting[rest[0]] = None
            self._acknowledged += 1
        elif word == "not put":
            self._putting = None
        elif word == "removing":
            self._removing = rest[0]
        elif word == "removed":
            self._removing = None
            self._waiting.pop(rest[0], None)
        elif word == "not removed":
            self._removing = None

    def settle(self) -> None:
        """Forget nothing: the account is as long as the queue."""

    def live(self, tell: Tell, chance: random.Random) -> None:
        """Work for ever."""

        async def work() -> None:
            spool = self._open(tell)
            tell(READY)
            while True:
                await self._act(spool, tell, chance)

        asyncio.run(work())

    def end(self, tell: Tell) -> None:
        """Let everything go, and see that nothing comes again."""
        spool = self._open(tell)
        while spool.count:
            self._remove(spool, tell)
        spool.close()
        spool = self._open(tell)
        if self._waiting or spool.oldest() is not None:
            raise FailedError("messages are left when all were let go")
        spool.close()

    def _open(self, tell: Tell) -> FileSpool:
        spool = FileSpool(self._folder, _SIZE_BYTES)
        found = [int.from_bytes(payload[:_NUMBER_BYTES]) for payload in _payloads(spool)]
        if self._putting is not None:
            tell("put" if self._putting in found else "not put", self._putting)
        if self._removing is not None:
            tell("not removed" if self._removing in found else "removed", self._removing)
        wanted = list(self._waiting)
        if found != wanted or spool.count != len(wanted) or spool.dropped:
            lost = sorted(set(wanted) - set(found))
            more = sorted(set(found) - set(wanted))
            raise FailedError(f"lost {lost[:10]}, invented {more[:10]} of {len(wanted)}")
        return spool

    async def _act(self, spool: FileSpool, tell: Tell, chance: random.Random) -> None:
        what = chance.random()
        if what < 0.6 and spool.size_bytes + _ROOM_BYTES < _SIZE_BYTES:
            for _ in range(chance.choice((1, 1, 5))):
                number = self._next
                size = chance.choice((0, 10, 100, 2000, 7000))
                tell("putting", number)
                spool.put(f"t/{number % 3}", number.to_bytes(_NUMBER_BYTES) + bytes(size))
                tell("put", number)
        elif what < 0.98:
            for _ in range(min(spool.count, chance.choice((1, 3, 10)))):
                self._remove(spool, tell)
        else:
            await spool.sync()

    def _remove(self, spool: FileSpool, tell: Tell) -> None:
        message = spool.oldest()
        if message is None:
            raise FailedError("the queue says that it is empty, but messages wait")
        number = int.from_bytes(message.payload[:_NUMBER_BYTES])
        if number != next(iter(self._waiting)):
            raise FailedError(f"message {number} comes out of order")
        tell("removing", number)
        spool.remove(message.number)
        tell("removed", number)


def _payloads(spool: FileSpool) -> Iterable[bytes]:
    """Give what waits, oldest first, and leave it there."""
    while (message := spool.next()) is not None:
        yield message.payload
    spool.rewind()
