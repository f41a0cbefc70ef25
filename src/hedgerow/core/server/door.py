"""The TLS side of the local server: what new connections get."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from hedgerow.core.certificates import ServerCertificate
from hedgerow.core.server.probe import shown_certificate
from hedgerow.pki import LegacyTls, ServerProof, TlsSlot, Trust, doorway


@dataclass(frozen=True, slots=True)
class LocalTls:
    """What the local server negotiates beside modern TLS."""

    resume: bool = False
    """Whether clients may resume sessions."""
    legacy: LegacyTls | None = None


MODERN_TLS = LocalTls()


class Door:
    """Keeps `slot` current. It is shut until it is opened.

    INVARIANT: when `open` returns, a handshake with every wanted certificate succeeds, and when
    `shut` returns, none does. Old suites are offered until their end, and from then on no more.
    """

    def __init__(self, tls: LocalTls = MODERN_TLS) -> None:
        self._doorway = doorway()
        self._resume = tls.resume
        self._legacy = tls.legacy
        self._opened: tuple[ServerCertificate, Trust] | None = None
        self._proof: tuple[ServerCertificate, ServerProof] | None = None

    @property
    def slot(self) -> TlsSlot:
        """What the listener takes contexts from."""
        return self._doorway.slot

    @property
    def offers_old(self) -> bool:
        """Tell whether old suites are offered to new connections."""
        return self._proof is not None and self._proof[1].legacy is not None

    def open(
        self, certificate: ServerCertificate, clients_pem: Iterable[str], now: datetime
    ) -> None:
        """Present this certificate, and let exactly these clients' finish their handshakes."""
        self._opened = (certificate, Trust(exact=tuple(clients_pem)))
        self._set(now)

    def shows(self) -> bytes | None:
        """Return the certificate (DER) that new connections see now; None while it is made ready.

        Raises `ssl.SSLError` if no handshake can begin.
        """
        return shown_certificate(self.slot.current) if self._doorway.is_settled else None

    def shut(self) -> None:
        """Refuse every handshake from now on; connections that stand go on."""
        self._opened = self._proof = None
        self._doorway.shut()

    def look(self, now: datetime) -> bool:
        """Offer old suites no more if their end has come; return whether it came just now."""
        if not self.offers_old or self._legacy is None or self._legacy.is_on(now):
            return False
        self._set(now)
        return True

    def _set(self, now: datetime) -> None:
        if self._opened is None:
            return
        certificate, trust = self._opened
        legacy = self._legacy if self._legacy is not None and self._legacy.is_on(now) else None
        known = self._proof
        if known is None or known[0] is not certificate or known[1].legacy is not legacy:
            proof = ServerProof(
                certificate.key, certificate.pem, resume=self._resume, legacy=legacy
            )
            self._proof = known = (certificate, proof)
        self._doorway.open(known[1], trust)
