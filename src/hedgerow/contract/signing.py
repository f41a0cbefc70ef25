"""Signed documents: bytes, a signature, and the certificate of the key that made it.

The certificate must be issued by one of the roots the core already trusts (its `caPath`), be
valid at the time of checking, and be made for signing (extended key usage: code signing), so that
no server or device certificate of the same root can sign for the cloud.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from hedgerow.kernel import PeerError

Signer = Callable[[bytes], bytes]
"""Signs bytes with SHA-256: RSA with PKCS#1 v1.5, or ECDSA in DER form."""


class SignedDocument(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """A payload and who vouches for it; bytes are Base64 in JSON."""

    payload: bytes
    signature: bytes
    certificate: str


@dataclass(frozen=True, slots=True)
class VerifiedDocument:
    """Bytes whose signature was checked. INVARIANT: only `verify` makes these."""

    payload: bytes
    signer_certificate: x509.Certificate


def sign(payload: bytes, signer: Signer, certificate_pem: str) -> bytes:
    """Return the encoded `SignedDocument` of the payload."""
    document = SignedDocument(
        payload=payload, signature=signer(payload), certificate=certificate_pem
    )
    return msgspec.json.encode(document)


def verify(data: bytes, roots: Sequence[x509.Certificate], now: datetime) -> VerifiedDocument:
    """Return the payload if a trusted, current signing certificate signed it, else raise.

    Raises `PeerError` that says which of the conditions failed.
    """
    try:
        document = msgspec.json.decode(data, type=SignedDocument)
        certificate = x509.load_pem_x509_certificate(document.certificate.encode())
    except (msgspec.DecodeError, ValueError) as error:
        raise PeerError("the document is not in the form of a signed document") from error
    _require_issued_by(certificate, roots)
    _require_current_signing_certificate(certificate, now)
    _require_signature(certificate, document)
    return VerifiedDocument(payload=document.payload, signer_certificate=certificate)


def _require_issued_by(certificate: x509.Certificate, roots: Sequence[x509.Certificate]) -> None:
    for root in roots:
        try:
            certificate.verify_directly_issued_by(root)
        except (ValueError, TypeError, InvalidSignature):
            continue
        return
    raise PeerError("the signing certificate was not issued by a root certificate of this core")


def _require_current_signing_certificate(certificate: x509.Certificate, now: datetime) -> None:
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise PeerError(
            f"the signing certificate is valid from {certificate.not_valid_before_utc:%Y-%m-%d} "
            f"to {certificate.not_valid_after_utc:%Y-%m-%d}; check this machine's clock"
        )
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        raise PeerError("the signing certificate has no extended key usage") from None
    if ExtendedKeyUsageOID.CODE_SIGNING not in usage:
        raise PeerError("the certificate was not made for signing documents")


def _require_signature(certificate: x509.Certificate, document: SignedDocument) -> None:
    key = certificate.public_key()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(document.signature, document.payload, padding.PKCS1v15(), hashes.SHA256())
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(document.signature, document.payload, ec.ECDSA(hashes.SHA256()))
        else:
            raise PeerError("the signing certificate's key is neither RSA nor EC")
    except InvalidSignature:
        raise PeerError("the signature does not fit the document") from None
