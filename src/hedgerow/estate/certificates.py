"""Certificates in files: found by their form, named by their id, and looked at for what they are.

Only `CERTIFICATE` blocks are read; text around them is passed over. What may be registered is the
cloud's rule; here is what can be known of a certificate without asking anybody.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from hedgerow.estate.formats import Source
from hedgerow.estate.values import CertificateStatus
from hedgerow.kernel import CallerError
from hedgerow.pki import certificate_id, load_certificate

SUFFIXES: Final = (".pem", ".crt", ".cer", ".cert", ".txt")
"""Names of files that may hold certificates."""

MIN_RSA_BITS: Final = 2048
_BLOCK: Final = re.compile(
    r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]{1,65536}?-----END CERTIFICATE-----"
)
_DECORATION: Final = re.compile(r"([._-]?(cert|certificate))?(\.pem|\.crt|\.cer|\.cert|\.txt)$")
_CURVES: Final = frozenset({"secp256r1", "secp384r1", "secp521r1"})


_STATUSES: Final[Mapping[str, CertificateStatus]] = {
    "ACTIVE": "ACTIVE",
    "INACTIVE": "INACTIVE",
    "REVOKED": "REVOKED",
}


@dataclass(frozen=True, slots=True)
class FoundCertificate:
    """A certificate in a file. `labels` are what may be its thing's name: of file, folder, subject.

    `weakness` says why no cloud should register it, and is empty if nothing speaks against it.
    """

    id: str
    pem: str
    place: str
    labels: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    authority: bool
    weakness: str


def status_of(text: str) -> CertificateStatus:
    """Return a status by its name; certificates in any other state are not to be used."""
    return _STATUSES.get(text, "INACTIVE")


def certificates_in(source: Source) -> Mapping[str, FoundCertificate]:
    """Return every certificate in the files by its id; the first place where it is counts."""
    found: dict[str, FoundCertificate] = {}
    for path in sorted(source.files):
        if path.lower().endswith(SUFFIXES):
            text = source.files[path].decode("ascii", errors="replace")
            for one in certificates_of(text, path):
                found.setdefault(one.id, one)
    return found


def certificates_of(text: str, place: str) -> Iterator[FoundCertificate]:
    """Yield the certificates in a text; a block that is none is passed over."""
    for block in _BLOCK.findall(text):
        try:
            certificate = load_certificate(block)
            yield _found(certificate, f"{block}\n", place)
        except (CallerError, ValueError):
            continue


def _found(certificate: x509.Certificate, pem: str, place: str) -> FoundCertificate:
    return FoundCertificate(
        id=certificate_id(certificate),
        pem=pem,
        place=place,
        labels=tuple(dict.fromkeys((*_names_of_file(place), *_common_names(certificate)))),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        authority=_is_authority(certificate),
        weakness=_weakness(certificate),
    )


def _names_of_file(place: str) -> tuple[str, ...]:
    path = PurePosixPath(place)
    stem = _DECORATION.sub("", path.name)
    return tuple(name for name in (stem, path.parent.name) if name)


def _common_names(certificate: x509.Certificate) -> tuple[str, ...]:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return tuple(str(name.value) for name in names)


def _is_authority(certificate: x509.Certificate) -> bool:
    for extension in certificate.extensions:
        value = extension.value
        if isinstance(value, x509.BasicConstraints) and value.ca:
            return True
        if isinstance(value, x509.KeyUsage) and value.key_cert_sign:
            return True
    return False


def _weakness(certificate: x509.Certificate) -> str:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        short = key.key_size < MIN_RSA_BITS
        return f"its RSA key has {key.key_size} bits, fewer than {MIN_RSA_BITS}" if short else ""
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return ""
    return "its key is neither RSA nor EC on P-256, P-384 or P-521"
