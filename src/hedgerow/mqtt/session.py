"""What the broker knows of one admitted client, connected or away."""

from dataclasses import dataclass, field
from typing import Protocol

from hedgerow.mqtt.authority import SessionRef, Verdict
from hedgerow.mqtt.codec import Connect, ProtocolVersion, SubscribeItem, Will
from hedgerow.mqtt.deliveries import Deliveries
from hedgerow.mqtt.limits import Limits
from hedgerow.mqtt.outbox import Outbox
from hedgerow.mqtt.route import Route
from hedgerow.mqtt.rules import Refusal
from hedgerow.mqtt.topics import split_shared
from hedgerow.mqtt.waiting import Share

_UNLIMITED = 1 << 62


class Link(Protocol):
    """What the broker needs of a connection."""

    @property
    def is_held(self) -> bool:
        """Return whether the client is made to wait."""

    def end(self, refusal: Refusal, *, will: bool = True) -> None:
        """Tell the client why, close the connection, and leave the engine; with or without will."""


@dataclass(slots=True)
class Subscription:
    """One filter of one session, and what the authority last said about it.

    `group` and `topic_filter` are the two parts of a shared one; the group of others is empty.
    """

    session: "Session"
    item: SubscribeItem
    qos: int
    identifier: int | None
    epoch: int
    allowed: bool = True
    group: str = field(init=False)
    topic_filter: str = field(init=False)

    def __post_init__(self) -> None:
        self.group, self.topic_filter = split_shared(self.item.topic_filter)


@dataclass(frozen=True, slots=True)
class PendingWill:
    """A will that waits for its client to come back until a moment (seconds since 1970)."""

    will: Will
    due_at: float


@dataclass(slots=True, eq=False)
class Session:
    """One client: its subscriptions, what is under way to it, what was resolved for it.

    INVARIANT: `outbox` and `link` are there exactly while the client is connected; `expires_at`
    (seconds since 1970) exactly while it is away.
    """

    number: int
    ref: SessionRef
    deliveries: Deliveries
    share: Share
    judged_in: int
    """The epoch in which what waits was last judged."""
    outbox: Outbox | None = None
    link: Link | None = None
    speaks_5: bool = False
    keep_alive_s: int = 0
    maximum_packet_bytes: int = _UNLIMITED
    problem_information: bool = True
    expiry_s: int = 0
    is_kept: bool = False
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    received: set[int] = field(default_factory=set)
    aliases: dict[int, str] = field(default_factory=dict)
    routes: dict[bytes, Route] = field(default_factory=dict)
    generation: int = -1
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    epoch: int = -1
    expires_at: float | None = None
    will: PendingWill | None = None

    def begin(
        self, ref: SessionRef, connect: Connect, outbox: Outbox, link: Link, limits: Limits
    ) -> None:
        """Take up a connection, under the smaller of its limits and ours."""
        asked = connect.properties
        self.ref, self.outbox, self.link = ref, outbox, link
        self.speaks_5 = connect.version is ProtocolVersion.V5
        keep_alive_s = connect.keep_alive_s or limits.keep_alive_s
        self.keep_alive_s = max(limits.minimum_keep_alive_s, min(keep_alive_s, limits.keep_alive_s))
        self.maximum_packet_bytes = asked.maximum_packet_size or _UNLIMITED
        self.problem_information = asked.request_problem_information is not False
        self.expires_at, self.will = None, None
        # Another connection may be another identity: everything is asked anew.
        self.aliases.clear()
        self.routes.clear()
        self.verdicts.clear()
        self.epoch = self.generation = -1
        for subscription in self.subscriptions.values():
            subscription.epoch = -1

    def attach(self, connect: Connect, limits: Limits) -> None:
        """Send what waits, now that the client was told that it is in."""
        if self.outbox is not None:
            self.deliveries.attach(
                self.outbox,
                window=min(limits.in_flight, connect.properties.receive_maximum or _UNLIMITED),
                speaks_5=self.speaks_5,
                maximum_packet_bytes=self.maximum_packet_bytes,
            )

    def detach(self) -> None:
        """Let the connection go."""
        self.outbox = self.link = None
        self.deliveries.detach()
        self.aliases.clear()
        self.routes.clear()
        self.verdicts.clear()
