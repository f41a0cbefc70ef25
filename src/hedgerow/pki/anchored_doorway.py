"""A doorway for Pythons that hide their OpenSSL: every client's certificate is a trust anchor.

Loading an anchor into a context takes OpenSSL up to half a millisecond if there are thousands, and
a context cannot forget one. So anchors that are new are added to the context in use; a context
without those that are gone, or with another proof of the server, is built beside it, a few at a
time, and then put in its place. Until then a certificate that is gone may finish a handshake, and
is refused by its id, as every certificate is that is not admitted.
"""

import asyncio
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from hedgerow.pki.contexts import Trust
from hedgerow.pki.slot import TlsSlot, refusing_context

STEP: Final = 100
"""Anchors loaded without a pause for others; with so few in all, nothing is put off."""


class MakesContexts(Protocol):
    """What proves the server."""

    def context(self, trust: Trust) -> ssl.SSLContext:
        """Return a context that proves the server so."""


@dataclass(slots=True)
class _Built:
    context: ssl.SSLContext
    proof: MakesContexts
    known: set[str]


class AnchoredDoorway:
    """Keeps the promises of `Doorway`, removals and new proofs a moment later for large fleets."""

    def __init__(self) -> None:
        self.slot = TlsSlot(refusing_context())
        self._wanted: frozenset[str] = frozenset()
        self._current: _Built | None = None
        self._coming: _Built | None = None
        self._next_step: asyncio.Handle | None = None

    @property
    def is_settled(self) -> bool:
        """Tell whether nothing is being built."""
        return self._coming is None

    def open(self, proof: MakesContexts, trust: Trust) -> None:
        """Prove the server so, and let whom `trust` names finish handshakes."""
        self._stop_building()
        self._wanted = frozenset(trust.everyone)
        current = self._current
        if current is None or len(self._wanted) <= STEP:
            self._use(_built(proof, self._wanted))
            return
        _add(current, self._wanted - current.known)
        if current.proof is not proof or current.known != self._wanted:
            self._coming = _built(proof, ())
            self._build_on()

    def shut(self) -> None:
        """Refuse every handshake from now on."""
        self._stop_building()
        self._current = None
        self.slot.replace(refusing_context())

    def _build_on(self) -> None:
        coming = self._coming
        if coming is None:
            return
        left = self._wanted - coming.known
        _add(coming, sorted(left)[:STEP])
        if len(left) <= STEP:
            self._coming = self._next_step = None
            self._use(coming)
        else:
            self._next_step = asyncio.get_running_loop().call_later(0, self._build_on)

    def _use(self, built: _Built) -> None:
        self._current = built
        self.slot.replace(built.context)

    def _stop_building(self) -> None:
        if self._next_step is not None:
            self._next_step.cancel()
        self._coming = self._next_step = None


def _built(proof: MakesContexts, anchors: Iterable[str]) -> _Built:
    known = set(anchors)
    return _Built(proof.context(Trust(authorities=tuple(known))), proof, known)


def _add(built: _Built, anchors: Iterable[str]) -> None:
    added = tuple(anchors)
    if added:
        built.context.load_verify_locations(cadata="".join(added))
        built.known.update(added)
