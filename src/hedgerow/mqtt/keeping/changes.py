"""The changes that a journal is made of, each a small value, and how they become bytes. Pure.

A session and a message are written whole once and go by a number after that, so that a message for
a thousand sessions costs a thousand small references.
"""

from typing import Final

import msgspec

from hedgerow.mqtt.codec import (
    NO_PROPERTIES,
    MalformedPacketError,
    PacketType,
    Properties,
    SubscribeItem,
)
from hedgerow.mqtt.codec.properties import Place, read_properties, write_properties
from hedgerow.mqtt.codec.wire import Reader
from hedgerow.mqtt.keeper import (
    KeptDelivery,
    KeptMessage,
    KeptSubscription,
    KeptWill,
    SessionFacts,
)


class UnreadableChangesError(Exception):
    """Bytes that came through every check are no changes of this version."""


class MessageRecord(msgspec.Struct, frozen=True, array_like=True, gc=False, omit_defaults=True):
    """A message; `properties` as MQTT 5 writes them, empty for none."""

    source: str
    topic: str
    payload: bytes
    qos: int
    retain: bool
    properties: bytes = b""
    expires_at: float | None = None
    taken_at: float | None = None


class SessionRecord(msgspec.Struct, frozen=True, array_like=True, gc=False, omit_defaults=True):
    """What `SessionFacts` says; the will flat."""

    client_id: str
    remembered: str
    speaks_5: bool
    expiry_s: int
    expires_at: float | None = None
    will: MessageRecord | None = None
    will_due_at: float = 0.0


class _Change(msgspec.Struct, frozen=True, array_like=True, gc=False, omit_defaults=True):
    pass


class Began(_Change, frozen=True, tag=1):
    """A session begins under a number, or is another now; what it holds stays."""

    session: int
    facts: SessionRecord


class Restated(_Change, frozen=True, tag=2):
    """A session as it is now: whatever was said of it before is void; what it holds follows."""

    session: int
    facts: SessionRecord


class Forgotten(_Change, frozen=True, tag=3):
    """A session is gone with everything it held."""

    session: int


class Subscribed(_Change, frozen=True, tag=4):
    """A subscription was added or replaced."""

    session: int
    topic_filter: str
    qos: int
    asked_qos: int
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: int = 0
    identifier: int | None = None


class Unsubscribed(_Change, frozen=True, tag=5):
    """A subscription was taken away."""

    session: int
    topic_filter: str


class Queued(_Change, frozen=True, tag=6):
    """A delivery was put at the end of a queue; the message is there if it is its first mention."""

    session: int
    number: int
    message: int
    qos: int
    content: MessageRecord | None = None
    identifiers: tuple[int, ...] = ()
    packet_id: int = 0
    released: bool = False
    retain: bool = False


class Sent(_Change, frozen=True, tag=7):
    """A delivery was sent under a packet id."""

    session: int
    number: int
    packet_id: int


class Released(_Change, frozen=True, tag=8):
    """The client has a QoS 2 message."""

    session: int
    number: int


class Settled(_Change, frozen=True, tag=9):
    """A delivery is done with."""

    session: int
    number: int


class Received(_Change, frozen=True, tag=10):
    """A QoS 2 message came in."""

    session: int
    packet_id: int


class Completed(_Change, frozen=True, tag=11):
    """A QoS 2 message that came in was released."""

    session: int
    packet_id: int


class Retained(_Change, frozen=True, tag=12):
    """A topic has this retained message; the message is there if it is its first mention."""

    message: int
    topic: str
    content: MessageRecord | None = None


class Unretained(_Change, frozen=True, tag=13):
    """A topic has no retained message."""

    topic: str


Change = (
    Began
    | Restated
    | Forgotten
    | Subscribed
    | Unsubscribed
    | Queued
    | Sent
    | Released
    | Settled
    | Received
    | Completed
    | Retained
    | Unretained
)

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(list[Change])


def encode_changes(changes: list[Change]) -> bytes:
    """Return the bytes of changes that were made together."""
    return _ENCODER.encode(changes)


def decode_changes(encoded: bytes) -> list[Change]:
    """Return the changes, or raise `UnreadableChangesError`."""
    try:
        return _DECODER.decode(encoded)
    except msgspec.DecodeError as error:
        raise UnreadableChangesError(str(error)) from error


def message_record(message: KeptMessage, place: Place = PacketType.PUBLISH) -> MessageRecord:
    """Return how a message is written."""
    properties = message.properties
    return MessageRecord(
        message.source,
        message.topic,
        message.payload,
        message.qos,
        message.retain,
        b"" if properties is NO_PROPERTIES else write_properties(properties, place),
        message.expires_at,
        message.taken_at,
    )


def kept_message(record: MessageRecord, place: Place = PacketType.PUBLISH) -> KeptMessage:
    """Return the message that was written, or raise `UnreadableChangesError`."""
    return KeptMessage(
        record.source,
        record.topic,
        record.payload,
        record.qos,
        record.retain,
        _properties(record.properties, place),
        record.expires_at,
        record.taken_at,
    )


def _properties(written: bytes, place: Place) -> Properties:
    if not written:
        return NO_PROPERTIES
    try:
        return read_properties(Reader(written), place)
    except MalformedPacketError as error:
        raise UnreadableChangesError(error.message) from error


def session_record(facts: SessionFacts) -> SessionRecord:
    """Return how a session's facts are written."""
    will = facts.will
    return SessionRecord(
        facts.client_id,
        facts.remembered,
        facts.speaks_5,
        facts.expiry_s,
        facts.expires_at,
        None if will is None else message_record(will.message, "WILL"),
        0.0 if will is None else will.due_at,
    )


def session_facts(record: SessionRecord) -> SessionFacts:
    """Return the facts that were written, or raise `UnreadableChangesError`."""
    will = record.will
    return SessionFacts(
        record.client_id,
        record.remembered,
        record.speaks_5,
        record.expiry_s,
        record.expires_at,
        None if will is None else KeptWill(kept_message(will, "WILL"), record.will_due_at),
    )


def subscribed(session: int, kept: KeptSubscription) -> Subscribed:
    """Return how a subscription is written."""
    item = kept.item
    return Subscribed(
        session,
        item.topic_filter,
        kept.qos,
        item.qos,
        item.no_local,
        item.retain_as_published,
        item.retain_handling,
        kept.identifier,
    )


def kept_subscription(change: Subscribed) -> KeptSubscription:
    """Return the subscription that was written."""
    item = SubscribeItem(
        change.topic_filter,
        change.asked_qos,
        change.no_local,
        change.retain_as_published,
        change.retain_handling,
    )
    return KeptSubscription(item, change.qos, change.identifier)


def queued(
    session: int, number: int, delivery: KeptDelivery, message: int, content: MessageRecord | None
) -> Queued:
    """Return how a delivery is written."""
    return Queued(
        session,
        number,
        message,
        delivery.qos,
        content,
        delivery.identifiers,
        delivery.packet_id,
        delivery.released,
        delivery.retain,
    )


def kept_delivery(change: Queued, message: KeptMessage) -> KeptDelivery:
    """Return the delivery that was written."""
    return KeptDelivery(
        message,
        change.qos,
        change.identifiers,
        change.packet_id,
        change.released,
        change.retain,
    )
