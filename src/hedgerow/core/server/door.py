"""The TLS side of the local server: what new connections get, kept current without a stall.

Loading one certificate into a context takes OpenSSL up to a third of a millisecond when there are
thousands, and a context cannot forget one. So certificates that are new are added to the context
in use; a context without those that are gone, or with a new server certificate, is built beside
it, a few at a time, and then put in its place. Until then a certificate that is gone may finish a
handshake, and is turned away by its id.
"""

import asyncio
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from hedgerow.core.certificates import ServerCertificate
from hedgerow.pki import TlsSlot, Trust, server_context

STEP: Final = 100
"""Certificates loaded without a pause for others; with so few in all, nothing is put off."""


@dataclass(slots=True)
class _Built:
    """A context, the server certificate it presents, and the clients' certificates it knows."""

    context: ssl.SSLContext
    certificate: ServerCertificate
    known: set[str]


class Door:
    """Keeps `slot` current. It is shut until it is opened.

    INVARIANT: when `open` returns, a handshake with every wanted certificate succeeds, and when
    `shut` returns, none does.
    """

    def __init__(self) -> None:
        self.slot = TlsSlot(_refusing_context())
        self._wanted: frozenset[str] = frozenset()
        self._current: _Built | None = None
        self._coming: _Built | None = None
        self._next_step: asyncio.Handle | None = None

    @property
    def is_settled(self) -> bool:
        """Tell whether nothing is being built."""
        return self._coming is None

    def open(self, certificate: ServerCertificate, clients_pem: Iterable[str]) -> None:
        """Present this certificate, and let exactly these clients' finish their handshakes."""
        self._stop_building()
        self._wanted = frozenset(clients_pem)
        current = self._current
        if current is None or len(self._wanted) <= STEP:
            self._use(_built(certificate, self._wanted))
            return
        _add(current, self._wanted - current.known)
        if current.certificate is not certificate or current.known != self._wanted:
            self._coming = _built(certificate, ())
            self._build_on()

    def shut(self) -> None:
        """Refuse every handshake from now on; connections that stand go on."""
        self._stop_building()
        self._current = None
        self.slot.replace(_refusing_context())

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


def _built(certificate: ServerCertificate, clients_pem: Iterable[str]) -> _Built:
    known = set(clients_pem)
    context = server_context(certificate.key, certificate.pem, Trust(tuple(known)))
    return _Built(context, certificate, known)


def _add(built: _Built, clients_pem: Iterable[str]) -> None:
    added = tuple(clients_pem)
    if added:
        built.context.load_verify_locations(cadata="".join(added))
        built.known.update(added)


def _refusing_context() -> ssl.SSLContext:
    """Return a context without a certificate: every handshake ends with an alert."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
