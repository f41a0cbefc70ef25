"""A network between a core and its cloud: it takes time, and breaks in the middle of packets."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Cutter:
    """Passes bytes on to a port of this machine.

    With `cutting` each connection has a budget of bytes, drawn anew; with the last byte of it the
    connection is reset on both sides, wherever in a packet or a handshake that is.
    """

    target: int
    delay_s: float = 0.0
    """How long bytes take to the other side."""
    cutting: bool = False
    largest_budget: int = 120_000
    chance: random.Random = field(default_factory=random.Random)
    cuts: int = 0
    connections: int = 0
    port: int = 0
    _open: set["_Side"] = field(default_factory=set)

    def cut_all(self) -> None:
        """Cut every connection now."""
        for side in tuple(self._open):
            side.cut()


class _Side(asyncio.Protocol):
    """One side of a connection; what it hears goes to the other one."""

    def __init__(self, cutter: Cutter, budget: list[int]) -> None:
        self._cutter = cutter
        self._budget = budget
        self._transport: asyncio.Transport | None = None
        self._early: list[bytes] = []
        self.other: _Side | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._cutter._open.add(self)
        for data in self._early:
            self.pass_on(data)

    def data_received(self, data: bytes) -> None:
        budget = self._budget
        if self._cutter.cutting:
            data = data[: budget[0]]
            budget[0] -= len(data)
        if self.other is not None and self._cutter.delay_s:
            loop = asyncio.get_running_loop()
            loop.call_later(self._cutter.delay_s, self.other.pass_on, data)
        elif self.other is not None:
            self.other.pass_on(data)
        if self._cutter.cutting and budget[0] <= 0:
            self.cut()

    def pass_on(self, data: bytes) -> None:
        if self._transport is None:
            self._early.append(data)
        elif not self._transport.is_closing():
            self._transport.write(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        del exc
        self._cutter._open.discard(self)
        if self.other is not None:
            self.other.end()

    def cut(self) -> None:
        """Break the connection: half of the time at once, else after what was under way arrived."""
        if self in self._cutter._open:
            self._cutter.cuts += 1
        hard = self._cutter.chance.random() < 0.5
        for side in (self, self.other):
            if side is not None:
                side.end(hard=hard)

    def end(self, *, hard: bool = False) -> None:
        self._cutter._open.discard(self)
        if self._transport is not None:
            if hard:
                self._transport.abort()
            else:
                self._transport.close()


@asynccontextmanager
async def cutter(target: int, *, seed: int = 0, delay_s: float = 0.0) -> AsyncIterator[Cutter]:
    """Serve a network in front of a port."""
    loop = asyncio.get_running_loop()
    made = Cutter(target, delay_s, chance=random.Random(seed))  # noqa: S311 - dice of a test
    tasks: set[asyncio.Task[None]] = set()

    def accept() -> _Side:
        budget = [made.chance.randint(200, made.largest_budget)]
        near, far = _Side(made, budget), _Side(made, budget)
        near.other, far.other = far, near
        made.connections += 1
        task = loop.create_task(connect(far, near))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return near

    async def connect(far: _Side, near: _Side) -> None:
        try:
            await loop.create_connection(lambda: far, "127.0.0.1", made.target)
        except OSError:
            near.end(hard=True)

    server = await loop.create_server(accept, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        made.cutting = False
        for side in tuple(made._open):
            side.end(hard=True)
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
