"""Who gets what, in which order: the broker with its fast path against a model of six lines."""

import asyncio
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.mqtt_broker import OpenAuthority, denied
from tests.support.mqtt_transport import MemoryTransport

from hedgerow.kernel import SystemClock
from hedgerow.mqtt import Broker, Decoder, Peer, ProtocolVersion, encode, matches
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
from hedgerow.mqtt.connection import Connection

V5 = ProtocolVersion.V5
_versions = st.sampled_from([ProtocolVersion.V31, ProtocolVersion.V311, V5])
_topics = st.sampled_from(["t", "t/1", "t/2", "u", "$x/1"])
_filters = st.sampled_from(["t", "t/+", "t/#", "#", "+", "u", "$x/#"])
_payloads = st.sampled_from([b"", b"a", b"b" * 98, b"c" * 120, b"d" * 200, b"e" * 20_000])


@dataclass(frozen=True)
class Subscriber:
    """One client: its version and its filters with the QoS it asks for."""

    version: ProtocolVersion
    wanted: tuple[tuple[str, int], ...]


@st.composite
def _publishes(draw: st.DrawFn, version: ProtocolVersion) -> Packet:
    if draw(st.integers(0, 9)) == 0:
        return Pingreq()
    qos = draw(st.sampled_from([0, 0, 1, 1]))
    properties = Properties()
    if version is V5 and draw(st.integers(0, 3)) == 0:
        properties = Properties(content_type="x")
    return Publish(
        draw(_topics),
        draw(_payloads),
        qos=qos,
        packet_id=draw(st.integers(1, 0xFFFF)) if qos else 0,
        retain=version is not V5 and draw(st.integers(0, 3)) == 0,
        properties=properties,
    )


@dataclass(frozen=True)
class Story:
    """What a publisher sends, in which pieces, and who listens."""

    version: ProtocolVersion
    packets: tuple[Packet, ...]
    pieces: tuple[int, ...]
    subscribers: tuple[Subscriber, ...]
    no_publish: frozenset[str]
    no_receive: frozenset[tuple[int, str]]


@st.composite
def _stories(draw: st.DrawFn) -> Story:
    version = draw(_versions)
    # Runs of equal messages are what the fast path is for.
    several = st.lists(_publishes(version), min_size=1, max_size=8)
    packets = [
        packet for packet in draw(several) for _ in range(draw(st.sampled_from([1, 1, 2, 5])))
    ]
    # Messages go on as they came to subscribers of the publisher's own version.
    versions = st.one_of(st.just(version), _versions)
    wanted = st.lists(st.tuples(_filters, st.integers(0, 2)), max_size=3).map(tuple)
    return Story(
        version,
        # The second time around the fast path knows every topic.
        tuple(packets * draw(st.sampled_from([1, 2]))),
        tuple(draw(st.lists(st.integers(1, 300), max_size=6))),
        tuple(draw(st.lists(st.builds(Subscriber, versions, wanted), min_size=1, max_size=4))),
        frozenset(draw(st.sets(_topics, max_size=1))),
        frozenset(draw(st.sets(st.tuples(st.integers(0, 3), _topics), max_size=2))),
    )


def _model(story: Story, index: int) -> list[Publish]:
    subscriber, received = story.subscribers[index], []
    for sent in story.packets:
        if not isinstance(sent, Publish) or sent.topic in story.no_publish:
            continue
        granted = [
            min(qos, 1)
            for topic_filter, qos in dict(subscriber.wanted).items()
            if matches(topic_filter, sent.topic)
        ]
        if granted and (index, sent.topic) not in story.no_receive:
            received.append(
                replace(
                    sent,
                    retain=False,
                    packet_id=0,
                    qos=min(max(granted), sent.qos),
                    properties=sent.properties if subscriber.version is V5 else Properties(),
                )
            )
    return received


def _answers(story: Story) -> list[int]:
    """Return the packet ids that the publisher is answered, in this order."""
    return [p.packet_id for p in story.packets if isinstance(p, Publish) and p.qos]


async def _play(story: Story) -> tuple[list[list[Packet]], list[Packet]]:
    authority = OpenAuthority(
        no_publish={("p", topic): denied() for topic in story.no_publish},
        no_receive={("p", f"s{index}", topic) for index, topic in story.no_receive},
    )
    broker = Broker(authority, clock=SystemClock(), name="model")

    def connect(client_id: str, version: ProtocolVersion) -> MemoryTransport:
        transport = MemoryTransport()
        transport.attach(broker.protocol(Peer(client_id, "memory")))
        transport.deliver(encode(Connect(client_id, version), version))
        return transport

    transports = []
    for index, subscriber in enumerate(story.subscribers):
        transport = connect(f"s{index}", subscriber.version)
        for topic_filter, qos in subscriber.wanted:
            item = SubscribeItem(topic_filter, qos)
            transport.deliver(encode(Subscribe(1, (item,)), subscriber.version))
        transport.taken()
        transports.append(transport)
    publisher = connect("p", story.version)
    publisher.taken()
    data = b"".join(encode(packet, story.version) for packet in story.packets)
    for piece in story.pieces:
        publisher.deliver(data[:piece])
        data = data[piece:]
    publisher.deliver(data)
    received = [
        Decoder(subscriber.version).feed(transport.taken())
        for subscriber, transport in zip(story.subscribers, transports, strict=True)
    ]
    answers = Decoder(story.version).feed(publisher.taken())
    await broker.stop()
    return received, answers


@settings(max_examples=300, deadline=None)
@given(_stories())
def test_every_message_goes_where_the_model_says_and_nowhere_else(story: Story) -> None:
    received, answers = asyncio.run(_play(story))
    acknowledged = [answer.packet_id for answer in answers if isinstance(answer, Puback)]
    assert acknowledged == _answers(story)
    for index, packets in enumerate(received):
        messages = [
            replace(packet, packet_id=0) for packet in packets if isinstance(packet, Publish)
        ]
        assert messages == _model(story, index)


@settings(max_examples=150, deadline=None)
@given(_stories())
def test_the_fast_path_writes_what_the_slow_one_writes(story: Story) -> None:
    """Packets, their identifiers and order, and the answers: all as if each were looked at."""
    fast = asyncio.run(_play(story))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Connection, "_fast", lambda _self, _data, position, _end, _session: position)
        slow = asyncio.run(_play(story))
    assert fast == slow
