"""MQTT 5 answers as mosquitto happens to write them, for a suite that compares bytes.

The standard leaves open in which order properties stand, whether a broker names its largest packet,
and whether it explains its reason codes. mosquitto's suite does not: it expects the bytes of
mosquitto. Only these freedoms are taken away here; what is said stays.
"""

from dataclasses import replace
from typing import Final

from hedgerow.mqtt import Decoder, ProtocolVersion, ReasonCode, encode
from hedgerow.mqtt.codec import (
    NO_PROPERTIES,
    Connack,
    Disconnect,
    Packet,
    Properties,
    Puback,
    Pubcomp,
    Pubrec,
    Pubrel,
    Suback,
    Unsuback,
)

_VERSION: Final = ProtocolVersion.V5
_EXPLAINED: Final = (Puback, Pubrec, Pubrel, Pubcomp, Suback, Unsuback, Disconnect)
_CONNACK_HEAD: Final = 2
_FLAGS_AND_REASON: Final = 2


class Rewriter:
    """Takes the broker's bytes and returns them as mosquitto would have written them."""

    def __init__(self) -> None:
        self._decoder = Decoder(_VERSION)

    def feed(self, data: bytes) -> bytes:
        """Return what is complete."""
        return b"".join(_written(packet) for packet in self._decoder.feed(data))


def _written(packet: Packet) -> bytes:
    if isinstance(packet, Connack):
        return _connack(packet)
    if isinstance(packet, Pubrec) and packet.reason is ReasonCode.NO_MATCHING_SUBSCRIBERS:
        # A broker may say so; mosquitto does for QoS 1 only.
        return encode(Pubrec(packet.packet_id), _VERSION)
    if isinstance(packet, _EXPLAINED):
        return encode(
            replace(packet, properties=replace(packet.properties, reason_string=None)), _VERSION
        )
    return encode(packet, _VERSION)


def _connack(connack: Connack) -> bytes:
    if connack.reason.is_error:
        return encode(replace(connack, properties=NO_PROPERTIES), _VERSION)
    told = connack.properties
    parts = (
        Properties(topic_alias_maximum=told.topic_alias_maximum),
        replace(
            told,
            topic_alias_maximum=None,
            receive_maximum=None,
            maximum_packet_size=None,
            maximum_qos=None,
            reason_string=None,
        ),
        Properties(receive_maximum=told.receive_maximum),
        Properties(maximum_qos=told.maximum_qos),
    )
    properties = b"".join(
        encode(Connack(properties=part), _VERSION)[_CONNACK_HEAD + _FLAGS_AND_REASON + 1 :]
        for part in parts
    )
    head = encode(replace(connack, properties=NO_PROPERTIES), _VERSION)
    flags = head[_CONNACK_HEAD : _CONNACK_HEAD + _FLAGS_AND_REASON]
    body = flags + bytes([len(properties)]) + properties
    return head[:1] + bytes([len(body)]) + body
