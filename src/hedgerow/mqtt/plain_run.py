"""The fast path: finds runs of plain messages that can go on as the very bytes that came in."""

from typing import NamedTuple

from hedgerow.mqtt.codec import MalformedPacketError, packet_bounds
from hedgerow.mqtt.limits import Limits
from hedgerow.mqtt.route import Route
from hedgerow.mqtt.session import Session

AT_MOST_ONCE = 0x30
"""The first byte of a PUBLISH, QoS 0, not a duplicate, not retained."""
_LONG = 0x80
_SHORTEST = 5


class PlainRun(NamedTuple):
    """Whole messages that follow one another and go the same way.

    `route` is that of the first; those of the others have the same twins. If it is not allowed,
    all of them have this very route.
    """

    route: Route
    stop: int
    messages: int


def plain_run(
    data: bytes, position: int, end: int, session: Session, limits: Limits
) -> PlainRun | None:
    """Return the run at `position`, or None if the packet there needs a closer look.

    INVARIANT: every message of the run would be decoded without complaint, is within the
    limits, and has a route that is known to be allowed (or refused without further ado): a packet
    is only ever skipped over here if its header and topic bytes equal those of one that was looked
    at closely.
    """
    routes, speaks_5, payload_bytes = session.routes, session.speaks_5, limits.payload_bytes
    common: Route | None = None
    messages = 0
    while end - position >= _SHORTEST and data[position] == AT_MOST_ONCE:
        body = position + 2
        stop = body + data[position + 1]
        if data[position + 1] & _LONG:
            body, stop = bounds(data, position, end, limits)
        if stop > end or not data[body - 1]:
            # Not whole, or malformed; or a length that is 0, or longer than it needs to be.
            break
        content = topic_end = body + 2 + (data[body] << 8 | data[body + 1])
        if speaks_5:
            # Properties need a closer look.
            if topic_end >= stop or data[topic_end]:
                break
            content += 1
        route = routes.get(data[body + 2 : topic_end])
        if route is None or not route.plain or not 0 <= stop - content <= payload_bytes:
            break
        if common is None:
            common = route
        elif route is not common and (
            route.twins != common.twins or not (route.verdict.allowed and common.verdict.allowed)
        ):
            break
        head = data[position:content]
        size = stop - position
        messages += 1
        position = stop
        last = end - size
        while position <= last and data.startswith(head, position):
            position += size
            messages += 1
    return PlainRun(common, position, messages) if common is not None else None


def bounds(data: bytes, position: int, end: int, limits: Limits) -> tuple[int, int]:
    """Return where a packet's body begins and ends: beyond `end` if it is not to be had.

    Whoever looks more closely finds the fault again, after what came before is on its way.
    """
    try:
        return packet_bounds(data, position, end, limits.packet_bytes, strict=False)
    except MalformedPacketError:
        return 0, end + 1
