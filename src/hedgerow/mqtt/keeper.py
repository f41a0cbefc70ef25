"""What has to outlive the broker's process, and who keeps it: sessions, retained messages.

The engine tells a `Keeper` of every change as it happens and calls `commit` once a read, before a
byte that the read caused goes out: whatever a client was told is kept by then. Everything here is
plain data, so that a keeper needs to know nothing of sockets or identities.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from hedgerow.mqtt.codec import NO_PROPERTIES, Properties, SubscribeItem, written_bytes

_PAIR_BYTES: Final = 160
"""What a user property takes in memory beside its text."""


@dataclass(frozen=True, slots=True, eq=False)
class KeptMessage:
    """A message that waits for clients. One message for many sessions is one and the same object.

    `source` is the authority's name for where it came from. `expires_at` and `taken_at` are in
    seconds since 1970; when it was taken is known of those that were asked to be retained.
    """

    source: str
    topic: str
    payload: bytes = field(repr=False)
    qos: int
    retain: bool = False
    properties: Properties = NO_PROPERTIES
    expires_at: float | None = None
    taken_at: float | None = None

    @property
    def size(self) -> int:
        """Return about how many bytes its content takes in memory."""
        return content_bytes(self.topic, self.payload, self.properties)


@dataclass(frozen=True, slots=True)
class KeptSubscription:
    """One subscription of a session."""

    item: SubscribeItem
    qos: int
    identifier: int | None = None


@dataclass(frozen=True, slots=True)
class KeptDelivery:
    """One message in one session's queue: `qos` it is delivered with, and how far that went.

    `packet_id` is 0 until it was sent for the first time. `released` says that the client has it
    (PUBREC, QoS 2) and only the end of the handshake is missing.
    """

    message: KeptMessage
    qos: int
    identifiers: tuple[int, ...] = ()
    packet_id: int = 0
    released: bool = False
    retain: bool = False


@dataclass(frozen=True, slots=True)
class KeptWill:
    """A will that is due at a moment (seconds since 1970) unless its client comes back."""

    message: KeptMessage
    due_at: float


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """What a session is; `remembered` is the authority's word for whose it is.

    `expires_at` (seconds since 1970) is None while the client is connected; a broker that starts
    and finds None counts `expiry_s` from that moment. `will` is the delayed one of a client that
    is gone.
    """

    client_id: str
    remembered: str
    speaks_5: bool
    expiry_s: int
    expires_at: float | None = None
    will: KeptWill | None = None


@dataclass(frozen=True, slots=True)
class KeptSession:
    """A whole session as it is found again: deliveries by number, which is their order."""

    facts: SessionFacts
    subscriptions: tuple[KeptSubscription, ...] = ()
    deliveries: Mapping[int, KeptDelivery] = field(default_factory=dict)
    received: frozenset[int] = frozenset()
    """Packet ids of QoS 2 messages that came in and were not released yet."""


class Keeper(Protocol):
    """Keeps sessions and retained messages. All calls are quick, synchronous and in order.

    What was told before a `commit` is found again after kill -9 at any later moment; what was told
    and not committed may be found or not, but never half of one change.
    """

    def sessions(self) -> Iterable[KeptSession]:
        """Return what was kept, once, at the start."""

    def retained(self) -> Iterable[KeptMessage]:
        """Return the retained messages that were kept, once, at the start."""

    def session(self, facts: SessionFacts) -> None:
        """Begin a session, or take note of what changed of it; what it holds stays."""

    def forget(self, client_id: str) -> None:
        """Let a session go with everything it holds."""

    def subscribed(self, client_id: str, subscription: KeptSubscription) -> None:
        """Add a subscription, or replace the one of the same filter."""

    def unsubscribed(self, client_id: str, topic_filter: str) -> None:
        """Take a subscription away."""

    def queued(self, client_id: str, number: int, delivery: KeptDelivery) -> None:
        """Put a delivery at the end of a session's queue."""

    def sent(self, client_id: str, number: int, packet_id: int) -> None:
        """Note that a delivery was sent under a packet id."""

    def released(self, client_id: str, number: int) -> None:
        """Note that the client has a QoS 2 message."""

    def settled(self, client_id: str, number: int) -> None:
        """Let a delivery go: acknowledged, expired or dropped."""

    def received(self, client_id: str, packet_id: int) -> None:
        """Note the packet id of a QoS 2 message that came in."""

    def completed(self, client_id: str, packet_id: int) -> None:
        """Forget a packet id of a QoS 2 message that came in."""

    def retain(self, message: KeptMessage) -> None:
        """Keep a topic's retained message in the place of the one before."""

    def unretain(self, topic: str) -> None:
        """Let a topic's retained message go."""

    def commit(self) -> None:
        """Make what was told safe from kill -9. Raises `OSError` if that cannot be."""


def content_bytes(topic: str, payload: bytes, properties: Properties) -> int:
    """Return about how many bytes a message takes in memory: small properties take the most."""
    pairs = len(properties.user_property)
    return len(topic) + len(payload) + written_bytes(properties) + pairs * _PAIR_BYTES


class NoKeeper:
    """Keeps nothing: sessions live as long as the process."""

    def sessions(self) -> Iterable[KeptSession]:
        """Return nothing."""
        return ()

    def retained(self) -> Iterable[KeptMessage]:
        """Return nothing."""
        return ()

    def session(self, facts: SessionFacts) -> None:
        """Do nothing."""

    def forget(self, client_id: str) -> None:
        """Do nothing."""

    def subscribed(self, client_id: str, subscription: KeptSubscription) -> None:
        """Do nothing."""

    def unsubscribed(self, client_id: str, topic_filter: str) -> None:
        """Do nothing."""

    def queued(self, client_id: str, number: int, delivery: KeptDelivery) -> None:
        """Do nothing."""

    def sent(self, client_id: str, number: int, packet_id: int) -> None:
        """Do nothing."""

    def released(self, client_id: str, number: int) -> None:
        """Do nothing."""

    def settled(self, client_id: str, number: int) -> None:
        """Do nothing."""

    def received(self, client_id: str, packet_id: int) -> None:
        """Do nothing."""

    def completed(self, client_id: str, packet_id: int) -> None:
        """Do nothing."""

    def retain(self, message: KeptMessage) -> None:
        """Do nothing."""

    def unretain(self, topic: str) -> None:
        """Do nothing."""

    def commit(self) -> None:
        """Do nothing."""


NO_KEEPER: Final = NoKeeper()
