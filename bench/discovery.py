"""Discovery requests per second over connections that are kept open."""

import asyncio
import json
import ssl
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import uvloop

from bench.place import DEVICE, Place, place
from bench.process import cpu_seconds
from bench.report import Row, Section
from hedgerow.contract import discovery_path

CONNECTIONS = 16
WARM_UP_SECONDS = 1.0
SECONDS = 8.0

_METHOD = f"""\
`hedgerow cloud run` as a process of its own; {CONNECTIONS} connections with mutual TLS 1.3, opened
once and kept, each asking for the discovery document of a client device again as soon as the
answer to its last request is complete, for {SECONDS:.0f} seconds after {WARM_UP_SECONDS:.0f} of
warm-up. Every answer's status is checked. The generator shares the machine with the cloud; the
last row leaves it out, by the cloud's own processor time."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured over connections that were kept."""

    latencies: Sequence[float]
    seconds: float
    cloud_seconds: float

    @classmethod
    async def of(
        cls, host: str, port: int, askers: Sequence[tuple[str, ssl.SSLContext]], cloud_pid: int
    ) -> Self:
        """Let each of these things ask again and again, over a connection of its own."""
        opened = [
            _Asker(name, host, *await _opened(host, port, context)) for name, context in askers
        ]
        await _run(opened, WARM_UP_SECONDS)
        cpu, start = cpu_seconds(cloud_pid), time.monotonic()
        latencies = await _run(opened, SECONDS)
        taken = time.monotonic() - start
        used = cpu_seconds(cloud_pid) - cpu
        for asker in opened:
            asker.writer.close()
        return cls(latencies, taken, used)

    @property
    def rate(self) -> float:
        """Requests per second."""
        return len(self.latencies) / self.seconds

    @property
    def rate_of_processor(self) -> float:
        """Requests per second of the cloud's processor time."""
        return len(self.latencies) / self.cloud_seconds

    def percentile_ms(self, percent: int) -> float:
        """Return the latency that so many of a hundred requests did not exceed."""
        return statistics.quantiles(self.latencies, n=100)[percent - 1] * 1000


def measure() -> Section:
    """Set a cloud and a core up, and measure."""
    with place() as where:
        return measure_at(where)


def measure_at(where: Place) -> Section:
    """Measure the discovery of a running cloud."""
    context = ssl.create_default_context(cafile=str(where.root_ca))
    context.load_cert_chain(where.certificate, where.key)
    askers = [(DEVICE, context)] * CONNECTIONS
    figures = uvloop.run(Figures.of(where.ports.host, where.ports.https, askers, where.cloud_pid))
    return Section(
        "Discovery over kept connections",
        _METHOD,
        (
            Row("requests per second", f"{figures.rate:,.0f}"),
            Row("p50", f"{figures.percentile_ms(50):.1f} ms"),
            Row("p99", f"{figures.percentile_ms(99):.1f} ms"),
            Row(
                "requests per second of the cloud's processor time",
                f"{figures.rate_of_processor:,.0f}",
            ),
        ),
    )


async def discovered(host: str, port: int, context: ssl.SSLContext, thing_name: str) -> Any:
    """Return one discovery document."""
    asker = _Asker(thing_name, host, *await _opened(host, port, context))
    try:
        return json.loads(await asker.ask())
    finally:
        asker.writer.close()


@dataclass(frozen=True, slots=True)
class _Asker:
    """A device's connection to the cloud."""

    thing_name: str
    host: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self) -> bytes:
        """Ask once, and return the body of the answer."""
        path = discovery_path(self.thing_name)
        self.writer.write(f"GET {path} HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode())
        head = await self.reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"discovery answered {head.splitlines()[0]!r}")
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                return await self.reader.readexactly(int(value))
        raise RuntimeError("discovery answered without a content-length")


async def _opened(
    host: str, port: int, context: ssl.SSLContext
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(host, port, ssl=context, server_hostname=host)


async def _run(opened: Sequence[_Asker], seconds: float) -> list[float]:
    deadline = time.monotonic() + seconds
    latencies: list[float] = []
    async with asyncio.TaskGroup() as group:
        for asker in opened:
            group.create_task(_ask_until(deadline, asker, latencies))
    return latencies


async def _ask_until(deadline: float, asker: _Asker, latencies: list[float]) -> None:
    while (start := time.monotonic()) < deadline:
        await asker.ask()
        latencies.append(time.monotonic() - start)
