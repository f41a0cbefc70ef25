"""What the broker knows of one admitted client."""

from dataclasses import dataclass, field

from hedgerow.mqtt.authority import SessionRef, Verdict
from hedgerow.mqtt.codec import Connect, ProtocolVersion, SubscribeItem
from hedgerow.mqtt.in_flight import InFlight
from hedgerow.mqtt.limits import Limits
from hedgerow.mqtt.outbox import Outbox
from hedgerow.mqtt.route import Route

_UNLIMITED = 1 << 62


@dataclass(slots=True)
class Subscription:
    """One filter of one session, and what the authority last said about it."""

    session: "Session"
    item: SubscribeItem
    qos: int
    identifier: int | None
    epoch: int
    allowed: bool = True


@dataclass(slots=True, eq=False)
class Session:
    """One admitted client: its subscriptions, what is in flight to it, what was resolved for it.

    It has no socket of its own: `outbox` is where its frames go while it is connected.
    """

    ref: SessionRef
    outbox: Outbox
    in_flight: InFlight
    speaks_5: bool
    keep_alive_s: int
    maximum_packet_bytes: int
    problem_information: bool
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    aliases: dict[int, str] = field(default_factory=dict)
    routes: dict[bytes, Route] = field(default_factory=dict)
    generation: int = -1
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    epoch: int = -1


def new_session(ref: SessionRef, connect: Connect, outbox: Outbox, limits: Limits) -> Session:
    """Return the session for an admitted CONNECT, with the smaller of its limits and ours."""
    asked = connect.properties
    window = min(limits.in_flight, asked.receive_maximum or limits.in_flight)
    keep_alive_s = connect.keep_alive_s or limits.keep_alive_s
    return Session(
        ref=ref,
        outbox=outbox,
        in_flight=InFlight(window, limits.waiting_messages, limits.outgoing_bytes),
        speaks_5=connect.version is ProtocolVersion.V5,
        keep_alive_s=min(keep_alive_s, limits.keep_alive_s),
        maximum_packet_bytes=asked.maximum_packet_size or _UNLIMITED,
        problem_information=asked.request_problem_information is not False,
    )
