"""The fast path: finds runs of plain messages that can go on as the very bytes that came in."""

from typing import NamedTuple

from hedgerow.mqtt.codec import packet_bounds
from hedgerow.mqtt.limits import Limits
from hedgerow.mqtt.route import Route
from hedgerow.mqtt.session import Session

_PLAIN = 0x30
"""PUBLISH, QoS 0, not a duplicate, not retained."""
_LONG = 0x80
_SHORTEST = 5


class PlainRun(NamedTuple):
    """Whole messages that follow one another and go the same way."""

    route: Route
    stop: int
    messages: int


def plain_run(
    data: bytes, position: int, end: int, session: Session, limits: Limits
) -> PlainRun | None:
    """Return the run at `position`, or None if the packet there needs a closer look.

    INVARIANT: every message of the run would be decoded without complaint, is within the
    limits, and has a route that is known to be allowed: a packet is only ever skipped over here
    if its header and topic bytes equal those of one that was looked at closely.
    """
    if end - position < _SHORTEST or data[position] != _PLAIN:
        return None
    body = position + 2
    stop = body + data[position + 1]
    if data[position + 1] & _LONG:
        body, stop = packet_bounds(data, position, end, limits.packet_bytes, strict=False)
    if stop > end or not data[body - 1]:
        # Not whole; or a length that is 0, or longer than it needs to be.
        return None
    topic_end = body + 2 + (data[body] << 8 | data[body + 1])
    content = topic_end
    if session.speaks_5:
        # Properties need a closer look.
        if topic_end >= stop or data[topic_end]:
            return None
        content += 1
    route = session.routes.get(data[body + 2 : topic_end])
    if route is None or not route.plain or not 0 <= stop - content <= limits.payload_bytes:
        return None
    head = data[position:content]
    size = stop - position
    first, position = position, stop
    last = end - size
    while position <= last and data.startswith(head, position):
        position += size
    return PlainRun(route, position, (position - first) // size)
