"""An authority of the core's own, for the time when the cloud cannot be reached (an option).

The cloud gives it with limits that clients check: servers only, the core's own names only, nothing
below it, and an end (the fence) after which nothing it issued is accepted. It is renewed with each
certificate of the cloud, so that the fence is as far away as it can be when the cloud goes.

    <root>/ggc/var/state/server/issuing.key  issuing.crt  issuing.json
"""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from structlog.typing import FilteringBoundLogger

from hedgerow.contract import CertificateAnswer
from hedgerow.core.certificates.store import ServerCertificate
from hedgerow.kernel import CallerError, Clock, HedgerowError, PeerError
from hedgerow.pki import (
    CertificateAuthority,
    FileKey,
    PrivateKey,
    load_certificate,
    server_certificate,
    write_private,
    write_public,
)
from hedgerow.pki.profiles import BACKDATED

_KEY: Final = "issuing.key"
_CERTIFICATE: Final = "issuing.crt"
_ORIGIN: Final = "issuing.json"
_NEXT_KEY: Final = "issuing.next.key"
_COMMON_NAME: Final = "MQTT server of a Greengrass core"
"""No host name: clients that find none among the names of a certificate may read it as one."""


class _Origin(msgspec.Struct, frozen=True, kw_only=True):
    """For which group it is."""

    group_id: str


class OwnAuthority:
    """Keeps the authority on disk and issues with it. What it may issue is the cloud's decision."""

    def __init__(self, folder: Path, *, clock: Clock, log: FilteringBoundLogger) -> None:
        self._folder = folder
        self._clock = clock
        self._log = log

    async def next_key(self) -> PrivateKey:
        """Return a new RSA key that the cloud is to make an authority of."""
        return await asyncio.to_thread(FileKey.generate_rsa, self._folder / _NEXT_KEY)

    def keep(self, answer: CertificateAnswer, key: PrivateKey, group_id: str) -> None:
        """Use this authority from now on. Raises `PeerError` if it is not what was asked for."""
        certificate = _checked(answer, key)
        origin = _Origin(group_id=group_id)
        # Without its certificate a key is nothing: whatever a crash leaves is no authority.
        (self._folder / _CERTIFICATE).unlink(missing_ok=True)
        (self._folder / _NEXT_KEY).replace(self._folder / _KEY)
        write_private(self._folder / _ORIGIN, msgspec.json.encode(origin))
        write_public(self._folder / _CERTIFICATE, answer.certificate.encode())
        self._log.info("this core may issue for itself", until=f"{certificate.not_valid_after_utc}")

    def fence(self, group_id: str) -> datetime | None:
        """Return until when this core can issue for itself, or None."""
        held = self._load(group_id)
        return held.certificate.not_valid_after_utc if held is not None else None

    def issue(self, current: ServerCertificate, key: PrivateKey) -> ServerCertificate | None:
        """Return a certificate that takes the place of one that ends, or None if that cannot be.

        It lasts as long as that one did, and not beyond the fence.
        """
        held = self._load(current.group_id)
        if held is None:
            return None
        names = tuple(sorted(current.names() & permitted_names(held.certificate)))
        if not names:
            return None
        lifetime = current.not_after - current.not_before - BACKDATED
        profile = server_certificate(names, lifetime)
        try:
            pem = held.issue(replace(profile, common_name=_COMMON_NAME), key.public_key)
        except HedgerowError as error:
            self._log.warning("this core cannot issue for itself any more", reason=str(error))
            return None
        chain = pem + held.certificate_pem
        made = ServerCertificate.of(key, chain, current.group_id, current.requested_names)
        return made if made.not_after - current.not_after > timedelta(minutes=1) else None

    def clear(self) -> None:
        """Remove the authority and its key."""
        for name in (_CERTIFICATE, _ORIGIN, _KEY, _NEXT_KEY):
            (self._folder / name).unlink(missing_ok=True)

    def _load(self, group_id: str) -> CertificateAuthority | None:
        try:
            pem = (self._folder / _CERTIFICATE).read_text(encoding="ascii")
            origin = msgspec.json.decode((self._folder / _ORIGIN).read_bytes(), type=_Origin)
            key = FileKey.load(self._folder / _KEY)
            if origin.group_id != group_id:
                return None
            return CertificateAuthority(load_certificate(pem), key, self._clock)
        except (OSError, ValueError, msgspec.DecodeError, HedgerowError):
            return None


def permitted_names(certificate: x509.Certificate) -> frozenset[str]:
    """Return the hosts that an authority may issue for; with no limit it may for none."""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return frozenset()
    found: set[str] = set()
    for name in constraints.permitted_subtrees or ():
        if isinstance(name, x509.DNSName):
            found.add(name.value)
        elif isinstance(name, x509.IPAddress):
            found.add(str(name.value).partition("/")[0])
    return frozenset(found)


def _checked(answer: CertificateAnswer, key: PrivateKey) -> x509.Certificate:
    """Return the certificate if it makes an authority of the key, under the group's and limited."""
    try:
        certificate = load_certificate(answer.certificate)
        certificate.verify_directly_issued_by(load_certificate(answer.authority))
    except (CallerError, ValueError, TypeError, InvalidSignature) as error:
        raise PeerError("the core's authority was not issued by that of its group") from error
    if certificate.public_key() != key.public_key:
        raise PeerError("the core's authority is not over the key that was asked for")
    if not permitted_names(certificate):
        raise PeerError("the core's authority is not limited to the core's names; it is not used")
    return certificate
