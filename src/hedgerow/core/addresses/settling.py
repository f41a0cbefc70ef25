"""Which addresses a host has, seen over a little time: a link that flaps changes nothing. Pure.

What is new counts at once; what is gone counts until it has been gone for a while. Devices try the
addresses that discovery gives one after the other, so one too many costs them a moment, and one too
few the connection. The time comes in with every look.
"""

from collections.abc import Sequence

from hedgerow.core.addresses.netlink import IpAddress, in_order

HOLD_SECONDS = 30.0
"""An address that was gone for so long is gone."""


class SettledAddresses:
    """Remembers when each address was last there."""

    def __init__(self, hold_seconds: float = HOLD_SECONDS) -> None:
        self._hold_seconds = hold_seconds
        self._last_there: dict[IpAddress, float] = {}
        self._present: frozenset[IpAddress] = frozenset()

    def see(self, present: Sequence[IpAddress], now: float) -> tuple[IpAddress, ...]:
        """Return the addresses that count, given those that are there now."""
        self._present = frozenset(present)
        self._last_there.update(dict.fromkeys(present, now))
        self._last_there = {
            address: seen
            for address, seen in self._last_there.items()
            if address in self._present or now - seen < self._hold_seconds
        }
        return in_order(self._last_there)

    def next_moment(self) -> float | None:
        """Return when an address that is gone stops counting, or None if none is."""
        gone = [seen for each, seen in self._last_there.items() if each not in self._present]
        return min(gone) + self._hold_seconds if gone else None

    def forget(self) -> None:
        """Begin anew."""
        self._last_there = {}
        self._present = frozenset()
