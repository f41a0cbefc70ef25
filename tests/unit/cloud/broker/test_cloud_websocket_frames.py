"""One packet a frame, for the client that reads no more than that."""

from hypothesis import given
from hypothesis import strategies as st

from hedgerow.cloud.broker.websockets import mqtt_upgrade, packets_of
from hedgerow.mqtt import ProtocolVersion, encode
from hedgerow.mqtt.codec import Pingresp, Puback, Publish

PACKETS = st.one_of(
    st.just(Pingresp()),
    st.integers(1, 65535).map(Puback),
    st.binary(max_size=400).map(lambda payload: Publish("t", payload)),
)


@given(st.lists(PACKETS))
def test_bytes_of_whole_packets_come_apart_into_them(
    packets: list[Pingresp | Puback | Publish],
) -> None:
    frames = [encode(packet, ProtocolVersion.V311) for packet in packets]
    assert packets_of(b"".join(frames)) == frames


def test_only_the_old_name_has_a_frame_for_each_packet() -> None:
    class Nothing:
        """A protocol that is never spoken to."""

    upgrade = mqtt_upgrade(Nothing())  # type: ignore[arg-type]
    assert upgrade.subprotocols == ("mqtt", "mqttv3.1")
    assert set(upgrade.split) == {"mqttv3.1"}
