"""Certificate authorities: a key, the certificate over it, and the one act of issuing."""

from datetime import datetime, timedelta
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from hedgerow.kernel import Clock, SystemClock, UnavailableError, quoted, random_bytes
from hedgerow.pki.keys import PrivateKey, PublicKey, require_strong
from hedgerow.pki.profiles import (
    BACKDATED,
    Profile,
    general_names,
    name_constraints,
    root_authority,
)

_SERIAL_BYTES = 20


class CertificateAuthority:
    """Issues certificates under one key. Signatures are with SHA-256."""

    def __init__(
        self, certificate: x509.Certificate, key: PrivateKey, clock: Clock | None = None
    ) -> None:
        if key.public_key != certificate.public_key():
            raise ValueError("the key does not belong to the authority's certificate")
        self.certificate = certificate
        self.key = key
        self._clock = clock or SystemClock()

    @classmethod
    def create_root(
        cls,
        key: PrivateKey,
        common_name: str,
        clock: Clock,
        lifetime: timedelta | None = None,
        *,
        profile: Profile | None = None,
    ) -> Self:
        """Make an authority that vouches for itself; `profile` defaults to that of the root."""
        content = profile or (
            root_authority(common_name, lifetime) if lifetime else root_authority(common_name)
        )
        builder = _builder(content, key.public_key, clock.now()).issuer_name(content.subject())
        builder = builder.add_extension(_key_identifier(key.public_key), critical=False)
        return cls(builder.sign(key.signing_key(), hashes.SHA256()), key, clock)

    @property
    def certificate_pem(self) -> str:
        """The authority's own certificate."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def issue(self, profile: Profile, subject: object) -> str:
        """Return a certificate (PEM) for a public key or for a request that `load_csr` checked.

        Of a request only the key is taken: what a certificate says is the profile's alone.
        `UnavailableError` if the authority has expired.
        """
        now = self._clock.now()
        self._require_alive(now)
        key = (
            subject.public_key() if isinstance(subject, x509.CertificateSigningRequest) else subject
        )
        builder = (
            _builder(profile, require_strong(key), now, self.certificate)
            .issuer_name(self.certificate.subject)
            .add_extension(self._own_key_identifier(), critical=False)
        )
        signed = builder.sign(self.key.signing_key(), hashes.SHA256())
        return signed.public_bytes(Encoding.PEM).decode()

    def issue_authority(self, profile: Profile, key: PrivateKey) -> "CertificateAuthority":
        """Return an authority under this one."""
        certificate = x509.load_pem_x509_certificate(self.issue(profile, key.public_key).encode())
        return CertificateAuthority(certificate, key, self._clock)

    def _require_alive(self, now: datetime) -> None:
        end = self.certificate.not_valid_after_utc
        if now >= end:
            name = self.certificate.subject.rfc4514_string()
            raise UnavailableError(
                f"the certificate authority {quoted(name)} expired on {end:%Y-%m-%d}, so nobody "
                "would accept what it issues; create a new authority"
            )

    def _own_key_identifier(self) -> x509.AuthorityKeyIdentifier:
        own = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own.value)


def _builder(
    profile: Profile, key: PublicKey, now: datetime, issuer: x509.Certificate | None = None
) -> x509.CertificateBuilder:
    ends = now + profile.lifetime
    if issuer is not None:
        ends = min(ends, issuer.not_valid_after_utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(profile.subject())
        .public_key(key)
        .serial_number(_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(ends)
        .add_extension(
            x509.BasicConstraints(ca=profile.is_authority, path_length=profile.path_length),
            critical=True,
        )
        .add_extension(profile.key_usage(), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )
    if profile.usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage(profile.usage), critical=False)
    if profile.permitted:
        builder = builder.add_extension(name_constraints(profile.permitted), critical=True)
    if profile.names:
        builder = builder.add_extension(general_names(profile.names), critical=False)
    return builder


def _key_identifier(key: PublicKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key)


def _serial_number() -> int:
    """Return a positive number with 158 random bits (RFC 5280 allows 20 octets)."""
    return int.from_bytes(random_bytes(_SERIAL_BYTES)) >> 1 | 1
