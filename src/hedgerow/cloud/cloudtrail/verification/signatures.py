"""Which digests are real: those whose signature fits the public key, at the place they name.

INVARIANT: a `SignedDigest` is made here only, after both signatures were checked.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from hedgerow.cloud.cloudtrail.digest import Digest, decode_digest, signed_text
from hedgerow.cloud.cloudtrail.keys import fingerprint
from hedgerow.cloud.cloudtrail.verification.findings import Finding
from hedgerow.cloud.cloudtrail.verification.inventory import (
    Root,
    decompressed,
    named_from_top,
    signature_name,
)

_SEAL: Final = object()


@dataclass(frozen=True, slots=True)
class SignedDigest:
    """A digest that the key has signed, where it lies, and its hash and signature."""

    name: str
    digest: Digest
    sha256: str
    signature: str
    _seal: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self._seal is not _SEAL:
            raise TypeError("a SignedDigest comes from read_digest only")


def read_digest(root: Root, name: str, key: rsa.RSAPublicKey) -> SignedDigest | Finding:
    """Return a digest that is proven, or what is wrong with the file."""
    where = root.shown + name
    try:
        packed = root.read(name)
        content = decompressed(packed)
        digest = decode_digest(content)
    except (OSError, ValueError, msgspec.DecodeError) as error:
        return Finding("UnreadableDigest", where, f"it was changed: {error}")
    try:
        signature_text, file_signature = _signatures(root, name)
    except FileNotFoundError:
        return Finding("MissingSignature", where, "the file with its signature is gone")
    except (OSError, ValueError) as error:
        return Finding("WrongSignature", where, f"the file with its signature was changed: {error}")
    sha256 = hashlib.sha256(content).hexdigest()
    text = signed_text(
        digest.digest_end_time,
        digest.digest_s3_bucket,
        digest.digest_s3_object,
        sha256,
        digest.previous_digest_signature,
    )
    if not (_fits(key, signature_text, text) and _fits(key, file_signature, packed)):
        return Finding("WrongSignature", where, _unsigned(digest, key))
    if named_from_top(digest.digest_s3_object) != name:
        original = named_from_top(digest.digest_s3_object)
        return Finding(
            "ReplayedDigest", where, f"it is a copy of {original}, put in another's place"
        )
    return SignedDigest(name, digest, sha256, signature_text, _SEAL)


def _signatures(root: Root, name: str) -> tuple[str, str]:
    content = root.read(signature_name(name))
    lines = content.decode("ascii").split("\n")
    if len(lines) != 3 or lines[2]:  # noqa: PLR2004 - two signatures, and nothing after them
        raise ValueError("it does not hold two signatures")
    for line in lines[:2]:
        if bytes.fromhex(line).hex() != line:
            raise ValueError("a signature is not written as it was")
    return lines[0], lines[1]


def _fits(key: rsa.RSAPublicKey, signature: str, text: bytes) -> bool:
    try:
        key.verify(bytes.fromhex(signature), text, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def _unsigned(digest: Digest, key: rsa.RSAPublicKey) -> str:
    theirs, ours = digest.digest_public_key_fingerprint, fingerprint(key)
    if theirs != ours:
        return f"it says it is signed by the key {theirs[:32]!r}, and the key given is {ours}"
    return "its signature does not fit: the digest or its signature was changed"
