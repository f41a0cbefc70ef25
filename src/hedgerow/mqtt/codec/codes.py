"""The numbers of MQTT: protocol levels, packet types, reason codes and where each may stand.

Source: OASIS MQTT 3.1.1 (2014) and MQTT 5.0 (2019), section 2.4 and the packets' own tables.
"""

from enum import IntEnum
from types import MappingProxyType
from typing import Final


class ProtocolVersion(IntEnum):
    """The level byte of a CONNECT; 3 is MQTT 3.1, whose packets have the form of 3.1.1."""

    V31 = 3
    V311 = 4
    V5 = 5


class PacketType(IntEnum):
    """The upper four bits of a packet's first byte."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14
    AUTH = 15


class ReasonCode(IntEnum):
    """MQTT 5's reason codes; for 3.1.1 they are mapped to what that version can say."""

    SUCCESS = 0x00
    GRANTED_QOS_1 = 0x01
    GRANTED_QOS_2 = 0x02
    DISCONNECT_WITH_WILL = 0x04
    NO_MATCHING_SUBSCRIBERS = 0x10
    NO_SUBSCRIPTION_EXISTED = 0x11
    CONTINUE_AUTHENTICATION = 0x18
    RE_AUTHENTICATE = 0x19
    UNSPECIFIED_ERROR = 0x80
    MALFORMED_PACKET = 0x81
    PROTOCOL_ERROR = 0x82
    IMPLEMENTATION_SPECIFIC_ERROR = 0x83
    UNSUPPORTED_PROTOCOL_VERSION = 0x84
    CLIENT_IDENTIFIER_NOT_VALID = 0x85
    BAD_USER_NAME_OR_PASSWORD = 0x86
    NOT_AUTHORIZED = 0x87
    SERVER_UNAVAILABLE = 0x88
    SERVER_BUSY = 0x89
    BANNED = 0x8A
    SERVER_SHUTTING_DOWN = 0x8B
    BAD_AUTHENTICATION_METHOD = 0x8C
    KEEP_ALIVE_TIMEOUT = 0x8D
    SESSION_TAKEN_OVER = 0x8E
    TOPIC_FILTER_INVALID = 0x8F
    TOPIC_NAME_INVALID = 0x90
    PACKET_IDENTIFIER_IN_USE = 0x91
    PACKET_IDENTIFIER_NOT_FOUND = 0x92
    RECEIVE_MAXIMUM_EXCEEDED = 0x93
    TOPIC_ALIAS_INVALID = 0x94
    PACKET_TOO_LARGE = 0x95
    MESSAGE_RATE_TOO_HIGH = 0x96
    QUOTA_EXCEEDED = 0x97
    ADMINISTRATIVE_ACTION = 0x98
    PAYLOAD_FORMAT_INVALID = 0x99
    RETAIN_NOT_SUPPORTED = 0x9A
    QOS_NOT_SUPPORTED = 0x9B
    USE_ANOTHER_SERVER = 0x9C
    SERVER_MOVED = 0x9D
    SHARED_SUBSCRIPTIONS_NOT_SUPPORTED = 0x9E
    CONNECTION_RATE_EXCEEDED = 0x9F
    MAXIMUM_CONNECT_TIME = 0xA0
    SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED = 0xA1
    WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED = 0xA2

    @property
    def is_error(self) -> bool:
        """Return whether the code says that something failed (0x80 and up)."""
        return self >= ReasonCode.UNSPECIFIED_ERROR


def _codes(text: str) -> frozenset[ReasonCode]:
    return frozenset(ReasonCode(int(code, 16)) for code in text.split())


_ACKNOWLEDGED = _codes("00 10 80 83 87 90 91 97 99")
_RELEASED = _codes("00 92")

REASONS_OF: Final = MappingProxyType(
    {
        PacketType.CONNACK: _codes(
            "00 80 81 82 83 84 85 86 87 88 89 8A 8C 90 95 97 99 9A 9B 9C 9D 9F"
        ),
        PacketType.PUBACK: _ACKNOWLEDGED,
        PacketType.PUBREC: _ACKNOWLEDGED,
        PacketType.PUBREL: _RELEASED,
        PacketType.PUBCOMP: _RELEASED,
        PacketType.SUBACK: _codes("00 01 02 80 83 87 8F 91 97 9E A1 A2"),
        PacketType.UNSUBACK: _codes("00 11 80 83 87 8F 91"),
        PacketType.DISCONNECT: _codes(
            "00 04 80 81 82 83 87 89 8B 8D 8E 8F 90 93 94 95 96 97 98 99 9A 9B 9C 9D 9E 9F A0 A1 A2"
        ),
        PacketType.AUTH: _codes("00 18 19"),
    }
)
"""Which MQTT 5 reason codes each packet may carry."""

REQUIRED_FLAGS: Final = MappingProxyType(
    {
        PacketType.PUBREL: 0b0010,
        PacketType.SUBSCRIBE: 0b0010,
        PacketType.UNSUBSCRIBE: 0b0010,
    }
)
"""The lower four bits of the first byte where they are fixed and not zero; PUBLISH uses all."""

CONNACK_RETURN_CODES: Final = MappingProxyType(
    {
        ReasonCode.SUCCESS: 0,
        ReasonCode.UNSUPPORTED_PROTOCOL_VERSION: 1,
        ReasonCode.CLIENT_IDENTIFIER_NOT_VALID: 2,
        ReasonCode.SERVER_UNAVAILABLE: 3,
        ReasonCode.BAD_USER_NAME_OR_PASSWORD: 4,
        ReasonCode.NOT_AUTHORIZED: 5,
    }
)
"""The six return codes of 3.1.1's CONNACK under the names they have in MQTT 5."""

_UNAVAILABLE_FOR_NOW: Final = frozenset(
    {ReasonCode.SERVER_BUSY, ReasonCode.QUOTA_EXCEEDED, ReasonCode.CONNECTION_RATE_EXCEEDED}
)


def connack_return_code(reason: ReasonCode) -> int:
    """Return what a 3.1.1 CONNACK says for a reason: 5 (not authorized) where it has no word."""
    if reason in _UNAVAILABLE_FOR_NOW:
        reason = ReasonCode.SERVER_UNAVAILABLE
    return CONNACK_RETURN_CODES.get(reason, CONNACK_RETURN_CODES[ReasonCode.NOT_AUTHORIZED])
