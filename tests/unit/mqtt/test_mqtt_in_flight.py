"""QoS 1 towards one client: window, queue, and the bounds of both."""

from hedgerow.mqtt import ProtocolVersion
from hedgerow.mqtt.codec import Publish, publish_frame
from hedgerow.mqtt.in_flight import InFlight

_FRAME = publish_frame(Publish("t", b"x", qos=1), ProtocolVersion.V311)
_SIZE = len(_FRAME.head) + len(_FRAME.tail)


def test_messages_go_in_order_and_at_most_a_window_at_a_time() -> None:
    flight = InFlight(window=2, waiting=3, maximum_bytes=1000)
    assert flight.offer(_FRAME) == _FRAME.with_packet_id(1)
    assert flight.offer(_FRAME) == _FRAME.with_packet_id(2)
    assert flight.offer(_FRAME) == b""
    assert flight.acknowledge(2) == _FRAME.with_packet_id(3)
    assert flight.acknowledge(1) == b""
    assert flight.acknowledge(3) == b""
    assert len(flight) == 0


def test_an_acknowledgement_of_nothing_is_known_as_such() -> None:
    flight = InFlight(window=2, waiting=3, maximum_bytes=1000)
    assert flight.acknowledge(1) is None
    flight.offer(_FRAME)
    assert flight.acknowledge(1) == b""
    assert flight.acknowledge(1) is None


def test_what_the_queue_cannot_hold_is_dropped() -> None:
    flight = InFlight(window=1, waiting=2, maximum_bytes=1000)
    assert [flight.offer(_FRAME) is None for _ in range(5)] == [False, False, False, True, True]


def test_the_bytes_of_all_together_are_bounded_and_come_back() -> None:
    flight = InFlight(window=100, waiting=100, maximum_bytes=3 * _SIZE)
    assert [flight.offer(_FRAME) is None for _ in range(4)] == [False, False, False, True]
    flight.acknowledge(2)
    assert flight.offer(_FRAME) == _FRAME.with_packet_id(4)


def test_packet_ids_start_anew_and_skip_those_in_flight() -> None:
    flight = InFlight(window=10, waiting=0, maximum_bytes=1 << 20)
    flight.offer(_FRAME)  # 1 stays in flight
    for packet_id in range(2, 0xFFFF + 1):
        assert flight.offer(_FRAME) == _FRAME.with_packet_id(packet_id)
        flight.acknowledge(packet_id)
    assert flight.offer(_FRAME) == _FRAME.with_packet_id(2)
