"""Which of several authorities with one name has signed a certificate.

Anybody can make an authority with the name and the key identifier of another one; that another
key is behind it shows only when a signature is tried.
"""

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

from hedgerow.kernel import CallerError, SystemClock
from hedgerow.pki.certificates import load_certificate
from hedgerow.pki.keys import require_strong

Authority = x509.Certificate
_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_REMEMBERED = 4096

_authority = lru_cache(maxsize=_REMEMBERED)(load_certificate)


@lru_cache(maxsize=_REMEMBERED)
def common_form(authority_pem: str) -> str:
    """Return an authority's name so that what OpenSSL takes for one name is one text.

    It looks neither at the case of letters nor at spaces nor at how they are encoded. Raises
    `CallerError` if the name cannot be read.
    """
    try:
        name = _authority(authority_pem).subject.rfc4514_string()
    except (ValueError, TypeError) as error:
        raise CallerError("the name in the certificate cannot be read") from error
    return "".join(name.split()).casefold()


def namesakes_among(authority_pems: Sequence[str]) -> tuple[Authority, ...]:
    """Return those of the authorities whose names are not theirs alone."""
    if len(authority_pems) < 2:  # noqa: PLR2004 - one alone has no namesake
        return ()
    names = [common_form(pem) for pem in authority_pems]
    count = Counter(names)
    return tuple(
        _authority(pem) for pem, name in zip(authority_pems, names, strict=True) if count[name] > 1
    )


def is_signed_by_one(authorities: Sequence[Authority], der: bytes) -> bool:
    """Tell whether one of the authorities has itself signed a certificate.

    It has to be current, with a strong key, and the signature one of our time.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        is_of_our_time = isinstance(certificate.signature_hash_algorithm, _HASHES)
    except (ValueError, UnsupportedAlgorithm):
        return False
    return is_of_our_time and any(_has_signed(one, certificate) for one in authorities)


def _has_signed(authority: Authority, certificate: x509.Certificate) -> bool:
    now = SystemClock().now()
    if not authority.not_valid_before_utc <= now <= authority.not_valid_after_utc:
        return False
    try:
        certificate.verify_directly_issued_by(authority)
        require_strong(authority.public_key())
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, CallerError):
        return False
    return True
