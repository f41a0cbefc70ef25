"""Bytes that break a rule of the standards, and the reason that the peer is told."""

import pytest
from tests.support.mqtt_packets import wire_bytes

from hedgerow.mqtt import Decoder, MalformedPacketError, ProtocolVersion, ReasonCode

V311, V5 = ProtocolVersion.V311, ProtocolVersion.V5
MALFORMED = ReasonCode.MALFORMED_PACKET
ERROR = ReasonCode.PROTOCOL_ERROR
BOTH = (V311, V5)

_TABLE: list[tuple[str, tuple[ProtocolVersion, ...], str, ReasonCode]] = [
    # ---- the fixed header
    ("packet type 0", BOTH, "00 00", MALFORMED),
    ("a length of five bytes", BOTH, "30 ffffffff 01", MALFORMED),
    ("a length longer than needed", (V5,), "30 8500 0001 't' 00 'x'", MALFORMED),
    ("flags of CONNACK", BOTH, "21 02 0000", MALFORMED),
    ("flags of PUBACK", BOTH, "42 02 0001", MALFORMED),
    ("flags of PUBREL", BOTH, "60 02 0001", MALFORMED),
    ("flags of SUBSCRIBE", BOTH, "80 06 0001 0001 't' 00", MALFORMED),
    ("flags of UNSUBSCRIBE", BOTH, "a0 05 0001 0001 't'", MALFORMED),
    ("flags of PINGREQ", BOTH, "c1 00", MALFORMED),
    ("flags of DISCONNECT", BOTH, "e2 00", MALFORMED),
    ("a PINGREQ with content", BOTH, "c0 01 00", MALFORMED),
    ("a DISCONNECT with content", (V311,), "e0 01 00", MALFORMED),
    ("AUTH in 3.1.1", (V311,), "f0 00", MALFORMED),
    # ---- CONNECT
    ("another protocol name", BOTH, "10 0c 0004 'MQTX' 04 02 0000 0000", MALFORMED),
    ("a name of another length", BOTH, "10 0d 0005 'MQTTx' 04 02 0000 0000", MALFORMED),
    (
        "protocol level 6",
        BOTH,
        "10 0c 0004 'MQTT' 06 02 0000 0000",
        ReasonCode.UNSUPPORTED_PROTOCOL_VERSION,
    ),
    (
        "level 4 under the name of 3.1",
        BOTH,
        "10 0e 0006 'MQIsdp' 04 02 0000 0000",
        ReasonCode.UNSUPPORTED_PROTOCOL_VERSION,
    ),
    ("the reserved flag", BOTH, "10 0c 0004 'MQTT' 04 03 0000 0000", MALFORMED),
    ("will flags without a will", BOTH, "10 0c 0004 'MQTT' 04 0a 0000 0000", MALFORMED),
    ("retain without a will", BOTH, "10 0c 0004 'MQTT' 04 22 0000 0000", MALFORMED),
    ("a will of QoS 3", BOTH, "10 11 0004 'MQTT' 04 1e 0000 0000 0001 'w' 0000", MALFORMED),
    ("a password alone in 3.1.1", BOTH, "10 0f 0004 'MQTT' 04 42 0000 0000 0001 'p'", MALFORMED),
    ("a missing user name", BOTH, "10 0c 0004 'MQTT' 04 82 0000 0000", MALFORMED),
    ("a missing client id", BOTH, "10 0a 0004 'MQTT' 04 02 0000", MALFORMED),
    ("more than its content", BOTH, "10 0d 0004 'MQTT' 04 02 0000 0000 00", MALFORMED),
    ("a client id that is not UTF-8", BOTH, "10 0d 0004 'MQTT' 04 02 0000 0001 ff", MALFORMED),
    ("a client id with NUL", BOTH, "10 0d 0004 'MQTT' 04 02 0000 0001 00", MALFORMED),
    (
        "a client id with a surrogate",
        BOTH,
        "10 0f 0004 'MQTT' 04 02 0000 0003 eda080",
        MALFORMED,
    ),
    (
        "a will on a wildcard",
        BOTH,
        "10 11 0004 'MQTT' 04 06 0000 0000 0001 '#' 0000",
        ReasonCode.TOPIC_NAME_INVALID,
    ),
    # ---- CONNACK
    ("reserved flags of CONNACK", (V311,), "20 02 02 00", MALFORMED),
    ("return code 6", (V311,), "20 02 00 06", MALFORMED),
    ("a reason that CONNACK does not have", (V5,), "20 03 00 8e 00", ERROR),
    ("a reason that is none", (V5,), "20 03 00 7f 00", ERROR),
    # ---- PUBLISH
    ("QoS 3", BOTH, "36 06 0001 't' 0001 00", MALFORMED),
    ("a duplicate of QoS 0", BOTH, "38 04 0001 't' 00", MALFORMED),
    ("a topic longer than the packet", BOTH, "30 03 0009 't'", MALFORMED),
    ("no topic at all", BOTH, "30 00", MALFORMED),
    ("an empty topic", (V311,), "30 02 0000", ERROR),
    ("an empty topic without an alias", (V5,), "30 03 0000 00", ERROR),
    ("a topic with +", BOTH, "30 06 0003 'a/+' 00", ReasonCode.TOPIC_NAME_INVALID),
    ("a topic with #", BOTH, "30 04 0001 '#' 00", ReasonCode.TOPIC_NAME_INVALID),
    ("a topic with NUL", BOTH, "30 06 0003 610062 00", MALFORMED),
    ("a topic that is not UTF-8", BOTH, "30 05 0002 c328 00", MALFORMED),
    ("a topic with an overlong slash", BOTH, "30 05 0002 c0af 00", MALFORMED),
    ("packet id 0", BOTH, "32 06 0001 't' 0000 00", ERROR),
    ("no packet id", BOTH, "32 03 0001 't'", MALFORMED),
    # ---- acknowledgements
    ("PUBACK without a packet id", BOTH, "40 01 00", MALFORMED),
    ("PUBACK of packet id 0", BOTH, "40 02 0000", ERROR),
    ("PUBACK with a reason in 3.1.1", (V311,), "40 03 0001 00", MALFORMED),
    ("PUBACK with a reason it does not have", (V5,), "40 03 0001 8f", ERROR),
    ("PUBREL with a reason it does not have", (V5,), "62 03 0001 10", ERROR),
    # ---- SUBSCRIBE and its like
    ("no filter", (V311,), "82 02 0001", ERROR),
    ("no filter", (V5,), "82 03 0001 00", ERROR),
    ("a filter without options", (V311,), "82 05 0001 0001 't'", MALFORMED),
    ("QoS 3", (V311,), "82 06 0001 0001 't' 03", MALFORMED),
    ("QoS 3", (V5,), "82 07 0001 00 0001 't' 03", MALFORMED),
    ("MQTT 5 options in 3.1.1", (V311,), "82 06 0001 0001 't' 04", MALFORMED),
    ("reserved options", (V5,), "82 07 0001 00 0001 't' 40", MALFORMED),
    ("retain handling 3", (V5,), "82 07 0001 00 0001 't' 30", MALFORMED),
    ("no-local on a shared filter", (V5,), "82 10 0001 00 000a '$share/g/t' 04", ERROR),
    ("a filter a#", (V311,), "82 07 0001 0002 'a#' 00", ReasonCode.TOPIC_FILTER_INVALID),
    ("a filter #/a", (V311,), "82 08 0001 0003 '#/a' 00", ReasonCode.TOPIC_FILTER_INVALID),
    ("a filter a+/b", (V311,), "82 09 0001 0004 'a+/b' 00", ReasonCode.TOPIC_FILTER_INVALID),
    ("an empty filter", (V311,), "82 05 0001 0000 00", ReasonCode.TOPIC_FILTER_INVALID),
    ("no filter to end", (V311,), "a2 02 0001", ERROR),
    ("a wrong filter to end", (V311,), "a2 06 0001 0002 '##'", ReasonCode.TOPIC_FILTER_INVALID),
    ("an empty SUBACK", (V311,), "90 02 0001", ERROR),
    ("return code 3", (V311,), "90 03 0001 03", MALFORMED),
    ("an MQTT 5 reason in 3.1.1", (V311,), "90 03 0001 87", MALFORMED),
    ("a reason that SUBACK does not have", (V5,), "90 04 0001 00 10", ERROR),
    ("an empty UNSUBACK", (V5,), "b0 03 0001 00", ERROR),
    # ---- properties
    ("properties longer than the packet", (V5,), "30 04 0001 't' 05", MALFORMED),
    ("an unknown property", (V5,), "30 06 0001 't' 02 0a00", ERROR),
    ("a property out of place", (V5,), "30 07 0001 't' 03 210001", ERROR),
    ("a property twice", (V5,), "30 08 0001 't' 04 01010100", ERROR),
    ("a flag of 2", (V5,), "30 06 0001 't' 02 0102", ERROR),
    ("topic alias 0", (V5,), "30 07 0001 't' 03 230000", ERROR),
    ("subscription identifier 0", (V5,), "82 09 0001 02 0b00 0001 't' 00", ERROR),
    ("two identifiers of a SUBSCRIBE", (V5,), "82 0b 0001 04 0b010b02 0001 't' 00", ERROR),
    ("a wildcard to respond to", (V5,), "30 08 0001 't' 04 080001 '#'", ERROR),
    ("a property that is cut", (V5,), "30 06 0001 't' 02 0200", MALFORMED),
    ("a number longer than needed", (V5,), "82 0a 0001 03 0b8100 0001 't' 00", MALFORMED),
    ("authentication data alone", (V5,), "f0 06 18 04 160001 'd'", ERROR),
]


@pytest.mark.parametrize(
    ("version", "data", "reason"),
    [
        pytest.param(version, data, reason, id=f"{name} ({version.name})")
        for name, versions, data, reason in _TABLE
        for version in versions
    ],
)
def test_a_broken_rule_is_named(version: ProtocolVersion, data: str, reason: ReasonCode) -> None:
    with pytest.raises(MalformedPacketError) as caught:
        Decoder(version).feed(wire_bytes(data))
    assert caught.value.reason is reason
    assert caught.value.reason_code == reason.name.lower().replace("_", "-")


def test_a_packet_beyond_the_limit_is_refused_by_its_length_alone() -> None:
    with pytest.raises(MalformedPacketError) as caught:
        Decoder(V311, maximum_bytes=1000).feed(wire_bytes("30 e807"))
    assert caught.value.reason is ReasonCode.PACKET_TOO_LARGE


def test_3_1_1_may_write_a_length_in_more_bytes_than_needed() -> None:
    (packet,) = Decoder(V311).feed(wire_bytes("30 8400 0001 't' 'x'"))
    assert packet.type.name == "PUBLISH"


def test_user_properties_may_stand_twice() -> None:
    (packet,) = Decoder(V5).feed(wire_bytes("e0 10 00 0e 260001 'k' 0001 'v' 260001 'k' 0001 'v'"))
    assert getattr(packet, "properties").user_property == (("k", "v"), ("k", "v"))  # noqa: B009 - a packet of any type
