"""Authorities and identities for tests, good ones and every kind of bad one.

Keys are EC, because RSA keys are slow to make; where a test is about RSA it makes its own.
"""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from hedgerow.kernel import SystemClock
from hedgerow.pki import (
    CertificateAuthority,
    FileKey,
    Profile,
    Trust,
    certificate_id,
    client_context,
    device_authority,
    device_certificate,
    load_certificate,
    server_certificate,
    server_context,
)

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


class ShiftedClock(SystemClock):
    """The system's clock, set wrong by so much: makes expired and not yet valid certificates."""

    def __init__(self, shift: timedelta) -> None:
        self._shift = shift

    def now(self) -> datetime:
        return datetime.fromtimestamp(super().now().timestamp(), UTC) + self._shift


@dataclass(frozen=True)
class Identity:
    """A key with a certificate over it."""

    key: FileKey
    certificate_pem: str

    @property
    def certificate(self) -> x509.Certificate:
        return load_certificate(self.certificate_pem)

    @property
    def certificate_id(self) -> str:
        return certificate_id(self.certificate_pem)

    def client_context(self, roots_pem: str) -> ssl.SSLContext:
        return client_context(roots_pem, self.key, self.certificate_pem)

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Write certificate and key files for clients that read files; return their paths."""
        folder.mkdir(parents=True, exist_ok=True)
        certificate, key = folder / f"{name}.cert.pem", folder / f"{name}.private.key"
        certificate.write_text(self.certificate_pem)
        key.touch(mode=0o600)
        key.write_bytes(self.key.pem().reveal())
        return certificate, key


def new_key() -> FileKey:
    return FileKey(ec.generate_private_key(ec.SECP256R1()))


def new_authority(
    name: str = "test authority", shift: timedelta = timedelta(0)
) -> CertificateAuthority:
    return CertificateAuthority.create_root(
        new_key(), name, ShiftedClock(shift), profile=device_authority(name)
    )


def new_identity(
    authority: CertificateAuthority, profile: Profile | None = None, key: FileKey | None = None
) -> Identity:
    key = key or new_key()
    return Identity(key, authority.issue(profile or device_certificate(), key.public_key))


def new_server(authority: CertificateAuthority, *names: str) -> Identity:
    return new_identity(authority, server_certificate(names or LOCAL_NAMES))


def self_signed() -> Identity:
    """Make a certificate that vouches for itself, as if made with one openssl command."""
    key = new_key()
    authority = CertificateAuthority.create_root(
        key, "self", SystemClock(), profile=device_certificate()
    )
    return Identity(key, authority.certificate_pem)


def expired(lifetime: timedelta = timedelta(days=1)) -> Identity:
    """Make a certificate that ended a year ago."""
    past = new_authority("past", -timedelta(days=365))
    return new_identity(past, device_certificate(lifetime))


def not_yet_valid() -> Identity:
    return new_identity(new_authority("future", timedelta(days=365)))


def authority_as_device() -> Identity:
    """Make the certificate of an authority, presented as if it were a device's."""
    authority = new_authority("a CA")
    assert isinstance(authority.key, FileKey)
    return Identity(authority.key, authority.certificate_pem)


@cache
def shared_authority() -> CertificateAuthority:
    """One authority for all tests of a process that only need some authority."""
    return new_authority()


def mutual_context(server: Identity, *trusted: Identity) -> ssl.SSLContext:
    return server_context(
        server.key,
        server.certificate_pem,
        Trust(tuple(identity.certificate_pem for identity in trusted)),
    )
