"""MQTT packets for tests: written by hand in hex, or drawn from all that the protocol allows."""

from typing import Any

from hypothesis import strategies as st

from hedgerow.kernel import Secret
from hedgerow.mqtt.codec import (
    NO_PROPERTIES,
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    PacketType,
    Pingreq,
    Pingresp,
    Properties,
    ProtocolVersion,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    ReasonCode,
    Suback,
    Subscribe,
    SubscribeItem,
    Unsuback,
    Unsubscribe,
    Will,
    property_names,
)
from hedgerow.mqtt.codec.codes import CONNACK_RETURN_CODES, REASONS_OF
from hedgerow.mqtt.topics import is_shared

V5 = ProtocolVersion.V5


def wire_bytes(text: str) -> bytes:
    """Return the bytes of hex with texts between: `10 0004 'MQTT'`; a text holds no space."""
    return b"".join(
        part[1:-1].encode() if part.startswith("'") else bytes.fromhex(part)
        for part in text.split()
    )


versions = st.sampled_from(list(ProtocolVersion))
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
_levels = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/+#"), max_size=4)
topics = st.lists(_levels, min_size=1, max_size=5).map("/".join).filter(bool)
filters = (
    st.tuples(
        st.lists(_levels | st.just("+"), max_size=5),
        st.sampled_from([(), ("#",), ("+",), ("x",)]),
    )
    .map(lambda parts: "/".join((*parts[0], *parts[1])))
    .filter(bool)
)
payloads = st.binary(max_size=300)
packet_ids = st.integers(1, 0xFFFF)
_u16 = st.integers(0, 0xFFFF)
_u32 = st.integers(0, 0xFFFFFFFF)
_qos = st.integers(0, 2)

_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "payload_format_indicator": st.booleans(),
    "message_expiry_interval": _u32,
    "content_type": texts,
    "response_topic": topics,
    "correlation_data": st.binary(max_size=9),
    "session_expiry_interval": _u32,
    "assigned_client_identifier": texts,
    "server_keep_alive": _u16,
    "authentication_method": texts,
    "request_problem_information": st.booleans(),
    "will_delay_interval": _u32,
    "request_response_information": st.booleans(),
    "response_information": texts,
    "server_reference": texts,
    "reason_string": texts,
    "receive_maximum": st.integers(1, 0xFFFF),
    "topic_alias_maximum": _u16,
    "topic_alias": st.integers(1, 0xFFFF),
    "maximum_qos": st.integers(0, 1),
    "retain_available": st.booleans(),
    "user_property": st.lists(st.tuples(texts, texts), max_size=3).map(tuple),
    "maximum_packet_size": st.integers(1, 0xFFFFFFFF),
    "wildcard_subscription_available": st.booleans(),
    "subscription_identifier_available": st.booleans(),
    "shared_subscription_available": st.booleans(),
}
_identifier = st.integers(1, 268_435_455)


@st.composite
def properties_of(draw: st.DrawFn, place: Any, version: ProtocolVersion) -> Properties:
    """Draw properties that may stand in the packet; none for 3.1.1."""
    if version is not V5 or draw(st.booleans()):
        return NO_PROPERTIES
    names = sorted(property_names(place) & _VALUES.keys())
    chosen = draw(st.lists(st.sampled_from(names), unique=True, max_size=6))
    values = {name: draw(_VALUES[name]) for name in chosen}
    if "authentication_method" in values:
        values["authentication_data"] = draw(st.none() | st.binary(max_size=9).map(Secret))
    if place in (PacketType.PUBLISH, PacketType.SUBSCRIBE) and draw(st.booleans()):
        most = 2 if place is PacketType.PUBLISH else 1
        values["subscription_identifier"] = tuple(draw(st.lists(_identifier, max_size=most)))
    return Properties(**values)


def _reasons(place: PacketType, version: ProtocolVersion) -> st.SearchStrategy[ReasonCode]:
    if version is V5:
        return st.sampled_from(sorted(REASONS_OF[place]))
    if place is PacketType.CONNACK:
        return st.sampled_from(sorted(CONNACK_RETURN_CODES))
    if place is PacketType.SUBACK:
        return st.sampled_from([ReasonCode(code) for code in (0, 1, 2, 0x80)])
    return st.just(ReasonCode.SUCCESS)


@st.composite
def connects(draw: st.DrawFn, version: ProtocolVersion) -> Connect:
    will = None
    if draw(st.booleans()):
        will = Will(
            draw(topics),
            draw(payloads),
            draw(_qos),
            draw(st.booleans()),
            draw(properties_of("WILL", version)),
        )
    username = draw(st.none() | texts)
    may_have_password = version is V5 or username is not None
    return Connect(
        client_id=draw(texts),
        version=version,
        clean_start=draw(st.booleans()),
        keep_alive_s=draw(_u16),
        username=username,
        password=draw(st.none() | st.binary(max_size=9).map(Secret)) if may_have_password else None,
        will=will,
        properties=draw(properties_of(PacketType.CONNECT, version)),
    )


@st.composite
def publishes(draw: st.DrawFn, version: ProtocolVersion) -> Publish:
    qos = draw(_qos)
    properties = draw(properties_of(PacketType.PUBLISH, version))
    may_be_empty = properties.topic_alias is not None
    return Publish(
        topic="" if may_be_empty and draw(st.booleans()) else draw(topics),
        payload=draw(payloads),
        qos=qos,
        retain=draw(st.booleans()),
        dup=qos > 0 and draw(st.booleans()),
        packet_id=draw(packet_ids) if qos else 0,
        properties=properties,
    )


@st.composite
def _subscribe_items(draw: st.DrawFn, version: ProtocolVersion) -> SubscribeItem:
    topic_filter = draw(filters)
    if version is not V5:
        return SubscribeItem(topic_filter, draw(_qos))
    no_local = draw(st.booleans()) and not is_shared(topic_filter)
    return SubscribeItem(
        topic_filter, draw(_qos), no_local, draw(st.booleans()), draw(st.integers(0, 2))
    )


@st.composite
def packets(draw: st.DrawFn, version: ProtocolVersion) -> Packet:
    """Draw any packet but a CONNECT of another version."""
    kind = draw(st.sampled_from(list(PacketType)))
    if kind is PacketType.CONNECT:
        return draw(connects(version))
    if kind is PacketType.PUBLISH:
        return draw(publishes(version))
    if kind is PacketType.PINGREQ or (kind is PacketType.AUTH and version is not V5):
        return Pingreq()
    if kind is PacketType.PINGRESP:
        return Pingresp()
    properties = draw(properties_of(kind, version))
    made: Packet = draw(_others(kind, version, properties))
    return made


def _others(
    kind: PacketType, version: ProtocolVersion, properties: Properties
) -> st.SearchStrategy[Any]:
    one = _reasons(kind, version) if kind in REASONS_OF else st.just(ReasonCode.SUCCESS)
    several = st.lists(one, min_size=1, max_size=4).map(tuple)
    items = st.lists(_subscribe_items(version), min_size=1, max_size=3).map(tuple)
    wanted = st.lists(filters, min_size=1, max_size=3).map(tuple)
    answers = several if version is V5 else st.just(())
    makes: dict[PacketType, tuple[Any, ...]] = {
        PacketType.CONNACK: (Connack, one, st.booleans()),
        PacketType.PUBACK: (Puback, packet_ids, one),
        PacketType.PUBREC: (Pubrec, packet_ids, one),
        PacketType.PUBREL: (Pubrel, packet_ids, one),
        PacketType.PUBCOMP: (Pubcomp, packet_ids, one),
        PacketType.SUBSCRIBE: (Subscribe, packet_ids, items),
        PacketType.SUBACK: (Suback, packet_ids, several),
        PacketType.UNSUBSCRIBE: (Unsubscribe, packet_ids, wanted),
        PacketType.UNSUBACK: (Unsuback, packet_ids, answers),
        PacketType.DISCONNECT: (Disconnect, one),
        PacketType.AUTH: (Auth, one),
    }
    make, *arguments = makes[kind]
    return st.builds(make, *arguments, st.just(properties))
