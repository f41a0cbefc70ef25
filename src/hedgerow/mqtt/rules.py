"""What the broker answers to a CONNECT, a SUBSCRIBE or a PUBLISH: decisions only, pure."""

from dataclasses import dataclass
from typing import Final

from hedgerow.mqtt.authority import RefusedAction, Verdict
from hedgerow.mqtt.codec import (
    NO_PROPERTIES,
    Connect,
    Properties,
    ProtocolVersion,
    Publish,
    ReasonCode,
    SubscribeItem,
    written_bytes,
)
from hedgerow.mqtt.limits import Limits
from hedgerow.mqtt.topics import is_shared, split_shared, valid_shared

_V5: Final = ProtocolVersion.V5
_DEFAULT_MAXIMUM_QOS: Final = 2
_REASON_CHARACTERS: Final = 1000


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something was refused: counted under `code`, told as `reason` and `text`."""

    action: RefusedAction
    reason: ReasonCode
    text: str
    topic: str | None = None
    name: str = ""

    @property
    def code(self) -> str:
        """Return the stable name it is counted under."""
        return self.name or self.reason.name.lower().replace("_", "-")


def connect_refusal(connect: Connect, limits: Limits, sessions: int) -> Refusal | None:
    """Return why a CONNECT is refused before the authority is asked, or None."""
    client_id_bytes = len(connect.client_id.encode())
    if client_id_bytes > limits.client_id_bytes or not (
        client_id_bytes or limits.assign_client_ids
    ):
        return Refusal(
            "connect",
            ReasonCode.CLIENT_IDENTIFIER_NOT_VALID,
            f"a client id has 1 to {limits.client_id_bytes} bytes, not {client_id_bytes}",
        )
    if not client_id_bytes and connect.version is ProtocolVersion.V31:
        return Refusal(
            "connect",
            ReasonCode.CLIENT_IDENTIFIER_NOT_VALID,
            "in MQTT 3.1 every client has a client id of its own",
        )
    if not client_id_bytes and connect.version is not _V5 and not connect.clean_start:
        # [MQTT-3.1.3-8]
        return Refusal(
            "connect",
            ReasonCode.CLIENT_IDENTIFIER_NOT_VALID,
            "a session that is to be kept needs a client id",
        )
    if connect.properties.authentication_method is not None:
        return Refusal(
            "connect",
            ReasonCode.BAD_AUTHENTICATION_METHOD,
            "extended authentication is not offered; clients are known by their certificate",
        )
    if sessions >= limits.sessions:
        return Refusal(
            "limit", ReasonCode.SERVER_BUSY, f"there are {sessions} clients already; try later"
        )
    return _will_refusal(connect, limits)


def share_refusal(sessions: int, limits: Limits) -> Refusal | None:
    """Return why the owner of so many sessions gets no further one, or None."""
    if sessions < limits.owner_sessions:
        return None
    return Refusal(
        "limit",
        ReasonCode.SERVER_BUSY,
        f"there are {sessions} sessions of this identity already, those of clients that are away "
        "included; end some, or use fewer client ids",
    )


def _will_refusal(connect: Connect, limits: Limits) -> Refusal | None:
    will = connect.will
    if will is None:
        return None
    if (text := topic_fault(will.topic, limits)) is not None:
        return Refusal("connect", ReasonCode.TOPIC_NAME_INVALID, f"the will's {text}", will.topic)
    fault = properties_fault(will.properties, limits)
    if len(will.payload) > limits.payload_bytes:
        fault = "payload is too large"
    if fault is not None:
        return Refusal("connect", ReasonCode.PACKET_TOO_LARGE, f"the will's {fault}", will.topic)
    if will.qos > limits.maximum_qos:
        return Refusal("connect", ReasonCode.QOS_NOT_SUPPORTED, f"the will has QoS {will.qos}")
    if will.retain and not limits.retain_available and connect.version is _V5:
        return Refusal("connect", ReasonCode.RETAIN_NOT_SUPPORTED, "the will is to be retained")
    return None


def session_expiry_s(connect: Connect, limits: Limits) -> int:
    """Return how long a session outlives its connection: what was asked, within our limit."""
    if connect.version is _V5:
        return min(connect.properties.session_expiry_interval or 0, limits.session_expiry_s)
    return 0 if connect.clean_start else limits.session_expiry_s


def connack_properties(
    connect: Connect, limits: Limits, keep_alive_s: int, assigned: str | None
) -> Properties:
    """Return what an MQTT 5 client is told of the broker's limits when it is let in."""
    asked_s = connect.properties.session_expiry_interval or 0
    expiry_s = session_expiry_s(connect, limits)
    return Properties(
        session_expiry_interval=None if expiry_s == asked_s else expiry_s,
        receive_maximum=limits.receive_maximum,
        maximum_qos=limits.maximum_qos if limits.maximum_qos < _DEFAULT_MAXIMUM_QOS else None,
        retain_available=None if limits.retain_available else False,
        maximum_packet_size=limits.packet_bytes,
        assigned_client_identifier=assigned,
        topic_alias_maximum=limits.topic_aliases or None,
        shared_subscription_available=None if limits.shared_subscriptions else False,
        server_keep_alive=None if keep_alive_s == connect.keep_alive_s else keep_alive_s,
    )


def publish_refusal(publish: Publish, limits: Limits, version: ProtocolVersion) -> Refusal | None:
    """Return why a PUBLISH ends its connection before the authority is asked, or None."""
    if publish.qos > limits.maximum_qos:
        return Refusal("publish", ReasonCode.QOS_NOT_SUPPORTED, f"QoS {publish.qos} is not offered")
    if publish.retain and not limits.retain_available and version is _V5:
        return Refusal("publish", ReasonCode.RETAIN_NOT_SUPPORTED, "retain is not offered")
    if len(publish.payload) > limits.payload_bytes:
        return Refusal(
            "limit",
            ReasonCode.PACKET_TOO_LARGE,
            f"a payload has at most {limits.payload_bytes} bytes, not {len(publish.payload)}",
            publish.topic,
        )
    if (text := properties_fault(publish.properties, limits)) is not None:
        return Refusal("limit", ReasonCode.PACKET_TOO_LARGE, text, publish.topic)
    if (text := topic_fault(publish.topic, limits)) is not None:
        return Refusal("limit", ReasonCode.TOPIC_NAME_INVALID, text, publish.topic)
    return None


def receive_refusal(unreleased: int, limits: Limits) -> Refusal | None:
    """Return why one more QoS 2 message ends its connection, or None."""
    if unreleased < limits.receive_maximum:
        return None
    return Refusal(
        "limit",
        ReasonCode.RECEIVE_MAXIMUM_EXCEEDED,
        f"a client has at most {limits.receive_maximum} QoS 2 messages that it has not released",
    )


def number_refusal(filters: int, limits: Limits) -> Refusal | None:
    """Return why a SUBSCRIBE of so many filters ends its connection, or None."""
    highest = limits.filters_per_subscribe
    if highest is None or filters <= highest:
        return None
    text = f"a SUBSCRIBE has at most {highest} topic filters, not {filters}"
    return Refusal("limit", ReasonCode.QUOTA_EXCEEDED, text)


def subscribe_refusal(item: SubscribeItem, limits: Limits, held: int) -> Refusal | None:
    """Return why one filter of a SUBSCRIBE is refused before the authority is asked, or None."""
    asked = item.topic_filter
    if is_shared(asked) and not limits.shared_subscriptions:
        return Refusal(
            "subscribe",
            ReasonCode.SHARED_SUBSCRIPTIONS_NOT_SUPPORTED,
            "shared subscriptions are not offered",
            asked,
        )
    if is_shared(asked) and not valid_shared(asked):
        text = "a shared subscription is $share/group/filter, without a wildcard in the group"
        return Refusal("subscribe", ReasonCode.TOPIC_FILTER_INVALID, text, asked)
    _, topic_filter = split_shared(asked)
    if (fault := topic_fault(topic_filter, limits)) is not None:
        return Refusal("limit", ReasonCode.TOPIC_FILTER_INVALID, fault, asked)
    if held >= limits.subscriptions:
        text = f"a session has at most {limits.subscriptions} subscriptions"
        return Refusal("limit", ReasonCode.QUOTA_EXCEEDED, text, asked)
    return None


def verdict_refusal(action: RefusedAction, verdict: Verdict, topic: str) -> Refusal:
    """Return the authority's no as a refusal."""
    return Refusal(action, ReasonCode.NOT_AUTHORIZED, verdict.reason, topic, f"{action}-denied")


def topic_fault(topic: str, limits: Limits) -> str | None:
    """Return what is wrong with the size of a topic or filter, or None."""
    size = len(topic.encode())
    if size > limits.topic_bytes:
        return f"topic has {size} bytes; at most {limits.topic_bytes} are taken"
    slashes = topic.count("/")
    if slashes > limits.topic_slashes:
        return f"topic has {slashes} slashes; at most {limits.topic_slashes} are taken"
    return None


def properties_fault(properties: Properties, limits: Limits) -> str | None:
    """Return what is wrong with the size of a message's properties, or None."""
    size = written_bytes(properties)
    if size <= limits.properties_bytes:
        return None
    return f"properties have {size} bytes; at most {limits.properties_bytes} are taken"


def explained(text: str, *, wanted: bool = True) -> Properties:
    """Return properties with a reason string, cut to what is worth sending."""
    if not text or not wanted:
        return NO_PROPERTIES
    # An authority's text may quote anything; what MQTT cannot carry is replaced.
    sayable = text[:_REASON_CHARACTERS].replace("\0", "?").encode(errors="replace").decode()
    return Properties(reason_string=sayable)


def unexpected(text: str) -> Refusal:
    """Return the refusal of a packet that the protocol does not allow here."""
    return Refusal("packet", ReasonCode.PROTOCOL_ERROR, text)
