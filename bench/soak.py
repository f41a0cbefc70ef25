"""Memory over time: `python -m bench.soak [SECONDS [MESSAGES_PER_SECOND]]` (600 and 20,000).

A quarter of the messages are QoS 1, to subscribers with sessions that are kept, who come and go all
the time, politely or not, while others pass by. Nothing of QoS 1 may be lost or out of order, and
the broker's memory must be flat: it may not grow by more than `_FLAT_MIB` after the warm-up.
"""

import asyncio
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import uvloop

from bench.process import cpu_seconds
from bench.soak_clients import Client, Heard, Place, Publisher, Subscriber, hello, part
from hedgerow.cli.demo.waiting import until

_STREAMS: Final = 4
_PASSERS_BY: Final = 20
_TICK_S: Final = 0.05
_WARM_UP_SHARE: Final = 0.5
"""The allocator keeps what queues needed once: the first half shows how high they go."""
_FLAT_MIB: Final = 4.0
_START_SECONDS: Final = 30
_DRAIN_SECONDS: Final = 30
_KIB: Final = 1024


@dataclass(frozen=True, slots=True)
class Soaked:
    """What a soak showed."""

    seconds: float
    published: int
    unacknowledged: int
    heard_at_most_once: int
    lost: int
    duplicates: int
    resumptions: int
    passed_by: int
    never_ended: int
    turned_away: int
    cut: int
    longest_lag_s: float
    cpu_seconds: float
    resident_mib: tuple[float, ...]
    counters: dict[str, object]

    @property
    def settled(self) -> tuple[float, ...]:
        """Return the memory after the warm-up."""
        return self.resident_mib[int(len(self.resident_mib) * _WARM_UP_SHARE) :]

    @property
    def growth_mib(self) -> float:
        """Return how far the memory's straight line rises after the warm-up."""
        settled = self.settled
        return statistics.linear_regression(range(len(settled)), settled).slope * len(settled)

    @property
    def holds(self) -> bool:
        """Return whether everything is as it should be."""
        return self.growth_mib <= _FLAT_MIB and not (
            self.lost or self.unacknowledged or self.never_ended
        )

    def __str__(self) -> str:
        settled = self.settled
        return (
            f"{self.seconds:.0f} s, {self.published:,} published "
            f"({self.published / self.seconds:,.0f} a second), "
            f"{self.cpu_seconds / self.seconds:.0%} of a core\n"
            f"QoS 1: {self.lost} lost or out of order, {self.unacknowledged} not acknowledged, "
            f"{self.duplicates} repeated after {self.resumptions} resumed sessions\n"
            f"QoS 0: {self.heard_at_most_once:,} arrived; {self.passed_by} clients passed by, "
            f"{self.never_ended} saw no end within 20 s, {self.turned_away} were not let in, "
            f"{self.cut} were cut\n"
            f"the generator was up to {self.longest_lag_s:.2f} s late\n"
            f"resident MiB: first {settled[0]:.1f}, last {settled[-1]:.1f}, "
            f"lowest {min(settled):.1f}, highest {max(settled):.1f}, "
            f"straight line {self.growth_mib:+.2f}\n"
            f"the broker counted {self.counters}"
        )


class _Soak:
    def __init__(self, place: Place, rate: int) -> None:
        self._place = place
        self._rate = rate
        self._chance = random.Random(1)  # noqa: S311 - repeatable, not secret
        self._publishers: list[tuple[asyncio.Transport, Publisher]] = []
        self.heard = {f"s{n}": Heard() for n in range(2 * _STREAMS)}
        self._over = asyncio.Event()
        self.passed_by = 0
        self.never_ended = 0
        self.turned_away = 0
        self.cut = 0
        self.longest_lag_s = 0.0

    async def run(self, seconds: float) -> None:
        async with asyncio.TaskGroup() as subscribers:
            for number in range(2 * _STREAMS):
                qos = number % 2
                started = asyncio.Event()
                subscribers.create_task(self._subscribe(number, qos, started))
                await started.wait()
            async with asyncio.TaskGroup() as passing:
                passing.create_task(self._publish(seconds))
                for number in range(_PASSERS_BY):
                    passing.create_task(self._pass_by(f"q{number}", seconds))
            await self._drained()
            for transport, client in self._publishers:
                await part(transport, client, politely=True)
            self._over.set()

    async def _publish(self, seconds: float) -> None:
        for number in range(2 * _STREAMS):
            client = Publisher(f"t/{number}", number % 2)
            transport = await self._place.connect(f"p{number}", lambda made=client: made)  # type: ignore[misc]
            transport.write(hello(f"p{number}"))
            await client.ready.wait()
            self._publishers.append((transport, client))
        loop = asyncio.get_running_loop()
        began, share = loop.time(), {0: 3 / 4 / _STREAMS, 1: 1 / 4 / _STREAMS}
        woken = 0.0
        while (elapsed := loop.time() - began) < seconds:
            self.longest_lag_s = max(self.longest_lag_s, elapsed - woken - _TICK_S)
            woken = elapsed
            for number, (transport, client) in enumerate(self._publishers):
                due = int(elapsed * self._rate * share[number % 2]) - client.sent
                if due > 0:
                    transport.write(client.batch(due))
            await asyncio.sleep(_TICK_S)

    async def _subscribe(self, number: int, qos: int, started: asyncio.Event) -> None:
        """QoS 0 stays; QoS 1 comes and goes, and its session waits for it."""
        name, topic = f"s{number}", f"t/{number}"
        heard, resumes = self.heard[name], False
        while not self._over.is_set():
            client = Subscriber(topic, qos, heard, resumes=resumes)
            transport = await self._place.connect(name, lambda made=client: made)  # type: ignore[misc]
            client.transport = transport
            asked = "" if resumes else topic
            transport.write(hello(name, clean=not qos, topic=asked, qos=qos))
            await client.ready.wait()
            if not client.is_in:
                self.turned_away += 1
                continue
            started.set()
            resumes = bool(qos)
            try:
                stays_s = None if not qos else self._chance.uniform(0.5, 4)
                async with asyncio.timeout(stays_s):
                    await self._over_or(client)
            except TimeoutError:
                heard.resumptions += 1
            await self._part(transport, client)
            await asyncio.sleep(self._chance.uniform(0, 0.3))

    async def _over_or(self, client: Client) -> None:
        """Wait for the end of the soak, or of the connection."""
        async with asyncio.TaskGroup() as either:
            waits = [
                either.create_task(self._over.wait()),
                either.create_task(client.closed.wait()),
            ]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
        self.cut += client.closed.is_set()

    async def _pass_by(self, name: str, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        ends = loop.time() + seconds
        while loop.time() < ends:
            keeps = self._chance.random() < 1 / 2
            client = Subscriber("passing", 0, Heard(), resumes=False)
            transport = await self._place.connect(name, lambda made=client: made)  # type: ignore[misc]
            transport.write(hello(name, clean=not keeps, topic="passing/#"))
            await client.ready.wait()
            self.turned_away += not client.is_in
            await asyncio.sleep(self._chance.uniform(0, 4))
            await self._part(transport, client)
            self.passed_by += 1

    async def _part(self, transport: asyncio.Transport, client: Client) -> None:
        politely = self._chance.random() < 1 / 2
        if not await part(transport, client, politely=politely):
            self.never_ended += 1

    async def _drained(self) -> None:
        """Wait until everything of QoS 1 has arrived; give up if it does not."""
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                while self.unacknowledged or self.lost:  # noqa: ASYNC110 - protocols count
                    await asyncio.sleep(_TICK_S)
        except TimeoutError:
            pass

    @property
    def published(self) -> int:
        return sum(client.sent for _, client in self._publishers)

    @property
    def unacknowledged(self) -> int:
        counted = [client for _, client in self._publishers[1::2]]
        return sum(client.sent - client.acknowledged for client in counted)

    @property
    def lost(self) -> int:
        lost = 0
        for number, (_, client) in enumerate(self._publishers):
            heard = self.heard[f"s{number}"]
            if number % 2:
                lost += client.sent - heard.next_number
                lost += sum(stop - start for start, stop in heard.gaps)
        return lost


async def soak(place: Place, pid: int, seconds: float, rate: int) -> Soaked:
    """Run all clients for so long, and look at the broker's memory meanwhile."""
    running = _Soak(place, rate)
    resident: list[float] = []

    async def look() -> None:
        while True:
            resident.append(resident_mib(pid))
            await asyncio.sleep(seconds / 300)

    before = cpu_seconds(pid)
    async with asyncio.TaskGroup() as group:
        looking = group.create_task(look())
        await running.run(seconds)
        looking.cancel()
    heard = running.heard.values()
    return Soaked(
        seconds,
        running.published,
        running.unacknowledged,
        sum(running.heard[f"s{number}"].messages for number in range(0, 2 * _STREAMS, 2)),
        running.lost,
        sum(one.duplicates for one in heard),
        sum(one.resumptions for one in heard),
        running.passed_by,
        running.never_ended,
        running.turned_away,
        running.cut,
        running.longest_lag_s,
        cpu_seconds(pid) - before,
        tuple(resident),
        {},
    )


def resident_mib(pid: int) -> float:
    """Return the memory of a process that is in use now."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / _KIB
    raise LookupError(f"process {pid} is gone")


@contextmanager
def _server(folder: Path) -> Iterator[tuple[Place, int]]:
    names = [f"{kind}{n}" for kind in "ps" for n in range(2 * _STREAMS)]
    names += [f"q{n}" for n in range(_PASSERS_BY)]
    ready = folder / "server.json"
    command = [sys.executable, "-m", "bench.soak_server", str(folder), *names]
    process = subprocess.Popen(command)
    try:
        until(lambda: ready.exists() or process.poll() is not None, "the broker", _START_SECONDS)
        yield Place(json.loads(ready.read_text())["port"], folder), process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def measure(seconds: float, rate: int) -> Soaked:
    """Soak a broker in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="hedgerow-soak-") as name:
        folder = Path(name)
        with _server(folder) as (place, pid):
            soaked = uvloop.run(soak(place, pid, seconds, rate))
        counters = json.loads((folder / "counters.json").read_text())
    return replace(soaked, counters=counters)


def main() -> int:
    """Return 1 if memory grew or something was lost."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 600.0
    rate = int(sys.argv[2]) if len(sys.argv) > 2 else 20_000
    soaked = measure(seconds, rate)
    print(soaked)
    samples = os.environ.get("HEDGEROW_SOAK_SAMPLES")
    if samples:
        Path(samples).write_text("\n".join(f"{mib:.2f}" for mib in soaked.resident_mib))
    return 0 if soaked.holds else 1


if __name__ == "__main__":
    sys.exit(main())
