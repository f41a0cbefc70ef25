"""Asks for certificates at the right times, and hands them to the server.

Source: guide pages device-auth ("MQTT server certificate") and gg-sec.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from structlog.typing import FilteringBoundLogger

from hedgerow.contract import CertificateAnswer, CertificateRequest, ConnectivityInfo
from hedgerow.core.certificates.store import ServerCertificate, ServerCertificateStore
from hedgerow.core.certificates.timing import RenewalReason, renewal_due, renewal_moment
from hedgerow.kernel import CallerError, Clock, HedgerowError, PeerError
from hedgerow.pki import PrivateKey, general_names, load_certificate

_LOOK_AGAIN = timedelta(seconds=30)
"""How often the keeper looks at the clock, at most: clocks jump, and machines sleep."""

_LEAST_LIFE = timedelta(minutes=1)
_FALLBACK_NAMES = ("localhost",)


class CertificateService(Protocol):
    """The cloud's data plane, as the keeper needs it (`link.CloudHttp`)."""

    async def connectivity(self) -> ConnectivityInfo:
        """Fetch the core's addresses."""

    async def server_certificate(self, request: CertificateRequest) -> CertificateAnswer:
        """Ask for a certificate of the local MQTT server."""


@dataclass(frozen=True, slots=True)
class _Request:
    """A new certificate is wanted for this group, with these names."""

    group_id: str
    names: tuple[str, ...]
    reason: RenewalReason


class CertificateKeeper:
    """Keeps a valid certificate in force for the group that runs.

    `on_change` is called with the certificate to serve from now on, or None once it has ended:
    new connections are then refused, those that stand go on (statement C06).
    """

    def __init__(
        self,
        store: ServerCertificateStore,
        service: CertificateService,
        on_change: Callable[[ServerCertificate | None], None],
        *,
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self._store = store
        self._service = service
        self._on_change = on_change
        self._clock = clock
        self._log = log
        self._group_id: str | None = None
        self._certificate: ServerCertificate | None = None
        self._served: ServerCertificate | None = None
        self._ask_names = True
        self._work = asyncio.Lock()
        self._wake = asyncio.Event()
        self.problem: str | None = None

    @property
    def served(self) -> ServerCertificate | None:
        """The certificate that new connections get now."""
        return self._served

    def take_up(self, group_id: str) -> None:
        """Begin with what lies on disk; nothing is asked of the cloud yet."""
        self._group_id = group_id
        self._certificate = self._store.load()
        self._serve()

    async def prepare(self, group_id: str) -> Callable[[], None]:
        """Have a certificate for a group that is about to run; the step returned serves it.

        Raises `HedgerowError` when the cloud refuses one or cannot be reached.
        """
        async with self._work:
            current = self._certificate or self._store.load()
            names = await self._names()
            reason = renewal_due(current, group_id=group_id, names=names, now=self._clock.now())
            new = current
            if reason is not None or current is None:
                new = await self._obtain(
                    _Request(group_id, names, reason or RenewalReason.NONE_YET)
                )

        def serve() -> None:
            self._group_id = group_id
            if new is not None and new is not current:
                self._keep(new)
            else:
                self._certificate = new
                self._serve()

        return serve

    def reset(self) -> None:
        """Serve no certificate any more, and forget the one there was."""
        self._group_id = None
        self._certificate = None
        self._store.clear()
        self._serve()

    def addresses_changed(self) -> None:
        """Ask the cloud for the core's addresses, and renew if they are others."""
        self._ask_names = True
        self._wake.set()

    async def run(self) -> None:
        """Renew and expire until cancelled."""
        while True:
            self._wake.clear()
            await self.check()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._seconds_to_next_look()):
                    await self._wake.wait()

    async def check(self) -> None:
        """Do now what is due now; a failure is told, and tried again at the next look."""
        async with self._work:
            self._serve()
            group_id = self._group_id
            if group_id is None:
                return
            try:
                await self._renew_if_due(group_id)
                self.problem = None
            except (HedgerowError, OSError) as error:
                self._tell(str(error))

    async def _renew_if_due(self, group_id: str) -> None:
        names, failure = await self._names_if_asked()
        current = self._certificate
        reason = renewal_due(current, group_id=group_id, names=names, now=self._clock.now())
        if reason is not None:
            if names is None and current is None:
                names = await self._names()
            names = names or (current.requested_names if current else _FALLBACK_NAMES)
            self._keep(await self._obtain(_Request(group_id, names, reason)))
        if failure is not None:
            raise failure
        self._ask_names = False

    async def _names_if_asked(self) -> tuple[tuple[str, ...] | None, HedgerowError | None]:
        """Return the names if they may have changed; not knowing them does not stop a renewal."""
        if not self._ask_names:
            return None, None
        try:
            return await self._names(), None
        except HedgerowError as error:
            return None, error

    async def _names(self) -> tuple[str, ...]:
        """Return the addresses the core is to be reached by, as the cloud knows them."""
        info = await self._service.connectivity()
        names = dict.fromkeys(entry.host_address for entry in info.connectivity_info)
        return tuple(names) or _FALLBACK_NAMES

    async def _obtain(self, request: _Request) -> ServerCertificate:
        self._log.info("asking for a server certificate", reason=request.reason.value)
        key = await asyncio.to_thread(self._store.next_key)
        answer = await self._service.server_certificate(
            CertificateRequest(
                group_id=request.group_id,
                certificate_signing_request=_signing_request(key, request.names),
            )
        )
        certificate = ServerCertificate.of(key, answer.certificate, request.group_id, request.names)
        self._require_usable(certificate, answer)
        return certificate

    def _require_usable(self, certificate: ServerCertificate, answer: CertificateAnswer) -> None:
        now = self._clock.now()
        if not certificate.not_before <= now <= certificate.not_after - _LEAST_LIFE:
            raise PeerError(
                f"the server certificate is valid from {certificate.not_before:%Y-%m-%d %H:%M} to "
                f"{certificate.not_after:%Y-%m-%d %H:%M} UTC; check this machine's clock"
            )
        try:
            authority = load_certificate(answer.authority)
            load_certificate(answer.certificate).verify_directly_issued_by(authority)
        except (CallerError, ValueError, TypeError, InvalidSignature) as error:
            raise PeerError("the server certificate was not issued by its authority") from error

    def _keep(self, certificate: ServerCertificate) -> None:
        self._store.keep(certificate)
        self._certificate = certificate
        self._log.info("new server certificate", not_after=certificate.not_after.isoformat())
        self._serve()

    def _serve(self) -> None:
        """Tell the server if what it is to prove itself with is another than before."""
        certificate = self._certificate
        if certificate is not None and certificate.not_after <= self._clock.now():
            certificate = None
        if self._group_id is None or (certificate and certificate.group_id != self._group_id):
            certificate = None
        if certificate is self._served:
            return
        if certificate is None:
            self._log.error("the server certificate has ended: new connections are refused")
        self._served = certificate
        self._on_change(certificate)

    def _tell(self, reason: str) -> None:
        if reason != self.problem:
            self._log.warning("the server certificate cannot be renewed", reason=reason)
        self.problem = reason

    def _seconds_to_next_look(self) -> float:
        now = self._clock.now()
        pause = _LOOK_AGAIN
        if self._served is not None:
            for moment in (renewal_moment(self._served), self._served.not_after):
                if moment > now:
                    pause = min(pause, moment - now)
        return pause.total_seconds()


def _signing_request(key: PrivateKey, names: tuple[str, ...]) -> str:
    """Return a PKCS#10 request (PEM) of the key for these names."""
    builder = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .add_extension(general_names(names), critical=False)
    )
    request = builder.sign(key.signing_key(), hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()
