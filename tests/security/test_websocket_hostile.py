"""Hostile WebSocket frames in front of a broker: answered or cut, and never felt by others."""

import asyncio
import base64
import os
import random
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from socket import SO_RCVBUF, SOL_SOCKET

import pytest
from tests.support.mqtt_broker import OpenAuthority

from hedgerow.aws import HttpAnswer, HttpRequest, HttpServer, Upgrade
from hedgerow.kernel import SystemClock
from hedgerow.mqtt import Broker, Decoder, Limits, Peer, ProtocolVersion, encode
from hedgerow.mqtt.codec import Connack, Connect, Packet, Publish, Suback, Subscribe, SubscribeItem

BINARY, TEXT, CLOSE, PING, PONG = 2, 1, 8, 9, 10
SEED = int(os.environ.get("HEDGEROW_FUZZ_SEED", "7"))
ROUNDS = int(os.environ.get("HEDGEROW_FUZZ_ROUNDS", "150"))


def frame(payload: bytes, opcode: int = BINARY, *, final: bool = True, reserved: int = 0) -> bytes:
    """Return one masked frame."""
    head = bytes([(0x80 if final else 0) | reserved << 4 | opcode])
    size = len(payload)
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 1 << 16:
        head += bytes([0x80 | 126]) + struct.pack(">H", size)
    else:
        head += bytes([0x80 | 127]) + struct.pack(">Q", size)
    mask = b"\x01\x02\x03\x04"
    masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
    return head + mask + masked


def hello(client_id: str, *more: Packet) -> bytes:
    packets = (Connect(client_id), *more)
    return b"".join(encode(packet, ProtocolVersion.V311) for packet in packets)


@dataclass
class Line:
    """One raw connection that has begun a WebSocket."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def frames(self, opcode: int, count: int) -> list[bytes]:
        """Return the payloads of the next frames of a kind; others are passed over."""
        found: list[bytes] = []
        async with asyncio.timeout(10):
            while len(found) < count:
                kind, payload = await self._frame()
                if kind == opcode:
                    found.append(payload)
        return found

    async def close_code(self) -> int | None:
        """Return the code of the close frame, None if the line was cut without one."""
        async with asyncio.timeout(10):
            try:
                while True:
                    kind, payload = await self._frame()
                    if kind == CLOSE:
                        return int.from_bytes(payload[:2])
            except (asyncio.IncompleteReadError, ConnectionError):
                return None

    async def packets(self, count: int) -> list[Packet]:
        """Return the next MQTT packets."""
        decoder, found = Decoder(ProtocolVersion.V311), list[Packet]()
        while len(found) < count:
            found += decoder.feed((await self.frames(BINARY, 1))[0])
        return found

    async def _frame(self) -> tuple[int, bytes]:
        first, size = await self.reader.readexactly(2)
        if size == 126:
            size = int.from_bytes(await self.reader.readexactly(2))
        elif size == 127:
            size = int.from_bytes(await self.reader.readexactly(8))
        return first & 15, await self.reader.readexactly(size)


@dataclass
class Door:
    """A broker behind WebSockets over plain TCP."""

    broker: Broker
    server: HttpServer
    port: int

    def unsent(self) -> int:
        """Return how many bytes wait for clients that do not read."""
        assert self.server._server is not None
        transports = [connection.transport for connection in self.server._server.connections]
        return sum(each.get_write_buffer_size() for each in transports if each is not None)

    @asynccontextmanager
    async def line(self) -> AsyncIterator[Line]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        key = base64.b64encode(bytes(16)).decode()
        writer.write(
            f"GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: mqtt\r\n\r\n".encode()
        )
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        try:
            yield Line(reader, writer)
        finally:
            writer.transport.abort()

    async def still_serves(self) -> None:
        """Check that a well-behaved client is served as ever."""
        async with self.line() as line:
            items = (SubscribeItem("t"),)
            await line.send(frame(hello("good", Subscribe(1, items), Publish("t", b"hi"))))
            connack, suback, message = await line.packets(3)
            assert isinstance(connack, Connack)
            assert isinstance(suback, Suback)
            assert isinstance(message, Publish)
            assert message.payload == b"hi"


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    limits = Limits(connect_timeout_s=2.0)
    broker = Broker(OpenAuthority(), clock=SystemClock(), name="hostile", limits=limits)

    async def decide(request: HttpRequest) -> Upgrade:
        return Upgrade(broker.protocol(Peer("x", request.source_ip)), ("mqtt",))

    async def plain(_request: HttpRequest) -> HttpAnswer:
        return HttpAnswer(404)

    server = HttpServer(plain, upgraders={"/mqtt": decide})
    listener = await asyncio.get_running_loop().create_server(server.protocol, "127.0.0.1", 0)
    yield Door(broker, server, listener.sockets[0].getsockname()[1])
    listener.close()
    await broker.stop()
    await server.stop()


BROKEN: dict[str, tuple[bytes, int]] = {
    "reserved bits": (frame(b"x", reserved=4), 1002),
    "an unknown kind of frame": (frame(b"x", opcode=3), 1002),
    "a long ping": (frame(bytes(126), PING), 1002),
    "a ping in parts": (frame(b"x", PING, final=False), 1002),
    "an end without a beginning": (frame(b"x", opcode=0), 1002),
    "a beginning within a message": (frame(b"x", final=False) + frame(b"x"), 1002),
    "text": (frame(b"hello", TEXT), 1003),
    "text that is none": (frame(b"\xff\xfe", TEXT), 1007),
    "a promise of an exabyte": (b"\x82\xff" + struct.pack(">Q", 1 << 60) + bytes(4), 1009),
    "too large in one": (b"\x82\xff" + struct.pack(">Q", (256 << 10) + 1) + bytes(4), 1009),
    "a goodbye of one byte": (frame(b"x", CLOSE), 1002),
}


@pytest.mark.parametrize("broken", BROKEN)
async def test_broken_frames_end_their_own_connection_only(door: Door, broken: str) -> None:
    data, code = BROKEN[broken]
    async with door.line() as line:
        await line.send(data)
        assert await line.close_code() in (code, None)
    await door.still_serves()


async def test_a_message_in_parts_is_bounded_as_a_whole(door: Door) -> None:
    async with door.line() as line:
        part = bytes(60_000)
        await line.send(frame(part, final=False))
        for _ in range(6):
            await line.send(frame(part, opcode=0, final=False))
        assert await line.close_code() in (1009, None)
    await door.still_serves()


async def test_a_connect_a_byte_at_a_time_must_be_whole_in_time(door: Door) -> None:
    async with door.line() as line:
        for byte in hello("slow")[:-1]:
            await line.send(frame(bytes([byte])))
        async with asyncio.timeout(10):
            assert await line.close_code() in (1000, None), "silent connections are closed"
    await door.still_serves()


async def test_pings_without_reading_cost_a_bounded_amount(door: Door) -> None:
    async with door.line() as line:
        socket = line.writer.get_extra_info("socket")
        socket.setsockopt(SOL_SOCKET, SO_RCVBUF, 4096)
        line.writer.transport.pause_reading()  # type: ignore[attr-defined]
        flood = frame(bytes(125), PING) * 100
        for _ in range(400):
            line.writer.write(flood)
            await asyncio.sleep(0)
        for _ in range(100):
            await door.still_serves()
        assert line.writer.transport.get_write_buffer_size(), "it is not read for now"
        assert door.unsent() < 256 * 1024


async def test_any_split_of_packets_into_frames_means_the_same(door: Door) -> None:
    chance = random.Random(SEED)  # noqa: S311 - for tests
    for _ in range(ROUNDS // 5):
        messages = [Publish("t", b"%d" % number * 50) for number in range(20)]
        data = hello("split", Subscribe(1, (SubscribeItem("t"),)), *messages)
        async with door.line() as line:
            while data:
                size = chance.choice((1, 2, 3, 10, 100, 1000))
                head, data = data[:size], data[size:]
                line.writer.write(
                    frame(head) + (frame(b"", PING) if chance.random() < 0.2 else b"")
                )
            heard = (await line.packets(22))[2:]
            assert [m.payload for m in heard if isinstance(m, Publish)] == [
                m.payload for m in messages
            ]


async def test_random_frames_never_stop_the_service(door: Door) -> None:
    chance = random.Random(SEED)  # noqa: S311 - for tests
    for _ in range(ROUNDS):
        async with door.line() as line:
            data = bytearray(frame(hello("fuzz", Publish("t", b"x"))))
            for _ in range(chance.randrange(1, 6)):
                place = chance.randrange(len(data))
                if chance.random() < 0.5:
                    data[place] = chance.randrange(256)
                else:
                    data[place:place] = chance.randbytes(chance.randrange(1, 30))
            await line.send(bytes(data))
    await door.still_serves()
    assert len(door.broker.sessions) <= 1
