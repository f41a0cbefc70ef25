"""Server certificates for cores: which names they carry, how long they last, and issuing them.

A core cannot choose its names freely, or it could pass for any host towards the group's clients.
It gets every address of its connectivity information, which an administrator or its own
authorised `UpdateConnectivityInfo` has set and discovery hands to clients anyway, and of the names
in its request only those that mean the machine itself. Other requested names are left out, not
refused: a core that has just learnt a new address asks again once it has published it.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from cryptography import x509

from hedgerow.cloud.greengrass import authorities
from hedgerow.cloud.greengrass.core_desk import OwnGroup
from hedgerow.cloud.greengrass.lookup import existing_group
from hedgerow.cloud.home import Home
from hedgerow.contract import CertificateAnswer, ConnectivityInfo
from hedgerow.kernel import Clock, DeniedError
from hedgerow.pki import CertificateAuthority, load_certificate, load_csr, server_certificate
from hedgerow.store import Store

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


def granted_names(requested: Sequence[str], connectivity: ConnectivityInfo) -> tuple[str, ...]:
    """Return the names for a certificate; with none allowed it is good for the machine itself."""
    addresses = [entry.host_address for entry in connectivity.connectivity_info]
    own = [name for name in requested if name in LOOPBACK_NAMES]
    return tuple(dict.fromkeys((*addresses, *own))) or LOOPBACK_NAMES


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

    async def issue(self, own: OwnGroup, csr_pem: str) -> CertificateAnswer:
        """Return a certificate over the key of a request.

        Raises `CallerError` for a bad request, and `DeniedError` after a reset: the group has no
        core then, and a lost one must not get a certificate of the authority that comes after it.

        To whom the authority issues is on disk before the certificate leaves: a rotation must not
        miss anyone.
        """
        if not own.view.deployed:
            raise DeniedError(
                f"group {own.view.group_id} has no deployment now, so its core gets no server "
                "certificate; deploy the group"
            )
        csr = load_csr(csr_pem)
        group = await existing_group(self._store, self._home, own.view.group_id)
        async with self._store.transaction() as tx:
            record = await authorities.active(tx, self._home, own.view.group_id)
            await authorities.note_issue(tx, record, own.device.certificate_id, self._clock.now())
        names = granted_names(requested_names(csr), own.view.connectivity)
        lifetime = timedelta(milliseconds=group.document.certificate_validity_ms)
        authority = authorities.open_authority(record.document, self._clock)
        pem = await asyncio.to_thread(_issue, authority, csr, names, lifetime)
        return CertificateAnswer(
            certificate=pem,
            authority=record.document.certificate_pem,
            not_after=load_certificate(pem).not_valid_after_utc,
        )


def _issue(
    authority: CertificateAuthority,
    csr: x509.CertificateSigningRequest,
    names: Sequence[str],
    lifetime: timedelta,
) -> str:
    return authority.issue(server_certificate(names, lifetime), csr)
