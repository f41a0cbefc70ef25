"""A resolved answer to 'where does this source's message on this topic go', kept for reuse."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hedgerow.mqtt.authority import Tap, Verdict
from hedgerow.mqtt.outbox import Outbox

if TYPE_CHECKING:
    from hedgerow.mqtt.deliveries import Deliveries
    from hedgerow.mqtt.session import Session


@dataclass(frozen=True, slots=True)
class Delivery:
    """One client that gets the message: at most with this QoS, with these identifiers (MQTT 5).

    `keeps_retain` says that it wants to see whether the message was to be retained.
    """

    session: "Session"
    qos: int
    identifiers: tuple[int, ...] = ()
    keeps_retain: bool = False


@dataclass(slots=True, eq=False)
class Share:
    """The members of one shared subscription: each message goes to one of them, by turns."""

    members: tuple[Delivery, ...]
    turn: int = 0

    def in_turn(self) -> Iterator[Delivery]:
        """Yield the members to try, those that are connected first."""
        self.turn = (self.turn + 1) % len(self.members)
        order = self.members[self.turn :] + self.members[: self.turn]
        yield from (member for member in order if member.session.outbox is not None)
        yield from (member for member in order if member.session.outbox is None)


@dataclass(frozen=True, slots=True)
class Route:
    """Where messages of one source on one topic go, valid for one generation.

    `plain` says that a QoS 0 message without flags and properties can be handed to all of
    `twins` as the very bytes that came in, and that there is nobody else to serve; of a route that
    is refused, that there is nothing to do but to count. `swift` says that the same goes for QoS 1,
    but for the packet identifier: `queues` are those of the twins that take QoS 1, `others` the
    twins that take QoS 0.
    """

    topic: str
    verdict: Verdict
    deliveries: Sequence[Delivery] = ()
    shares: Sequence[Share] = ()
    taps: Sequence[Tap] = ()
    twins: tuple[Outbox, ...] = field(default=())
    plain: bool = False
    queues: "tuple[Deliveries, ...]" = ()
    others: tuple[Outbox, ...] = ()
    swift: bool = False
