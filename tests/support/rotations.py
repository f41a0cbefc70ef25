"""Devices in a ring send each other QoS 1 messages while the server's certificate rotates."""

import asyncio
import hashlib
import json
import ssl
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from tests.support.rotating_server import NEWCOMERS

from hedgerow.kernel import Secret
from hedgerow.mqtt import Decoder, ProtocolVersion, encode
from hedgerow.mqtt.codec import (
    Connack,
    Connect,
    Packet,
    Puback,
    Publish,
    Suback,
    Subscribe,
    SubscribeItem,
)
from hedgerow.pki import FileKey, client_context

_VERSION = ProtocolVersion.V311
_ROOT = Path(__file__).resolve().parents[2]
_AT_ONCE = 25
_PATIENCE_S = 60.0
_BREATH_S = 0.01
_PATIENCE_STEPS = 1000


@dataclass(frozen=True)
class Outcome:
    """What came of it. Everything but the numbers of what was done should be 0."""

    devices: int
    rotations: int
    disconnected: int
    acknowledged: int
    delivered: int
    lost: int
    repeated: int
    newcomers: int
    old_certificates: int
    seconds: float
    slowest_rotation_s: float

    @property
    def is_clean(self) -> bool:
        return not (self.disconnected or self.lost or self.repeated or self.old_certificates)


@dataclass
class Member(asyncio.Protocol):
    """One device of the ring: it sends when told to, and one message at a time."""

    name: str
    target: str
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    acknowledged: int = 0
    sent: int = 0
    last: int = 0
    lost: int = 0
    repeated: int = 0
    ended: bool = False
    transport: asyncio.Transport | None = None

    def __post_init__(self) -> None:
        self._decoder = Decoder(_VERSION)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # TLS gives one that writes
        self._send(Connect(self.name, _VERSION, keep_alive_s=600))

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.ended = True

    def data_received(self, data: bytes) -> None:
        for packet in self._decoder.feed(data):
            self._take(packet)

    def publish(self) -> None:
        """Send the next message, unless the last one is not acknowledged yet."""
        if self.sent == self.acknowledged and not self.ended:
            self.sent += 1
            packet_id = self.sent % 0xFFFF + 1
            payload = b"%d" % self.sent
            self._send(Publish(f"to/{self.target}", payload, qos=1, packet_id=packet_id))

    def _take(self, packet: Packet) -> None:
        match packet:
            case Connack():
                self._send(Subscribe(1, (SubscribeItem(f"to/{self.name}", 1),)))
            case Suback():
                self.ready.set()
            case Puback():
                self.acknowledged += 1
            case Publish():
                number = int(packet.payload)
                self.repeated += number <= self.last
                self.lost += max(0, number - self.last - 1)
                self.last = max(self.last, number)
                self._send(Puback(packet.packet_id))
            case _:
                self.ended = True

    def _send(self, packet: Packet) -> None:
        if self.transport is not None:
            self.transport.write(encode(packet, _VERSION))


class Server:
    """The server's process, as it is told to rotate and says what it serves."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, first: str) -> None:
        self._process = process
        self.port = port
        self.certificates = [first]
        self.rotated = asyncio.Condition()

    async def rotate(self) -> None:
        """Have it renew, and return when the new certificate serves."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"rotate\n")
        said = await _line(self._process)
        async with self.rotated:
            self.certificates.append(str(said["certificate"]))
            self.rotated.notify_all()


@dataclass
class Newcomers:
    """Devices that connect anew all the time, and look at what they are shown."""

    met: int = 0
    old: int = 0

    async def come(self, server: Server, contexts: Mapping[str, ssl.SSLContext]) -> None:
        for number in count():
            name = NEWCOMERS[number % len(NEWCOMERS)]
            newest = len(server.certificates) - 1
            shown = await _shown(server.port, contexts[name], name)
            async with server.rotated:  # one may meet a certificate before the server tells of it
                await server.rotated.wait_for(lambda: shown in server.certificates)  # noqa: B023
            self.met += 1
            self.old += server.certificates.index(shown) < newest
            await asyncio.sleep(_BREATH_S)


async def rotate_under_load(
    folder: Path, *, devices: int, rotations: int, pause_s: float, messages_per_s: float
) -> Outcome:
    """Connect the devices, let them talk, rotate so often; say what happened to them."""
    async with _server(devices, folder) as server:
        kept = json.loads((folder / "devices.json").read_text())
        contexts = dict(_contexts(kept["ca"], kept["devices"]))
        ring = await _ring(server, contexts, devices)
        newcomers, began, slowest = Newcomers(), time.monotonic(), 0.0
        async with asyncio.TaskGroup() as tasks:
            talking = tasks.create_task(_talk(ring, messages_per_s))
            coming = tasks.create_task(newcomers.come(server, contexts))
            for _ in range(rotations):
                started = time.monotonic()
                await server.rotate()
                slowest = max(slowest, time.monotonic() - started)
                await asyncio.sleep(pause_s)
            talking.cancel()
            coming.cancel()
        seconds = time.monotonic() - began
        lost = await _left_behind(ring)
        outcome = Outcome(
            devices=devices,
            rotations=len(set(server.certificates)) - 1,
            disconnected=sum(member.ended for member in ring),
            acknowledged=sum(member.acknowledged for member in ring),
            delivered=sum(member.last for member in ring),
            lost=lost + sum(member.lost for member in ring),
            repeated=sum(member.repeated for member in ring),
            newcomers=newcomers.met,
            old_certificates=newcomers.old,
            seconds=seconds,
            slowest_rotation_s=slowest,
        )
        for member in ring:
            if member.transport is not None:
                member.transport.abort()
        return outcome


@asynccontextmanager
async def _server(devices: int, folder: Path) -> AsyncIterator[Server]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.rotating_server", str(devices), str(folder),
        cwd=_ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        said = await _line(process)
        yield Server(process, int(str(said["port"])), str(said["certificate"]))
    finally:
        if process.stdin is not None:
            process.stdin.close()
        await asyncio.wait_for(process.wait(), _PATIENCE_S)


async def _line(process: asyncio.subprocess.Process) -> dict[str, object]:
    assert process.stdout is not None
    async with asyncio.timeout(_PATIENCE_S):
        said: dict[str, object] = json.loads(await process.stdout.readline())
    return said


def _contexts(
    roots: str, devices: Sequence[tuple[str, str, str]]
) -> Iterator[tuple[str, ssl.SSLContext]]:
    for name, key, certificate in devices:
        yield name, client_context(roots, FileKey.from_pem(Secret(key)), certificate)


async def _ring(
    server: Server, contexts: Mapping[str, ssl.SSLContext], devices: int
) -> list[Member]:
    """Connect everybody, some at a time, and wait until all have subscribed."""
    loop, turns = asyncio.get_running_loop(), asyncio.Semaphore(_AT_ONCE)
    ring = [Member(f"D{n}", f"D{(n + 1) % devices}") for n in range(devices)]

    async def connect(member: Member) -> None:
        async with turns, asyncio.timeout(_PATIENCE_S):
            await loop.create_connection(
                lambda: member, "127.0.0.1", server.port,
                ssl=contexts[member.name], server_hostname="localhost",
            )  # fmt: skip
            await member.ready.wait()

    async with asyncio.TaskGroup() as tasks:
        for member in ring:
            tasks.create_task(connect(member))
    return ring


async def _talk(ring: Sequence[Member], messages_per_s: float) -> None:
    """Have everybody send in turn, so many messages a second in all."""
    began, sent = time.monotonic(), 0
    while True:
        due = int((time.monotonic() - began) * messages_per_s)
        for number in range(sent, due):
            ring[number % len(ring)].publish()
        sent = due
        await asyncio.sleep(_BREATH_S)


async def _shown(port: int, context: ssl.SSLContext, name: str) -> str:
    """Connect, be let in, and return the SHA-256 of the certificate that was shown."""
    async with asyncio.timeout(_PATIENCE_S):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname="localhost"
        )
        writer.write(encode(Connect(name, _VERSION, keep_alive_s=600), _VERSION))
        [answer] = Decoder(_VERSION).feed(await reader.read(64))
        assert isinstance(answer, Connack), answer
        assert answer.reason == 0, answer
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.transport.abort()
    return hashlib.sha256(der).hexdigest()


async def _left_behind(ring: Sequence[Member]) -> int:
    """Wait for what is under way; return how many acknowledged messages never came."""

    def behind() -> int:
        last = {member.target: member.acknowledged for member in ring}
        return sum(max(0, last[member.name] - member.last) for member in ring)

    for _ in range(_PATIENCE_STEPS):
        if not behind():
            break
        await asyncio.sleep(_BREATH_S)
    return behind()
