r"""Digests: signed lists of what was delivered, each naming the one before it.

The layout and the signature are AWS's (CloudTrail user guide, "CloudTrail digest file structure"
and "custom implementations of log file integrity validation"): hashes are SHA-256 of contents
before compression, and what is signed with SHA256withRSA is

    <end of the digest's time>\n<bucket>/<key>\n<SHA-256 of the digest, hex>\n<signature before>

with `null` for the signature of a first digest. Our additions are in the member `hedgerow`, which
AWS's own validators pass over: the number of each record, its event id and its hash, and the head
of the chain over all records of the account, so that what was changed can be named.
"""

import hashlib
from typing import Final

import msgspec

from hedgerow.cloud.cloudtrail.documents import LastDigest
from hedgerow.pki import PrivateKey

HASH_ALGORITHM: Final = "SHA-256"
SIGNATURE_ALGORITHM: Final = "SHA256withRSA"
FORMAT: Final = 1
STOPPED: Final = "stopped"
"""Records were passed over because logging was stopped while they were made."""


class LogFileEntry(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A log file in a digest."""

    s3_bucket: str
    s3_object: str
    hash_value: str
    hash_algorithm: str = HASH_ALGORITHM
    newest_event_time: str
    oldest_event_time: str


class RecordList(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The records of one log file, in their order: numbers count up from `first`."""

    first: int
    last: int
    file_hash: str
    """SHA-256 of the file as it lies there, in hex: AWS's is of the content before compression."""
    before: str
    """The chain's head before the first record, in hex."""
    head: str
    """The chain's head after the last one."""
    records: tuple[tuple[str, str], ...]
    """(event id, SHA-256 of the record's bytes in hex) of each; empty if the journal had lost them
    before the digest was made: then the file's own hash is all there is."""
    skipped: str = ""
    """Why the file does not go on from the one before: `STOPPED`, or what was lost; or empty."""


class Extension(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a digest says beyond AWS's."""

    format: int = FORMAT
    trail: str
    region: str
    chain: str
    """Tells this trail's digests from those of an earlier one with the same name."""
    serial: int
    interval_seconds: int
    """The next digest ends at most so much later."""
    stopped: bool
    """Logging was stopped with this digest, so that no next one is due."""
    position: int
    """The number of the last record that was delivered."""
    head: str
    """The chain's head there."""
    log_files: dict[str, RecordList]


class Digest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One digest, in the order of members that AWS has."""

    aws_account_id: str
    digest_start_time: str
    digest_end_time: str
    digest_s3_bucket: str
    digest_s3_object: str
    digest_public_key_fingerprint: str
    digest_signature_algorithm: str = SIGNATURE_ALGORITHM
    newest_event_time: str | None
    oldest_event_time: str | None
    previous_digest_s3_bucket: str | None
    previous_digest_s3_object: str | None
    previous_digest_hash_value: str | None
    previous_digest_hash_algorithm: str | None
    previous_digest_signature: str | None
    log_files: tuple[LogFileEntry, ...]
    hedgerow: Extension


def encode_digest(digest: Digest) -> bytes:
    """Return a digest's JSON."""
    return msgspec.json.encode(digest)


def decode_digest(content: bytes) -> Digest:
    """Read a digest's JSON. Raises `msgspec.DecodeError`."""
    return msgspec.json.decode(content, type=Digest)


def signed_text(end: str, bucket: str, key: str, sha256: str, before: str | None) -> bytes:
    """Return what a digest's signature is over."""
    return f"{end}\n{bucket}/{key}\n{sha256}\n{before or 'null'}".encode()


def signature_file(signature: str, compressed_digest: bytes, key: PrivateKey) -> bytes:
    """Return what lies beside a digest: AWS's signature, and ours over the file's very bytes."""
    return f"{signature}\n{key.sign(compressed_digest).hex()}\n".encode()


def sign_digest(digest: Digest, content: bytes, key: PrivateKey) -> LastDigest:
    """Return what the next digest says of this one, its signature included."""
    sha256 = hashlib.sha256(content).hexdigest()
    text = signed_text(
        digest.digest_end_time,
        digest.digest_s3_bucket,
        digest.digest_s3_object,
        sha256,
        digest.previous_digest_signature,
    )
    return LastDigest(
        bucket=digest.digest_s3_bucket,
        key=digest.digest_s3_object,
        sha256=sha256,
        signature=key.sign(text).hex(),
    )
