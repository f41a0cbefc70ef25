"""The queue in files: kept over a stop, a crash and a reboot.

Segments hold checksummed records one after another; a small file beside them holds the position
of the first message that still waits, in two slots written in turn.

What is promised (the fsync policy). A message is handed to the operating system before `put`
returns, so `kill -9` loses none. `sync` brings it to the disk (`fsync` of the segments and of the
folder that lists them) and is called every second, so a power cut loses at most the last second.
The position is not synced: after a power cut a message may be sent again, never skipped. A record
that was cut short ends its segment and is not sent; a segment that cannot be read is passed over.
Whatever lies in the folder, opening it does not fail for what the files hold.
"""

import asyncio
import contextlib
import errno
import os
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hedgerow.core.spool.records import (
    HEADER,
    POSITION_BYTES,
    Record,
    decode_position,
    decode_record,
    encode_position,
    encode_record,
)
from hedgerow.core.spool.spool import NO_EXTRAS, Extras, QueuedMessage

_SUFFIX = ".segment"
_POSITION_FILE = "position"
_SLOT_SPACING = 512
_SEGMENTS_PER_SPOOL = 8
_SMALLEST_SEGMENT_BYTES = 32_768
_FILE_MODE: Final = 0o600
_FOLDER_MODE: Final = 0o700


@dataclass(slots=True)
class _Segment:
    """One file of the queue: how far its records are good, and how many of them still wait.

    `read` of those that wait have been read ahead.
    """

    path: Path
    size: int = 0
    waiting: int = 0
    read: int = 0


class FileSpool:
    """Keeps the messages in a folder that is its own. Keeps the promises of `Spool`."""

    def __init__(self, folder: Path, max_size_bytes: int) -> None:
        folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        self._folder = folder
        self._max_size = max_size_bytes
        self._segment_size = max(max_size_bytes // _SEGMENTS_PER_SPOOL, _SMALLEST_SEGMENT_BYTES)
        self._segments: deque[_Segment] = deque()
        self._ahead: deque[Record] = deque()
        self._handed = 0
        self._read_index = 0
        self._read_offset = 0
        self._reading: tuple[Path, int] | None = None
        self._count = 0
        self._size = 0
        self._dropped = 0
        self._next_number = 0
        self._tail: int | None = None
        self._unsynced = False
        self._full_segments: list[int] = []
        self._slot = 0
        self._position_file = os.open(
            folder / _POSITION_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE
        )
        self._recover()
        self._make_room(0)

    @property
    def count(self) -> int:
        """How many messages wait."""
        return self._count

    @property
    def size_bytes(self) -> int:
        """What they take on disk."""
        return self._size

    @property
    def dropped(self) -> int:
        """How many were replaced or could not be written since the start."""
        return self._dropped

    def has_room(self, size: int) -> bool:
        """Tell whether a message of this size fits without replacing another."""
        return self._size + size <= self._max_size

    def put(self, topic: str, payload: bytes, extras: Extras = NO_EXTRAS) -> None:
        """Queue a message, replacing the oldest if there is no room.

        A message that the disk does not take is dropped and counted.
        """
        record = encode_record(QueuedMessage(self._next_number, topic, payload, extras))
        if len(record) > self._max_size:
            self._dropped += 1
            return
        self._make_room(len(record))
        try:
            self._append(record)
        except OSError:
            self._dropped += 1
            return
        self._next_number += 1
        self._segments[-1].waiting += 1
        self._count += 1
        self._size += len(record)
        self._unsynced = True

    def oldest(self) -> QueuedMessage | None:
        """Return the message that is first."""
        record = self._oldest_record()
        return record.message if record else None

    def next(self) -> QueuedMessage | None:
        """Return the oldest message that was not returned by this since `rewind`."""
        if self._handed == len(self._ahead) and not self._read_one():
            return None
        self._handed += 1
        return self._ahead[self._handed - 1].message

    def rewind(self) -> None:
        """Let `next` begin with the oldest message again."""
        self._handed = 0

    def remove(self, number: int) -> None:
        """Let the oldest message go if it is still that one."""
        record = self._oldest_record()
        if record is not None and record.message.number == number:
            self._advance(record)

    async def sync(self) -> None:
        """Bring to the disk what was queued since the last time, without blocking the loop."""
        if not self._unsynced or self._tail is None:
            return
        self._unsynced = False
        written = [*self._full_segments, os.dup(self._tail)]
        self._full_segments = []
        await asyncio.to_thread(_sync_and_close, self._folder, written)

    def close(self) -> None:
        """Bring everything to the disk and close the files."""
        self._close_reading()
        self._retire_tail()
        _sync_and_close(self._folder, self._full_segments)
        self._full_segments = []
        if self._position_file >= 0:
            _sync_and_close(self._folder, [self._position_file])
            self._position_file = -1

    def _make_room(self, needed: int) -> None:
        while not self.has_room(needed):
            record = self._oldest_record()
            if record is None:
                return
            self._advance(record)
            self._dropped += 1

    # Writing at the tail.

    def _append(self, record: bytes) -> None:
        tail = self._tail
        if tail is None or self._segments[-1].size + len(record) > self._segment_size:
            tail = self._start_segment()
        segment = self._segments[-1]
        try:
            _write_whole(tail, record, segment.size)
        except OSError:
            os.ftruncate(tail, segment.size)
            raise
        segment.size += len(record)

    def _start_segment(self) -> int:
        path = self._folder / f"{self._next_number:020d}{_SUFFIX}"
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        tail = os.open(path, flags, _FILE_MODE)
        self._retire_tail()
        self._tail = tail
        self._segments.append(_Segment(path))
        return tail

    def _retire_tail(self) -> None:
        if self._tail is not None:
            self._full_segments.append(self._tail)
            self._tail = None

    # Reading at the head, and ahead of it.

    def _oldest_record(self) -> Record | None:
        if self._ahead or self._read_one():
            return self._ahead[0]
        return None

    def _read_one(self) -> bool:
        """Read one record further ahead; a segment that went bad under us is given up there."""
        while self._read_index < len(self._segments):
            segment = self._segments[self._read_index]
            if self._read_offset < segment.size:
                record = self._record_at(segment, self._read_offset)
                if record is not None:
                    self._read_offset += record.size
                    segment.read += 1
                    self._ahead.append(record)
                    return True
                self._give_up_rest(segment)
            if self._read_index + 1 == len(self._segments):
                return False
            self._read_index += 1
            self._read_offset = 0
            self._drop_sent_segments()
        return False

    def _record_at(self, segment: _Segment, offset: int) -> Record | None:
        try:
            file = self._open_reading(segment.path)
            start = os.pread(file, HEADER.size, offset)
            length = HEADER.unpack(start)[0] if len(start) == HEADER.size else 0
            rest = min(length, segment.size - offset)
            return decode_record(start + os.pread(file, rest, offset + HEADER.size))
        except OSError:
            return None

    def _give_up_rest(self, segment: _Segment) -> None:
        """Count what the segment still held as dropped: the disk has damaged it."""
        lost = segment.waiting - segment.read
        self._size -= segment.size - self._read_offset
        self._count -= lost
        self._dropped += lost
        segment.size = self._read_offset
        segment.waiting = segment.read
        if segment is self._segments[-1]:
            self._retire_tail()

    def _advance(self, record: Record) -> None:
        """Let the oldest message go."""
        self._ahead.popleft()
        self._handed = max(self._handed - 1, 0)
        head = next(segment for segment in self._segments if segment.waiting)
        head.waiting -= 1
        head.read -= 1
        self._count -= 1
        self._size -= record.size
        self._write_position(record.message.number + 1)
        self._drop_sent_segments()

    def _drop_sent_segments(self) -> None:
        """Unlink the first segments as far as nothing of them waits; the last one stays."""
        while len(self._segments) > 1 and not self._segments[0].waiting:
            segment = self._segments.popleft()
            if self._read_index:
                self._read_index -= 1
            else:
                self._read_offset = 0
            if self._reading is not None and self._reading[0] == segment.path:
                self._close_reading()
            with contextlib.suppress(OSError):  # it is passed over at the next start
                segment.path.unlink(missing_ok=True)

    def _open_reading(self, path: Path) -> int:
        if self._reading is not None and self._reading[0] == path:
            return self._reading[1]
        self._close_reading()
        self._reading = (path, os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        return self._reading[1]

    def _close_reading(self) -> None:
        if self._reading is not None:
            os.close(self._reading[1])
            self._reading = None

    def _write_position(self, number: int) -> None:
        self._slot = 1 - self._slot
        with contextlib.suppress(OSError):  # the cost is a message sent twice, not one lost
            os.pwrite(self._position_file, encode_position(number), self._slot * _SLOT_SPACING)

    # Finding everything again.

    def _recover(self) -> None:
        position = self._read_position()
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            self._recover_segment(path, position)
        self._next_number = max(self._next_number, position)

    def _recover_segment(self, path: Path, position: int) -> None:
        try:
            data = path.read_bytes()
        except OSError:  # what cannot be read cannot be sent; its name is not taken again
            if path.stem.isdecimal():
                self._next_number = max(self._next_number, int(path.stem) + 1)
            return
        good, skipped, waiting = 0, 0, 0
        while (record := decode_record(data, good)) is not None:
            good += record.size
            self._next_number = record.message.number + 1
            if record.message.number < position:
                skipped = good
            else:
                waiting += 1
        if not waiting:
            with contextlib.suppress(OSError):
                path.unlink()
            return
        if not self._segments:
            self._read_offset = skipped
        self._segments.append(_Segment(path, good, waiting))
        self._count += waiting
        self._size += good - skipped

    def _read_position(self) -> int:
        slots = [os.pread(self._position_file, POSITION_BYTES, i * _SLOT_SPACING) for i in (0, 1)]
        positions = [decode_position(slot) or 0 for slot in slots]
        self._slot = positions.index(max(positions))
        return max(positions)


def _write_whole(file: int, data: bytes, offset: int) -> None:
    if os.pwrite(file, data, offset) != len(data):
        raise OSError(errno.ENOSPC, "the disk took only a part of a record")


def _sync_and_close(folder: Path, files: list[int]) -> None:
    """Sync the files and the folder that lists them; closes the files whatever happens."""
    entries = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for file in files:
            os.fsync(file)
        os.fsync(entries)
    finally:
        for file in (*files, entries):
            os.close(file)
