"""When sessions end, soonest first: what there is to forget without reading all that there are."""

import heapq
from datetime import datetime

_Ending = tuple[datetime, str, str]


class Endings:
    """The ends of sessions, by account and key id. A session may be in it twice, or be gone."""

    def __init__(self) -> None:
        self._soonest: list[_Ending] = []

    def add(self, expires_at: datetime, account: str, access_key_id: str) -> None:
        """Take a session in."""
        heapq.heappush(self._soonest, (expires_at, account, access_key_id))

    def take(self, before: datetime, most: int) -> list[tuple[str, str]]:
        """Give out up to so many sessions that end before a moment: account and key id of each."""
        taken: list[tuple[str, str]] = []
        while self._soonest and self._soonest[0][0] < before and len(taken) < most:
            _, account, access_key_id = heapq.heappop(self._soonest)
            taken.append((account, access_key_id))
        return taken
