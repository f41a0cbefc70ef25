"""The fast path of QoS 1: runs of plain messages that go on with another packet identifier only."""

from typing import NamedTuple

from hedgerow.mqtt.courier import Courier
from hedgerow.mqtt.limits import Limits
from hedgerow.mqtt.plain_run import bounds
from hedgerow.mqtt.session import Session

AT_LEAST_ONCE = 0x32
"""The first byte of a PUBLISH, QoS 1, not a duplicate, not retained."""

_LONG = 0x80
_SHORTEST = 7
_PUBACK = b"\x40\x02"


class AcknowledgedRun(NamedTuple):
    """Whole messages that were handed on, where they end, and the answers to them."""

    stop: int
    messages: int
    answers: bytes


def acknowledged_run(
    data: bytes, position: int, end: int, session: Session, limits: Limits, courier: Courier
) -> AcknowledgedRun | None:
    """Hand on the run at `position`; None if the packet there needs a closer look.

    INVARIANT: as for `plain_run`, every message of the run would be decoded without complaint, is
    within the limits and known to be allowed; everyone on its route has room for it, and takes it
    in the publisher's own protocol version.
    """
    routes, speaks_5, payload_bytes = session.routes, session.speaks_5, limits.payload_bytes
    answers = bytearray()
    messages = 0
    while end - position >= _SHORTEST and data[position] == AT_LEAST_ONCE:
        body = position + 2
        stop = body + data[position + 1]
        if data[position + 1] & _LONG:
            body, stop = bounds(data, position, end, limits)
        if stop > end or not data[body - 1]:
            break
        id_at = body + 2 + (data[body] << 8 | data[body + 1])
        content = id_at + 2
        if content > stop or not (data[id_at] or data[id_at + 1]):
            break
        if speaks_5:
            # Properties need a closer look.
            if content >= stop or data[content]:
                break
            content += 1
        route = routes.get(data[body + 2 : id_at])
        if route is None or not route.swift or not 0 <= stop - content <= payload_bytes:
            break
        if not courier.pass_on(route, data, (position, body, id_at, stop)):
            break
        answers += _PUBACK
        answers += data[id_at : id_at + 2]
        messages += 1
        position = stop
    return AcknowledgedRun(position, messages, bytes(answers)) if messages else None
