"""MQTT 5 properties (section 2.2.2): one table says name, type and where each may stand."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, Final, Literal

from hedgerow.kernel import CallerError, Secret
from hedgerow.mqtt.codec.codes import PacketType
from hedgerow.mqtt.codec.wire import (
    MalformedPacketError,
    Reader,
    protocol_error,
    write_binary,
    write_four_bytes,
    write_text,
    write_text_pair,
    write_two_bytes,
    write_variable_integer,
)

Place = PacketType | Literal["WILL"]


@dataclass(frozen=True, slots=True, repr=False)
class Properties:
    """All properties of MQTT 5; `None` or an empty tuple where one was not sent."""

    payload_format_indicator: bool | None = None
    message_expiry_interval: int | None = None
    content_type: str | None = None
    response_topic: str | None = None
    correlation_data: bytes | None = None
    subscription_identifier: tuple[int, ...] = ()
    session_expiry_interval: int | None = None
    assigned_client_identifier: str | None = None
    server_keep_alive: int | None = None
    authentication_method: str | None = None
    authentication_data: Secret[bytes] | None = None
    request_problem_information: bool | None = None
    will_delay_interval: int | None = None
    request_response_information: bool | None = None
    response_information: str | None = None
    server_reference: str | None = None
    reason_string: str | None = None
    receive_maximum: int | None = None
    topic_alias_maximum: int | None = None
    topic_alias: int | None = None
    maximum_qos: int | None = None
    retain_available: bool | None = None
    user_property: tuple[tuple[str, str], ...] = ()
    maximum_packet_size: int | None = None
    wildcard_subscription_available: bool | None = None
    subscription_identifier_available: bool | None = None
    shared_subscription_available: bool | None = None

    def __repr__(self) -> str:
        # What belongs to the message and not to the protocol is not for logs.
        shown = (
            f"{name}={'***' if name in _CONTENT else repr(getattr(self, name))}"
            for name in _NAMES
            if getattr(self, name) not in (None, ())
        )
        return f"Properties({', '.join(shown)})"


NO_PROPERTIES: Final = Properties()


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a property's value is read and written."""

    read: Callable[[Reader], Any]
    write: Callable[[Any], bytes]
    zero_allowed: bool = True


def _read_secret(reader: Reader) -> Secret[bytes]:
    return Secret(reader.binary())


def _write_secret(value: Secret[bytes]) -> bytes:
    return write_binary(value.reveal())


def _write_byte(value: int) -> bytes:
    return bytes((value,))


def _read_filterless_text(reader: Reader) -> str:
    text = reader.text()
    if not text or "+" in text or "#" in text:
        raise protocol_error("a response topic is empty or holds a wildcard")
    return text


_FLAG: Final = _Kind(Reader.flag, _write_byte)
_TWO: Final = _Kind(Reader.two_bytes, write_two_bytes)
_TWO_NOT_ZERO: Final = _Kind(Reader.two_bytes, write_two_bytes, zero_allowed=False)
_FOUR: Final = _Kind(Reader.four_bytes, write_four_bytes)
_FOUR_NOT_ZERO: Final = _Kind(Reader.four_bytes, write_four_bytes, zero_allowed=False)
_VARIABLE: Final = _Kind(Reader.variable_integer, write_variable_integer, zero_allowed=False)
_TEXT: Final = _Kind(Reader.text, write_text)
_BINARY: Final = _Kind(Reader.binary, write_binary)
_SECRET: Final = _Kind(_read_secret, _write_secret)
_PAIR: Final = _Kind(Reader.text_pair, write_text_pair)
_TOPIC: Final = _Kind(_read_filterless_text, write_text)


@dataclass(frozen=True, slots=True)
class _Property:
    identifier: int
    name: str
    kind: _Kind
    places: frozenset[Place]


def _row(identifier: int, name: str, kind: _Kind, *places: Place) -> _Property:
    return _Property(identifier, name, kind, frozenset(places))


_P = PacketType
_MESSAGE: Final[tuple[Place, ...]] = (_P.PUBLISH, "WILL")
_ANSWERS: Final[tuple[Place, ...]] = (
    _P.CONNACK,
    _P.PUBACK,
    _P.PUBREC,
    _P.PUBREL,
    _P.PUBCOMP,
    _P.SUBACK,
    _P.UNSUBACK,
    _P.DISCONNECT,
    _P.AUTH,
)
_EVERYWHERE: Final[tuple[Place, ...]] = (
    *_ANSWERS,
    *_MESSAGE,
    _P.CONNECT,
    _P.SUBSCRIBE,
    _P.UNSUBSCRIBE,
)

_TABLE: Final = (
    _row(0x01, "payload_format_indicator", _FLAG, *_MESSAGE),
    _row(0x02, "message_expiry_interval", _FOUR, *_MESSAGE),
    _row(0x03, "content_type", _TEXT, *_MESSAGE),
    _row(0x08, "response_topic", _TOPIC, *_MESSAGE),
    _row(0x09, "correlation_data", _BINARY, *_MESSAGE),
    _row(0x0B, "subscription_identifier", _VARIABLE, _P.PUBLISH, _P.SUBSCRIBE),
    _row(0x11, "session_expiry_interval", _FOUR, _P.CONNECT, _P.CONNACK, _P.DISCONNECT),
    _row(0x12, "assigned_client_identifier", _TEXT, _P.CONNACK),
    _row(0x13, "server_keep_alive", _TWO, _P.CONNACK),
    _row(0x15, "authentication_method", _TEXT, _P.CONNECT, _P.CONNACK, _P.AUTH),
    _row(0x16, "authentication_data", _SECRET, _P.CONNECT, _P.CONNACK, _P.AUTH),
    _row(0x17, "request_problem_information", _FLAG, _P.CONNECT),
    _row(0x18, "will_delay_interval", _FOUR, "WILL"),
    _row(0x19, "request_response_information", _FLAG, _P.CONNECT),
    _row(0x1A, "response_information", _TEXT, _P.CONNACK),
    _row(0x1C, "server_reference", _TEXT, _P.CONNACK, _P.DISCONNECT),
    _row(0x1F, "reason_string", _TEXT, *_ANSWERS),
    _row(0x21, "receive_maximum", _TWO_NOT_ZERO, _P.CONNECT, _P.CONNACK),
    _row(0x22, "topic_alias_maximum", _TWO, _P.CONNECT, _P.CONNACK),
    _row(0x23, "topic_alias", _TWO_NOT_ZERO, _P.PUBLISH),
    _row(0x24, "maximum_qos", _FLAG, _P.CONNACK),
    _row(0x25, "retain_available", _FLAG, _P.CONNACK),
    _row(0x26, "user_property", _PAIR, *_EVERYWHERE),
    _row(0x27, "maximum_packet_size", _FOUR_NOT_ZERO, _P.CONNECT, _P.CONNACK),
    _row(0x28, "wildcard_subscription_available", _FLAG, _P.CONNACK),
    _row(0x29, "subscription_identifier_available", _FLAG, _P.CONNACK),
    _row(0x2A, "shared_subscription_available", _FLAG, _P.CONNACK),
)
_BY_IDENTIFIER: Final = MappingProxyType({row.identifier: row for row in _TABLE})
_NAMES: Final = tuple(field.name for field in fields(Properties))
_CONTENT: Final = frozenset({"correlation_data", "user_property"})
_REPEATABLE: Final = frozenset({"user_property", "subscription_identifier"})
_TEXT_HEAD_BYTES: Final = 3
_PAIR_HEAD_BYTES: Final = 5


def read_properties(reader: Reader, place: Place) -> Properties:
    """Read the property length and the properties, refusing what may not stand in `place`."""
    part = reader.part(reader.variable_integer())
    if not part.remaining:
        return NO_PROPERTIES
    found: dict[str, Any] = {}
    while part.remaining:
        _read_one(part, place, found)
    for name in _REPEATABLE & found.keys():
        found[name] = tuple(found[name])
    if "authentication_data" in found and "authentication_method" not in found:
        raise protocol_error("authentication data has no authentication method")
    return Properties(**found)


def _read_one(part: Reader, place: Place, found: dict[str, Any]) -> None:
    identifier = part.variable_integer()
    row = _BY_IDENTIFIER.get(identifier)
    if row is None or place not in row.places:
        shown = row.name if row else hex(identifier)
        # MQTT 5.0, section 2.2.2.2
        raise MalformedPacketError(f"property {shown} may not stand in {_shown(place)}")
    value = row.kind.read(part)
    if not row.kind.zero_allowed and value == 0:
        raise protocol_error(f"property {row.name} may not be 0")
    if row.name == "user_property" or (
        row.name == "subscription_identifier" and place is PacketType.PUBLISH
    ):
        found.setdefault(row.name, []).append(value)
    elif row.name in found:
        raise protocol_error(f"property {row.name} stands twice")
    else:
        found[row.name] = [value] if row.name in _REPEATABLE else value


def write_properties(properties: Properties, place: Place) -> bytes:
    """Return the property length and the properties; `CallerError` for one out of its place."""
    if properties is NO_PROPERTIES:
        return b"\0"
    written = bytearray()
    for row in _TABLE:
        value = getattr(properties, row.name)
        if value is None or value == ():
            continue
        if place not in row.places:
            raise CallerError(f"property {row.name} may not stand in {_shown(place)}")
        for item in value if row.name in _REPEATABLE else (value,):
            written.append(row.identifier)
            written += row.kind.write(item)
    return write_variable_integer(len(written)) + written


def written_bytes(properties: Properties) -> int:
    """Return about how many bytes a message's own properties take on the wire."""
    if properties is NO_PROPERTIES:
        return 0
    texts = (properties.content_type, properties.response_topic)
    return (
        sum(len(text.encode()) + _TEXT_HEAD_BYTES for text in texts if text is not None)
        + len(properties.correlation_data or b"")
        + sum(
            len(name.encode()) + len(value.encode()) + _PAIR_HEAD_BYTES
            for name, value in properties.user_property
        )
    )


def property_names(place: Place) -> frozenset[str]:
    """Return which properties may stand in a packet (or in the will of a CONNECT)."""
    return frozenset(row.name for row in _TABLE if place in row.places)


def _shown(place: Place) -> str:
    return place if isinstance(place, str) else place.name
