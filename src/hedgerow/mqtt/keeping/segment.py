"""Segments: the files of a keeper's journal, and how frames of changes lie in one.

A segment begins with a header: its number, the sequence number of its first frame, a salt, a
checksum. A frame is a length, a checksum, a sequence number and the changes of one commit, sealed
if there is a sealer; its place (segment and sequence number) is part of what is sealed. A frame is
found whole or not at all, and after the first that is not whole nothing is believed.
"""

import errno
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from hedgerow.kernel import random_bytes
from hedgerow.mqtt.keeping.changes import Change, UnreadableChangesError, decode_changes
from hedgerow.mqtt.keeping.seal import BrokenSealError, FileSealer, Sealer

_MAGIC: Final = b"HGKEEP01"
_SALT_BYTES: Final = 32
_PLAIN, _SEALED = 0, 1
_HEADER: Final = struct.Struct(f">8sBQQ{_SALT_BYTES}s")
_CHECKSUM: Final = struct.Struct(">I")
_FRAME: Final = struct.Struct(">IQI")
"""Length and sequence number, the checksum of the body; the checksum of these follows."""
_PLACE: Final = struct.Struct(">QQ")
HEADER_BYTES: Final = _HEADER.size + _CHECKSUM.size
_FRAME_HEAD_BYTES: Final = _FRAME.size + _CHECKSUM.size
_FILE_MODE: Final = 0o600
_LONGEST_FRAME_BYTES: Final = 0xFFFF_FFFF


class DamagedSegmentError(Exception):
    """A segment is not as it was written; the text says where and how."""


class Segment:
    """A segment that is written. INVARIANT: what `append` took is whole in the file."""

    def __init__(self, path: Path, number: int, first: int, sealer: Sealer | None) -> None:
        """Make the file, readable by its owner only. Raises `OSError` if that cannot be."""
        self.path = path
        self.number = number
        self.size = 0
        self._sequence = first
        salt = random_bytes(_SALT_BYTES)
        self._sealer = None if sealer is None else sealer.for_file(salt)
        kind = _PLAIN if sealer is None else _SEALED
        fields = _HEADER.pack(_MAGIC, kind, number, first, salt)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self.file = os.open(path, flags, _FILE_MODE)
        try:
            self._write(fields + _CHECKSUM.pack(zlib.crc32(fields)))
        except BaseException:
            os.close(self.file)
            path.unlink(missing_ok=True)
            raise

    @property
    def next(self) -> int:
        """The sequence number of the next frame."""
        return self._sequence

    def append(self, changes: bytes) -> None:
        """Write one frame, whole. Raises `OSError` if it could not be; then nothing of it is there.

        Killing the process loses nothing from now on; losing power can until `flush` was called.
        """
        sequence = self._sequence
        if self._sealer is not None:
            changes = self._sealer.seal(changes, _PLACE.pack(self.number, sequence))
        if len(changes) > _LONGEST_FRAME_BYTES:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        head = _FRAME.pack(len(changes), sequence, zlib.crc32(changes))
        self._write(head + _CHECKSUM.pack(zlib.crc32(head)) + changes)
        self._sequence = sequence + 1

    def flush(self) -> None:
        """Wait until everything is on the disk."""
        os.fdatasync(self.file)

    def rename(self, path: Path) -> None:
        """Give the file another name, in the place of any that has it."""
        self.path.rename(path)
        self.path = path

    def close(self) -> None:
        """Let go of the file."""
        os.close(self.file)

    def _write(self, data: bytes) -> None:
        try:
            written = os.write(self.file, data)
            if written != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # noqa: TRY301 - cut off below
        except OSError:
            # Half a frame must not stay: the next one would follow garbage.
            with suppress(OSError):
                os.ftruncate(self.file, self.size)
            if os.fstat(self.file).st_size != self.size:
                raise BrokenTailError from None
            raise
        self.size += written


class BrokenTailError(OSError):
    """A frame was half written and could not be taken back; the segment must not go on."""

    def __init__(self) -> None:
        super().__init__(errno.EIO, "the end of a journal file could not be repaired")


@dataclass(frozen=True, slots=True)
class Header:
    """What a segment says of itself."""

    number: int
    first: int
    salt: bytes
    is_sealed: bool


class SegmentReader:
    """Reads a segment from its beginning; `next` is the sequence number that comes next."""

    def __init__(self, path: Path, sealer: Sealer | None) -> None:
        self.path = path
        self.next = 0
        self._sealer = sealer

    def frames(self, first: int | None) -> Iterator[list[Change]]:
        """Give the changes of every whole frame, in order.

        `first` is the sequence number that the segment has to go on from, if it goes on from one.
        A frame that was cut short by the end of the process or of power ends the segment. Raises
        `DamagedSegmentError` where it is not what was written, after all that is good, and
        `OSError` if it cannot be read.
        """
        descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            header = self._header(file)
            if header is None:
                return
            if first is not None and header.first > first:
                raise DamagedSegmentError(
                    f"it goes on from change {header.first}, but those before end at {first}"
                )
            self.next = header.first
            opener = self._opener(header)
            while (body := self._frame(file)) is not None:
                changes = self._opened(body, header, opener, file.tell())
                self.next += 1
                yield changes

    def _header(self, file: BinaryIO) -> Header | None:
        encoded = file.read(HEADER_BYTES)
        if len(encoded) < HEADER_BYTES and _MAGIC.startswith(encoded[: len(_MAGIC)]):
            return None  # killed while the file was begun
        if not encoded.startswith(_MAGIC):
            raise DamagedSegmentError("it does not begin as one")
        fields = encoded[: _HEADER.size]
        if len(encoded) < HEADER_BYTES or _checksum_after(encoded, _HEADER) != zlib.crc32(fields):
            raise DamagedSegmentError("its header is damaged")
        _, kind, number, first, salt = _HEADER.unpack(fields)
        return Header(number, first, salt, kind == _SEALED)

    def _opener(self, header: Header) -> FileSealer | None:
        if header.is_sealed != (self._sealer is not None):
            raise DamagedSegmentError(
                "it is encrypted, but no key was given"
                if header.is_sealed
                else "it is not encrypted, as it would be if it came from here"
            )
        return None if self._sealer is None else self._sealer.for_file(header.salt)

    def _frame(self, file: BinaryIO) -> bytes | None:
        """Return the next frame's body, or None where the segment ends."""
        start = file.tell()
        head = file.read(_FRAME_HEAD_BYTES)
        if len(head) < _FRAME_HEAD_BYTES:
            return None
        length, sequence, checksum = _FRAME.unpack_from(head)
        if _checksum_after(head, _FRAME) != zlib.crc32(head[: _FRAME.size]):
            if not any(head) and _only_zeros(file):
                return None  # room that was made before the power went
            raise _damage_at(start)
        if sequence != self.next:
            raise _damage_at(start)
        body = file.read(min(length, os.fstat(file.fileno()).st_size - file.tell()))
        if len(body) < length:
            return None
        if checksum != zlib.crc32(body):
            raise _damage_at(start)
        return body

    def _opened(
        self, body: bytes, header: Header, opener: FileSealer | None, end: int
    ) -> list[Change]:
        try:
            if opener is not None:
                body = opener.open(body, _PLACE.pack(header.number, self.next))
            return decode_changes(body)
        except BrokenSealError:
            problem = "was not encrypted here, or with another key"
        except UnreadableChangesError as error:
            problem = f"is of another version ({error})"
        raise DamagedSegmentError(f"what ends at byte {end} {problem}")


def _damage_at(start: int) -> DamagedSegmentError:
    return DamagedSegmentError(f"what stands at byte {start} is not what was written")


def _checksum_after(encoded: bytes, fields: struct.Struct) -> int:
    return int(_CHECKSUM.unpack_from(encoded, fields.size)[0])


def _only_zeros(file: BinaryIO) -> bool:
    while chunk := file.read(1 << 16):
        if any(chunk):
            return False
    return True
