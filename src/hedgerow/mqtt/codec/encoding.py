"""A packet's value to bytes; a table by packet type."""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from hedgerow.mqtt.codec.codes import (
    REQUIRED_FLAGS,
    PacketType,
    ProtocolVersion,
    ReasonCode,
    connack_return_code,
)
from hedgerow.mqtt.codec.packets import (
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    SubscribeItem,
    Unsuback,
    Unsubscribe,
    Will,
)
from hedgerow.mqtt.codec.properties import NO_PROPERTIES, Place, Properties, write_properties
from hedgerow.mqtt.codec.wire import (
    write_binary,
    write_text,
    write_two_bytes,
    write_variable_integer,
)

_V5: Final = ProtocolVersion.V5
_Acknowledgement = Puback | Pubrec | Pubrel | Pubcomp


def encode(packet: Packet, version: ProtocolVersion) -> bytes:
    """Return the packet's bytes; a CONNECT is written for the version that it names."""
    if isinstance(packet, Publish):
        frame = publish_frame(packet, version)
        return frame.head + (write_two_bytes(packet.packet_id) if packet.qos else b"") + frame.tail
    flags = REQUIRED_FLAGS.get(packet.type, 0)
    write = _ENCODERS.get(packet.type)
    body = write(packet, version) if write else b""
    return bytes((packet.type << 4 | flags,)) + write_variable_integer(len(body)) + body


@dataclass(frozen=True, slots=True)
class PublishFrame:
    """A PUBLISH cut where its packet identifier stands, so that many clients can share it."""

    head: bytes
    tail: bytes

    def with_packet_id(self, packet_id: int) -> bytes:
        """Return the whole packet for one receiver."""
        return self.head + write_two_bytes(packet_id) + self.tail


def publish_frame(packet: Publish, version: ProtocolVersion) -> PublishFrame:
    """Return the bytes before and after the packet identifier; its own is not looked at."""
    topic = write_text(packet.topic)
    tail = _properties(packet.properties, PacketType.PUBLISH, version) + packet.payload
    first = PacketType.PUBLISH << 4 | packet.dup << 3 | packet.qos << 1 | packet.retain
    length = len(topic) + (2 if packet.qos else 0) + len(tail)
    return PublishFrame(bytes((first,)) + write_variable_integer(length) + topic, tail)


def _connect(packet: Connect, _version: ProtocolVersion) -> bytes:
    version = packet.version
    name = "MQIsdp" if version is ProtocolVersion.V31 else "MQTT"
    will = packet.will
    flags = packet.clean_start << 1
    if will is not None:
        flags |= 0x04 | will.qos << 3 | will.retain << 5
    flags |= (packet.password is not None) << 6 | (packet.username is not None) << 7
    return b"".join(
        (
            write_text(name),
            bytes((version, flags)),
            write_two_bytes(packet.keep_alive_s),
            _properties(packet.properties, PacketType.CONNECT, version),
            write_text(packet.client_id),
            b"" if will is None else _will(will, version),
            b"" if packet.username is None else write_text(packet.username),
            b"" if packet.password is None else write_binary(packet.password.reveal()),
        )
    )


def _will(will: Will, version: ProtocolVersion) -> bytes:
    properties = _properties(will.properties, "WILL", version)
    return properties + write_text(will.topic) + write_binary(will.payload)


def _connack(packet: Connack, version: ProtocolVersion) -> bytes:
    code = packet.reason if version is _V5 else connack_return_code(packet.reason)
    flags = int(packet.session_present)
    return bytes((flags, code)) + _properties(packet.properties, PacketType.CONNACK, version)


def _acknowledgement(packet: _Acknowledgement, version: ProtocolVersion) -> bytes:
    return write_two_bytes(packet.packet_id) + _optional_reason(packet, version)


def _subscribe(packet: Subscribe, version: ProtocolVersion) -> bytes:
    return b"".join(
        (
            write_two_bytes(packet.packet_id),
            _properties(packet.properties, PacketType.SUBSCRIBE, version),
            *(_subscribe_item(item, version) for item in packet.items),
        )
    )


def _subscribe_item(item: SubscribeItem, version: ProtocolVersion) -> bytes:
    options = item.qos
    if version is _V5:
        options |= item.no_local << 2 | item.retain_as_published << 3 | item.retain_handling << 4
    return write_text(item.topic_filter) + bytes((options,))


def _suback(packet: Suback, version: ProtocolVersion) -> bytes:
    codes = (
        packet.reasons
        if version is _V5
        else tuple(min(reason, ReasonCode.UNSPECIFIED_ERROR) for reason in packet.reasons)
    )
    properties = _properties(packet.properties, PacketType.SUBACK, version)
    return write_two_bytes(packet.packet_id) + properties + bytes(codes)


def _unsubscribe(packet: Unsubscribe, version: ProtocolVersion) -> bytes:
    return b"".join(
        (
            write_two_bytes(packet.packet_id),
            _properties(packet.properties, PacketType.UNSUBSCRIBE, version),
            *(write_text(topic_filter) for topic_filter in packet.topic_filters),
        )
    )


def _unsuback(packet: Unsuback, version: ProtocolVersion) -> bytes:
    properties = _properties(packet.properties, PacketType.UNSUBACK, version)
    codes = bytes(packet.reasons) if version is _V5 else b""
    return write_two_bytes(packet.packet_id) + properties + codes


def _reason_only(packet: Disconnect | Auth, version: ProtocolVersion) -> bytes:
    return _optional_reason(packet, version)


def _optional_reason(
    packet: _Acknowledgement | Disconnect | Auth, version: ProtocolVersion
) -> bytes:
    """Write reason and properties, each left out where MQTT 5 lets the sender do so."""
    if version is not _V5:
        return b""
    if packet.properties is NO_PROPERTIES or packet.properties == NO_PROPERTIES:
        return b"" if packet.reason is ReasonCode.SUCCESS else bytes((packet.reason,))
    return bytes((packet.reason,)) + write_properties(packet.properties, packet.type)


def _properties(properties: Properties, place: Place, version: ProtocolVersion) -> bytes:
    return write_properties(properties, place) if version is _V5 else b""


_ENCODERS: Final[MappingProxyType[PacketType, Callable[[Any, ProtocolVersion], bytes]]] = (
    MappingProxyType(
        {
            PacketType.CONNECT: _connect,
            PacketType.CONNACK: _connack,
            PacketType.PUBACK: _acknowledgement,
            PacketType.PUBREC: _acknowledgement,
            PacketType.PUBREL: _acknowledgement,
            PacketType.PUBCOMP: _acknowledgement,
            PacketType.SUBSCRIBE: _subscribe,
            PacketType.SUBACK: _suback,
            PacketType.UNSUBSCRIBE: _unsubscribe,
            PacketType.UNSUBACK: _unsuback,
            PacketType.DISCONNECT: _reason_only,
            PacketType.AUTH: _reason_only,
        }
    )
)
