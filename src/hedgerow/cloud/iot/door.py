"""The TLS side of a door for devices: its context always has the newest trust and certificate.

Loading an anchor into a context takes OpenSSL up to half a millisecond if there are thousands,
and a context cannot forget one. So a new anchor is added to the context in use, and a context
without the anchors that are no longer wanted is built beside it, a few at a time, and then put in
its place. Until then such a certificate finishes its handshake and is refused by its id, as every
certificate is that the directory does not admit.
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from hedgerow.cloud.iot.directory import DirectoryChange
from hedgerow.pki import PrivateKey, TlsSlot, Trust, server_context

STEP: Final = 100
"""Anchors loaded without a pause for others; with so few in all, nothing is put off."""
QUIET_S: Final = 1.0
"""How long further removals are waited for before a context is built anew."""


class AnchorSource(Protocol):
    """What a door follows: one account's `DeviceDirectory`, or all accounts' together."""

    def trust_anchors(self) -> Trust:
        """Return what TLS has to trust."""

    def on_change(self, listener: Callable[[DirectoryChange], None]) -> Callable[[], None]:
        """Call `listener` after every change; return what ends that."""


class DeviceDoor:
    """Keeps the `slot` of a listener for devices current.

    INVARIANT: when the source has told of new trust anchors, the next handshake knows them.
    Connections that are already open are not touched here: doors judge them by the certificate.
    """

    def __init__(
        self,
        source: AnchorSource,
        key: PrivateKey,
        chain_pem: str,
        *,
        alpn: Sequence[str] = (),
    ) -> None:
        """Prove the server with `key` and `chain_pem` (leaf first). The source is started."""
        self._source = source
        self._key = key
        self._chain_pem = chain_pem
        self._alpn = tuple(alpn)
        self._loaded = set(self._wanted())
        self._coming: tuple[ssl.SSLContext, set[str]] | None = None
        self._next_step: asyncio.Handle | None = None
        self.slot = TlsSlot(self._context(self._wanted()))
        self._stop_listening: Callable[[], None] = source.on_change(self._anchors_changed)

    def renew(self, key: PrivateKey, chain_pem: str) -> None:
        """Prove the server with another key and certificate from the next handshake on."""
        self._key, self._chain_pem = key, chain_pem
        self._cancel_building()
        self._replace(self._context(self._wanted()), set(self._wanted()))

    def close(self) -> None:
        """Stop following the source."""
        self._stop_listening()
        self._cancel_building()

    def _anchors_changed(self, change: DirectoryChange) -> None:
        if not change.anchors_changed:
            return
        wanted = self._wanted()
        missing = [anchor for anchor in wanted if anchor not in self._loaded]
        if missing:
            _load(self.slot.current, missing)
            self._loaded.update(missing)
        if len(self._loaded) > len(wanted):
            self._forget_unwanted(wanted)

    def _forget_unwanted(self, wanted: Sequence[str]) -> None:
        if len(wanted) <= STEP:
            self._cancel_building()
            self._replace(self._context(wanted), set(wanted))
        elif self._next_step is None:
            loop = asyncio.get_running_loop()
            self._next_step = loop.call_later(QUIET_S, self._build)

    def _build(self) -> None:
        """Load some more anchors into the coming context; put it in place if it has them all."""
        context, loaded = self._coming or (self._context(()), set[str]())
        wanted = self._wanted()
        missing = [anchor for anchor in wanted if anchor not in loaded][:STEP]
        if missing:
            _load(context, missing)
            loaded.update(missing)
            self._coming = (context, loaded)
            self._next_step = asyncio.get_running_loop().call_soon(self._build)
            return
        self._cancel_building()
        self._replace(context, loaded)
        if len(loaded) > len(wanted):  # another one was removed meanwhile
            self._forget_unwanted(wanted)

    def _replace(self, context: ssl.SSLContext, loaded: set[str]) -> None:
        self._loaded = loaded
        self.slot.replace(context)

    def _cancel_building(self) -> None:
        self._coming = None
        if self._next_step is not None:
            self._next_step.cancel()
            self._next_step = None

    def _wanted(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self._source.trust_anchors().anchors))

    def _context(self, anchors: Sequence[str]) -> ssl.SSLContext:
        return server_context(self._key, self._chain_pem, Trust(tuple(anchors)), alpn=self._alpn)


def _load(context: ssl.SSLContext, anchors: Sequence[str]) -> None:
    context.load_verify_locations(cadata="".join(anchors))
