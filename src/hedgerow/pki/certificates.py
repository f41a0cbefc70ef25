"""Reading certificates and requests from others, and naming certificates."""

import binascii
import hashlib

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from hedgerow.kernel import CallerError
from hedgerow.pki.keys import require_strong

MAX_PEM_CHARACTERS = 65_536


def certificate_id(certificate: bytes | str | x509.Certificate) -> str:
    """Return AWS's certificate id: SHA-256 over the DER, in 64 hex digits.

    `bytes` are DER, `str` is PEM.
    """
    return hashlib.sha256(certificate_der(certificate)).hexdigest()


def certificate_der(certificate: bytes | str | x509.Certificate) -> bytes:
    """Return the DER of a certificate given as DER, PEM or object."""
    if isinstance(certificate, bytes):
        return certificate
    if isinstance(certificate, str):
        certificate = load_certificate(certificate)
    return certificate.public_bytes(Encoding.DER)


def load_certificate(pem: str) -> x509.Certificate:
    """Read one certificate, or raise `CallerError`."""
    _require_size(pem, "certificate")
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except (ValueError, binascii.Error) as error:
        raise CallerError("not a certificate in PEM form") from error


def load_csr(pem: str) -> x509.CertificateSigningRequest:
    """Read a request and prove that its maker holds the key; `CallerError` otherwise.

    The key has to be RSA from 2048 bits or EC on P-256 or P-384.
    """
    _require_size(pem, "certificate signing request")
    try:
        request = x509.load_pem_x509_csr(pem.encode())
        sound = request.is_signature_valid
        key = request.public_key()
    except (ValueError, binascii.Error, InvalidSignature, UnsupportedAlgorithm) as error:
        raise CallerError("not a certificate signing request in PEM form") from error
    if not sound:
        raise CallerError("the certificate signing request is not signed with its own key")
    require_strong(key)
    return request


def _require_size(pem: str, what: str) -> None:
    if len(pem) > MAX_PEM_CHARACTERS:
        raise CallerError(f"a {what} of {len(pem)} characters; {MAX_PEM_CHARACTERS} are the most")
