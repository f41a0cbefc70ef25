"""One packet's body to its value, every rule of its section checked; a table by packet type."""

from collections.abc import Callable
from types import MappingProxyType
from typing import Final

from hedgerow.kernel import Secret
from hedgerow.mqtt.codec.codes import (
    CONNACK_RETURN_CODES,
    REASONS_OF,
    REQUIRED_FLAGS,
    PacketType,
    ProtocolVersion,
    ReasonCode,
)
from hedgerow.mqtt.codec.packets import (
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
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
from hedgerow.mqtt.codec.properties import NO_PROPERTIES, Place, Properties, read_properties
from hedgerow.mqtt.codec.wire import MalformedPacketError, Reader, protocol_error
from hedgerow.mqtt.topics import is_shared, valid_filter, valid_topic

_V5: Final = ProtocolVersion.V5
_HIGHEST_QOS: Final = 2
_HIGHEST_RETAIN_HANDLING: Final = 2
_CLEAN_START: Final = 0x02
_WILL: Final = 0x04
_WILL_QOS: Final = 0x18
_WILL_RETAIN: Final = 0x20
_PASSWORD: Final = 0x40
_USERNAME: Final = 0x80
_SUBACK_3: Final = frozenset({0x00, 0x01, 0x02, 0x80})
_PROTOCOL_NAMES: Final = MappingProxyType({"MQTT": (4, 5), "MQIsdp": (3,)})
_FROM_RETURN_CODE: Final = {code: reason for reason, code in CONNACK_RETURN_CODES.items()}


def decode_body(first: int, reader: Reader, version: ProtocolVersion) -> Packet:
    """Return the packet with this first byte and body, or raise `MalformedPacketError`.

    A CONNECT says its version itself; for the others `version` is the connection's.
    """
    number, flags = first >> 4, first & 0x0F
    decode = _DECODERS.get(number)
    if decode is None:
        raise MalformedPacketError(f"there is no packet type {number}")
    if number != PacketType.PUBLISH and flags != REQUIRED_FLAGS.get(PacketType(number), 0):
        raise MalformedPacketError(f"a {PacketType(number).name} packet has wrong flags")
    packet = decode(reader, version, flags)
    reader.finish()
    return packet


def _connect(reader: Reader, _version: ProtocolVersion, _flags: int) -> Connect:
    version = _protocol_version(reader.text(), reader.byte())
    flags = reader.byte()
    keep_alive_s = reader.two_bytes()
    _check_connect_flags(flags, version)
    properties = _properties(reader, PacketType.CONNECT, version)
    client_id = reader.text()
    will = _will(reader, flags, version) if flags & _WILL else None
    return Connect(
        client_id=client_id,
        version=version,
        clean_start=bool(flags & _CLEAN_START),
        keep_alive_s=keep_alive_s,
        username=reader.text() if flags & _USERNAME else None,
        password=Secret(reader.binary()) if flags & _PASSWORD else None,
        will=will,
        properties=properties,
    )


def _protocol_version(name: str, level: int) -> ProtocolVersion:
    levels = _PROTOCOL_NAMES.get(name)
    if levels is None:
        raise MalformedPacketError("the first packet does not name the protocol MQTT")
    if level not in levels:
        raise MalformedPacketError(
            f"MQTT protocol level {level} is not spoken here: use 3.1.1 (4) or 5",
            ReasonCode.UNSUPPORTED_PROTOCOL_VERSION,
        )
    return ProtocolVersion(level)


def _check_connect_flags(flags: int, version: ProtocolVersion) -> None:
    if flags & 0x01:
        raise MalformedPacketError("the reserved flag of a CONNECT is set")
    if not flags & _WILL and flags & (_WILL_QOS | _WILL_RETAIN):
        raise MalformedPacketError("a CONNECT without a will has will flags")
    if flags & _WILL_QOS == _WILL_QOS:
        raise MalformedPacketError("a will has QoS 3")
    if version is not _V5 and flags & _PASSWORD and not flags & _USERNAME:
        raise MalformedPacketError("a CONNECT has a password without a user name")


def _will(reader: Reader, flags: int, version: ProtocolVersion) -> Will:
    properties = _properties(reader, "WILL", version)
    topic = reader.text()
    if not valid_topic(topic):
        raise MalformedPacketError(
            "a will's topic is empty or holds a wildcard", ReasonCode.TOPIC_NAME_INVALID
        )
    return Will(
        topic=topic,
        payload=reader.binary(),
        qos=flags >> 3 & 0x03,
        retain=bool(flags & _WILL_RETAIN),
        properties=properties,
    )


def _connack(reader: Reader, version: ProtocolVersion, _flags: int) -> Connack:
    acknowledge_flags = reader.byte()
    if acknowledge_flags > 1:
        raise MalformedPacketError("reserved flags of a CONNACK are set")
    if version is _V5:
        reason = _reason(reader.byte(), PacketType.CONNACK)
    else:
        code = reader.byte()
        if code not in _FROM_RETURN_CODE:
            raise MalformedPacketError(f"there is no CONNACK return code {code}")
        reason = _FROM_RETURN_CODE[code]
    properties = _properties(reader, PacketType.CONNACK, version)
    return Connack(reason, bool(acknowledge_flags), properties)


def _publish(reader: Reader, version: ProtocolVersion, flags: int) -> Publish:
    qos = flags >> 1 & 0x03
    if qos > _HIGHEST_QOS:
        raise MalformedPacketError("a PUBLISH has QoS 3")
    if not qos and flags & 0x08:
        raise MalformedPacketError("a PUBLISH with QoS 0 is marked as a duplicate")
    topic = reader.text()
    if topic and not valid_topic(topic):
        raise MalformedPacketError(
            "the topic of a PUBLISH holds a wildcard", ReasonCode.TOPIC_NAME_INVALID
        )
    packet_id = _packet_id(reader) if qos else 0
    properties = _properties(reader, PacketType.PUBLISH, version)
    if not topic and properties.topic_alias is None:
        raise protocol_error("a PUBLISH has no topic")
    return Publish(
        topic=topic,
        payload=reader.rest(),
        qos=qos,
        retain=bool(flags & 0x01),
        dup=bool(flags & 0x08),
        packet_id=packet_id,
        properties=properties,
    )


def _acknowledgement(
    make: Callable[[int, ReasonCode, Properties], Packet], packet_type: PacketType
) -> Callable[[Reader, ProtocolVersion, int], Packet]:
    def decode(reader: Reader, version: ProtocolVersion, _flags: int) -> Packet:
        packet_id = _packet_id(reader)
        reason, properties = _optional_reason(reader, packet_type, version)
        return make(packet_id, reason, properties)

    return decode


def _subscribe(reader: Reader, version: ProtocolVersion, _flags: int) -> Subscribe:
    packet_id = _packet_id(reader)
    properties = _properties(reader, PacketType.SUBSCRIBE, version)
    items = reader.items(lambda inner: _subscribe_item(inner, version))
    if not items:
        raise protocol_error("a SUBSCRIBE has no topic filter")
    return Subscribe(packet_id, items, properties)


def _subscribe_item(reader: Reader, version: ProtocolVersion) -> SubscribeItem:
    topic_filter = _filter(reader)
    options = reader.byte()
    if options & (0xC0 if version is _V5 else 0xFC):
        raise MalformedPacketError("reserved options of a subscription are set")
    qos, retain_handling = options & 0x03, options >> 4 & 0x03
    if qos > _HIGHEST_QOS or retain_handling > _HIGHEST_RETAIN_HANDLING:
        raise MalformedPacketError("an option of a subscription is out of range")
    no_local = bool(options & 0x04)
    if no_local and is_shared(topic_filter):
        raise protocol_error("a shared subscription has the no-local option")
    return SubscribeItem(topic_filter, qos, no_local, bool(options & 0x08), retain_handling)


def _suback(reader: Reader, version: ProtocolVersion, _flags: int) -> Suback:
    packet_id = _packet_id(reader)
    properties = _properties(reader, PacketType.SUBACK, version)
    codes = reader.rest()
    if not codes:
        raise protocol_error("a SUBACK has no answer")
    if version is not _V5 and not _SUBACK_3.issuperset(codes):
        raise MalformedPacketError("a SUBACK has an unknown return code")
    reasons = tuple(_reason(code, PacketType.SUBACK) for code in codes)
    return Suback(packet_id, reasons, properties)


def _unsubscribe(reader: Reader, version: ProtocolVersion, _flags: int) -> Unsubscribe:
    packet_id = _packet_id(reader)
    properties = _properties(reader, PacketType.UNSUBSCRIBE, version)
    topic_filters = reader.items(_filter)
    if not topic_filters:
        raise protocol_error("an UNSUBSCRIBE has no topic filter")
    return Unsubscribe(packet_id, topic_filters, properties)


def _unsuback(reader: Reader, version: ProtocolVersion, _flags: int) -> Unsuback:
    packet_id = _packet_id(reader)
    if version is not _V5:
        return Unsuback(packet_id)
    properties = _properties(reader, PacketType.UNSUBACK, version)
    reasons = tuple(_reason(code, PacketType.UNSUBACK) for code in reader.rest())
    if not reasons:
        raise protocol_error("an UNSUBACK has no answer")
    return Unsuback(packet_id, reasons, properties)


def _pingreq(_reader: Reader, _version: ProtocolVersion, _flags: int) -> Pingreq:
    return Pingreq()


def _pingresp(_reader: Reader, _version: ProtocolVersion, _flags: int) -> Pingresp:
    return Pingresp()


def _disconnect(reader: Reader, version: ProtocolVersion, _flags: int) -> Disconnect:
    reason, properties = _optional_reason(reader, PacketType.DISCONNECT, version)
    return Disconnect(reason, properties)


def _auth(reader: Reader, version: ProtocolVersion, _flags: int) -> Auth:
    if version is not _V5:
        raise MalformedPacketError("3.1.1 has no AUTH packet")
    reason, properties = _optional_reason(reader, PacketType.AUTH, version)
    return Auth(reason, properties)


def _packet_id(reader: Reader) -> int:
    packet_id = reader.two_bytes()
    if not packet_id:
        raise protocol_error("a packet identifier is 0")
    return packet_id


def _filter(reader: Reader) -> str:
    topic_filter = reader.text()
    if not valid_filter(topic_filter):
        raise MalformedPacketError(
            "a topic filter is empty or has a wildcard out of place",
            ReasonCode.TOPIC_FILTER_INVALID,
        )
    return topic_filter


def _properties(reader: Reader, place: Place, version: ProtocolVersion) -> Properties:
    return read_properties(reader, place) if version is _V5 else NO_PROPERTIES


def _optional_reason(
    reader: Reader, packet_type: PacketType, version: ProtocolVersion
) -> tuple[ReasonCode, Properties]:
    """Read what MQTT 5 lets a sender leave out: no reason is success, no length no properties."""
    if version is not _V5 or not reader.remaining:
        return ReasonCode.SUCCESS, NO_PROPERTIES
    reason = _reason(reader.byte(), packet_type)
    return reason, read_properties(reader, packet_type) if reader.remaining else NO_PROPERTIES


def _reason(code: int, packet_type: PacketType) -> ReasonCode:
    try:
        reason = ReasonCode(code)
    except ValueError:
        raise protocol_error(f"there is no reason code {code:#04x}") from None
    if reason not in REASONS_OF[packet_type]:
        raise protocol_error(f"reason code {code:#04x} may not stand in {packet_type.name}")
    return reason


_DECODERS: Final[MappingProxyType[int, Callable[[Reader, ProtocolVersion, int], Packet]]] = (
    MappingProxyType(
        {
            PacketType.CONNECT: _connect,
            PacketType.CONNACK: _connack,
            PacketType.PUBLISH: _publish,
            PacketType.PUBACK: _acknowledgement(Puback, PacketType.PUBACK),
            PacketType.PUBREC: _acknowledgement(Pubrec, PacketType.PUBREC),
            PacketType.PUBREL: _acknowledgement(Pubrel, PacketType.PUBREL),
            PacketType.PUBCOMP: _acknowledgement(Pubcomp, PacketType.PUBCOMP),
            PacketType.SUBSCRIBE: _subscribe,
            PacketType.SUBACK: _suback,
            PacketType.UNSUBSCRIBE: _unsubscribe,
            PacketType.UNSUBACK: _unsuback,
            PacketType.PINGREQ: _pingreq,
            PacketType.PINGRESP: _pingresp,
            PacketType.DISCONNECT: _disconnect,
            PacketType.AUTH: _auth,
        }
    )
)
