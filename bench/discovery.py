"""Discovery requests per second over connections that are kept open."""

import asyncio
import ssl
import statistics
import time

import uvloop

from bench.place import DEVICE, Place, place
from bench.process import cpu_seconds
from bench.report import Row, Section

CONNECTIONS = 16
WARM_UP_SECONDS = 1.0
SECONDS = 8.0

_METHOD = f"""\
`hedgerow cloud run` as a process of its own; {CONNECTIONS} connections with mutual TLS 1.3, opened
once and kept, each asking for the discovery document of a client device again as soon as the
answer to its last request is complete, for {SECONDS:.0f} seconds after {WARM_UP_SECONDS:.0f} of
warm-up. Every answer's status is checked. The generator shares the machine with the cloud; the
last row leaves it out, by the cloud's own processor time."""


def measure() -> Section:
    """Set a cloud and a core up, and measure."""
    with place() as where:
        return measure_at(where)


def measure_at(where: Place) -> Section:
    """Measure the discovery of a running cloud."""
    latencies, seconds, cpu = uvloop.run(_load(where))
    cuts = statistics.quantiles(latencies, n=100)
    return Section(
        "Discovery over kept connections",
        _METHOD,
        (
            Row("requests per second", f"{len(latencies) / seconds:,.0f}"),
            Row("p50", f"{cuts[49] * 1000:.1f} ms"),
            Row("p99", f"{cuts[98] * 1000:.1f} ms"),
            Row(
                "requests per second of the cloud's processor time", f"{len(latencies) / cpu:,.0f}"
            ),
        ),
    )


async def _load(where: Place) -> tuple[list[float], float, float]:
    context = ssl.create_default_context(cafile=str(where.root_ca))
    context.load_cert_chain(where.certificate, where.key)
    host, port = where.ports.host, where.ports.https
    opened = [
        await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
        for _ in range(CONNECTIONS)
    ]
    await _run(opened, host, WARM_UP_SECONDS)
    cpu, start = cpu_seconds(where.cloud_pid), time.monotonic()
    latencies = await _run(opened, host, SECONDS)
    taken = time.monotonic() - start
    used = cpu_seconds(where.cloud_pid) - cpu
    for _, writer in opened:
        writer.close()
    return latencies, taken, used


async def _run(
    opened: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]], host: str, seconds: float
) -> list[float]:
    deadline = time.monotonic() + seconds
    latencies: list[float] = []
    async with asyncio.TaskGroup() as group:
        for reader, writer in opened:
            group.create_task(_ask_until(deadline, reader, writer, host, latencies))
    return latencies


async def _ask_until(
    deadline: float,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    host: str,
    latencies: list[float],
) -> None:
    request = f"GET /greengrass/discover/thing/{DEVICE} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    while (start := time.monotonic()) < deadline:
        writer.write(request)
        await _answer(reader)
        latencies.append(time.monotonic() - start)


async def _answer(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(f"discovery answered {head.splitlines()[0]!r}")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            await reader.readexactly(int(value))
            return
    raise RuntimeError("discovery answered without a content-length")
