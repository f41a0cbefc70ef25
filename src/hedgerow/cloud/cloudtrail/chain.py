"""The hash chain over an account's records, and how a verifier recomputes it.

    head(0) = SHA-256("hedgerow trail" | account)
    head(n) = SHA-256(head(n-1) | n as 8 bytes, big-endian | SHA-256(record n))

A record is the exact bytes of its JSON, as they stand in delivered files. Sequence numbers start
at 1 and have no gaps.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

HEAD_BYTES: Final = 32
_SEQUENCE_BYTES: Final = 8
_ORIGIN: Final = b"hedgerow trail"


@dataclass(frozen=True, slots=True)
class Head:
    """How far a chain has come: the number of its last record, and the hash over all of them."""

    sequence: int
    hash: bytes


def origin(account: str) -> Head:
    """Return the head of a chain that has no record yet."""
    return Head(0, hashlib.sha256(_ORIGIN + account.encode()).digest())


def record_hash(body: bytes) -> bytes:
    """Return the hash of one record."""
    return hashlib.sha256(body).digest()


def next_head(head: Head, hashed: bytes) -> Head:
    """Return the head after one more record, given by its hash."""
    sequence = head.sequence + 1
    linked = head.hash + sequence.to_bytes(_SEQUENCE_BYTES) + hashed
    return Head(sequence, hashlib.sha256(linked).digest())
