"""What MQTT sessions promise, as naively as can be: lists, no indexes, no windows, no files."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from hedgerow.mqtt import ProtocolVersion, matches


@dataclass(frozen=True)
class Sent:
    """A message on its way to one client, as the client sees it."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    ends_at: float | None = None

    def seen(self) -> tuple[str, bytes, int, bool]:
        """Return what can be compared with a PUBLISH."""
        return self.topic, self.payload, self.qos, self.retain


@dataclass(frozen=True)
class Held:
    """A subscription."""

    topic_filter: str
    qos: int
    no_local: bool


@dataclass(frozen=True)
class LastWords:
    """A will."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    delay_s: int


@dataclass
class Owed:
    """A QoS 1 or 2 message that the client has not settled yet."""

    sent: Sent
    is_under_way: bool
    is_released: bool = False


@dataclass
class ModelSession:
    """One client's session."""

    client_id: str
    version: ProtocolVersion
    keeps_retain: bool
    expiry_s: int = 0
    is_connected: bool = False
    ends_at: float | None = None
    will: LastWords | None = None
    will_due_at: float | None = None
    subscriptions: dict[str, Held] = field(default_factory=dict)
    owed: list[Owed] = field(default_factory=list)
    received: set[int] = field(default_factory=set)
    news: list[Sent] = field(default_factory=list)
    """What the client must have got in this step, in this order."""


@dataclass
class Model:
    """A broker."""

    now: float = 0.0
    sessions: dict[str, ModelSession] = field(default_factory=dict)
    retained: dict[str, Sent] = field(default_factory=dict)

    # ---- the life of a session

    def connect(self, session: ModelSession, *, clean: bool) -> bool:
        """Let a client in, with what it asked for; return whether its session was there."""
        earlier = self.sessions.get(session.client_id)
        if earlier is not None and earlier.is_connected:
            self.part(earlier, will_is_due=True)
            earlier = self.sessions.get(session.client_id)
        if earlier is not None and clean:
            self._end(earlier)
            earlier = None
        if earlier is not None:
            session.subscriptions = earlier.subscriptions
            session.owed, session.received = earlier.owed, earlier.received
        self.sessions[session.client_id] = session
        session.is_connected = True
        if earlier is not None:
            self._send_what_is_owed(session)
        return earlier is not None

    def _send_what_is_owed(self, session: ModelSession) -> None:
        session.owed = [
            owed for owed in session.owed if owed.is_under_way or not self._is_over(owed.sent)
        ]
        for owed in session.owed:
            owed.is_under_way = True
            if not owed.is_released:
                session.news.append(owed.sent)

    def part(self, session: ModelSession, *, will_is_due: bool) -> None:
        """Take a connection away."""
        session.is_connected = False
        will, session.will = session.will, None
        if not session.expiry_s:
            del self.sessions[session.client_id]
        else:
            session.ends_at = self.now + session.expiry_s
        if will is None or not will_is_due:
            return
        if will.delay_s and session.expiry_s:
            session.will = will
            session.will_due_at = self.now + min(will.delay_s, session.expiry_s)
        else:
            self._publish_will(session, will)

    def _end(self, session: ModelSession) -> None:
        del self.sessions[session.client_id]
        if session.will is not None:
            self._publish_will(session, session.will)

    def pass_time(self, seconds: float) -> None:
        """Let everything happen that is due."""
        self.now += seconds
        for session in sorted(self.sessions.values(), key=_due):
            if session.is_connected:
                continue
            if session.will is not None and (session.will_due_at or 0.0) <= self.now:
                will, session.will = session.will, None
                if (session.ends_at or 0.0) <= self.now and session.will_due_at == session.ends_at:
                    del self.sessions[session.client_id]
                self._publish_will(session, will)
            if session.client_id in self.sessions and (session.ends_at or 0.0) <= self.now:
                self._end(session)

    # ---- messages

    def subscribe(self, session: ModelSession, held: Held, retain_handling: int) -> None:
        """Grant a subscription, and send what is retained."""
        is_new = held.topic_filter not in session.subscriptions
        session.subscriptions[held.topic_filter] = held
        if retain_handling == 2 or (retain_handling == 1 and not is_new):
            return
        for topic, kept in self.retained.items():
            if matches(held.topic_filter, topic) and not self._is_over(kept):
                qos = min(kept.qos, held.qos)
                self._deliver(session, Sent(topic, kept.payload, qos, True, kept.ends_at))  # noqa: FBT003

    def publish(self, source: str, message: Sent) -> None:
        """Give a message to everyone who is to have it, at the highest QoS that they asked for."""
        if message.retain:
            self.retained.pop(message.topic, None)
            if message.payload:
                self.retained[message.topic] = message
        for session in tuple(self.sessions.values()):
            granted = max(self._granted(source, session, message.topic), default=None)
            if granted is not None:
                retain = message.retain and session.keeps_retain
                qos = min(granted, message.qos)
                self._deliver(
                    session, Sent(message.topic, message.payload, qos, retain, message.ends_at)
                )

    def _granted(self, source: str, session: ModelSession, topic: str) -> Iterator[int]:
        for held in session.subscriptions.values():
            is_own = held.no_local and source == session.client_id
            if matches(held.topic_filter, topic) and not is_own:
                yield held.qos

    def _deliver(self, session: ModelSession, sent: Sent) -> None:
        if session.is_connected:
            session.news.append(sent)
        if sent.qos:
            session.owed.append(Owed(sent, session.is_connected))

    def _publish_will(self, session: ModelSession, will: LastWords) -> None:
        self.publish(session.client_id, Sent(will.topic, will.payload, will.qos, will.retain))

    def _is_over(self, sent: Sent) -> bool:
        return sent.ends_at is not None and sent.ends_at <= self.now


def _due(session: ModelSession) -> float:
    return min(
        session.ends_at or float("inf"),
        session.will_due_at or float("inf") if session.will else float("inf"),
    )
