"""Registration at the first connection: what a CA has signed is registered when it is first seen.

Source: AWS IoT Core Developer Guide, "Register a client certificate when the client connects
(just-in-time registration)". Such a certificate is PENDING_ACTIVATION, and admits nobody before a
program or a person has activated it. Whoever listens is told of it on
`$aws/events/certificates/registered/<CA certificate id>`.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import structlog

from hedgerow.cloud.home import Home
from hedgerow.cloud.iot import certificates, issuing
from hedgerow.cloud.iot.arns import ca_certificate_arn
from hedgerow.cloud.iot.ca_certificates import is_signed_by
from hedgerow.cloud.iot.directory import DeviceDirectory
from hedgerow.cloud.iot.documents import CERTIFICATE, Certificate, CertificateStatus
from hedgerow.cloud.iot.registry_events import certificate_registered
from hedgerow.kernel import Clock, DeniedError, HedgerowError, UnavailableError
from hedgerow.pki import TlsPeer, load_certificate, rewritten_id
from hedgerow.store import Record, Store, Transaction

PENDING: Final[CertificateStatus] = "PENDING_ACTIVATION"

WAITING_LIMIT: Final = 256
"""First connections that wait to be registered; one more is closed, and its device comes again."""

PENDING_LIMIT: Final = 10_000
"""Certificates of an account that wait for activation; no more are registered until some are."""

TOLD_AGAIN_S: Final = 5.0
"""How long after it was told of a certificate that waits is not told of again, however often its
device comes: nobody has vouched for it yet."""

_LOG = structlog.get_logger("hedgerow.cloud.iot.newcomers")


@dataclass(frozen=True, slots=True)
class Registration:
    """One certificate that was registered at its first connection, as it is recorded."""

    certificate_id: str
    ca_arn: str
    address: str


@dataclass(frozen=True, slots=True)
class _Arrival:
    """A connection whose certificate is a newcomer's. `close` ends it."""

    certificate_id: str
    pem: str
    address: str
    close: Callable[[], None]


class Newcomers:
    """Registers the newcomers of one account, one after the other, and closes their connections.

    INVARIANT: nobody comes in here: each connection is closed once its certificate is registered.
    """

    def __init__(
        self,
        store: Store,
        home: Home,
        clock: Clock,
        *,
        directory: DeviceDirectory,
        record: Callable[[Registration], None],
    ) -> None:
        """`record` raises if the record cannot be kept; nothing is registered then."""
        self._store = store
        self._home = home
        self._clock = clock
        self._directory = directory
        self._record = record
        self._waiting: asyncio.Queue[_Arrival] = asyncio.Queue(WAITING_LIMIT)
        self._told_at: dict[str, float] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to register."""
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._register_all(), name="newcomers")

    async def stop(self) -> None:
        """Register no more; devices that wait come again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        while not self._waiting.empty():
            self._waiting.get_nowait().close()

    def expects(self, peer: TlsPeer) -> bool:
        """Tell whether a peer's certificate waits for activation, or would be registered here.

        It is asked for certificates that no account has registered, and for this account's own.
        """
        identifier, der = peer.certificate_id, peer.certificate_der
        if identifier is None or der is None:
            return False
        if identifier in self._directory.pending:
            return True
        if self._directory.is_registered(identifier):
            return False
        authorities = self._directory.registering_authorities
        return bool(authorities) and _signer(_pem(der), authorities) is not None

    def protocol(self, peer: TlsPeer) -> asyncio.Protocol:
        """Return the protocol of one connection that `expects` says yes to."""
        return _FirstConnection(self, peer)

    def arrived(self, peer: TlsPeer, close: Callable[[], None]) -> None:
        """Have a peer's certificate registered, and then the connection closed."""
        if peer.certificate_id is None or peer.certificate_der is None or self._task is None:
            close()
            return
        pem = _pem(peer.certificate_der)
        try:
            self._waiting.put_nowait(_Arrival(peer.certificate_id, pem, peer.address, close))
        except asyncio.QueueFull:
            _LOG.warning("too many devices come for the first time; this one has to come again")
            close()

    async def _register_all(self) -> None:
        while True:
            arrival = await self._waiting.get()
            try:
                await self._register(arrival)
            except HedgerowError as error:
                _LOG.warning(
                    "a certificate was not registered at its first connection",
                    certificate_id=arrival.certificate_id,
                    address=arrival.address,
                    reason=error.message,
                )
            except Exception:  # noqa: BLE001 - one newcomer's trouble is not the others'
                _LOG.exception("registering a newcomer failed")
            finally:
                arrival.close()

    async def _register(self, arrival: _Arrival) -> None:
        async with self._store.transaction() as tx:
            known = await tx.get(CERTIFICATE, self._home.account, arrival.certificate_id)
            if known is None:
                known = await self._registered(tx, arrival)
            if known.document.status == PENDING and self._is_news(known.id):
                await certificate_registered(tx, self._home, known)

    def _is_news(self, certificate_id: str) -> bool:
        """Tell whether it is time to tell of a certificate, and take it for told."""
        now = self._clock.monotonic()
        told_at = self._told_at.get(certificate_id)
        if told_at is not None and now - told_at < TOLD_AGAIN_S:
            return False
        if len(self._told_at) >= PENDING_LIMIT:
            pending = self._directory.pending
            self._told_at = {one: at for one, at in self._told_at.items() if one in pending}
        self._told_at[certificate_id] = now
        return True

    async def _registered(self, tx: Transaction, arrival: _Arrival) -> Record[Certificate]:
        if len(self._directory.pending) >= PENDING_LIMIT:
            raise UnavailableError(
                f"{PENDING_LIMIT} certificates wait for activation already; activate or delete some"
            )
        certificate = issuing.read_foreign_certificate(arrival.pem, self._clock.now())
        ca_id = _signer(arrival.pem, self._directory.registering_authorities)
        if ca_id is None:
            raise DeniedError("its CA registers no newcomers any more")
        authority = _authority(self._directory.registering_authorities[ca_id])
        other = rewritten_id(certificate, authority)
        if other is not None and self._directory.is_registered(other):
            raise DeniedError(f"it is the certificate {other} with its signature rewritten")
        document = certificates.registered(certificate, PENDING, issued_here=False, ca_id=ca_id)
        made = await certificates.register(tx, self._home, arrival.certificate_id, document)
        ca_arn = ca_certificate_arn(self._home, ca_id)
        self._record(Registration(arrival.certificate_id, ca_arn, arrival.address))
        return made


class _FirstConnection(asyncio.Protocol):
    """A connection on which nothing is read: it lasts until its certificate is registered."""

    def __init__(self, newcomers: Newcomers, peer: TlsPeer) -> None:
        self._newcomers = newcomers
        self._peer = peer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.ReadTransport):
            transport.pause_reading()
        self._newcomers.arrived(self._peer, transport.close)


def _signer(pem: str, authorities: Mapping[str, str]) -> str | None:
    """Return the id of the authority that signed a certificate, None if none of these did."""
    certificate = load_certificate(pem)
    return next(
        (
            ca_id
            for ca_id, authority in authorities.items()
            if is_signed_by(certificate, _authority(authority))
        ),
        None,
    )


_authority = lru_cache(maxsize=1024)(load_certificate)


def _pem(der: bytes) -> str:
    return ssl.DER_cert_to_PEM_cert(der)
