"""Server certificates for cores: which names they carry, how long they last, and issuing them.

A core cannot choose its names freely, or it could pass for any host towards the group's clients.
It gets every address of its connectivity information, which an administrator or its own
authorised `UpdateConnectivityInfo` has set and discovery hands to clients anyway, and of the names
in its request only those that mean the machine itself. A core that has just learnt a new address
announces it: it gets a certificate that names it, serves that, and publishes the address then, so
that no client meets a server that cannot prove its address. Whoever calls has to prove that the
core may publish what it announces (`Announcement`); other requested names are left out.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from cryptography import x509

from hedgerow.cloud.greengrass import authorities, connectivity
from hedgerow.cloud.greengrass.core_desk import OwnGroup
from hedgerow.cloud.greengrass.lookup import existing_group
from hedgerow.cloud.home import Home
from hedgerow.contract import CertificateAnswer, ConnectivityEntry, ConnectivityInfo
from hedgerow.kernel import Clock, DeniedError
from hedgerow.pki import (
    CertificateAuthority,
    load_certificate,
    load_csr,
    server_certificate,
)
from hedgerow.pki.profiles import LOOPBACK_NAMES
from hedgerow.policy import Decision
from hedgerow.store import Store

_SEAL = object()


@dataclass(frozen=True, slots=True)
class Announcement:
    """Addresses that a core may publish, and is about to.

    INVARIANT: made by `announcement` only, with the decision that the core may publish.
    """

    hosts: tuple[str, ...]
    _seal: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self._seal is not _SEAL:
            raise TypeError("an Announcement comes from announcement only")


def announcement(
    entries: Sequence[ConnectivityEntry], may_publish: Callable[[], Decision]
) -> Announcement:
    """Return the proof that a core may publish these addresses.

    Raises `CallerError` that names an entry at fault, and `DeniedError` in the words that an
    `UpdateConnectivityInfo` would be refused with. To announce nothing needs no permission.
    """
    addresses = connectivity.checked(entries)
    if addresses:
        decision = may_publish()
        if not decision.allowed:
            raise DeniedError(
                "greengrass:UpdateConnectivityInfo is refused for the addresses that the request "
                f"announces: {decision.reason}"
            )
    return Announcement(tuple(entry.host_address for entry in addresses), _SEAL)


NOTHING_ANNOUNCED = Announcement((), _SEAL)


def granted_names(
    requested: Sequence[str],
    known: ConnectivityInfo,
    announced: Announcement = NOTHING_ANNOUNCED,
) -> tuple[str, ...]:
    """Return the names for a certificate; with none allowed it is good for the machine itself."""
    addresses = [entry.host_address for entry in known.connectivity_info]
    own = [name for name in requested if name in LOOPBACK_NAMES]
    return tuple(dict.fromkeys((*addresses, *announced.hosts, *own))) or LOOPBACK_NAMES


def requested_names(csr: x509.CertificateSigningRequest) -> tuple[str, ...]:
    """Return the DNS names and addresses that a request asks for."""
    try:
        extension = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    names = extension.value.get_values_for_type(x509.DNSName)
    addresses = extension.value.get_values_for_type(x509.IPAddress)
    return (*names, *map(str, addresses))


class ServerCertificates:
    """Issues server certificates under a group's active authority."""

    def __init__(self, store: Store, home: Home, clock: Clock) -> None:
        self._store = store
        self._home = home
        self._clock = clock

    async def issue(
        self, own: OwnGroup, csr_pem: str, announced: Announcement = NOTHING_ANNOUNCED
    ) -> CertificateAnswer:
        """Return a certificate over the key of a request.

        Raises `CallerError` for a bad request, and `DeniedError` after a reset: the group has no
        core then, and a lost one must not get a certificate of the authority that comes after it.

        To whom the authority issues is on disk before the certificate leaves: a rotation must not
        miss anyone.
        """
        require_deployed(own)
        csr = load_csr(csr_pem)
        group = await existing_group(self._store, self._home, own.view.group_id)
        async with self._store.transaction() as tx:
            record = await authorities.active(tx, self._home, own.view.group_id)
            await authorities.note_issue(tx, record, own.device.certificate_id, self._clock.now())
        names = granted_names(requested_names(csr), own.view.connectivity, announced)
        lifetime = timedelta(milliseconds=group.document.certificate_validity_ms)
        authority = authorities.open_authority(record.document, self._clock)
        pem = await asyncio.to_thread(_issue, authority, csr, names, lifetime)
        return CertificateAnswer(
            certificate=pem,
            authority=record.document.certificate_pem,
            not_after=load_certificate(pem).not_valid_after_utc,
        )


def require_deployed(own: OwnGroup) -> None:
    """Raise `DeniedError` for a group that was reset, whose core may be a lost one."""
    if not own.view.deployed:
        raise DeniedError(
            f"group {own.view.group_id} has no deployment now, so its core gets no server "
            "certificate; deploy the group"
        )


def _issue(
    authority: CertificateAuthority,
    csr: x509.CertificateSigningRequest,
    names: Sequence[str],
    lifetime: timedelta,
) -> str:
    return authority.issue(server_certificate(names, lifetime), csr)
