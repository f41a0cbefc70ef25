"""500 hostile byte streams against the broker, while a healthy client is served throughout.

Over the protocol objects themselves, where an exception that escapes is seen at once, and over
real mutual TLS.
"""

import asyncio
import gc
import logging
import tracemalloc
from collections import Counter
from datetime import timedelta

import pytest
from tests.support.clock import ManualClock
from tests.support.mqtt_attacks import attacks, broken_rules, connect
from tests.support.mqtt_broker import OpenAuthority, denied, turned_away
from tests.support.mqtt_client import MqttClient
from tests.support.mqtt_mischief import hostile_streams
from tests.support.mqtt_transport import MemoryTransport
from tests.support.pki import mutual_context, new_identity, new_server, shared_authority

from hedgerow.kernel import SystemClock
from hedgerow.mqtt import (
    Admission,
    Broker,
    Decoder,
    Peer,
    ProtocolVersion,
    ReasonCode,
    SessionRef,
    Verdict,
    encode,
)
from hedgerow.mqtt.codec import (
    Connack,
    Connect,
    Packet,
    PacketType,
    Pingreq,
    Pingresp,
    Publish,
    Subscribe,
    SubscribeItem,
)
from hedgerow.mqtt.connection import Connection
from hedgerow.mqtt.session import Session
from hedgerow.pki import TlsListener, TlsPeer, TlsSlot

V311, V5 = ProtocolVersion.V311, ProtocolVersion.V5
_STREAMS = 500
_ATTACKS = 5000
_OVER_TLS = 60


def _open(broker: Broker, identity: str = "x") -> MemoryTransport:
    transport = MemoryTransport()
    transport.attach(broker.protocol(Peer(identity, "memory")))
    return transport


def _alive() -> Counter[type]:
    """Return how many connections and sessions this process holds."""
    gc.collect()
    return Counter(type(one) for one in gc.get_objects() if isinstance(one, Connection | Session))


def _talk(transport: MemoryTransport, *packets: Packet) -> list[Packet]:
    """Send packets and return what came back."""
    transport.deliver(b"".join(encode(packet, V311) for packet in packets))
    return Decoder(V311).feed(transport.taken())


class HealthyPair:
    """A publisher and a subscriber whose messages must go through, whatever else happens."""

    def __init__(self, broker: Broker) -> None:
        self.publisher = _open(broker)
        self.subscriber = _open(broker)
        for transport, name in (
            (self.publisher, "healthy-publisher"),
            (self.subscriber, "healthy-subscriber"),
        ):
            assert _talk(transport, Connect(name, keep_alive_s=1200)) == [Connack()]
        _talk(self.subscriber, Subscribe(1, (SubscribeItem("healthy"),)))

    def check(self) -> None:
        message = Publish("healthy", b"alive")
        _talk(self.publisher, message)
        assert _talk(self.subscriber, Pingreq()) == [message, Pingresp()]


async def _attack(broker: Broker, chunks: list[bytes]) -> bool:
    """Send one stream and vanish; return whether the broker closed the connection."""
    transport = _open(broker)
    for chunk in chunks:
        transport.deliver(chunk)
    closed = transport.is_closing()
    transport.abort()
    await asyncio.sleep(0)
    return closed


@pytest.mark.promise(1)
async def test_500_hostile_streams_disturb_nobody(caplog: pytest.LogCaptureFixture) -> None:
    broker = Broker(OpenAuthority(), clock=SystemClock(), name="attacked")
    refusals = broker.counters.refusals
    healthy = HealthyPair(broker)
    closed = 0
    for name, chunks in hostile_streams(_STREAMS):
        before = sum(refusals.values())
        if await _attack(broker, chunks):
            closed += 1
            goodbye = any(chunk.endswith(b"\xe0\x00") for chunk in chunks)
            assert sum(refusals.values()) > before or goodbye or _says_goodbye(chunks), name
        healthy.check()
        assert len(broker.sessions) == 2, name
    assert closed > _STREAMS // 2
    assert refusals["internal-error"] == 0
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    await broker.stop()


def _says_goodbye(chunks: list[bytes]) -> bool:
    """Say whether a stream may have been closed because the client asked for it."""
    return b"\xe0" in b"".join(chunks)


class OwnNameOnly(OpenAuthority):
    """Admits a client under the name of its certificate only, and some topics not at all."""

    def admit(self, peer: Peer, client_id: str, connect: Connect) -> Admission:
        if peer.identity == "attacker" != client_id:
            return turned_away("not yours")
        return super().admit(peer, client_id, connect)

    def may_publish(self, session: SessionRef, topic: str) -> Verdict:
        return denied() if topic.startswith("no/") else super().may_publish(session, topic)

    def forget(self) -> None:
        """Drop what was noted so far."""
        for noted in (self.events, self.questions, self.connects, self.life):
            noted.clear()


@pytest.mark.promise(1)
async def test_each_of_5000_attacks_ends_in_a_close_that_is_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What a stream leaves open is closed by its deadline; no other session ever ends."""
    earlier = _alive()  # aiohttp keeps whole servers of earlier tests in a cache
    clock, authority = ManualClock(), OwnNameOnly()
    broker = Broker(authority, clock=clock, name="attacked")
    refusals = broker.counters.refusals
    healthy = HealthyPair(broker)
    for name, chunks in attacks(_ATTACKS, "attacker"):
        before = sum(refusals.values())
        transport = _open(broker, "attacker")
        for chunk in chunks:
            transport.deliver(chunk)
        healthy.check()
        for _ in range(3):
            if not transport.is_closing():
                clock.advance(timedelta(seconds=1000))
                broker.tick()
                healthy.check()
        assert transport.is_closing(), name
        assert sum(refusals.values()) > before, name
        assert len(broker.sessions) == 2, name
        await asyncio.sleep(0)
        authority.forget()
    assert refusals["internal-error"] == 0
    assert {"connect-timeout", "keep-alive-timeout", "connect-denied", "quota-exceeded"} < {
        *refusals
    }
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert _alive() - earlier == Counter({Connection: 2, Session: 2})
    await broker.stop()


@pytest.mark.promise(1)
@pytest.mark.parametrize(
    ("version", "data", "reason"),
    [pytest.param(*case, id=name) for name, *case in broken_rules()],
)
async def test_a_session_ends_with_the_first_broken_rule(
    version: ProtocolVersion, data: bytes, reason: ReasonCode
) -> None:
    broker = Broker(OpenAuthority(), clock=SystemClock(), name="attacked")
    healthy = HealthyPair(broker)
    transport = _open(broker)
    transport.deliver(connect("attacker", version))
    transport.taken()
    transport.deliver(data + encode(Publish("healthy", b"forged"), version))
    goodbyes = Decoder(version).feed(transport.taken())
    assert transport.is_closing()
    assert broker.counters.refusals == {reason.name.lower().replace("_", "-"): 1}
    assert [packet.type for packet in goodbyes] == [PacketType.DISCONNECT] * (version is V5)
    healthy.check()
    await asyncio.sleep(0)
    await broker.stop()


async def test_hostile_streams_leave_no_memory_behind() -> None:
    authority = OwnNameOnly()
    broker = Broker(authority, clock=SystemClock(), name="attacked")
    streams = [*hostile_streams(200), *attacks(180, "attacker")]

    async def all_streams() -> None:
        for _, chunks in streams:
            await _attack(broker, chunks)
        authority.forget()
        gc.collect()

    tracemalloc.start()
    try:
        await all_streams()
        before, _ = tracemalloc.get_traced_memory()
        await all_streams()
        await all_streams()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 20_000
    await broker.stop()


@pytest.mark.promise(1)
async def test_hostile_streams_over_mutual_tls_disturb_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    authority = shared_authority()
    server, device = new_server(authority), new_identity(authority)
    broker = Broker(OpenAuthority(), clock=SystemClock(), name="attacked")

    def protocol(peer: TlsPeer) -> asyncio.BufferedProtocol:
        return broker.protocol(Peer(peer.certificate_id, peer.address))

    listener = TlsListener(TlsSlot(mutual_context(server, device)), protocol)
    await listener.start("127.0.0.1", 0)
    tls = device.client_context(authority.certificate_pem)

    async def client() -> MqttClient:
        return await MqttClient.open(
            "127.0.0.1", listener.port, tls=tls, server_hostname="localhost"
        )

    async def attack(chunks: list[bytes]) -> None:
        async with await client() as attacker:
            try:
                for chunk in chunks[:50]:
                    await attacker.send_raw(chunk)
                attacker.abort()
            except ConnectionError:
                pass

    async with await client() as healthy:
        await healthy.connect("healthy")
        await healthy.subscribe("healthy")
        async with asyncio.TaskGroup() as group:
            for _, chunks in hostile_streams(_OVER_TLS):
                group.create_task(attack(chunks))
            for number in range(50):
                await healthy.publish("healthy", b"%d" % number)
                assert (await healthy.message()).payload == b"%d" % number
        await healthy.sync()
    assert broker.counters.connections == _OVER_TLS + 1
    assert broker.counters.refusals["internal-error"] == 0
    await listener.stop()
    await broker.stop()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.promise(1)
async def test_nothing_is_served_before_the_connect_was_admitted() -> None:
    """One write holds a CONNECT that is refused and everything an attacker wants behind it."""
    denying = OpenAuthority(refused_clients={"evil": turned_away("not yours")})
    broker = Broker(denying, clock=SystemClock(), name="attacked")
    healthy = HealthyPair(broker)
    evil_wants = (
        Subscribe(1, (SubscribeItem("#"),)),
        Publish("healthy", b"forged"),
        Pingreq(),
    )
    for first in ((), (Connect("evil"),), (Connect("evil"), Connect("good"))):
        transport = _open(broker)
        answers = _talk(transport, *first, *evil_wants)
        assert all(isinstance(answer, Connack) for answer in answers)
        assert transport.is_closing()
        transport.deliver(encode(Publish("healthy", b"forged"), V311))
        healthy.check()
    assert len(broker.sessions) == 2
    assert {name for asked in denying.questions for name in asked.split() if name != "healthy"} == {
        *("publish", "subscribe", "receive", "healthy-publisher", "healthy-subscriber")
    }
    await asyncio.sleep(0)
    await broker.stop()


async def test_a_packet_that_never_ends_is_kept_within_its_limit() -> None:
    broker = Broker(OpenAuthority(), clock=SystemClock(), name="attacked")
    transport = _open(broker)
    _talk(transport, Connect("a"))
    limit = broker.limits.packet_bytes
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        transport.deliver(b"\x30\xff\xff\x07\x00\x01t")
        for _ in range(50):
            transport.deliver(b"x" * 1000)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < limit
    assert not transport.is_closing()
    transport.deliver(b"\x30" + b"\xff" * 131_072)
    assert transport.is_closing()
    await asyncio.sleep(0)
    await broker.stop()


async def test_a_healthy_client_is_not_closed_by_one_that_is_cut_off_in_the_middle() -> None:
    """The read that ends an attacker's connection also holds a healthy client's message."""
    broker = Broker(OpenAuthority(), clock=SystemClock(), name="attacked")
    healthy = HealthyPair(broker)
    transport = _open(broker)
    _talk(transport, Connect("a"))
    message = encode(Publish("healthy", b"last words"), V311)
    transport.deliver(message + message + b"\x00\x00" + message)
    received = Decoder(V311).feed(healthy.subscriber.taken())
    assert received == [Publish("healthy", b"last words")] * 2
    await asyncio.sleep(0)
    await broker.stop()


async def test_the_test_would_notice_an_exception_that_escapes() -> None:
    """The memory transport lets a protocol's exception through to the test."""

    class Broken(asyncio.BufferedProtocol):
        def get_buffer(self, sizehint: int) -> bytearray:
            return bytearray(abs(sizehint) + 10)

        def buffer_updated(self, nbytes: int) -> None:
            raise RuntimeError(nbytes)

    transport = MemoryTransport()
    transport.attach(Broken())
    with pytest.raises(RuntimeError):
        transport.deliver(b"x")
