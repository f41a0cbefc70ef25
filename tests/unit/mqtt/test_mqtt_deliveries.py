"""QoS 1 and 2 towards one client: window, queue, order, what is sent anew, and every bound."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.clock import ManualClock
from tests.support.mqtt_transport import MemoryTransport

from hedgerow.mqtt import Decoder, Limits, ProtocolVersion
from hedgerow.mqtt.codec import Packet, Properties, Publish, Pubrel
from hedgerow.mqtt.deliveries import Deliveries
from hedgerow.mqtt.letter import Letter
from hedgerow.mqtt.outbox import Outbox
from hedgerow.mqtt.waiting import Budget

_LIMITS = Limits(waiting_messages=3, in_flight=2)


class Client:
    """Deliveries with a connection that shows what was sent."""

    def __init__(self, limits: Limits = _LIMITS) -> None:
        self.clock = ManualClock()
        self.limits = limits
        self.budget = Budget(limits.all_waiting_bytes)
        self.deliveries = Deliveries("client", limits, self.clock, self.budget)
        self.connect()

    def connect(self, *, window: int = 2) -> None:
        """Begin a connection."""
        self.transport = MemoryTransport()
        self.outbox = Outbox(self.transport, self.limits, self.clock)
        self._decoder = Decoder(ProtocolVersion.V5)
        self.deliveries.attach(
            self.outbox, window=window, speaks_5=True, maximum_packet_bytes=1 << 20
        )

    def letter(self, payload: bytes, expiry_s: int | None = None) -> Letter:
        """Return a message."""
        properties = Properties(message_expiry_interval=expiry_s)
        expires_at = None if expiry_s is None else self.clock.now().timestamp() + expiry_s
        publish = Publish("t", payload, 2, properties=properties)
        return Letter(publish, "device", str, expires_at)

    def put(self, payload: bytes, qos: int = 1, expiry_s: int | None = None) -> bool:
        """Put a message."""
        return self.deliveries.put(self.letter(payload, expiry_s), qos)

    def sent(self) -> list[Packet]:
        """Return the packets sent since last asked."""
        self.outbox.flush()
        return self._decoder.feed(self.transport.taken())

    def sent_as(self) -> list[tuple[bytes, int, bool]]:
        """Return payload, packet id and duplicate flag of the messages sent since last asked."""
        packets = [packet for packet in self.sent() if isinstance(packet, Publish)]
        return [(packet.payload, packet.packet_id, packet.dup) for packet in packets]


@pytest.fixture
def client() -> Client:
    """Return a client with a window of two, and room for three to wait."""
    return Client()


def test_messages_go_in_order_and_at_most_a_window_at_a_time(client: Client) -> None:
    assert all(client.put(payload) for payload in (b"1", b"2", b"3", b"4"))
    assert client.sent_as() == [(b"1", 1, False), (b"2", 2, False)]
    assert client.deliveries.acknowledge(2)
    assert client.sent_as() == [(b"3", 3, False)]
    assert client.deliveries.acknowledge(1)
    assert client.deliveries.acknowledge(3)
    assert client.sent_as() == [(b"4", 4, False)]
    assert client.deliveries.acknowledge(4)
    assert len(client.deliveries) == 0


def test_an_acknowledgement_of_nothing_is_known_as_such(client: Client) -> None:
    assert not client.deliveries.acknowledge(1)
    client.put(b"x")
    assert client.deliveries.acknowledge(1)
    assert not client.deliveries.acknowledge(1)
    client.put(b"exactly once", qos=2)
    assert not client.deliveries.acknowledge(2), "QoS 2 is not acknowledged by PUBACK"
    assert not client.deliveries.complete(2), "nor by PUBCOMP before PUBREC"


def test_what_the_queue_cannot_hold_is_not_taken(client: Client) -> None:
    taken = [client.put(b"x") for _ in range(7)]
    assert taken == [True] * 5 + [False] * 2


def test_the_bytes_of_all_together_are_bounded_and_come_back() -> None:
    client = Client(Limits(waiting_messages=100))
    size = client.letter(b"x").size
    client = Client(Limits(waiting_messages=100, waiting_bytes=3 * size))
    assert [client.put(b"x") for _ in range(4)] == [True, True, True, False]
    assert client.deliveries.acknowledge(2)
    assert client.put(b"x")


def test_packet_ids_start_anew_and_skip_those_under_way(client: Client) -> None:
    client.put(b"stays")
    for packet_id in range(2, 0xFFFF + 1):
        client.put(b"x")
        assert client.deliveries.acknowledge(packet_id)
    client.sent()
    client.put(b"again")
    assert client.sent_as() == [(b"again", 2, False)]


def test_what_was_not_acknowledged_is_sent_again_first_under_its_number(client: Client) -> None:
    for payload in (b"1", b"2", b"3"):
        client.put(payload)
    client.sent()
    client.deliveries.detach()
    assert client.put(b"4"), "a client that is away has a queue"
    client.connect(window=2)
    assert client.sent_as() == [(b"1", 1, True), (b"2", 2, True)]
    client.deliveries.acknowledge(1)
    client.deliveries.acknowledge(2)
    assert client.sent_as() == [(b"3", 3, False), (b"4", 4, False)]


def test_a_smaller_window_after_the_return_keeps_numbers_apart(client: Client) -> None:
    client.put(b"1")
    client.put(b"2")
    client.sent()
    client.deliveries.detach()
    client.connect(window=1)
    assert client.sent_as() == [(b"1", 1, True)]
    client.deliveries.acknowledge(1)
    assert client.sent_as() == [(b"2", 2, True)]
    client.put(b"3")
    client.deliveries.acknowledge(2)
    assert client.sent_as() == [(b"3", 3, False)]


def test_exactly_once_takes_both_steps_and_the_second_is_repeated(client: Client) -> None:
    client.put(b"x", qos=2)
    client.sent()
    assert client.deliveries.received(1, refused=False)
    assert client.deliveries.received(1, refused=False), "a PUBREC may come twice"
    client.deliveries.detach()
    client.connect()
    assert client.sent() == [Pubrel(1)], "the message itself is not sent again"
    assert client.deliveries.complete(1)
    assert len(client.deliveries) == 0


def test_a_refused_message_of_qos_2_is_over(client: Client) -> None:
    client.put(b"x", qos=2)
    assert client.deliveries.received(1, refused=True)
    assert len(client.deliveries) == 0
    assert not client.deliveries.received(1, refused=False)


def test_a_message_waits_no_longer_than_it_may_and_tells_what_is_left(client: Client) -> None:
    client.deliveries.detach()
    client.put(b"short", expiry_s=10)
    client.put(b"long", expiry_s=100)
    client.clock.advance(timedelta(seconds=40))
    client.connect()
    (message,) = client.sent()
    assert isinstance(message, Publish)
    assert message.payload == b"long"
    assert message.properties.message_expiry_interval == 60


def test_messages_may_go_back_at_a_pace() -> None:
    client = Client(replace(_LIMITS, waiting_messages=100, in_flight=100, replayed_per_second=3))
    client.deliveries.detach()
    for number in range(8):
        client.put(str(number).encode())
    client.connect(window=100)
    client.put(b"new")
    assert [payload for payload, _, _ in client.sent_as()] == [b"0", b"1", b"2"]
    assert client.deliveries.earn(1.5)
    assert client.deliveries.earn(1.5)
    assert [payload for payload, _, _ in client.sent_as()] == [b"3", b"4", b"5"]
    assert not client.deliveries.earn(3)
    assert [payload for payload, _, _ in client.sent_as()] == [b"6", b"7", b"new"]


def test_waiting_messages_can_be_let_go(client: Client) -> None:
    client.deliveries.detach()
    for payload in (b"1", b"2", b"3"):
        client.put(payload)
    assert client.deliveries.drop_if(lambda letter: letter.publish.payload == b"2") == 1
    client.connect()
    assert [payload for payload, _, _ in client.sent_as()] == [b"1", b"3"]


def test_a_message_larger_than_the_client_takes_is_passed_over(client: Client) -> None:
    client.deliveries.detach()
    client.put(b"x" * 100)
    client.put(b"small")
    client.deliveries.attach(client.outbox, window=2, speaks_5=True, maximum_packet_bytes=50)
    assert [payload for payload, _, _ in client.sent_as()] == [b"small"]


def test_all_queues_together_are_bounded_and_give_back_what_they_held() -> None:
    size = Client().letter(b"x").size
    client = Client(replace(_LIMITS, all_waiting_bytes=2 * size))
    assert [client.put(b"x") for _ in range(3)] == [True, True, False]
    client.deliveries.acknowledge(1)
    assert client.put(b"x")
    client.deliveries.end()
    assert client.budget.take(2 * size), "an ended queue holds nothing"
    assert not client.budget.take(1)
