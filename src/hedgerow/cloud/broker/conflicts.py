"""Two clients with one client id throw each other off for ever: noticed, and named.

Pure: what happened and the time come in, a conflict or None goes out.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

TAKEN_OVER: Final = "session-taken-over"
CONFLICT: Final = "conflicting-client-ids"
WITHIN_S: Final = 60.0
TIMES: Final = 3
"""So many take-overs of one client id within that time are a conflict: one that lost its network
and comes back takes over once."""
SLOWED_S: Final = 60.0
"""How long after a conflict its client id is held to the rate below."""
CONNECT_EVERY_S: Final = 1.0
"""AWS General Reference, AWS IoT Core quotas: connect requests per second per client ID, one. It is
asked here only of those that are in conflict."""
CLIENTS_WATCHED: Final = 10_000
_SHOWN: Final = 4


@dataclass(slots=True)
class _Watched:
    moments: list[float] = field(default_factory=list)
    ends: dict[str, None] = field(default_factory=dict)


@dataclass(slots=True)
class _Slowed:
    until: float
    next_at: float


class Conflicts:
    """Watches take-overs. INVARIANT: at most `CLIENTS_WATCHED` client ids are remembered."""

    def __init__(self) -> None:
        self._watched: OrderedDict[str, _Watched] = OrderedDict()
        self._slowed: OrderedDict[str, _Slowed] = OrderedDict()

    def may_connect(self, client_id: str, now: float) -> bool:
        """Say whether a client id may be taken now: if it is in conflict, once a second only."""
        slowed = self._slowed.get(client_id)
        if slowed is None:
            return True
        if now >= slowed.until:
            del self._slowed[client_id]
            return True
        if now < slowed.next_at:
            return False
        slowed.next_at = now + CONNECT_EVERY_S
        return True

    def taken_over(self, client_id: str, who: str, now: float) -> str | None:
        """Note that `who` was thrown off; return the conflict in words if it is one now.

        It is told once, and again only after as many further take-overs.
        """
        watched = self._watched.pop(client_id, None) or _Watched()
        if watched.moments and now - watched.moments[-1] > WITHIN_S:
            watched = _Watched()
        watched.moments = [at for at in watched.moments if now - at <= WITHIN_S] + [now]
        watched.ends[who] = None
        if len(watched.moments) >= TIMES:
            self._slowed.pop(client_id, None)
            self._slowed[client_id] = _Slowed(now + SLOWED_S, now + CONNECT_EVERY_S)
            if len(self._slowed) > CLIENTS_WATCHED:
                self._slowed.popitem(last=False)
            return _in_words(client_id, watched)
        self._watched[client_id] = watched
        if len(self._watched) > CLIENTS_WATCHED:
            self._watched.popitem(last=False)
        return None


def _in_words(client_id: str, watched: _Watched) -> str:
    ends = list(watched.ends)
    shown = ", ".join(ends[:_SHOWN]) + (", …" if len(ends) > _SHOWN else "")
    return (
        f"{len(watched.moments)} connections with the client id {client_id!r} threw each other off "
        f"within {WITHIN_S:.0f} s, the last ones from {shown}: give every client an id of its own"
    )
