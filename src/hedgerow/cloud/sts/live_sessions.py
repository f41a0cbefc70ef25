"""How many sessions each user, role or root has made that go on, so that none makes them all.

Whoever has a key could ask for sessions until store and memory are full. What counts is what was
asked for by the API; sessions that services make are bounded where they are made.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Final

from hedgerow.aws import AwsError

SESSIONS_LIMIT: Final = 1000
"""How many live sessions a user, a role or an account's root has at a time."""

Issuer = tuple[str, str]
"""An account and the unique id of its user or role, or its own number for the root."""

Kept = Callable[[Issuer], Awaitable[Mapping[str, datetime]]]
"""Tells the sessions of an issuer that the store has: when each ends, by the id of its key."""


class LiveSessions:
    """Admits sessions up to the limit. The store is asked once an issuer, never once a session."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._ends: dict[Issuer, dict[str, datetime]] = {}

    async def admit(
        self, issuer: Issuer, access_key_id: str, expires_at: datetime, now: datetime
    ) -> tuple[str, ...]:
        """Count a session that is about to be made, and return ended ones to forget for it.

        Raises `Throttling` in AWS's words if the issuer has as many live sessions as it may.
        """
        if issuer not in self._ends:
            kept = await self._kept(issuer)
            self._ends.setdefault(issuer, {}).update(kept)
        # INVARIANT: nothing is awaited from here on, so calls at the same time count each other.
        ends = self._ends.setdefault(issuer, {})
        ended: tuple[str, ...] = ()
        if len(ends) >= SESSIONS_LIMIT:
            ended = tuple(key for key, end in ends.items() if end <= now)
            for key in ended:
                del ends[key]
        if len(ends) >= SESSIONS_LIMIT:
            raise _rate_exceeded(min(ends.values()))
        ends[access_key_id] = expires_at
        return ended

    def release(self, issuer: Issuer, access_key_id: str) -> None:
        """Count a session no more: it was not made, or is gone."""
        ends = self._ends.get(issuer)
        if ends is not None:
            ends.pop(access_key_id, None)
            if not ends:
                del self._ends[issuer]


def _rate_exceeded(first_end: datetime) -> AwsError:
    return AwsError(
        "Throttling",
        f"Rate exceeded: this user or role has {SESSIONS_LIMIT} live sessions, the most it can "
        "have. Use the credentials you have until they expire, or ask again after "
        f"{first_end:%Y-%m-%dT%H:%M:%SZ}, when the first of them ends.",
        http_status=HTTPStatus.BAD_REQUEST,
    )
