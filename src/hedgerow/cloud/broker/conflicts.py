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
CLIENTS_WATCHED: Final = 10_000
_SHOWN: Final = 4


@dataclass(slots=True)
class _Watched:
    moments: list[float] = field(default_factory=list)
    ends: dict[str, None] = field(default_factory=dict)


class Conflicts:
    """Watches take-overs. INVARIANT: at most `CLIENTS_WATCHED` client ids are remembered."""

    def __init__(self) -> None:
        self._watched: OrderedDict[str, _Watched] = OrderedDict()

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
