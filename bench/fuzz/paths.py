"""What must hold of the fast paths for any bytes: nobody can tell that they were taken.

The same bytes go to two brokers, one of which opens every packet; all their clients must get the
same bytes, and both must count alike.
"""

import asyncio
from datetime import UTC, datetime
from typing import Any, Final

from tests.support.mqtt_transport import MemoryTransport

from bench.conformance.open_door import ListedAuthority
from hedgerow.mqtt import (
    Admission,
    Admitted,
    Broker,
    ConnectRequest,
    Limits,
    Peer,
    ProtocolVersion,
    SessionRef,
    Verdict,
    encode,
)
from hedgerow.mqtt.codec import (
    Connect,
    Packet,
    Pingreq,
    Properties,
    Puback,
    Publish,
    Subscribe,
    SubscribeItem,
)

_TOPICS: Final = ("a", "a/b", "b", "long/" + "x" * 120, "forbidden")
_LIMITS: Final = Limits(
    payload_bytes=400, maximum_qos=2, retain_available=True, in_flight=8, waiting_messages=16
)
_V311, _V5 = ProtocolVersion.V311, ProtocolVersion.V5
_LISTENERS: Final = (
    (_V311, "#", 0),
    (_V311, "a", 1),
    (_V5, "a/#", 1),
    (_V5, "#", 2),
    (_V5, "+", 0),
)


class _FixedClock:
    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        return 1000.0


class _Authority(ListedAuthority):
    def admit(self, peer: Peer, client_id: str, connect: ConnectRequest) -> Admission:  # noqa: ARG002 - interface
        return Admitted(client_id)

    def may_publish(self, session: SessionRef, topic: str) -> Verdict:  # noqa: ARG002 - interface
        return Verdict(allowed=topic != "forbidden", reason="no row")


class _Stage:
    """One broker, its listeners, and the client whose bytes are in question."""

    def __init__(self, version: ProtocolVersion, *, fast: bool) -> None:
        self.broker = Broker(_Authority(), limits=_LIMITS, clock=_FixedClock(), name="stage")
        self.listeners = [self._client(f"l{n}", spec[0]) for n, spec in enumerate(_LISTENERS)]
        for transport, (speaks, topic_filter, qos) in zip(self.listeners, _LISTENERS, strict=True):
            subscribe = Subscribe(1, (SubscribeItem(topic_filter, qos),))
            transport.deliver(encode(subscribe, speaks))
        self.publisher = self._client("p", version, fast=fast)
        # Every topic was looked at once, so that the fast path knows it.
        for topic in _TOPICS:
            self.publisher.deliver(encode(Publish(topic, b""), version))

    def _client(self, name: str, version: ProtocolVersion, *, fast: bool = True) -> MemoryTransport:
        protocol: Any = self.broker.protocol(Peer(name, "127.0.0.1"))
        if not fast:
            protocol._fast = lambda _data, position, _end, _session: position  # noqa: SLF001 - the point
        transport = MemoryTransport()
        transport.attach(protocol)
        transport.deliver(encode(Connect(name, version=version), version))
        return transport

    def told(self) -> list[bytes]:
        """Return what everyone got."""
        return [transport.taken() for transport in (self.publisher, *self.listeners)]


def frames(data: bytes, version: ProtocolVersion) -> bytes:
    """Make a stream of mostly valid publications of the bytes, with faults strewn in."""
    stream, position = bytearray(), 0
    while position + 4 <= len(data):
        kind, topic, size, more = data[position : position + 4]
        position += 4
        qos = (0, 0, 0, 1, 1, 1, 2, 1)[kind & 7]
        packet: Packet = Publish(
            _TOPICS[topic % len(_TOPICS)],
            bytes([more]) * (size * 2),
            qos=qos,
            packet_id=1 + more % 5 if qos else 0,
            retain=kind & 0xF8 == 0x08,
            dup=bool(qos) and kind & 0xF8 == 0x10,
            properties=Properties(user_property=(("k", "v"),))
            if version is _V5 and kind & 0xF8 == 0x18
            else Properties(),
        )
        if kind & 0xF8 == 0x20:
            packet = Puback(1 + more)
        elif kind & 0xF8 == 0x28:
            packet = Pingreq()
        frame = bytearray(encode(packet, version))
        if kind & 0xF8 == 0x30:
            frame[size % len(frame)] = more
        stream += frame
    return bytes(stream)


def check(data: bytes) -> None:
    """Raise `AssertionError` if the two brokers differ."""
    asyncio.run(compare(data))


async def compare(data: bytes) -> None:
    """Do the same on a loop that runs already."""
    if len(data) < 2:
        return
    version = (_V311, _V5)[data[0] & 1]
    stream = data[2:] if data[0] & 2 else frames(data[2:], version)
    step = data[1] * 4 + 1 if data[0] & 4 else len(stream) or 1
    quick, careful = _Stage(version, fast=True), _Stage(version, fast=False)
    assert quick.told() == careful.told()
    for start in range(0, len(stream), step):
        for stage in (quick, careful):
            stage.publisher.deliver(stream[start : start + step])
    names = ("the publisher", *(f"listener {spec}" for spec in _LISTENERS))
    for name, fast, slow in zip(names, quick.told(), careful.told(), strict=True):
        assert fast == slow, f"{name} got {fast!r} instead of {slow!r}"
    assert quick.publisher.closing == careful.publisher.closing
    assert quick.broker.counters == careful.broker.counters
    for stage in (quick, careful):
        for transport in (stage.publisher, *stage.listeners):
            transport.close()
    await asyncio.sleep(0)
    for stage in (quick, careful):
        await stage.broker.stop()
