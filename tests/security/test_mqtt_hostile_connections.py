"""Hostile connections to a core's own MQTT server, over TLS, while healthy devices are served.

The attackers are devices of the group: their certificates are right, and all else is wrong. No
test waits for a time limit; the server's clock is moved beyond it.
"""

import asyncio
import gc
import logging
import os
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.support.clock import ManualClock
from tests.support.cloud_documents import Device
from tests.support.core import until
from tests.support.local_server import Local, local_server
from tests.support.mqtt_attacks import attacks, connect
from tests.support.mqtt_client import MqttClient

from hedgerow.mqtt import ProtocolVersion, ReasonCode, encode
from hedgerow.mqtt.codec import Connect, Disconnect, Pingreq, Will
from hedgerow.mqtt.connection import Connection
from hedgerow.mqtt.session import Session
from hedgerow.pki import client_context

pytestmark = [pytest.mark.promise(1)]

V311, V5 = ProtocolVersion.V311, ProtocolVersion.V5
BOTH = pytest.mark.parametrize("version", [V311, V5])
STREAMS = 500
AT_ONCE = 10
WARM_UP = 100
MEMORY_BYTES = 20 * 1024 * 1024
"""What the allocator may keep. 400 connections that were not let go of would keep 100 MiB."""
ATTACKERS = [f"X{number}" for number in range(AT_ONCE)]
LONGEST_KEEP_ALIVE_S = 1200


class Traffic:
    """Numbered messages from A to B, one after the other; each must arrive before the next."""

    def __init__(self, a: MqttClient, b: MqttClient) -> None:
        self._a = a
        self._b = b
        self._stopping = False
        self.messages = 0

    async def run(self) -> None:
        while not self._stopping:
            expected = b"%d" % self.messages
            await self._a.publish("t/ab", expected, qos=self.messages % 2)
            received = await self._b.message()
            assert (received.topic, received.payload) == ("t/ab", expected)
            await self._b.sync()  # or it would not be known to be there: QoS 0 is not answered
            self.messages += 1

    async def goes_on(self) -> None:
        """Return after enough messages that everything sent before was read by the server."""
        enough = self.messages + 4
        await until(lambda: self.messages >= enough)

    def stop(self) -> None:
        self._stopping = True


class Scene:
    """A server with attackers in its group, and the healthy pair that it serves meanwhile."""

    def __init__(self, local: Local, clock: ManualClock, traffic: Traffic) -> None:
        self.local = local
        self.clock = clock
        self.traffic = traffic
        self.broker = local.server.broker
        self._contexts: dict[str, ssl.SSLContext] = {}

    def device(self, name: str) -> Device:
        return next(device for device in self.local.double.devices if device.name == name)

    async def line(self, name: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Finish a handshake as a device, and say nothing yet."""
        context = self._contexts.get(name)
        if context is None:
            device = self.device(name)
            roots = self.local.double.keys.group_ca.certificate_pem
            context = client_context(roots, device.key, device.certificate_pem)
            self._contexts[name] = context
        return await asyncio.open_connection(
            "127.0.0.1", self.local.server.port, ssl=context, server_hostname="localhost"
        )

    async def pass_time(self, seconds: float) -> None:
        """Let time pass that the healthy pair uses to show that it is there."""
        self.clock.advance(timedelta(seconds=seconds))
        self.broker.tick()
        await self.traffic.goes_on()

    async def accepted(self, attackers: int) -> None:
        """Wait until so many handshakes were finished on the server's side as well."""
        await until(lambda: self.broker.counters.connections == 2 + attackers)

    def clients(self) -> list[str]:
        return sorted(session.client_id for session in self.broker.sessions)


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    clock = ManualClock()
    rows = [("A", "t/ab", "B"), ("A", "t/flood", ATTACKERS[0])]
    rows += [(source, "m/#", ATTACKERS[0]) for source in ATTACKERS]
    async with local_server("A", "B", *ATTACKERS, rows=rows, clock=clock) as local:
        pair = []
        for name in "AB":
            client = await local.transport(
                next(device for device in local.double.devices if device.name == name)
            )
            answer = await client.connect(name, keep_alive_s=LONGEST_KEEP_ALIVE_S)
            assert answer.reason == 0
            pair.append(client)
        await pair[1].subscribe("#", qos=1)
        traffic = Traffic(*pair)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(traffic.run())
            yield Scene(local, clock, traffic)
            traffic.stop()
        for client in pair:
            await client.close()


@pytest.fixture(autouse=True)
def no_traceback(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> Iterator[list[Any]]:
    """Whatever a test here does, nothing escapes to the event loop, the log or the terminal."""
    with capture_logs() as lines:
        yield lines
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert {line["log_level"] for line in lines} <= {"info", "warning"}
    assert "Traceback" not in "".join(capfd.readouterr())


async def read_to_the_end(
    line: tuple[asyncio.StreamReader, asyncio.StreamWriter],
) -> bytes:
    """Return all that comes until the server closes."""
    reader, writer = line
    try:
        async with asyncio.timeout(10):
            return await reader.read()
    except (ConnectionError, ssl.SSLError):
        return b""
    finally:
        writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def alive() -> Counter[type]:
    gc.collect()
    return Counter(type(one) for one in gc.get_objects() if isinstance(one, Connection | Session))


async def attack_at_once(stage: Scene, first: int) -> None:
    """Attack from every attacker at once; each connection is closed by the server, and counted."""
    refusals = stage.broker.counters.refusals
    before = refusals.total()

    async def attack(name: str, chunks: list[bytes]) -> Any:
        line = await stage.line(name)
        try:
            for chunk in chunks:
                line[1].write(chunk)
                await line[1].drain()
        except ConnectionError:
            pass
        return line

    async with asyncio.TaskGroup() as group:
        sent = [
            group.create_task(attack(name, made.chunks))
            for number, name in enumerate(ATTACKERS)
            for made in attacks(1, name, seed=first + number)
        ]
    await stage.traffic.goes_on()
    for _ in range(3):
        await stage.pass_time(1000)
    for task in sent:
        await read_to_the_end(task.result())
    await until(lambda: len(stage.broker._connections) == 2)
    assert stage.clients() == ["A", "B"]
    assert refusals.total() - before >= AT_ONCE


@pytest.mark.both_loops
async def test_500_attacks_over_tls_disturb_no_healthy_device_and_leave_nothing() -> None:
    earlier = alive()  # aiohttp keeps whole servers of earlier tests in a cache
    async with scene() as stage:
        for first in range(0, STREAMS, AT_ONCE):
            await attack_at_once(stage, first)
            if first == WARM_UP:
                gc.collect()
                files, memory = open_files(), resident_bytes()
        assert alive() - earlier == Counter({Connection: 2, Session: 2})
        assert open_files() == files
        assert resident_bytes() - memory < MEMORY_BYTES
        assert stage.broker.counters.connections == STREAMS + 2
        assert stage.broker.counters.refusals["internal-error"] == 0
        assert stage.traffic.messages > STREAMS


@pytest.mark.both_loops
async def test_connections_that_never_send_a_whole_connect_are_closed_in_time() -> None:
    """Silent ones, and ones that send a byte now and then; the crowd keeps nobody out."""
    half = connect("X1", V5)[:-1]
    async with scene() as stage:
        silent = [await stage.line("X0") for _ in range(30)]
        dripping = [await stage.line("X1") for _ in range(30)]
        unproven = [
            await asyncio.open_connection("127.0.0.1", stage.local.server.port) for _ in range(30)
        ]
        for at in range(5):
            for _, writer in dripping:
                writer.write(half[at : at + 1])
            await stage.pass_time(1.9)
        assert len(stage.broker._connections) == 62
        async with await stage.local.connected(stage.device("X2")) as late:
            await late.sync()
        for _, writer in dripping:
            writer.write(half[5:6])
        await stage.traffic.goes_on()
        await stage.pass_time(0.6)
        for line in (*silent, *dripping):
            assert await read_to_the_end(line) == b""
        assert stage.broker.counters.refusals == {"connect-timeout": 60}
        for _, writer in unproven:
            writer.close()


async def test_when_too_many_are_silent_the_longest_silent_make_room() -> None:
    async with scene() as stage:
        stage.broker._engine.limits = replace(stage.broker.limits, silent_connections=10)
        silent = []
        for number in range(30):
            silent.append(await stage.line("X0"))
            await stage.accepted(number + 1)
        async with await stage.local.connected(stage.device("X1")) as late:
            await late.sync()
            for line in silent[:21]:  # one of them for the late device, which was silent at first
                assert await read_to_the_end(line) == b""
            assert stage.broker.counters.refusals == {"server-busy": 21}
            await stage.traffic.goes_on()
        for _, writer in silent[21:]:
            writer.close()


@BOTH
async def test_a_session_that_falls_silent_ends_after_one_and_a_half_keep_alives(
    version: ProtocolVersion,
) -> None:
    async with scene() as stage:
        lines = [(name, await stage.line(name)) for name in ATTACKERS]
        for name, (_, writer) in lines:
            writer.write(encode(Connect(name, version, keep_alive_s=10), version))
        await until(lambda: len(stage.broker.sessions) == 2 + AT_ONCE)
        _, lively = lines.pop()
        for _ in range(2):
            await stage.pass_time(7)
            lively[1].write(encode(Pingreq(), version))
            await stage.traffic.goes_on()
        assert len(stage.broker.sessions) == 2 + AT_ONCE
        await stage.pass_time(2)
        assert stage.clients() == ["A", "B", ATTACKERS[-1]]
        assert stage.broker.counters.refusals == {"keep-alive-timeout": AT_ONCE - 1}
        for _, line in lines:
            assert (await read_to_the_end(line)).startswith(b"\x20")
        lively[1].write(encode(Disconnect(), version))
        await read_to_the_end(lively)


@pytest.mark.promise(2)
@BOTH
@pytest.mark.parametrize("clean_start", [True, False])
async def test_no_other_certificate_takes_a_client_id_over(
    version: ProtocolVersion, *, clean_start: bool
) -> None:
    will = Will("t/ab", b"forged")
    async with scene() as stage:
        before = stage.broker.sessions
        for name in ("B", *ATTACKERS):
            client = await stage.local.transport(stage.device(name), version)
            answer = await client.connect("A", clean_start=clean_start, will=will)
            assert answer.reason is not ReasonCode.SUCCESS
            assert await client.expect_end() == []
            await client.close()
            await stage.traffic.goes_on()
        assert stage.broker.sessions == before
        assert stage.broker.counters.refusals == {"connect-denied": 1 + AT_ONCE}


@pytest.mark.promise(2)
async def test_a_device_takes_over_only_from_itself() -> None:
    """A crowd of connections of one device throws that device off, and nobody else."""
    async with scene() as stage:
        clients = []
        for _ in range(20):
            clients.append(await stage.local.connected(stage.device("X0")))
            await stage.traffic.goes_on()
            assert stage.clients() == ["A", "B", "X0"]
        for client in clients[:-1]:
            [goodbye] = await client.expect_end()
            assert isinstance(goodbye, Disconnect)
            assert goodbye.reason is ReasonCode.SESSION_TAKEN_OVER
            await client.close()
        await clients[-1].sync()
        await clients[-1].close()
        assert stage.broker.counters.refusals == {"session-taken-over": 19}


@pytest.mark.both_loops
async def test_a_device_that_reads_nothing_costs_a_bounded_amount_and_delays_nobody_for_long() -> (
    None
):
    payload = b"x" * 100_000
    async with scene() as stage:
        deaf = await stage.local.connected(stage.device("X0"))
        await deaf.subscribe("m/#")
        transport: Any = deaf.transport
        transport.pause_reading()
        loud = await stage.local.connected(stage.device("X1"))
        for _ in range(50):
            await loud.publish("m/1", payload)
        await loud.sync()
        gc.collect()
        memory = resident_bytes()
        for _ in range(400):
            await loud.publish("m/1", payload)
        await loud.sync()
        await stage.traffic.goes_on()
        assert resident_bytes() - memory < MEMORY_BYTES
        assert stage.broker.counters.refusals["queue-full"] > 300
        deaf.abort()
        for client in (deaf, loud):
            await client.close()
