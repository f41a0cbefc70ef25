"""Asks for certificates at the right times, and hands them to the server.

An address of the core is published when a certificate that names it is served, not before: the
detector announces it here first (`serve_for`), the cloud names it in the next certificate because
the core could publish it at once, and then it is published.

Source: guide pages device-auth ("MQTT server certificate") and gg-sec.
"""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from structlog.typing import FilteringBoundLogger

from hedgerow.contract import (
    CertificateAnswer,
    CertificateRequest,
    ConnectivityInfo,
)
from hedgerow.core.certificates.own_authority import OwnAuthority
from hedgerow.core.certificates.request import FALLBACK_NAMES, Entries, Request, WantedNames
from hedgerow.core.certificates.store import ServerCertificate, ServerCertificateStore
from hedgerow.core.certificates.timing import (
    RenewalReason,
    help_moment,
    renewal_due,
    renewal_moment,
)
from hedgerow.kernel import (
    CallerError,
    Clock,
    DeniedError,
    HedgerowError,
    PeerError,
    UnavailableError,
)
from hedgerow.pki import load_certificate

_LOOK_AGAIN = timedelta(seconds=30)
"""How often the keeper looks at the clock, at most: clocks jump, and machines sleep."""

_LEAST_LIFE = timedelta(minutes=1)


def _no_addresses() -> Entries:
    return ()


class CertificateService(Protocol):
    """The cloud's data plane, as the keeper needs it (`link.CloudHttp`)."""

    async def connectivity(self) -> ConnectivityInfo:
        """Fetch the core's addresses."""

    async def server_certificate(self, request: CertificateRequest) -> CertificateAnswer:
        """Ask for a certificate of the local MQTT server."""

    async def own_authority(self, request: CertificateRequest) -> CertificateAnswer:
        """Ask for an authority of the core's own names."""


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
        own_addresses: Callable[[], Entries] = _no_addresses,
        own_authority: OwnAuthority | None = None,
    ) -> None:
        """`own_addresses` are named for a core whose addresses nobody has set.

        With `own_authority` the core renews by itself while the cloud cannot be reached.
        """
        self._own_addresses = own_addresses
        self._own_authority = own_authority
        self._announced: Entries = ()
        self._store = store
        self._service = service
        self._on_change = on_change
        self._clock = clock
        self._log = log
        self._group_id: str | None = None
        self._certificate: ServerCertificate | None = None
        self._served: ServerCertificate | None = None
        self._before: ServerCertificate | None = None
        self._ask_names = True
        self._work = asyncio.Lock()
        self._wake = asyncio.Event()
        self.problem: str | None = None
        self.advice: str | None = None
        """What an administrator should know though everything works."""

    @property
    def fence(self) -> datetime | None:
        """Until when the core can renew without the cloud, if it may."""
        if self._own_authority is None or self._group_id is None:
            return None
        return self._own_authority.fence(self._group_id)

    @property
    def served(self) -> ServerCertificate | None:
        """The certificate that new connections get now."""
        return self._served

    def take_up(self, group_id: str) -> None:
        """Begin with what lies on disk; nothing is asked of the cloud yet."""
        self._group_id = group_id
        self._certificate = self._store.load()
        self._serve()

    async def prepare(self, group_id: str, announced: Entries = ()) -> Callable[[], None]:
        """Have a certificate for a group that is about to run; the step returned serves it.

        It names what is `announced` too. Raises `HedgerowError` when the cloud refuses one or
        cannot be reached.
        """
        async with self._work:
            current = self._certificate or self._store.load()
            wanted = await self._wanted(announced)
            reason = renewal_due(
                current, group_id=group_id, names=wanted.hosts, now=self._clock.now()
            )
            new = current
            if reason is not None or current is None:
                new = await self._obtain(
                    Request(
                        group_id,
                        wanted.hosts,
                        wanted.announced,
                        reason or RenewalReason.NONE_YET,
                        insists=bool(announced),
                    )
                )

        def serve() -> None:
            self._before = current
            self._group_id = group_id
            self._announced = announced
            if new is not None and new is not current:
                self._keep(new)
            else:
                self._certificate = new
                self._serve()

        return serve

    def go_back(self, group_id: str) -> None:
        """Serve a group again that was served before, with the certificate it had.

        One of another group that was asked for meanwhile lies on disk and is not used; if the core
        is stopped before the next renewal, it asks for one again.
        """
        self._group_id = group_id
        for known in (self._certificate, self._before):
            if known is not None and known.group_id == group_id:
                self._certificate = known
                break
        self._serve()
        self._wake.set()

    async def serve_for(self, announced: Entries) -> None:
        """Serve a certificate that names these addresses, which are about to be published.

        Raises `HedgerowError` when the cloud refuses one or cannot be reached.
        """
        async with self._work:
            self._announced = announced
            group_id, current = self._group_id, self._certificate
            hosts = {entry.host_address for entry in announced}
            if group_id is None or (current and hosts <= set(current.requested_names)):
                return
            await self._renew_if_due(group_id, insists=True)

    def published(self) -> None:
        """Take the cloud's word for the addresses again: it knows all of them now."""
        self._announced = ()
        self.addresses_changed()

    def reset(self) -> None:
        """Serve no certificate any more, and forget the one there was."""
        self.serve_nothing()
        self._store.clear()
        if self._own_authority is not None:
            self._own_authority.clear()

    def serve_nothing(self) -> None:
        """Serve no certificate any more, and keep the one there is for another time."""
        self._group_id = None
        self._certificate = self._before = None
        self._announced = ()
        self.advice = None
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

    async def _renew_if_due(self, group_id: str, *, insists: bool = False) -> None:
        names, failure = await self._names_if_asked()
        current = self._certificate
        hosts = None if names is None else names.hosts
        reason = renewal_due(current, group_id=group_id, names=hosts, now=self._clock.now())
        if reason is not None:
            if names is None and current is None:
                names = await self._wanted(self._announced)
            if names is None:
                names = WantedNames(
                    current.requested_names if current else FALLBACK_NAMES, self._announced
                )
            request = Request(group_id, names.hosts, names.announced, reason, insists)
            await self._renew(request)
        if failure is not None:
            raise failure
        self._ask_names = False

    async def _renew(self, request: Request) -> None:
        """Get a certificate from the cloud, or help ourselves when that cannot be reached."""
        try:
            new = await self._obtain(request)
        except (UnavailableError, OSError):
            await self._help_ourselves(request.group_id)
            raise
        self._keep(new)

    async def _help_ourselves(self, group_id: str) -> None:
        current = self._certificate
        if self._own_authority is None or current is None or current.group_id != group_id:
            return
        if self._clock.now() < help_moment(current):
            return
        key = await asyncio.to_thread(self._store.next_key)
        made = self._own_authority.issue(current, key)
        if made is not None:
            self._log.warning("this core issues its server certificate itself: there is no cloud")
            self._keep(made)

    async def _names_if_asked(self) -> tuple[WantedNames | None, HedgerowError | None]:
        """Return the names if they may have changed; not knowing them does not stop a renewal."""
        if not self._ask_names and not self._announced:
            return None, None
        try:
            return await self._wanted(self._announced), None
        except HedgerowError as error:
            return None, error

    async def _wanted(self, announced: Entries) -> WantedNames:
        """Return the addresses the core is or will be reached by.

        Where nobody has set any, a certificate names those that the host has: it is found without
        discovery then, if at all.
        """
        info = await self._service.connectivity()
        known = tuple(entry.host_address for entry in info.connectivity_info)
        if not known and not announced:
            own = self._own_addresses()
            hosts = tuple(entry.host_address for entry in own)
            self._advise(hosts)
            return WantedNames(hosts or FALLBACK_NAMES, own)
        self.advice = None
        new = tuple(entry.host_address for entry in announced)
        return WantedNames(tuple(dict.fromkeys((*known, *new))), announced)

    async def _obtain(self, request: Request) -> ServerCertificate:
        self._log.info("asking for a server certificate", reason=request.reason.value)
        key = await asyncio.to_thread(self._store.next_key)
        try:
            answer = await self._service.server_certificate(request.signed_by(key))
        except DeniedError:
            if request.insists or not request.announced:
                raise
            # The core may not publish addresses, so it may not have them named either.
            request = request.without_announced()
            answer = await self._service.server_certificate(request.signed_by(key))
        certificate = ServerCertificate.of(key, answer.certificate, request.group_id, request.names)
        self._require_usable(certificate, answer)
        await self._renew_own_authority(request)
        return certificate

    async def _renew_own_authority(self, request: Request) -> None:
        """Move the fence on; that it cannot be moved does not stop what the cloud has issued."""
        own = self._own_authority
        if own is None:
            return
        key = await own.next_key()
        try:
            own.keep(
                await self._service.own_authority(request.signed_by(key)), key, request.group_id
            )
        except (UnavailableError, OSError) as error:
            self._log.warning("this core's own authority cannot be renewed", reason=str(error))
        except HedgerowError as error:
            own.clear()
            self._log.warning("this core may not issue for itself", reason=str(error))

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

    def _advise(self, hosts: tuple[str, ...]) -> None:
        named = ", ".join(hosts) or "this machine itself only"
        advice = (
            "this core has no addresses in the cloud, so discovery leads no device to it; its "
            f"server certificate names {named}; set addresses with: aws greengrass "
            "update-connectivity-info, or add the function GGIPDetector to the group"
        )
        if advice != self.advice:
            self._log.warning("the core has no addresses", advice=advice)
        self.advice = advice

    def _tell(self, reason: str) -> None:
        if reason != self.problem:
            self._log.warning("the server certificate cannot be renewed", reason=reason)
        self.problem = reason

    def _seconds_to_next_look(self) -> float:
        now = self._clock.now()
        pause = _LOOK_AGAIN
        if self._served is not None:
            served = self._served
            for moment in (renewal_moment(served), help_moment(served), served.not_after):
                if moment > now:
                    pause = min(pause, moment - now)
        return pause.total_seconds()
