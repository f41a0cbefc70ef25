"""All sessions of one broker: who is in, who comes, who goes, and what is refused."""

import logging
from dataclasses import dataclass, field
from itertools import count
from typing import Final, Protocol

from hedgerow.kernel import Clock
from hedgerow.mqtt.authority import Authority, Peer, RefusalEvent, SessionRef
from hedgerow.mqtt.codec import Connect, ReasonCode, Will
from hedgerow.mqtt.counters import Counters
from hedgerow.mqtt.courier import Courier
from hedgerow.mqtt.limits import Limits
from hedgerow.mqtt.outbox import Outbox
from hedgerow.mqtt.router import Router
from hedgerow.mqtt.rules import Refusal, verdict_refusal
from hedgerow.mqtt.session import Session, new_session

_log: Final = logging.getLogger(__name__)

TAKEN_OVER: Final = Refusal(
    "session",
    ReasonCode.SESSION_TAKEN_OVER,
    "another connection came with the same client id; give every client its own",
)


class Link(Protocol):
    """What the engine needs of a connection."""

    def end(self, refusal: Refusal) -> None:
        """Tell the client why, close the connection, and leave the engine."""


@dataclass(slots=True)
class _Entry:
    session: Session
    link: Link


@dataclass(slots=True)
class Engine:
    """The state that all connections of a broker share.

    INVARIANT: a client id has at most one session, and a session that is in has a live link.
    """

    authority: Authority
    limits: Limits
    clock: Clock
    counters: Counters = field(default_factory=Counters)
    router: Router = field(init=False)
    courier: Courier = field(init=False)
    entries: dict[str, _Entry] = field(default_factory=dict)
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.router = Router(self.authority, self.limits, self.tell)
        self.courier = Courier(self.counters)

    def enter(
        self, peer: Peer, identity: object, connect: Connect, outbox: Outbox, link: Link
    ) -> Session:
        """Let an admitted client in; one that holds its client id is thrown out first."""
        earlier = self.entries.get(connect.client_id)
        if earlier is not None:
            earlier.link.end(TAKEN_OVER)
        ref = SessionRef(next(self._numbers), connect.client_id, identity, peer, connect.version)
        session = new_session(ref, connect, outbox, self.limits)
        self.entries[connect.client_id] = _Entry(session, link)
        self.counters.sessions += 1
        return session

    def leave(self, session: Session, will: Will | None) -> None:
        """Let a session go, and publish its will if it has one."""
        entry = self.entries.get(session.ref.client_id)
        if entry is not None and entry.session is session:
            del self.entries[session.ref.client_id]
        self.router.forget(session)
        if will is not None:
            try:
                self._publish_will(session, will)
            except Exception:  # noqa: BLE001 - no answer is a no, and the session goes anyway
                _log.exception("a will could not be judged")
                self.counters.refusals["internal-error"] += 1

    def _publish_will(self, session: Session, will: Will) -> None:
        """Publish a will as its session would have: only if the authority says yes, now."""
        route = self.router.route(session, will.topic)
        verdict = self.router.publish_verdict(session, route, retain=will.retain)
        if verdict.allowed:
            self.counters.messages_received += 1
            self.courier.deliver(route, session.ref, will.as_publish())
        else:
            self.refuse(verdict_refusal("publish", verdict, will.topic), session.ref)

    def refuse(
        self, refusal: Refusal, who: SessionRef | Peer, client_id: str | None = None
    ) -> None:
        """Count a refusal and tell the authority of it."""
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
            )
        )

    def tell(self, event: RefusalEvent) -> None:
        """Count an event and hand it on; the authority's own failure stops nothing."""
        self.counters.refusals[event.code] += 1
        try:
            self.authority.refused(event)
        except Exception:  # noqa: BLE001 - recording must not turn a refusal into something else
            _log.exception("the authority failed to take note of a refusal")
