"""A small record that survives a power cut at any moment: two checksummed slots, written in turn.

    NAME.a  NAME.b      each: magic, sequence number, length, SHA-256 of both and the payload

A write goes to the slot that does not hold the newest record, in place, and is flushed to disk
before it counts. A cut in the middle of it damages that slot alone, and the other one still holds
the record before. A slot is made once with room to spare, so that a full disk takes a change of
the record too.
"""

import hashlib
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hedgerow.pki.files import flush

_MAGIC: Final = b"HGT1"
_HEAD: Final = struct.Struct(">4sQI")
_DIGEST_BYTES: Final = 32
_BLOCK: Final = 4096
_SLOT_BYTES_LIMIT: Final = 16 * 1_048_576
_MODE: Final = 0o600
_FOLDER_MODE: Final = 0o700
_UNREADABLE: Final = b"?"
"""What stands for the content of a slot that cannot be read: it is no record."""


@dataclass(frozen=True, slots=True)
class TwinRecord:
    """What was found: the newest good record, and the slots that hold none though they should.

    `payload` is None if there is none: nothing was written yet, or `damaged` names both.
    """

    payload: bytes | None = field(repr=False)
    sequence: int = 0
    damaged: tuple[Path, ...] = ()

    @property
    def is_lost(self) -> bool:
        """Tell whether there was a record, and neither slot holds it any more."""
        return self.payload is None and bool(self.damaged)


class TwinFile:
    """The two slots of one record. Blocking, and short."""

    def __init__(self, path: Path) -> None:
        """`path` is the name without the ending of the slots."""
        self._slots = tuple(path.with_name(f"{path.name}.{ending}") for ending in ("a", "b"))

    def read(self) -> TwinRecord:
        """Return the newest good record; it never fails for what the slots hold."""
        found = [(slot, _read(slot)) for slot in self._slots]
        damaged = tuple(slot for slot, data in found if data and _decoded(data) is None)
        good = [record for _, data in found if (record := _decoded(data or b"")) is not None]
        if not good:
            return TwinRecord(None, damaged=damaged)
        sequence, payload = max(good)
        return TwinRecord(payload, sequence, damaged)

    def write(self, payload: bytes) -> None:
        """Make this the record, in one step; `OSError` if the disk does not take it."""
        newest = self.read().sequence
        sequence = newest + 1
        slot = self._slots[sequence % 2]
        slot.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        is_new = not all(other.exists() for other in self._slots)
        _overwrite(slot, _encoded(sequence, payload))
        if is_new:
            _make_room(self._slots[newest % 2], _padded_size(len(payload)))
            flush(slot.parent)


def _encoded(sequence: int, payload: bytes) -> bytes:
    head = _HEAD.pack(_MAGIC, sequence, len(payload))
    record = head + hashlib.sha256(head + payload).digest() + payload
    return record.ljust(_padded_size(len(payload)), b"\0")


def _decoded(data: bytes) -> tuple[int, bytes] | None:
    """Return sequence number and payload, or None if it is not a whole record."""
    start = _HEAD.size + _DIGEST_BYTES
    if len(data) < start:
        return None
    head, digest = data[: _HEAD.size], data[_HEAD.size : start]
    magic, sequence, length = _HEAD.unpack(head)
    payload = data[start : start + length]
    if magic != _MAGIC or len(payload) != length:
        return None
    if hashlib.sha256(head + payload).digest() != digest:
        return None
    return sequence, payload


def _padded_size(length: int) -> int:
    """Return a size with room for the record to grow by half, in whole blocks of a disk."""
    needed = _HEAD.size + _DIGEST_BYTES + length
    return -(-(needed + needed // 2) // _BLOCK) * _BLOCK


def _read(slot: Path) -> bytes | None:
    """Return what a slot holds, None if there is none or nothing was ever written to it."""
    try:
        descriptor = os.open(slot, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError:
        return _UNREADABLE
    try:
        with os.fdopen(descriptor, "rb") as file:
            data = file.read(_SLOT_BYTES_LIMIT)
    except OSError:
        return _UNREADABLE
    return data if data.strip(b"\0") else None


def _overwrite(slot: Path, data: bytes) -> None:
    """Write over what a slot holds, without cutting it off first: its room stays its own."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(slot, flags, _MODE)
    try:
        view = memoryview(data)
        written = 0
        while written < len(data):
            written += os.pwrite(descriptor, view[written:], written)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make_room(slot: Path, size: int) -> None:
    """Give a slot its room before the disk is full; a slot that holds something is left alone."""
    if not slot.exists():
        _overwrite(slot, bytes(size))
