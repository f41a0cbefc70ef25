"""All sessions of one broker: who is in, who comes, who goes, and what is refused."""

import logging
from dataclasses import dataclass, field
from itertools import count as counting
from typing import Final

from hedgerow.kernel import Clock
from hedgerow.mqtt.authority import (
    Authority,
    Peer,
    RefusalEvent,
    SessionEvent,
    SessionRef,
    Source,
)
from hedgerow.mqtt.codec import Connect, Publish, ReasonCode, Will
from hedgerow.mqtt.counters import Counters
from hedgerow.mqtt.courier import Courier
from hedgerow.mqtt.deliveries import Deliveries
from hedgerow.mqtt.keeper import Keeper, KeptSubscription
from hedgerow.mqtt.lasting import Lasting
from hedgerow.mqtt.letter import Letter
from hedgerow.mqtt.limits import Limits
from hedgerow.mqtt.outbox import Outbox
from hedgerow.mqtt.retained import RetainedMessages
from hedgerow.mqtt.route import Delivery, Route
from hedgerow.mqtt.router import Router
from hedgerow.mqtt.rules import Refusal, session_expiry_s, share_refusal, verdict_refusal
from hedgerow.mqtt.session import Link, PendingWill, Session, Subscription
from hedgerow.mqtt.topics import has_wildcard
from hedgerow.mqtt.waiting import Budget, Share

_log: Final = logging.getLogger(__name__)

TAKEN_OVER: Final = Refusal(
    "session",
    ReasonCode.SESSION_TAKEN_OVER,
    "another connection came with the same client id; give every client its own",
)
OVERDUE: Final = Refusal(
    "limit",
    ReasonCode.QUOTA_EXCEEDED,
    "the client does not acknowledge its messages while others wait to send more",
    name="acknowledgements-overdue",
)
_RETAINED_FULL: Final = (
    "there are {} retained messages already, and no room for this one; it was passed on only"
)
_NOT_AGAIN: Final = 2
_TOLD_EVERY_S: Final = 60.0
"""A disk that refuses is told of no more often."""
_ONLY_NEW: Final = 1


@dataclass(frozen=True, slots=True)
class Parting:
    """Why a connection ended, and the will that is due if it is."""

    cause: str
    reason: str
    will: Will | None = None


@dataclass(slots=True)
class Engine:
    """The state that all connections of a broker share.

    INVARIANT: a client id has at most one session; one that is connected has a live link.
    """

    authority: Authority
    limits: Limits
    clock: Clock
    keeper: Keeper
    counters: Counters = field(default_factory=Counters)
    router: Router = field(init=False)
    courier: Courier = field(init=False)
    retained: RetainedMessages = field(init=False)
    lasting: Lasting = field(init=False)
    sessions: dict[str, Session] = field(default_factory=dict)
    _budget: Budget = field(init=False)
    _shares: dict[str, Share] = field(default_factory=dict)
    _told_again_at: float = 0.0
    _paced: dict[Session, None] = field(default_factory=dict)
    _numbers: "counting[int]" = field(default_factory=lambda: counting(1))

    def __post_init__(self) -> None:
        self.router = Router(self.authority, self.limits, self.tell)
        self.courier = Courier(self.authority, self.counters, self.clock, self._tell_queue_full)
        self._budget = Budget(self.limits.all_waiting_bytes)
        self.retained = RetainedMessages(self.limits.retained_messages, self.limits.retained_bytes)
        self.lasting = Lasting(self)

    # ---- sessions

    def admitted(self, peer: Peer, identity: object, connect: Connect) -> SessionRef | Refusal:
        """Return who an admitted client is, or why there is no room for one more of its owner's."""
        ref = SessionRef(self.new_number(), connect.client_id, identity, peer, connect.version)
        earlier = self.sessions.get(connect.client_id)
        owner = self.authority.owner(ref)
        share = self._shares.get(owner)
        if share is None or (earlier is not None and earlier.share is share):
            return ref
        return share_refusal(share.sessions, self.limits) or ref

    def enter(
        self, ref: SessionRef, connect: Connect, outbox: Outbox, link: Link
    ) -> tuple[Session, bool]:
        """Let an admitted client in; one that holds its client id is thrown out first.

        Returns its session and whether it is one that the client had before.
        """
        earlier = self.sessions.get(connect.client_id)
        if earlier is not None and earlier.link is not None:
            earlier.link.end(TAKEN_OVER)
            earlier = self.sessions.get(connect.client_id)
        if earlier is not None and connect.clean_start:
            self.forget(earlier)
            earlier = None
        remembered = self.authority.remembered
        session = earlier or self.new_session(ref)
        is_another = remembered(session.ref) != remembered(ref)
        session.expiry_s = session_expiry_s(connect, self.limits)
        session.begin(ref, connect, outbox, link, self.limits)
        self.counters.sessions += 1
        if earlier is not None:
            self._judge_anew(session, is_another=is_another)
        self.lasting.note(session)
        return session, earlier is not None

    def new_session(self, ref: SessionRef) -> Session:
        """Return a session that nobody had before."""
        owner = self.authority.owner(ref)
        share = self._shares.get(owner)
        if share is None:
            budget = Budget(self.limits.owner_waiting_bytes, within=self._budget)
            share = self._shares[owner] = Share(owner, budget)
        share.sessions += 1
        deliveries = Deliveries(ref.client_id, self.limits, self.clock, share.budget)
        session = Session(ref.id, ref, deliveries, share, judged_in=self.router.epoch)
        deliveries.look_anew = lambda: self._look_anew(session)
        self.sessions[ref.client_id] = session
        return session

    def new_number(self) -> int:
        """Return a number that no other session of this broker has."""
        return next(self._numbers)

    def welcome(self, session: Session, connect: Connect, *, resumed: bool) -> None:
        """Send a client what waited for it, after it was told that it is in."""
        self.happened(
            SessionEvent(
                "connected",
                session.ref,
                resumed=resumed,
                clean_start=connect.clean_start,
                keep_alive_s=session.keep_alive_s,
            )
        )
        self.router.came_or_went(session)
        session.attach(connect, self.limits)
        if session.outbox is not None:
            self.courier.queue(session.outbox)
        if resumed and self.limits.replayed_per_second is not None:
            self._paced[session] = None

    def leave(self, session: Session, parting: Parting) -> None:
        """Let a connection go; its session stays if it outlives connections."""
        session.detach()
        self.happened(
            SessionEvent(
                "disconnected",
                session.ref,
                keep_alive_s=session.keep_alive_s,
                cause=parting.cause,
                reason=parting.reason,
            )
        )
        will = parting.will
        if session.expiry_s:
            now = self.clock.now().timestamp()
            session.expires_at = now + session.expiry_s
            self.router.came_or_went(session)
            delay_s = (will.properties.will_delay_interval or 0) if will is not None else 0
            if will is not None and delay_s:
                delay_s = min(delay_s, session.expiry_s, self.limits.will_delay_s)
                session.will = PendingWill(will, now + delay_s)
                will = None
            self.lasting.note(session)
        else:
            self.forget(session)
        if will is not None:
            self.publish_will(session, will)

    def forget(self, session: Session, *, will: bool = True) -> None:
        """End a session with everything it holds; a will that waits is due, with `will`."""
        if self.sessions.get(session.ref.client_id) is session:
            del self.sessions[session.ref.client_id]
            session.share.sessions -= 1
            if not session.share.sessions:
                del self._shares[session.share.owner]
        self._paced.pop(session, None)
        self.router.forget(session)
        self.lasting.end(session)
        session.deliveries.end()
        pending, session.will = session.will, None
        if pending is not None and will:
            self.publish_will(session, pending.will)

    def _look_anew(self, session: Session) -> None:
        if session.judged_in != self.router.epoch:
            self._judge_anew(session)

    def _judge_anew(self, session: Session, *, is_another: bool = False) -> None:
        """Let waiting messages go that the client, as who it is now, may not have.

        Who `is_another` than the one that subscribed has to be allowed to subscribe as well.
        """
        session.judged_in = self.router.epoch
        ref, may_receive = session.ref, self.authority.may_receive
        is_lost = self.router.lost_topics(session) if is_another else None
        known: dict[tuple[str, str], bool] = {}

        def is_unwanted(letter: Letter) -> bool:
            question = source, topic = letter.kept().source, letter.publish.topic
            if question not in known:
                lost = is_lost is not None and is_lost(topic)
                known[question] = lost or not may_receive(source, ref, topic)
            return known[question]

        dropped = session.deliveries.drop_if(is_unwanted)
        if dropped:
            text = f"{dropped} waiting messages may not be received any more"
            self.refuse(Refusal("receive", ReasonCode.NOT_AUTHORIZED, text), ref)

    def publish_will(self, session: Session, will: Will) -> None:
        """Publish a will as its session would have: only if the authority says yes, now."""
        try:
            route = self.router.route(session, will.topic)
            verdict = self.router.publish_verdict(session, route, retain=will.retain)
            if verdict.allowed:
                self.counters.messages_received += 1
                self.accept(route, session.ref, will.as_publish(), is_will=True)
            else:
                self.refuse(verdict_refusal("publish", verdict, will.topic), session.ref)
        except Exception:  # noqa: BLE001 - no answer is a no, and the session goes anyway
            _log.exception("a will could not be judged")
            self.counters.refusals["internal-error"] += 1
        session.routes.clear()
        session.verdicts.clear()

    def earn(self, seconds: float) -> None:
        """Send more to those whose waiting messages go out at a pace."""
        rate = self.limits.replayed_per_second
        if rate is None:
            return
        for session in tuple(self._paced):
            if not session.deliveries.earn(rate * seconds):
                del self._paced[session]
            if session.outbox is not None:
                self.courier.queue(session.outbox)

    # ---- subscriptions and messages

    def subscribe(self, subscription: Subscription) -> bool:
        """Add or replace a subscription; return whether its session had none of this filter."""
        session = subscription.session
        is_new = subscription.item.topic_filter not in session.subscriptions
        self.router.subscribe(subscription)
        if session.is_kept:
            kept = KeptSubscription(subscription.item, subscription.qos, subscription.identifier)
            self.keeper.subscribed(session.ref.client_id, kept)
        return is_new

    def unsubscribe(self, session: Session, topic_filter: str) -> bool:
        """Take a subscription away and return whether there was one."""
        if not self.router.unsubscribe(session, topic_filter):
            return False
        if session.is_kept:
            self.keeper.unsubscribed(session.ref.client_id, topic_filter)
        return True

    def send_retained(self, subscription: Subscription, *, is_new: bool) -> None:
        """Send what is retained under a filter that was just subscribed to."""
        item, session = subscription.item, subscription.session
        if (
            not len(self.retained)
            or (has_wildcard(item.topic_filter) and not self.limits.retained_for_wildcards)
            or subscription.group
            or item.retain_handling == _NOT_AGAIN
            or (item.retain_handling == _ONLY_NEW and not is_new)
        ):
            return
        identifier = subscription.identifier
        delivery = Delivery(session, subscription.qos, () if identifier is None else (identifier,))
        for message in self.retained.find(item.topic_filter):
            if self.authority.may_receive(message.source, session.ref, message.topic):
                self.courier.send_retained(delivery, message)

    def accept(
        self, route: Route, source: Source, publish: Publish, *, is_will: bool = False
    ) -> int:
        """Take a message that the authority allows: retain it if asked, hand it on."""
        letter = self.courier.letter(source, publish)
        if publish.retain and self.limits.retain_available:
            if not publish.payload:
                if self.retained.remove(publish.topic):
                    self.keeper.unretain(publish.topic)
            elif self.retained.put(letter.kept()):
                self.keeper.retain(letter.kept())
            else:
                self._tell_retained_full(publish.topic, source)
        return self.courier.deliver(route, source, letter, is_will=is_will)

    def commit(self) -> bool:
        """Make safe what was told to the keeper; False if that cannot be."""
        try:
            self.keeper.commit()
        except OSError as error:
            self.counters.refusals["not-kept"] += 1
            now = self.clock.monotonic()
            if now >= self._told_again_at:
                self._told_again_at = now + _TOLD_EVERY_S
                _log.error("sessions could not be kept: %s", error)
            return False
        return True

    def _tell_queue_full(self, session: Session, messages: int) -> None:
        text = f"{len(session.deliveries)} messages wait for this client; newer ones are dropped"
        refusal = Refusal("limit", ReasonCode.QUOTA_EXCEEDED, text, name="queue-full")
        self.refuse(refusal, session.ref, count=messages)

    def _tell_retained_full(self, topic: str, source: Source) -> None:
        text = _RETAINED_FULL.format(len(self.retained))
        if isinstance(source, SessionRef):
            self.refuse(Refusal("limit", ReasonCode.QUOTA_EXCEEDED, text, topic), source)
        else:
            self.counters.refusals["quota-exceeded"] += 1

    # ---- telling

    def refuse(
        self,
        refusal: Refusal,
        who: SessionRef | Peer,
        client_id: str | None = None,
        *,
        count: int = 1,
    ) -> None:
        """Count a refusal (or several alike) and tell the authority of it."""
        session = who if isinstance(who, SessionRef) else None
        peer = who.peer if isinstance(who, SessionRef) else who
        self.tell(
            RefusalEvent(
                action=refusal.action,
                code=refusal.code,
                reason=refusal.text,
                address=peer.address,
                client_id=session.client_id if session else client_id,
                topic=refusal.topic,
                identity=session.identity if session else peer.identity,
                count=count,
            )
        )

    def tell(self, event: RefusalEvent) -> None:
        """Count an event and hand it on; the authority's own failure stops nothing."""
        self.counters.refusals[event.code] += event.count
        try:
            self.authority.refused(event)
        except Exception:  # noqa: BLE001 - recording must not turn a refusal into something else
            _log.exception("the authority failed to take note of a refusal")

    def happened(self, event: SessionEvent) -> None:
        """Tell of a client's life; the authority's own failure stops nothing."""
        try:
            self.authority.happened(event)
        except Exception:  # noqa: BLE001 - following must not change what is followed
            _log.exception("the authority failed to take note of a client")
