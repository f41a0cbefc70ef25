"""A client that reads slowly: what it may cost others, and what it may not."""

import asyncio
from datetime import timedelta

from tests.support.clock import ManualClock
from tests.support.mqtt_broker import OpenAuthority
from tests.support.mqtt_transport import MemoryTransport

from hedgerow.mqtt import Broker, Limits, Peer, ProtocolVersion
from hedgerow.mqtt.codec import Connect, Packet, Publish, Subscribe, SubscribeItem, encode

V311 = ProtocolVersion.V311
_LIMITS = Limits(
    outgoing_bytes=1000, waiting_bytes=1000, publisher_pause_s=0.05, close_timeout_s=0.125
)
_MESSAGE = Publish("t", b"x" * 95)
_FRAME = encode(_MESSAGE, V311)
assert len(_FRAME) == 100


class Bench:
    """Broker, publisher and subscriber without a network."""

    def __init__(self, *, qos: int = 0) -> None:
        self.clock = ManualClock()
        self.broker = Broker(OpenAuthority(), limits=_LIMITS, clock=self.clock, name="test")
        self.publisher = self.connect("publisher")
        self.subscriber = self.connect("subscriber")
        self.give(self.subscriber, Subscribe(1, (SubscribeItem("t", qos),)))
        # The first message is looked at closely; the ones after it go the fast way.
        self.give(self.publisher, _MESSAGE)
        self.subscriber.taken()

    def connect(self, client_id: str) -> MemoryTransport:
        transport = MemoryTransport()
        protocol = self.broker.protocol(Peer(client_id, "memory"))
        transport.attach(protocol)
        self.give(transport, Connect(client_id))
        transport.taken()
        return transport

    def give(self, transport: MemoryTransport, *packets: Packet) -> None:
        transport.deliver(b"".join(encode(packet, V311) for packet in packets))

    def congest(self) -> None:
        protocol = self.subscriber._protocol
        assert protocol is not None
        protocol.pause_writing()

    def relieve(self) -> None:
        protocol = self.subscriber._protocol
        assert protocol is not None
        protocol.resume_writing()

    @property
    def dropped(self) -> int:
        return self.broker.counters.messages_dropped


async def test_a_read_is_written_in_one_go() -> None:
    bench = Bench()
    bench.give(bench.publisher, *[_MESSAGE] * 9)
    assert bench.subscriber.written == [_FRAME * 9]
    await bench.broker.stop()


async def test_a_publisher_waits_for_a_slow_subscriber_and_nothing_is_lost() -> None:
    bench = Bench()
    bench.congest()
    bench.give(bench.publisher, *[_MESSAGE] * 5)
    assert bench.publisher.is_paused()
    assert bench.subscriber.taken() == b""
    bench.relieve()
    assert not bench.publisher.is_paused()
    assert bench.subscriber.taken() == _FRAME * 5
    assert bench.dropped == 0
    await bench.broker.stop()


async def test_a_subscriber_that_stays_slow_loses_messages_and_holds_nobody_up_any_more() -> None:
    bench = Bench()
    bench.congest()
    bench.give(bench.publisher, *[_MESSAGE] * 8)
    async with asyncio.timeout(5):
        await bench.publisher.reading_again.wait()
    bench.give(bench.publisher, *[_MESSAGE] * 2)
    bench.give(bench.publisher, *[_MESSAGE] * 5)
    assert not bench.publisher.is_paused()
    assert bench.dropped == 5
    assert bench.broker.counters.refusals == {"queue-full": 5}
    bench.relieve()
    assert bench.subscriber.taken() == _FRAME * 10
    # It caught up, but has used up its credit for a while.
    bench.congest()
    bench.give(bench.publisher, _MESSAGE)
    assert not bench.publisher.is_paused()
    bench.clock.advance(timedelta(seconds=_LIMITS.publisher_grace_s))
    bench.give(bench.publisher, _MESSAGE)
    assert bench.publisher.is_paused()
    await bench.broker.stop()


async def test_others_are_served_while_one_is_slow() -> None:
    bench = Bench()
    other = bench.connect("other")
    bench.give(other, Subscribe(1, (SubscribeItem("t"),)))
    other.taken()
    bench.congest()
    bench.give(bench.publisher, *[_MESSAGE] * 20)
    assert bench.publisher.is_paused()
    async with asyncio.timeout(5):
        await bench.publisher.reading_again.wait()
    await asyncio.sleep(0)
    assert bench.dropped == 19
    assert other.taken() == _FRAME * 20
    await bench.broker.stop()


async def test_many_publishers_wait_for_one_slow_subscriber_and_nothing_is_lost() -> None:
    """Each has been read already when the first fills the room: what was read waits too."""
    bench = Bench()
    others = [bench.connect(f"publisher-{number}") for number in range(5)]
    for other in others:
        bench.give(other, _MESSAGE)
    bench.subscriber.taken()
    bench.congest()
    for publisher in (bench.publisher, *others):
        bench.give(publisher, *[_MESSAGE] * 8)
        assert publisher.is_paused()
        bench.give(publisher, _MESSAGE)
    bench.relieve()
    # What was set aside goes first: to read more before would set aside ever more.
    assert others[-1].is_paused()
    await asyncio.sleep(0)
    assert bench.subscriber.taken() == _FRAME * 9 * 6
    assert not any(publisher.is_paused() for publisher in (bench.publisher, *others))
    assert bench.dropped == 0
    await bench.broker.stop()


async def test_a_waiting_publisher_goes_on_when_the_slow_subscriber_leaves() -> None:
    bench = Bench()
    bench.congest()
    bench.give(bench.publisher, _MESSAGE)
    assert bench.publisher.is_paused()
    bench.subscriber.abort()
    await asyncio.sleep(0)
    assert not bench.publisher.is_paused()
    await bench.broker.stop()


async def test_a_waiting_publisher_is_not_taken_for_silent() -> None:
    bench = Bench()
    bench.congest()
    bench.give(bench.publisher, _MESSAGE)
    bench.clock.advance(timedelta(hours=2))
    bench.broker.tick()
    assert not bench.publisher.closing
    assert bench.subscriber.closing
    await bench.broker.stop()


async def test_a_client_that_does_not_read_the_end_is_cut_off() -> None:
    bench = Bench()
    bench.publisher.close = lambda: None  # type: ignore[method-assign]  # a close that hangs
    bench.broker.disconnect(lambda ref: ref.client_id == "publisher", "revoked")
    bench.clock.advance(timedelta(seconds=_LIMITS.close_timeout_s / 2))
    bench.broker.tick()
    assert not bench.publisher.was_aborted()
    bench.clock.advance(timedelta(seconds=_LIMITS.close_timeout_s / 2))
    bench.broker.tick()
    assert bench.publisher.was_aborted()
    del bench.publisher.close
    bench.publisher.close()
    await bench.broker.stop()


async def test_a_slow_client_that_is_refused_is_cut_off_at_once() -> None:
    bench = Bench()
    bench.congest()
    bench.give(bench.publisher, _MESSAGE)
    bench.subscriber.deliver(b"\x00\x00")
    assert bench.subscriber.was_aborted()
    await bench.broker.stop()


async def test_qos_1_that_does_not_fit_is_dropped_and_counted() -> None:
    bench = Bench(qos=1)
    bench.congest()
    for number in range(1, 30):
        bench.give(bench.publisher, Publish("t", b"x" * 95, qos=1, packet_id=number))
    assert bench.dropped > 0
    bench.relieve()
    sent = len(bench.subscriber.taken()) // 102
    assert sent + bench.dropped == 29
    await bench.broker.stop()


async def test_stopping_does_not_wait_for_a_client_that_does_not_read_the_end() -> None:
    bench = Bench()
    stuck = bench.connect("stuck")
    close, stuck.close = stuck.close, lambda: None  # type: ignore[method-assign]  # it hangs

    def abort() -> None:
        close()

    stuck.abort = abort  # type: ignore[method-assign]
    await bench.broker.stop()
    assert stuck.is_closing()
    assert bench.broker.sessions == ()
