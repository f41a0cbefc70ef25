"""The fast path forwards bytes as they came; it must look exactly as closely as is needed."""

import asyncio

import pytest
from tests.support.mqtt_broker import OpenAuthority
from tests.support.mqtt_packets import wire_bytes
from tests.support.mqtt_transport import MemoryTransport

from hedgerow.kernel import SystemClock
from hedgerow.mqtt import Broker, Peer, ProtocolVersion
from hedgerow.mqtt.codec import Connect, Properties, Publish, Subscribe, SubscribeItem, encode

V311, V5 = ProtocolVersion.V311, ProtocolVersion.V5


class Pair:
    """A publisher whose topic `t` is known already, and its subscriber."""

    def __init__(self, version: ProtocolVersion) -> None:
        self.version = version
        self.broker = Broker(OpenAuthority(), clock=SystemClock(), name="test")
        self.publisher, self.subscriber = self._client("p"), self._client("s")
        self.subscriber.deliver(encode(Subscribe(1, (SubscribeItem("t"),)), version))
        self.publisher.deliver(encode(Publish("t", b"first"), version))
        self.publisher.taken()
        self.subscriber.taken()

    def other_subscriber(self, *topics: str) -> MemoryTransport:
        """Return one more, and let the broker know where the publisher's messages now go."""
        other = self._client("other")
        items = tuple(SubscribeItem(topic) for topic in topics)
        other.deliver(encode(Subscribe(1, items), self.version))
        for topic in ("t", *topics):
            self.publisher.deliver(encode(Publish(topic, b"first"), self.version))
        self.subscriber.taken()
        other.taken()
        return other

    def _client(self, client_id: str) -> MemoryTransport:
        transport = MemoryTransport()
        transport.attach(self.broker.protocol(Peer(client_id, "memory")))
        transport.deliver(encode(Connect(client_id, self.version), self.version))
        return transport


@pytest.mark.parametrize("version", [V311, V5])
async def test_a_run_goes_on_as_one_slice_up_to_the_last_whole_message(
    version: ProtocolVersion,
) -> None:
    pair = Pair(version)
    frames = [encode(Publish("t", b"x" * size), version) for size in (5, 5, 5, 6, 200, 200)]
    data = b"".join(frames)
    pair.publisher.deliver(data[:-1])
    assert pair.subscriber.taken() == b"".join(frames[:-1])
    pair.publisher.deliver(data[-1:])
    assert pair.subscriber.taken() == frames[-1]
    assert pair.broker.counters.messages_received == 7
    assert pair.broker.counters.messages_delivered == 7
    await pair.broker.stop()


@pytest.mark.parametrize("version", [V311, V5])
async def test_neighbours_that_go_to_different_clients_are_parted(
    version: ProtocolVersion,
) -> None:
    pair = Pair(version)
    other = pair.other_subscriber("u", "v")
    t, u, v = (encode(Publish(topic, b"x"), version) for topic in "tuv")
    pair.publisher.deliver(t + t + u + v + v + t)
    assert pair.subscriber.taken() == t + t + t
    assert other.taken() == u + v + v
    await pair.broker.stop()


async def test_neighbours_for_one_client_and_for_two_are_parted() -> None:
    pair = Pair(V311)
    other = pair.other_subscriber("t")
    pair.subscriber.deliver(encode(Subscribe(2, (SubscribeItem("own"),)), V311))
    t, own = (encode(Publish(topic, b"x"), V311) for topic in ("t", "own"))
    pair.publisher.deliver(t)
    pair.publisher.deliver(own)
    pair.subscriber.taken()
    other.taken()
    pair.publisher.deliver(t + own + t + own)
    assert pair.subscriber.taken() == t + own + t + own
    assert other.taken() == t + t
    await pair.broker.stop()


@pytest.mark.parametrize(
    "fault",
    [
        "30 FFFFFFFFFF 0001",  # a length without end
        "30 FFFFFF7F 0001 't'",  # far too large
    ],
)
async def test_what_came_before_a_broken_packet_goes_on(fault: str) -> None:
    pair = Pair(V311)
    good = encode(Publish("t", b"good"), V311)
    pair.publisher.deliver(good + good + wire_bytes(fault))
    assert pair.subscriber.taken() == good + good
    assert pair.publisher.is_closing()
    await asyncio.sleep(0)
    await pair.broker.stop()


async def test_a_length_written_in_too_many_bytes_does_not_go_on_to_others() -> None:
    pair = Pair(V311)
    pair.publisher.deliver(wire_bytes("30 8400 0001 't' 'x'") * 2)
    assert pair.subscriber.taken() == wire_bytes("30 04 0001 't' 'x'") * 2
    await pair.broker.stop()


@pytest.mark.parametrize(
    "frame",
    [
        "30 00",  # no topic
        "30 02 0009",  # a topic beyond the packet
        "30 03 0001 't'",  # no property length
        "30 04 0001 't' 05",  # properties beyond the packet
        "31 04 0001 't' 00",  # retained
        "38 04 0001 't' 00",  # a duplicate of QoS 0
        "36 06 0001 't' 0001 00",  # QoS 3
    ],
)
async def test_what_is_broken_on_a_known_topic_is_not_overlooked(frame: str) -> None:
    pair = Pair(V5)
    good = encode(Publish("t", b"good"), V5)
    pair.publisher.deliver(good + wire_bytes(frame) + good)
    assert pair.subscriber.taken() == good
    assert pair.publisher.is_closing()
    await asyncio.sleep(0)
    await pair.broker.stop()


async def test_properties_of_one_connection_are_not_forwarded_as_they_came() -> None:
    pair = Pair(V5)
    aliased = Publish("t", b"x", properties=Properties(topic_alias=1))
    pair.publisher.deliver(encode(aliased, V5) * 2)
    assert pair.subscriber.taken() == encode(Publish("t", b"x"), V5) * 2
    await pair.broker.stop()
