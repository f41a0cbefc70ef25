"""What the broker asks and whom: the `Authority` decides, the engine only obeys.

The identity that the accepting side proved (a certificate, a label) passes through the engine
unread. All questions are synchronous and cheap; the engine remembers answers until `new_epoch`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from hedgerow.mqtt.codec import NO_PROPERTIES, Connect, Properties, ProtocolVersion, ReasonCode

ConnectRequest = Connect


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a connection, as the listener knows it after the TLS handshake."""

    identity: object
    address: str


@dataclass(frozen=True, slots=True, eq=False)
class SessionRef:
    """One admitted client. INVARIANT: made by the engine only, after `admit` said yes.

    It is compared by identity: a client that connects anew is another session.
    """

    id: int
    client_id: str
    identity: object
    peer: Peer
    version: ProtocolVersion


Source = SessionRef | str
"""Where a message comes from: a client's session, or a label such as `cloud`."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """The client may come in; `session_identity` is what the authority wants to see again."""

    session_identity: object


@dataclass(frozen=True, slots=True)
class Refused:
    """The client may not come in; `text` goes to MQTT 5 clients word for word."""

    reason: ReasonCode
    text: str


Admission = Admitted | Refused


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether something may be done and why; `disconnect` ends the connection on a refusal."""

    allowed: bool
    reason: str = ""
    disconnect: bool = False


ALLOWED = Verdict(allowed=True)


@dataclass(frozen=True, slots=True)
class Message:
    """What in-process targets get."""

    topic: str
    payload: bytes = field(repr=False)
    qos: int
    source: Source
    retain: bool = False
    properties: Properties = NO_PROPERTIES


Tap = Callable[[Message], None]
"""An in-process target. It must return quickly and not raise."""

RefusedAction = Literal["connect", "publish", "subscribe", "receive", "packet", "limit", "session"]


@dataclass(frozen=True, slots=True)
class RefusalEvent:
    """One refusal, for counters and records; `code` is stable, `reason` a sentence."""

    action: RefusedAction
    code: str
    reason: str
    address: str
    client_id: str | None = None
    topic: str | None = None
    identity: object = None


class Authority(Protocol):
    """Decides everything that the broker does not know: who, what, where to."""

    def admit(self, peer: Peer, client_id: str, connect: ConnectRequest) -> Admission:
        """Say whether this peer may connect under this client id."""

    def may_publish(self, session: SessionRef, topic: str) -> Verdict:
        """Say whether the session may publish to the topic (its will too)."""

    def may_retain(self, session: SessionRef, topic: str) -> Verdict:
        """Say whether a message the session may publish may also ask to be retained."""

    def may_subscribe(self, session: SessionRef, topic_filter: str) -> Verdict:
        """Say whether the session may hold this subscription."""

    def may_receive(self, source: Source, session: SessionRef, topic: str) -> bool:
        """Say whether a message from the source may go to the session."""

    def taps(self, source: Source, topic: str) -> Sequence[Tap]:
        """Return the in-process targets of what the source publishes to the topic."""

    def refused(self, event: RefusalEvent) -> None:
        """Hear of every refusal."""
