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
    """Whether something may be done and why; `disconnect` ends the connection on a refusal.

    A subscription that is refused as `dormant` is answered with failure and remembered: it comes
    into force, without the client asking again, when the authority allows it in a later epoch.
    """

    allowed: bool
    reason: str = ""
    disconnect: bool = False
    dormant: bool = False


ALLOWED = Verdict(allowed=True)


@dataclass(frozen=True, slots=True)
class Message:
    """What in-process targets get. `is_will`: its client did not send it, but left it behind."""

    topic: str
    payload: bytes = field(repr=False)
    qos: int
    source: Source
    retain: bool = False
    properties: Properties = NO_PROPERTIES
    is_will: bool = False


Tap = Callable[[Message], None]
"""An in-process target. It must return quickly and not raise."""

RefusedAction = Literal["connect", "publish", "subscribe", "receive", "packet", "limit", "session"]


@dataclass(frozen=True, slots=True)
class RefusalEvent:
    """A refusal, for counters and records; `code` is stable, `reason` a sentence.

    `count` messages in a row were refused alike.
    """

    action: RefusedAction
    code: str
    reason: str
    address: str
    client_id: str | None = None
    topic: str | None = None
    identity: object = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class SessionEvent:
    """Something that happened to an admitted client, for those who follow its life.

    `connected`: it was let in (`resumed`: into a session it had before). `disconnected`: its
    connection ended; `cause` is a stable code (`client` when it said goodbye, `lost` when the
    connection broke, else that of the refusal), `reason` a sentence. `subscribed`, `unsubscribed`:
    `topic_filters` were granted or taken away.
    """

    kind: Literal["connected", "disconnected", "subscribed", "unsubscribed"]
    session: SessionRef
    resumed: bool = False
    clean_start: bool = True
    keep_alive_s: int = 0
    cause: str = ""
    reason: str = ""
    topic_filters: tuple[str, ...] = ()


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

    def happened(self, event: SessionEvent) -> None:
        """Hear of a client's coming, going, subscribing and unsubscribing."""

    def source_name(self, source: Source) -> str:
        """Return a source's name as it is kept with a message; `may_receive` is asked with it."""

    def owner(self, session: SessionRef) -> str:
        """Return whose the session is: the sessions of one owner share what is for one owner."""

    def remembered(self, session: SessionRef) -> str:
        """Return what a session's identity is recalled by when the broker has started anew."""

    def recalled(self, client_id: str, remembered: str) -> object | None:
        """Return the `session_identity` of a session that was kept, or None to let it go."""
