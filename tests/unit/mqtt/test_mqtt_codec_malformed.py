"""Bytes that break a rule of the standards, and the reason that the peer is told."""

import pytest
from tests.support.mqtt_broken_rules import BROKEN_RULES
from tests.support.mqtt_packets import wire_bytes

from hedgerow.mqtt import Decoder, MalformedPacketError, ProtocolVersion, ReasonCode

V311, V5 = ProtocolVersion.V311, ProtocolVersion.V5


@pytest.mark.parametrize(
    ("version", "data", "reason"),
    [
        pytest.param(version, data, reason, id=f"{name} ({version.name})")
        for name, versions, data, reason in BROKEN_RULES
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
