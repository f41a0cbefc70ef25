"""Segments: the files of a journal, and how a record lies encrypted in one.

A segment begins with a header: which chain head it goes on from, when it was begun, and a salt.
Its records are encrypted with AES-256-GCM under a key that is derived from the journal's key and
that salt, each with a random nonce, its sequence number as associated data, and the chain's head
before it as the first bytes of the plaintext. So no frame can be changed, moved, left out or
brought in from another segment without reading telling of it.

INVARIANT: a segment is written by one process, from its beginning, in order. A journal that is
opened again begins a new one, so that no key and nonce ever meet two plaintexts.
"""

import hmac
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hedgerow.cloud.cloudtrail.chain import HEAD_BYTES, Head, next_head, record_hash
from hedgerow.kernel import HedgerowError, Secret, random_bytes

SUFFIX: Final = ".journal"
_MAGIC: Final = b"HGTRAIL1"
_SALT_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_DIGEST: Final = "sha256"
_HEADER = struct.Struct(f">8s{_SALT_BYTES}sQ{HEAD_BYTES}sQ")
_MAC_BYTES: Final = 32
HEADER_BYTES: Final = _HEADER.size + _MAC_BYTES
_FRAME = struct.Struct(f">IQ{_NONCE_BYTES}s")
_SEQUENCE = struct.Struct(">Q")
MAX_RECORD_BYTES: Final = 512 * 1024
"""More than all fields of an event together can have."""


class DamagedSegmentError(HedgerowError):
    """A segment is not as it was written, from `offset` on."""

    code = "JournalDamaged"

    def __init__(self, path: Path, offset: int, problem: str) -> None:
        super().__init__(f"the journal file {path.name} is damaged at byte {offset}: {problem}")
        self.offset = offset
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Header:
    """What a segment says of itself. `begun_us` is microseconds since 1970."""

    salt: bytes
    before: Head
    begun_us: int

    def encode(self, journal_key: Secret[bytes]) -> bytes:
        """Return the header's bytes, authenticated."""
        fields = _HEADER.pack(
            _MAGIC, self.salt, self.before.sequence, self.before.hash, self.begun_us
        )
        return fields + _mac(journal_key, fields)

    @classmethod
    def decode(cls, path: Path, encoded: bytes, journal_key: Secret[bytes]) -> Self:
        """Read a header, or raise `DamagedSegmentError`."""
        fields, mac = encoded[: _HEADER.size], encoded[_HEADER.size : HEADER_BYTES]
        if len(encoded) < HEADER_BYTES or not hmac.compare_digest(mac, _mac(journal_key, fields)):
            raise DamagedSegmentError(path, 0, "its header is not what was written")
        _, salt, sequence, head, begun_us = _HEADER.unpack(fields)
        return cls(salt=salt, before=Head(sequence, head), begun_us=begun_us)


@dataclass(frozen=True, slots=True)
class Place:
    """Where one record lies."""

    segment: int
    """The sequence number of the segment's first record, which is also its file's name."""
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Frame:
    """One record as it was read, and the chain's head after it."""

    place: Place
    head: Head
    body: bytes


class SegmentCipher:
    """Seals and opens the records of one segment."""

    __slots__ = ("_cipher",)

    def __init__(self, journal_key: Secret[bytes], salt: bytes) -> None:
        self._cipher = AESGCM(hmac.digest(journal_key.reveal(), b"segment" + salt, _DIGEST))

    def seal(self, before: Head, body: bytes) -> bytes:
        """Return the frame of the record that follows a head."""
        nonce = random_bytes(_NONCE_BYTES)
        sequence = before.sequence + 1
        sealed = self._cipher.encrypt(nonce, before.hash + body, _SEQUENCE.pack(sequence))
        return _FRAME.pack(len(sealed), sequence, nonce) + sealed

    def open(self, frame: bytes, sequence: int) -> tuple[bytes, bytes]:
        """Return (hash of the head before, record) of a frame, or raise `InvalidTag`."""
        _, _, nonce = _FRAME.unpack_from(frame)
        opened = self._cipher.decrypt(nonce, frame[_FRAME.size :], _SEQUENCE.pack(sequence))
        return opened[:HEAD_BYTES], opened[HEAD_BYTES:]


def new_header(before: Head, begun_us: int) -> Header:
    """Return the header of a segment that goes on from a head."""
    return Header(salt=random_bytes(_SALT_BYTES), before=before, begun_us=begun_us)


def segment_path(folder: Path, first: int) -> Path:
    """Return the path of the segment whose first record has this number."""
    return folder / f"{first:020d}{SUFFIX}"


def segments_of(folder: Path) -> list[int]:
    """Return the numbers of a journal's segments, oldest first."""
    return sorted(int(path.stem) for path in folder.glob(f"*{SUFFIX}") if path.stem.isdigit())


def read_header(path: Path, journal_key: Secret[bytes]) -> Header:
    """Return a segment's header, or raise `DamagedSegmentError`."""
    with path.open("rb") as file:
        return Header.decode(path, file.read(HEADER_BYTES), journal_key)


def read_frames(path: Path, journal_key: Secret[bytes], end: int | None = None) -> Iterator[Frame]:
    """Give the records of a segment in order, of its first `end` bytes if that is given.

    Raises `DamagedSegmentError` where it stops being what was written, after all that is good.
    """
    with path.open("rb") as file:
        content = file.read() if end is None else file.read(end)
    header = Header.decode(path, content[:HEADER_BYTES], journal_key)
    cipher = SegmentCipher(journal_key, header.salt)
    head, offset, segment = header.before, HEADER_BYTES, header.before.sequence + 1
    while offset < len(content):
        frame = _frame_at(path, content, offset)
        try:
            before, body = cipher.open(frame, head.sequence + 1)
        except InvalidTag:
            raise DamagedSegmentError(path, offset, "a record is not what was written") from None
        if before != head.hash:
            raise DamagedSegmentError(
                path, offset, "a record follows another than it was written after"
            )
        head = next_head(head, record_hash(body))
        yield Frame(Place(segment, offset, len(frame)), head, body)
        offset += len(frame)


def read_record(path: Path, cipher: SegmentCipher, place: Place, sequence: int) -> bytes:
    """Return one record of a segment, or raise `DamagedSegmentError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        frame = os.pread(descriptor, place.length, place.offset)
    finally:
        os.close(descriptor)
    if len(frame) != place.length:
        raise DamagedSegmentError(path, place.offset, "it ends inside a record")
    try:
        _, body = cipher.open(frame, sequence)
    except InvalidTag:
        raise DamagedSegmentError(path, place.offset, "a record is not what was written") from None
    return body


def _frame_at(path: Path, content: bytes, offset: int) -> bytes:
    if len(content) - offset < _FRAME.size:
        raise DamagedSegmentError(path, offset, "it ends inside a record")
    length, _, _ = _FRAME.unpack_from(content, offset)
    if not HEAD_BYTES + _TAG_BYTES < length <= MAX_RECORD_BYTES + HEAD_BYTES + _TAG_BYTES:
        raise DamagedSegmentError(path, offset, "a record's length makes no sense")
    end = offset + _FRAME.size + length
    if end > len(content):
        raise DamagedSegmentError(path, offset, "it ends inside a record")
    return content[offset:end]


def _mac(journal_key: Secret[bytes], fields: bytes) -> bytes:
    return hmac.digest(journal_key.reveal(), b"header" + fields, _DIGEST)
