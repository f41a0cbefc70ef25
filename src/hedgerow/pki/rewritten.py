"""The other certificate that follows from one whose authority signs with ECDSA.

If (r, s) is a signature, so is (r, n - s): whoever has a certificate can write another one with it,
which says the same and bears a good signature under another id, without any private key.
"""

import hashlib

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import Encoding

_SEQUENCE, _BIT_STRING = 0x30, 0x03
_SHORT = 0x80
"""The lengths below it take one byte."""


def rewritten_id(certificate: x509.Certificate, authority: x509.Certificate) -> str | None:
    """Return the id of the other certificate, None if the authority's signatures have one form.

    The certificate bears a good signature of the authority.
    """
    key = authority.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return None
    r, s = decode_dss_signature(certificate.signature)
    other = encode_dss_signature(r, key.curve.group_order - s)
    der, said = certificate.public_bytes(Encoding.DER), certificate.tbs_certificate_bytes
    start = der.index(said) + len(said)
    algorithm = der[start : -len(_bits(certificate.signature))]
    return hashlib.sha256(_value(_SEQUENCE, said + algorithm + _bits(other))).hexdigest()


def _bits(data: bytes) -> bytes:
    return _value(_BIT_STRING, b"\0" + data)


def _value(tag: int, content: bytes) -> bytes:
    """Return a value in DER."""
    length = len(content)
    if length < _SHORT:
        return bytes((tag, length)) + content
    size = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes((tag, _SHORT | len(size))) + size + content
