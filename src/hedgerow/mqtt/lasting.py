"""Sessions that outlive connections and processes: when they end, and how they are found again."""

from dataclasses import replace
from heapq import heapify, heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Final

from hedgerow.mqtt.authority import Peer, SessionRef
from hedgerow.mqtt.codec import ProtocolVersion, Publish, Will
from hedgerow.mqtt.keeper import KeptMessage, KeptSession, KeptSubscription, KeptWill, SessionFacts
from hedgerow.mqtt.letter import Letter
from hedgerow.mqtt.session import PendingWill, Session, Subscription

if TYPE_CHECKING:
    from hedgerow.mqtt.engine import Engine

_STALE_AT_LEAST: Final = 64
"""So many entries may be stale before it is worth looking, besides one for every session."""


class Lasting:
    """Tells the keeper what sessions are, and ends those whose time is up."""

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine
        self._due: list[tuple[float, int, Session]] = []
        self._entries = count()

    @property
    def waits(self) -> bool:
        """Whether there may be something that comes due."""
        return bool(self._due)

    def note(self, session: Session) -> None:
        """Take note of what a session is now: whether it lasts, until when, with what will."""
        if session.expires_at is not None:
            heappush(self._due, (_due_at(session), next(self._entries), session))
            if len(self._due) > _STALE_AT_LEAST + 2 * len(self._engine.sessions):
                self._forget_stale()
        keeper = self._engine.keeper
        if not session.expiry_s:
            self.end(session)
            return
        keeper.session(self._facts(session))
        if session.is_kept:
            return
        session.is_kept = True
        session.deliveries.keep(keeper)
        client_id = session.ref.client_id
        for held in session.subscriptions.values():
            keeper.subscribed(client_id, KeptSubscription(held.item, held.qos, held.identifier))
        for packet_id in session.received:
            keeper.received(client_id, packet_id)

    def _forget_stale(self) -> None:
        """Drop the entries of earlier departures: who comes and goes has one, not one for each."""
        self._due = [
            (_due_at(session), next(self._entries), session)
            for session in self._engine.sessions.values()
            if session.expires_at is not None
        ]
        heapify(self._due)

    def end(self, session: Session) -> None:
        """Have the keeper forget a session, if it kept it."""
        if session.is_kept:
            session.is_kept = False
            session.deliveries.let_be()
            self._engine.keeper.forget(session.ref.client_id)

    def end_due(self) -> None:
        """Publish wills and end sessions whose time has come."""
        now = self._engine.clock.now().timestamp()
        while self._due and self._due[0][0] <= now:
            due_at, _, session = heappop(self._due)
            if session.expires_at is None or _due_at(session) != due_at:
                continue  # it came back meanwhile
            if session.expires_at <= now:
                self._engine.forget(session)
                continue
            pending, session.will = session.will, None
            if pending is not None:
                self._engine.publish_will(session, pending.will)
            self.note(session)

    def recall(self) -> None:
        """Find again what was kept, all but what the authority does not know any more."""
        engine, now = self._engine, self._engine.clock.now().timestamp()
        for message in engine.keeper.retained() if engine.limits.retain_available else ():
            if message.expires_at is not None and message.expires_at <= now:
                engine.keeper.unretain(message.topic)
            else:
                engine.retained.put(message)
        letters: dict[KeptMessage, Letter] = {}
        for kept in tuple(engine.keeper.sessions()):
            facts = kept.facts
            identity = engine.authority.recalled(facts.client_id, facts.remembered)
            if identity is None or facts.client_id in engine.sessions:
                engine.keeper.forget(facts.client_id)
            else:
                self._recall(kept, identity, letters, now)

    def _recall(
        self,
        kept: KeptSession,
        identity: object,
        letters: dict[KeptMessage, Letter],
        now: float,
    ) -> None:
        engine, facts = self._engine, kept.facts
        version = ProtocolVersion.V5 if facts.speaks_5 else ProtocolVersion.V311
        peer = Peer(facts.remembered, "")
        ref = SessionRef(engine.new_number(), facts.client_id, identity, peer, version)
        session = engine.new_session(ref)
        session.speaks_5, session.expiry_s, session.is_kept = facts.speaks_5, facts.expiry_s, True
        session.expires_at = facts.expires_at or now + facts.expiry_s
        if facts.will is not None:
            session.will = PendingWill(_will(facts.will.message), facts.will.due_at)
        session.received = set(kept.received)
        for held in kept.subscriptions:
            subscription = Subscription(session, held.item, held.qos, held.identifier, epoch=-1)
            engine.router.subscribe(subscription)
        for number, delivery in sorted(kept.deliveries.items()):
            letter = letters.setdefault(delivery.message, Letter.of(delivery.message))
            session.deliveries.recall(number, delivery, letter)
        session.deliveries.go_on_with(engine.keeper)
        self.note(session)

    def _facts(self, session: Session) -> SessionFacts:
        pending = session.will
        name = self._engine.authority.source_name
        return SessionFacts(
            client_id=session.ref.client_id,
            remembered=self._engine.authority.remembered(session.ref),
            speaks_5=session.speaks_5,
            expiry_s=session.expiry_s,
            expires_at=session.expires_at,
            will=None
            if pending is None
            else KeptWill(_kept(pending.will, name(session.ref)), pending.due_at),
        )


def _due_at(session: Session) -> float:
    """Return when a session that is away has to be looked at next."""
    expires_at = session.expires_at or 0.0
    return expires_at if session.will is None else min(session.will.due_at, expires_at)


def _kept(will: Will, source: str) -> KeptMessage:
    message: Publish = will.as_publish()
    return KeptMessage(
        source=source,
        topic=message.topic,
        payload=message.payload,
        qos=message.qos,
        retain=message.retain,
        properties=message.properties,
    )


def _will(message: KeptMessage) -> Will:
    return Will(
        topic=message.topic,
        payload=message.payload,
        qos=message.qos,
        retain=message.retain,
        properties=replace(message.properties, will_delay_interval=None),
    )
