"""What is kept now, held so that a new segment can be filled with it step by step. Pure.

It holds the same message objects as the engine, and for each delivery a reference; nothing that is
settled. Every change to it comes out as the change to write. It knows which sessions and messages
the segment that is being written knows, so that filling a segment is to restate the others.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from hedgerow.mqtt.keeper import (
    KeptDelivery,
    KeptMessage,
    KeptSession,
    KeptSubscription,
    SessionFacts,
)
from hedgerow.mqtt.keeping.changes import (
    Began,
    Change,
    Completed,
    Forgotten,
    MessageRecord,
    Received,
    Released,
    Restated,
    Retained,
    Sent,
    Settled,
    Unretained,
    Unsubscribed,
    message_record,
    queued,
    session_record,
    subscribed,
)

_SESSION_BYTES: Final = 128
_SUBSCRIPTION_BYTES: Final = 64
_DELIVERY_BYTES: Final = 32
_MESSAGE_BYTES: Final = 64


@dataclass(slots=True)
class _Progress:
    """How far a delivery went since it was queued."""

    packet_id: int
    released: bool = False


@dataclass(slots=True, eq=False)
class _Session:
    number: int
    facts: SessionFacts
    segment: int
    subscriptions: dict[str, KeptSubscription] = field(default_factory=dict)
    deliveries: dict[int, KeptDelivery] = field(default_factory=dict)
    progress: dict[int, _Progress] = field(default_factory=dict)
    received: set[int] = field(default_factory=set)

    def delivery(self, number: int) -> KeptDelivery:
        """Return a delivery as it is now."""
        kept = self.deliveries[number]
        progress = self.progress.get(number)
        if progress is None:
            return kept
        return replace(kept, packet_id=progress.packet_id, released=progress.released)


@dataclass(slots=True, eq=False)
class _Mention:
    """A message that was written: its number, how many refer to it, and the last segment it is in.

    `size` is what it counts for as long as someone refers to it.
    """

    number: int
    size: int
    segment: int
    count: int = 0


class Live:
    """Sessions and retained messages. INVARIANT: `size` is about the bytes that they take written.

    A method that gets a client id without a session, or something of a session that it does not
    hold, returns None: there is nothing to write.
    """

    def __init__(self, next_session: int = 1, next_message: int = 1) -> None:
        """Numbers that a journal gave may not be given again: a start may be cut, too."""
        self.size = 0
        self._segment = 0
        self._sessions: dict[str, _Session] = {}
        self._mentions: dict[KeptMessage, _Mention] = {}
        self._retained: dict[str, KeptMessage] = {}
        self._next_session = next_session
        self._next_message = next_message
        self._untold_sessions: list[str] = []
        self._untold_topics: list[str] = []

    # ---- as it was found

    def adopt(self, sessions: Iterable[KeptSession], retained: Iterable[KeptMessage]) -> None:
        """Begin with what a journal came to."""
        for kept in sessions:
            client_id = kept.facts.client_id
            self.session(kept.facts)
            for subscription in kept.subscriptions:
                self.subscribed(client_id, subscription)
            for number, delivery in kept.deliveries.items():
                self.queued(client_id, number, delivery)
            for packet_id in kept.received:
                self.received(client_id, packet_id)
        for message in retained:
            self.retain(message)

    def sessions(self) -> list[KeptSession]:
        """Return every session as it is now."""
        return [
            KeptSession(
                held.facts,
                tuple(held.subscriptions.values()),
                {number: held.delivery(number) for number in sorted(held.deliveries)},
                frozenset(held.received),
            )
            for held in self._sessions.values()
        ]

    def retained(self) -> list[KeptMessage]:
        """Return every retained message."""
        return list(self._retained.values())

    # ---- changes

    def session(self, facts: SessionFacts) -> Change | None:
        """Begin a session or change what it is."""
        held = self._sessions.get(facts.client_id)
        if held is None:
            held = _Session(self._next_session, facts, self._segment)
            self._sessions[facts.client_id] = held
            self._next_session += 1
            self.size += _SESSION_BYTES
        elif held.facts == facts:
            return None
        else:
            held.facts = facts
        return Began(held.number, session_record(facts))

    def forget(self, client_id: str) -> Change | None:
        """Let a session go."""
        held = self._sessions.pop(client_id, None)
        if held is None:
            return None
        for delivery in held.deliveries.values():
            self._unmention(delivery.message)
        self.size -= (
            _SESSION_BYTES
            + _SUBSCRIPTION_BYTES * len(held.subscriptions)
            + _DELIVERY_BYTES * len(held.deliveries)
        )
        return Forgotten(held.number)

    def subscribed(self, client_id: str, subscription: KeptSubscription) -> Change | None:
        """Add or replace a subscription."""
        held = self._sessions.get(client_id)
        if held is None:
            return None
        topic_filter = subscription.item.topic_filter
        if topic_filter not in held.subscriptions:
            self.size += _SUBSCRIPTION_BYTES
        held.subscriptions[topic_filter] = subscription
        return subscribed(held.number, subscription)

    def unsubscribed(self, client_id: str, topic_filter: str) -> Change | None:
        """Take a subscription away."""
        held = self._sessions.get(client_id)
        if held is None or held.subscriptions.pop(topic_filter, None) is None:
            return None
        self.size -= _SUBSCRIPTION_BYTES
        return Unsubscribed(held.number, topic_filter)

    def queued(self, client_id: str, number: int, delivery: KeptDelivery) -> Change | None:
        """Put a delivery at the end of a queue."""
        held = self._sessions.get(client_id)
        if held is None:
            return None
        mention, content = self._mention(delivery.message)
        before = held.deliveries.pop(number, None)
        if before is None:
            self.size += _DELIVERY_BYTES
        else:
            held.progress.pop(number, None)
            self._unmention(before.message)
        held.deliveries[number] = delivery
        return queued(held.number, number, delivery, mention.number, content)

    def sent(self, client_id: str, number: int, packet_id: int) -> Change | None:
        """Note a delivery's packet id."""
        held = self._sessions.get(client_id)
        if held is None or number not in held.deliveries:
            return None
        progress = held.progress.get(number)
        if progress is None:
            released = held.deliveries[number].released
            held.progress[number] = _Progress(packet_id, released)
        else:
            progress.packet_id = packet_id
        return Sent(held.number, number, packet_id)

    def released(self, client_id: str, number: int) -> Change | None:
        """Note that the client has a message."""
        held = self._sessions.get(client_id)
        if held is None or number not in held.deliveries:
            return None
        progress = held.progress.get(number)
        if progress is None:
            packet_id = held.deliveries[number].packet_id
            held.progress[number] = _Progress(packet_id, released=True)
        else:
            progress.released = True
        return Released(held.number, number)

    def settled(self, client_id: str, number: int) -> Change | None:
        """Let a delivery go."""
        held = self._sessions.get(client_id)
        if held is None:
            return None
        delivery = held.deliveries.pop(number, None)
        if delivery is None:
            return None
        held.progress.pop(number, None)
        self.size -= _DELIVERY_BYTES
        self._unmention(delivery.message)
        return Settled(held.number, number)

    def received(self, client_id: str, packet_id: int) -> Change | None:
        """Note the packet id of a message that came in."""
        held = self._sessions.get(client_id)
        if held is None:
            return None
        held.received.add(packet_id)
        return Received(held.number, packet_id)

    def completed(self, client_id: str, packet_id: int) -> Change | None:
        """Forget a packet id."""
        held = self._sessions.get(client_id)
        if held is None or packet_id not in held.received:
            return None
        held.received.discard(packet_id)
        return Completed(held.number, packet_id)

    def retain(self, message: KeptMessage) -> Change:
        """Keep a topic's message."""
        mention, content = self._mention(message)
        before = self._retained.pop(message.topic, None)
        if before is not None:
            self._unmention(before)
        self._retained[message.topic] = message
        return Retained(mention.number, message.topic, content)

    def unretain(self, topic: str) -> Change | None:
        """Let a topic's message go."""
        message = self._retained.pop(topic, None)
        if message is None:
            return None
        self._unmention(message)
        return Unretained(topic)

    # ---- filling a segment

    @property
    def is_told(self) -> bool:
        """Whether the segment that was entered last stands by itself."""
        return not self._untold_sessions and not self._untold_topics

    def enter(self, segment: int) -> None:
        """Take note that a new segment is written from now on, with a higher number than before."""
        self._segment = segment
        self._untold_sessions = list(self._sessions)
        self._untold_topics = list(self._retained)

    def restate(self, limit_bytes: int) -> list[Change]:
        """Return some of what the segment does not know yet; a little more than the limit at most.

        A session is restated whole: that is as much as its queue may hold.
        """
        changes: list[Change] = []
        room = limit_bytes
        while self._untold_sessions and room > 0:
            held = self._sessions.get(self._untold_sessions.pop())
            if held is not None and held.segment != self._segment:
                held.segment = self._segment
                room -= self._restate_session(held, changes)
        while self._untold_topics and room > 0:
            message = self._retained.get(self._untold_topics.pop())
            if message is not None:
                mention, content = self._told(message)
                changes.append(Retained(mention.number, message.topic, content))
                room -= _MESSAGE_BYTES + (0 if content is None else mention.size)
        return changes

    def _restate_session(self, held: _Session, changes: list[Change]) -> int:
        """Add what a session is and holds, and return about how many bytes that takes."""
        size = _SESSION_BYTES + _SUBSCRIPTION_BYTES * len(held.subscriptions)
        changes.append(Restated(held.number, session_record(held.facts)))
        changes.extend(subscribed(held.number, kept) for kept in held.subscriptions.values())
        for number in held.deliveries:
            delivery = held.delivery(number)
            mention, content = self._told(delivery.message)
            changes.append(queued(held.number, number, delivery, mention.number, content))
            size += _DELIVERY_BYTES + (0 if content is None else mention.size)
        changes.extend(Received(held.number, packet_id) for packet_id in held.received)
        return size

    def _mention(self, message: KeptMessage) -> tuple[_Mention, MessageRecord | None]:
        """Refer to a message once more."""
        mention, content = self._told(message)
        mention.count += 1
        return mention, content

    def _told(self, message: KeptMessage) -> tuple[_Mention, MessageRecord | None]:
        """Return a message's number, and its content if the segment does not have it yet."""
        mention = self._mentions.get(message)
        if mention is not None and mention.segment == self._segment:
            return mention, None
        content = message_record(message)
        if mention is None:
            size = _MESSAGE_BYTES + message.size
            mention = self._mentions[message] = _Mention(self._next_message, size, self._segment)
            self._next_message += 1
            self.size += size
        mention.segment = self._segment
        return mention, content

    def _unmention(self, message: KeptMessage) -> None:
        mention = self._mentions[message]
        mention.count -= 1
        if not mention.count:
            del self._mentions[message]
            self.size -= mention.size
