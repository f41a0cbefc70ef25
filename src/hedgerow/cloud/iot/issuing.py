"""Making and reading device certificates; what is slow here runs in a thread of its own."""

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from hedgerow.cloud.iot.certificates import invalid_certificate
from hedgerow.cloud.iot.faults import invalid_request
from hedgerow.kernel import CallerError, Secret
from hedgerow.pki import CertificateAuthority, device_certificate, load_certificate, load_csr

KEY_BITS = 2048
_PUBLIC_EXPONENT = 65537
_CURVES = frozenset({"secp256r1", "secp384r1", "secp521r1"})


@dataclass(frozen=True, slots=True)
class IssuedKeyPair:
    """A certificate with the key pair made for it. The private key exists nowhere else."""

    certificate_pem: str
    public_key_pem: str
    private_key_pem: Secret[str]


def issue_with_new_key(authority: CertificateAuthority) -> IssuedKeyPair:
    """Make an RSA key pair and a device certificate over it. Takes a while: call in a thread."""
    key = rsa.generate_private_key(public_exponent=_PUBLIC_EXPONENT, key_size=KEY_BITS)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    return IssuedKeyPair(
        certificate_pem=authority.issue(device_certificate(), key.public_key()),
        public_key_pem=public.decode(),
        private_key_pem=Secret(private.decode()),
    )


def issue_from_csr(authority: CertificateAuthority, csr_pem: str) -> str:
    """Return a device certificate over the key of a request that is signed with it."""
    try:
        return authority.issue(device_certificate(), load_csr(csr_pem))
    except CallerError as error:
        raise invalid_request(error.message) from error


def read_foreign_certificate(pem: str, now: datetime) -> x509.Certificate:
    """Read a certificate of any authority, or raise `CertificateValidationException`.

    It has to be exactly one, current or coming certificate over an RSA key of at least 2048 bits
    or a key on a NIST curve, and not an authority's, which no handshake would let in.
    """
    if pem.count("-----BEGIN CERTIFICATE-----") != 1:
        raise invalid_certificate("The PEM has to hold exactly one certificate, without its chain.")
    try:
        certificate = load_certificate(pem)
    except CallerError as error:
        raise invalid_certificate(error.message) from error
    if certificate.not_valid_after_utc <= now:
        raise invalid_certificate(
            f"The certificate expired on {certificate.not_valid_after_utc:%Y-%m-%d}; "
            "devices could not connect with it."
        )
    if _is_authority(certificate):
        raise invalid_certificate(
            "The certificate is an authority's (it may sign others: basicConstraints CA:TRUE or "
            "keyUsage keyCertSign), which devices cannot connect with; give the device one with "
            "basicConstraints CA:FALSE."
        )
    key = certificate.public_key()
    sound = (isinstance(key, rsa.RSAPublicKey) and key.key_size >= KEY_BITS) or (
        isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES
    )
    if not sound:
        raise invalid_certificate(
            f"The certificate's key has to be RSA of at least {KEY_BITS} bits, "
            "or EC on P-256, P-384 or P-521."
        )
    return certificate


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        extensions = certificate.extensions
    except (ValueError, x509.DuplicateExtension) as error:
        raise invalid_certificate("The certificate's extensions cannot be read.") from error
    for extension in extensions:
        value = extension.value
        if isinstance(value, x509.BasicConstraints) and value.ca:
            return True
        if isinstance(value, x509.KeyUsage) and value.key_cert_sign:
            return True
    return False
