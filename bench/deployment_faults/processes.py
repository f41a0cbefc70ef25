"""The world's processes: started, told, killed and waited for through the one that forks them."""

import asyncio
import itertools
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import msgspec

from bench.deployment_faults.faults import Fault
from bench.deployment_faults.zygote import Order

PATIENCE_S = 30.0
_NEWS_S = 2.0
_ROOT = Path(__file__).parents[2]


class EndedError(Exception):
    """The process ended while something was awaited of it."""


class Process:
    """One cloud or core."""

    def __init__(self, zygote: "Zygote", token: int, told: Path) -> None:
        self._zygote = zygote
        self.token = token
        self._told = told
        self._ready: asyncio.Future[dict[str, int]] = asyncio.get_running_loop().create_future()
        self._armed = asyncio.Event()
        self.ended = asyncio.Event()
        self.struck = False
        self.status: int | None = None

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended yet."""
        return not self.ended.is_set()

    @property
    def state(self) -> str:
        """Return how it stands, in words."""
        if not self.is_alive:
            return f"ended with status {self.status}"
        return "ready" if self._ready.done() else "starting"

    async def ports(self) -> dict[str, int]:
        """Return where it listens once it is ready. Raises `EndedError`."""
        async with asyncio.timeout(PATIENCE_S):
            return await asyncio.shield(self._ready)

    async def arm(self, fault: Fault) -> None:
        """Have it strike by this fault."""
        if not self.is_alive:
            return
        self._armed.clear()
        self._told.write_bytes(msgspec.json.encode(fault))
        self.send(signal.SIGUSR1)
        async with asyncio.timeout(PATIENCE_S):
            await self._armed.wait()

    def send(self, number: int) -> None:
        """Send it a signal."""
        self._zygote.order(Order(token=self.token, what="signal", signal=number))

    async def end(self, number: int = signal.SIGKILL) -> None:
        """Have it end, if it has not."""
        self.send(number)
        async with asyncio.timeout(PATIENCE_S):
            await self.ended.wait()

    async def is_ending(self) -> bool:
        """Tell whether it ends now, which may be heard of a little later than it is felt."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_NEWS_S):
                await self.ended.wait()
        return not self.is_alive

    def hear(self, told: dict[str, Any]) -> None:
        """Take what was told of it."""
        match told["what"]:
            case "ready":
                self._ready.set_result(told["ports"])
            case "armed":
                self._armed.set()
            case "struck":
                self.struck = True
            case "ended":
                self.status = told["status"]
                self.ended.set()
                self._armed.set()  # it is waited for no longer
                if not self._ready.done():
                    self._ready.set_exception(EndedError(f"status {self.status}"))
                    self._ready.exception()  # nobody needs to have asked


class Zygote:
    """Forks processes that have everything imported."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._tokens = itertools.count(1)
        self._children: dict[int, Process] = {}
        self._listening = asyncio.get_running_loop().create_task(self._listen(), name="zygote")

    @classmethod
    async def start(cls) -> Self:
        """Start it."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "bench.deployment_faults.zygote"),
            cwd=_ROOT,
            env={**os.environ, "PYTHONPATH": f"{_ROOT / 'src'}:{_ROOT}"},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        return cls(process)

    async def stop(self) -> None:
        """Kill every child and end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._listening

    def fork(self, what: str, folder: Path, told: Path, **more: Any) -> Process:
        """Start a cloud or a core."""
        order = Order(
            token=next(self._tokens), what=what, folder=str(folder), told=str(told), **more
        )
        made = Process(self, order.token, told)
        self._children[order.token] = made
        self.order(order)
        return made

    def order(self, order: Order) -> None:
        """Give an order."""
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            told = msgspec.json.decode(line)
            self._children[told["token"]].hear(told)
            if told["what"] == "ended":
                del self._children[told["token"]]
