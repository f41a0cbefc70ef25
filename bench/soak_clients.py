"""The clients of the soak: steady streams, subscribers that come and go, and passers-by."""

import asyncio
import ssl
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hedgerow.mqtt import Decoder, ProtocolVersion, encode
from hedgerow.mqtt.codec import Connect, Disconnect, Publish, Subscribe, SubscribeItem

PAYLOAD_BYTES: Final = 100
_VERSION: Final = ProtocolVersion.V311
_GOODBYE: Final = encode(Disconnect(), _VERSION)
_CONNACK_BYTES: Final = 4
_SUBACK_BYTES: Final = 5
_PUBACK: Final = struct.Struct(">2sH")
_PUBACK_HEAD: Final = b"\x40\x02"
_NUMBER: Final = struct.Struct(">Q")
_HIGHEST_PACKET_ID: Final = 0xFFFF
_END_SECONDS: Final = 20
_KEEP_ALIVE_S: Final = 1200
"""Longer than a soak: those who only listen send nothing."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the broker is, and the folder of who may come in."""

    port: int
    folder: Path

    async def connect(
        self, name: str, protocol: Callable[[], asyncio.Protocol]
    ) -> asyncio.Transport:
        """Open a mutual-TLS connection with the certificate of this name."""
        context = ssl.create_default_context(cafile=str(self.folder / "roots.pem"))
        clients = self.folder / "clients"
        context.load_cert_chain(clients / f"{name}.cert.pem", clients / f"{name}.private.key")
        transport, _ = await asyncio.get_running_loop().create_connection(
            protocol, "127.0.0.1", self.port, ssl=context, server_hostname="localhost"
        )
        return transport


class Client(asyncio.Protocol):
    """One connection; `ready` is set when the CONNACK, and the SUBACK if there is one, came."""

    def __init__(self, awaited_bytes: int) -> None:
        self._awaited = awaited_bytes
        self._head = b""
        self.ready = asyncio.Event()
        """Also when the end came first: then `is_in` is false."""
        self.is_in = False
        self.closed = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        """Take what comes after the answers."""
        if self._awaited:
            self._head += data[: self._awaited]
            taken = min(self._awaited, len(data))
            self._awaited -= taken
            data = data[taken:]
            if self._awaited:
                return
            Decoder(_VERSION).feed(self._head)
            self.is_in = True
            self.ready.set()
        if data:
            self.take(data)

    def take(self, data: bytes) -> None:
        """Do nothing with it."""

    def connection_lost(self, _error: Exception | None) -> None:
        """Note it."""
        self.closed.set()
        self.ready.set()


class Publisher(Client):
    """Publishes numbered messages at a pace; with QoS 1 it counts what was acknowledged."""

    def __init__(self, topic: str, qos: int) -> None:
        super().__init__(_CONNACK_BYTES)
        frame = encode(
            Publish(topic, bytes(PAYLOAD_BYTES), qos=qos, packet_id=1 if qos else 0), _VERSION
        )
        self._head_of_frame = frame[: len(frame) - PAYLOAD_BYTES - (2 if qos else 0)]
        self._rest = bytes(PAYLOAD_BYTES - _NUMBER.size)
        self._qos = qos
        self.sent = 0
        self._answered_bytes = 0

    @property
    def acknowledged(self) -> int:
        """Return how many messages the broker has taken."""
        return self._answered_bytes // _PUBACK.size

    def take(self, data: bytes) -> None:
        """Count acknowledgements."""
        self._answered_bytes += len(data)

    def batch(self, number: int) -> bytes:
        """Return the next messages, to be written at once."""
        parts: list[bytes] = []
        for _ in range(number):
            parts.append(self._head_of_frame)
            if self._qos:
                parts.append((self.sent % _HIGHEST_PACKET_ID + 1).to_bytes(2))
            parts += (_NUMBER.pack(self.sent), self._rest)
            self.sent += 1
        return b"".join(parts)


@dataclass
class Heard:
    """What a subscriber got over all its connections."""

    messages: int = 0
    duplicates: int = 0
    next_number: int = 0
    gaps: list[tuple[int, int]] = field(default_factory=list)
    resumptions: int = 0

    def note(self, number: int) -> None:
        """Take a message: numbers go up by one, or repeat what went before."""
        self.messages += 1
        if number < self.next_number:
            self.duplicates += 1
            return
        if number > self.next_number:
            self.gaps.append((self.next_number, number))
        self.next_number = number + 1


class Subscriber(Client):
    """Takes numbered messages of one topic; QoS 1 is acknowledged."""

    def __init__(self, topic: str, qos: int, heard: Heard, *, resumes: bool) -> None:
        super().__init__(_CONNACK_BYTES + (0 if resumes else _SUBACK_BYTES))
        frame = encode(
            Publish(topic, bytes(PAYLOAD_BYTES), qos=qos, packet_id=1 if qos else 0), _VERSION
        )
        self._size = len(frame)
        self._number_at = self._size - PAYLOAD_BYTES
        self._qos = qos
        self._heard = heard
        self._buffer = b""
        self.transport: asyncio.Transport | None = None

    def take(self, data: bytes) -> None:
        """Note every whole message."""
        data = self._buffer + data
        size, at = self._size, self._number_at
        whole = len(data) - len(data) % size
        self._buffer = data[whole:]
        answers = []
        for start in range(0, whole, size):
            (number,) = _NUMBER.unpack_from(data, start + at)
            self._heard.note(number)
            if self._qos:
                answers.append(_PUBACK_HEAD + data[start + at - 2 : start + at])
        if answers and self.transport is not None:
            self.transport.write(b"".join(answers))


def hello(name: str, *, clean: bool = True, topic: str = "", qos: int = 0) -> bytes:
    """Return a CONNECT, and a SUBSCRIBE if there is a topic."""
    frame = encode(Connect(name, _VERSION, clean_start=clean, keep_alive_s=_KEEP_ALIVE_S), _VERSION)
    if topic:
        frame += encode(Subscribe(1, (SubscribeItem(topic, qos),)), _VERSION)
    return frame


async def part(transport: asyncio.Transport, client: Client, *, politely: bool) -> bool:
    """Say goodbye and see the end, or cut the line; return whether the end came in time."""
    if politely:
        transport.write(_GOODBYE)
    else:
        transport.abort()
    try:
        async with asyncio.timeout(_END_SECONDS):
            await client.closed.wait()
    except TimeoutError:
        transport.abort()
        return False
    return True
