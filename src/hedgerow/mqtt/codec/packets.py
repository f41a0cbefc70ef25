"""The fifteen packets as frozen values; payloads and passwords show in no repr."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

from hedgerow.kernel import Secret
from hedgerow.mqtt.codec.codes import PacketType, ProtocolVersion, ReasonCode
from hedgerow.mqtt.codec.properties import NO_PROPERTIES, Properties


@dataclass(frozen=True, slots=True)
class Will:
    """What a client wants to be published if it vanishes."""

    topic: str
    payload: bytes = field(repr=False)
    qos: int = 0
    retain: bool = False
    properties: Properties = NO_PROPERTIES

    def as_publish(self) -> "Publish":
        """Return the message that the will becomes."""
        return Publish(
            topic=self.topic,
            payload=self.payload,
            qos=self.qos,
            retain=self.retain,
            properties=replace(self.properties, will_delay_interval=None),
        )


@dataclass(frozen=True, slots=True)
class Connect:
    """A client's first packet. `clean_start` is 3.1.1's clean session flag too."""

    type: ClassVar = PacketType.CONNECT
    client_id: str
    version: ProtocolVersion = ProtocolVersion.V311
    clean_start: bool = True
    keep_alive_s: int = 0
    username: str | None = None
    password: Secret[bytes] | None = None
    will: Will | None = None
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Connack:
    """The answer to a CONNECT."""

    type: ClassVar = PacketType.CONNACK
    reason: ReasonCode = ReasonCode.SUCCESS
    session_present: bool = False
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Publish:
    """A message. `packet_id` is 0 with QoS 0; the topic may be empty with an alias (MQTT 5)."""

    type: ClassVar = PacketType.PUBLISH
    topic: str
    payload: bytes = field(repr=False)
    qos: int = 0
    retain: bool = False
    dup: bool = False
    packet_id: int = 0
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class _Acknowledgement:
    packet_id: int
    reason: ReasonCode = ReasonCode.SUCCESS
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Puback(_Acknowledgement):
    """QoS 1: the message was taken (or, in MQTT 5, why not)."""

    type: ClassVar = PacketType.PUBACK


@dataclass(frozen=True, slots=True)
class Pubrec(_Acknowledgement):
    """QoS 2, first answer: received."""

    type: ClassVar = PacketType.PUBREC


@dataclass(frozen=True, slots=True)
class Pubrel(_Acknowledgement):
    """QoS 2, second step of the sender: release."""

    type: ClassVar = PacketType.PUBREL


@dataclass(frozen=True, slots=True)
class Pubcomp(_Acknowledgement):
    """QoS 2, last answer: complete."""

    type: ClassVar = PacketType.PUBCOMP


@dataclass(frozen=True, slots=True)
class SubscribeItem:
    """One topic filter of a SUBSCRIBE with its options (all but the QoS are MQTT 5's)."""

    topic_filter: str
    qos: int = 0
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: int = 0


@dataclass(frozen=True, slots=True)
class Subscribe:
    """A request for messages."""

    type: ClassVar = PacketType.SUBSCRIBE
    packet_id: int
    items: tuple[SubscribeItem, ...]
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Suback:
    """The answers to a SUBSCRIBE, one a filter: the QoS granted or an error."""

    type: ClassVar = PacketType.SUBACK
    packet_id: int
    reasons: tuple[ReasonCode, ...]
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """The end of subscriptions."""

    type: ClassVar = PacketType.UNSUBSCRIBE
    packet_id: int
    topic_filters: tuple[str, ...]
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Unsuback:
    """The answers to an UNSUBSCRIBE; 3.1.1's has none."""

    type: ClassVar = PacketType.UNSUBACK
    packet_id: int
    reasons: tuple[ReasonCode, ...] = ()
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Pingreq:
    """A sign of life from the client."""

    type: ClassVar = PacketType.PINGREQ


@dataclass(frozen=True, slots=True)
class Pingresp:
    """The answer to a sign of life."""

    type: ClassVar = PacketType.PINGRESP


@dataclass(frozen=True, slots=True)
class Disconnect:
    """The end of a connection; only MQTT 5 gives a reason, and only there the server sends it."""

    type: ClassVar = PacketType.DISCONNECT
    reason: ReasonCode = ReasonCode.SUCCESS
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Auth:
    """A step of MQTT 5's extended authentication."""

    type: ClassVar = PacketType.AUTH
    reason: ReasonCode = ReasonCode.SUCCESS
    properties: Properties = NO_PROPERTIES


Packet = (
    Connect
    | Connack
    | Publish
    | Puback
    | Pubrec
    | Pubrel
    | Pubcomp
    | Subscribe
    | Suback
    | Unsubscribe
    | Unsuback
    | Pingreq
    | Pingresp
    | Disconnect
    | Auth
)
