"""A keeper's state as plain values, a model of what it promises, and a sealer with a known key."""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hedgerow.kernel import random_bytes
from hedgerow.mqtt import (
    Keeper,
    KeptDelivery,
    KeptMessage,
    KeptSession,
    KeptSubscription,
    SessionFacts,
)
from hedgerow.mqtt.codec import SubscribeItem
from hedgerow.mqtt.keeping import BrokenSealError

State = tuple[dict[str, Any], dict[str, Any]]
"""Sessions by client id and retained messages by topic, comparable by value."""


def facts(client_id: str, **changed: Any) -> SessionFacts:
    """Return the facts of a session."""
    return replace(SessionFacts(client_id, f"certificate of {client_id}", False, 3600), **changed)  # noqa: FBT003


def message(topic: str, payload: bytes = b"payload", **changed: Any) -> KeptMessage:
    """Return a QoS 1 message."""
    return replace(KeptMessage("sensor", topic, payload, 1), **changed)


def subscription(topic_filter: str, qos: int = 1) -> KeptSubscription:
    """Return a subscription."""
    return KeptSubscription(SubscribeItem(topic_filter, qos), qos)


def plain_message(kept: KeptMessage) -> tuple[Any, ...]:
    """Return a message's content, comparable."""
    return tuple(getattr(kept, one.name) for one in fields(kept))


def plain_facts(kept: SessionFacts) -> tuple[Any, ...]:
    """Return a session's facts, comparable."""
    will = kept.will
    return (
        kept.remembered,
        kept.speaks_5,
        kept.expiry_s,
        kept.expires_at,
        None if will is None else (plain_message(will.message), will.due_at),
    )


def plain_delivery(kept: KeptDelivery) -> tuple[Any, ...]:
    """Return a delivery, comparable."""
    return (
        plain_message(kept.message),
        kept.qos,
        kept.identifiers,
        kept.packet_id,
        kept.released,
        kept.retain,
    )


def plain(sessions: Iterable[KeptSession], retained: Iterable[KeptMessage]) -> State:
    """Return what is kept as plain values, the order of deliveries included."""
    return (
        {
            one.facts.client_id: (
                plain_facts(one.facts),
                {kept.item.topic_filter: kept for kept in one.subscriptions},
                [(number, plain_delivery(kept)) for number, kept in one.deliveries.items()],
                one.received,
            )
            for one in sessions
        },
        {one.topic: plain_message(one) for one in retained},
    )


def state_of(keeper: Keeper) -> State:
    """Return what a keeper found."""
    return plain(keeper.sessions(), keeper.retained())


@dataclass
class ModelSession:
    """One session of the model."""

    facts: SessionFacts
    subscriptions: dict[str, KeptSubscription] = field(default_factory=dict)
    deliveries: dict[int, KeptDelivery] = field(default_factory=dict)
    received: set[int] = field(default_factory=set)


class ModelKeeper:
    """What a keeper promises, in the fewest words; it keeps the contract of `mqtt.Keeper`."""

    def __init__(self) -> None:
        self.held: dict[str, ModelSession] = {}
        self.topics: dict[str, KeptMessage] = {}

    def sessions(self) -> Iterable[KeptSession]:
        """Return every session."""
        return [
            KeptSession(
                one.facts,
                tuple(one.subscriptions.values()),
                dict(sorted(one.deliveries.items())),
                frozenset(one.received),
            )
            for one in self.held.values()
        ]

    def retained(self) -> Iterable[KeptMessage]:
        """Return every retained message."""
        return list(self.topics.values())

    def session(self, facts: SessionFacts) -> None:
        """Begin or change."""
        self.held.setdefault(facts.client_id, ModelSession(facts)).facts = facts

    def forget(self, client_id: str) -> None:
        """Let go."""
        self.held.pop(client_id, None)

    def subscribed(self, client_id: str, subscription: KeptSubscription) -> None:
        """Add or replace."""
        if client_id in self.held:
            self.held[client_id].subscriptions[subscription.item.topic_filter] = subscription

    def unsubscribed(self, client_id: str, topic_filter: str) -> None:
        """Take away."""
        if client_id in self.held:
            self.held[client_id].subscriptions.pop(topic_filter, None)

    def queued(self, client_id: str, number: int, delivery: KeptDelivery) -> None:
        """Queue."""
        if client_id in self.held:
            self.held[client_id].deliveries[number] = delivery

    def sent(self, client_id: str, number: int, packet_id: int) -> None:
        """Note the packet id."""
        self._change(client_id, number, packet_id=packet_id)

    def released(self, client_id: str, number: int) -> None:
        """Note that it is there."""
        self._change(client_id, number, released=True)

    def settled(self, client_id: str, number: int) -> None:
        """Let go."""
        if client_id in self.held:
            self.held[client_id].deliveries.pop(number, None)

    def received(self, client_id: str, packet_id: int) -> None:
        """Note."""
        if client_id in self.held:
            self.held[client_id].received.add(packet_id)

    def completed(self, client_id: str, packet_id: int) -> None:
        """Forget."""
        if client_id in self.held:
            self.held[client_id].received.discard(packet_id)

    def retain(self, message: KeptMessage) -> None:
        """Keep."""
        self.topics[message.topic] = message

    def unretain(self, topic: str) -> None:
        """Let go."""
        self.topics.pop(topic, None)

    def commit(self) -> None:
        """Do nothing."""

    def _change(self, client_id: str, number: int, **changed: Any) -> None:
        if client_id in self.held and number in self.held[client_id].deliveries:
            deliveries = self.held[client_id].deliveries
            deliveries[number] = replace(deliveries[number], **changed)


@dataclass(frozen=True)
class TestSealer:
    """AES-256-GCM under a key made of a test's own; it keeps the contract of `keeping.Sealer`."""

    __test__ = False
    key: bytes = b"k" * 32

    def for_file(self, salt: bytes) -> "_FileSealer":
        """Return the cipher of a file."""
        return _FileSealer(AESGCM(bytes(a ^ b for a, b in zip(self.key, salt, strict=True))))


@dataclass(frozen=True)
class _FileSealer:
    cipher: AESGCM

    def seal(self, plain: bytes, associated: bytes) -> bytes:
        nonce = random_bytes(12)
        return nonce + self.cipher.encrypt(nonce, plain, associated)

    def open(self, sealed: bytes, associated: bytes) -> bytes:
        try:
            return self.cipher.decrypt(sealed[:12], sealed[12:], associated)
        except (InvalidTag, ValueError):
            raise BrokenSealError("not sealed with this key") from None


def journal_files(folder: Path) -> list[str]:
    """Return the names of the files in a keeper's folder."""
    return sorted(path.name for path in folder.iterdir())
