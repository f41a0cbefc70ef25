"""A resolved answer to 'where does this source's message on this topic go', kept for reuse."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hedgerow.mqtt.authority import Tap, Verdict
from hedgerow.mqtt.outbox import Outbox

if TYPE_CHECKING:
    from hedgerow.mqtt.session import Session


@dataclass(frozen=True, slots=True)
class Delivery:
    """One client that gets the message: at most with this QoS, with these identifiers (MQTT 5)."""

    session: "Session"
    qos: int
    identifiers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """Where messages of one source on one topic go, valid for one generation.

    `plain` says that a QoS 0 message without flags and properties can be handed to all of
    `twins` as the very bytes that came in, and that there is nobody else to serve.
    """

    topic: str
    verdict: Verdict
    deliveries: Sequence[Delivery] = ()
    taps: Sequence[Tap] = ()
    twins: tuple[Outbox, ...] = field(default=())
    plain: bool = False
