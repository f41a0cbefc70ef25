"""The journal: an account's records on disk, appended, encrypted, chained.

When `append` returns, the record is in the operating system's hands: killing this process loses
nothing. What a loss of power can take is what was appended since the last flush; `flush` is called
`FLUSH_SECONDS` after the first record that needs it, and on stopping.
"""

import errno
import os
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from hedgerow.cloud.cloudtrail.anchor import write_anchor
from hedgerow.cloud.cloudtrail.chain import Head, next_head, origin, record_hash
from hedgerow.cloud.cloudtrail.recovery import Finding, SegmentInfo, recover
from hedgerow.cloud.cloudtrail.segments import (
    HEADER_BYTES,
    MAX_RECORD_BYTES,
    DamagedSegmentError,
    Frame,
    Place,
    SegmentCipher,
    new_header,
    read_frames,
    read_record,
    segment_path,
)
from hedgerow.kernel import Clock, Secret, UnavailableError
from hedgerow.pki import flush

FLUSH_SECONDS: Final = 0.1
SEGMENT_BYTES: Final = 8 * 1024 * 1024
_FILE_MODE: Final = 0o600
_FOLDER_MODE: Final = 0o700
_MICROSECONDS: Final = 1_000_000


class Journal:
    """One account's journal. `open`, then `append` and read; `close` flushes.

    `append` belongs to one thread; `flush` and reading may happen in another at the same time.
    """

    def __init__(
        self,
        folder: Path,
        account: str,
        key: Secret[bytes],
        clock: Clock,
        *,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self._folder = folder
        self._account = account
        self._key = key
        self._clock = clock
        self._segment_bytes = segment_bytes
        self._head = origin(account)
        self._segments: list[SegmentInfo] = []
        self._ciphers: dict[int, SegmentCipher] = {}
        self._file: int | None = None
        self._cipher: SegmentCipher | None = None
        self._active = (0, 0)
        """The first number and the size of the file that is written; one value, since it is read
        in other threads."""
        self._needs_flush = False
        self._full: list[int] = []
        self._flushing = threading.Lock()
        self._rotating = threading.Lock()

    def open(self) -> tuple[Finding, ...]:
        """Find out where the chain stands; return what is to be said of it in the record."""
        self._folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        opened = recover(self._folder, self._account, self._key)
        self._segments = list(opened.segments)
        self._head = opened.head
        return opened.findings

    @property
    def head(self) -> Head:
        """Where the chain stands."""
        return self._head

    def append(self, body: bytes) -> Place:
        """Keep one record; it survives the end of this process from now on.

        Raises `UnavailableError` if it could not be kept; the journal is then as it was before.
        """
        if len(body) > MAX_RECORD_BYTES:
            raise UnavailableError(f"a record of {len(body)} bytes is too large for the journal")
        if self._file is None or self._cipher is None or self._active[1] >= self._segment_bytes:
            self._begin_segment()
        assert self._file is not None  # noqa: S101 - for the type checker: just begun
        assert self._cipher is not None  # noqa: S101 - likewise
        frame = self._cipher.seal(self._head, body)
        first, size = self._active
        self._write(self._file, frame, size)
        self._active = (first, size + len(frame))
        self._head = next_head(self._head, record_hash(body))
        self._needs_flush = True
        return Place(first, size, len(frame))

    def flush(self) -> None:
        """Wait until everything appended so far is on disk. Raises `OSError` if it is not."""
        with self._flushing:
            with self._rotating:
                head, file, full = self._head, self._file, tuple(self._full)
            if not self._needs_flush:
                return
            self._needs_flush = False
            try:
                for descriptor in full:
                    os.fsync(descriptor)
                    os.close(descriptor)
                    self._full.remove(descriptor)
                if file is not None:
                    os.fsync(file)
                    write_anchor(self._folder, self._key, head)
            except OSError:
                self._needs_flush = True
                raise

    def close(self) -> None:
        """Flush and let go of the files; what follows an `append` is a new segment."""
        self.flush()
        if self._file is not None:
            os.close(self._file)
        self._file = self._cipher = None
        self._active = (0, 0)

    def read(self, place: Place, sequence: int) -> bytes:
        """Return one record. Raises `DamagedSegmentError` if it is not what was written."""
        path = segment_path(self._folder, place.segment)
        return read_record(path, self._cipher_of(place.segment), place, sequence)

    def frames(self, after: int = 0) -> Iterator[Frame]:
        """Give the records after a sequence number, oldest first, up to the head of this moment.

        Raises `DamagedSegmentError` where the journal is not what was written.
        """
        last = self._head.sequence
        wanted = [info for info, end in self._with_ends() if end > after and info.first <= last]
        for info in wanted:
            for frame in self.frames_of(info):
                if frame.head.sequence > last:
                    return
                if frame.head.sequence > after:
                    yield frame

    def frames_of(self, info: SegmentInfo) -> Iterator[Frame]:
        """Give the records of one segment."""
        first, size = self._active
        end = size if info.first == first else None
        return read_frames(segment_path(self._folder, info.first), self._key, end)

    @property
    def segments(self) -> tuple[SegmentInfo, ...]:
        """The journal's segments, oldest first; the last one may still grow."""
        return tuple(self._segments)

    def forget_before(self, moment: datetime, delivered: int) -> int:
        """Remove segments that end before a moment and are delivered; return how many went."""
        gone = 0
        for info, end in self._with_ends()[:-1]:
            following = self._segments[1]
            if following.header.begun_us >= _microseconds(moment) or end > delivered:
                break
            segment_path(self._folder, info.first).unlink(missing_ok=True)
            self._ciphers.pop(info.first, None)
            del self._segments[0]
            gone += 1
        return gone

    def _with_ends(self) -> list[tuple[SegmentInfo, int]]:
        """Return each segment with the number of its last record."""
        infos = tuple(self._segments)  # another thread may begin a file meanwhile
        ends = [following.header.before.sequence for following in infos[1:]]
        return list(zip(infos, [*ends, self._head.sequence], strict=True)) if infos else []

    def _begin_segment(self) -> None:
        """Make the next file, on disk with its name before anything is in it."""
        header = new_header(self._head, _microseconds(self._clock.now()))
        first = self._head.sequence + 1
        path = segment_path(self._folder, first)
        try:
            path.unlink(missing_ok=True)  # begun before, and no record came
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            file = os.open(path, flags, _FILE_MODE)
            try:
                encoded = header.encode(self._key)
                if os.write(file, encoded) != len(encoded):
                    raise _disk_full()  # noqa: TRY301 - closes the file
                os.fsync(file)
                flush(self._folder)
            except BaseException:
                os.close(file)
                path.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise _cannot_keep(error) from error
        if self._segments and self._segments[-1].first == first:
            self._segments.pop()
            self._ciphers.pop(first, None)
        with self._rotating:
            if self._file is not None:
                self._full.append(self._file)
            self._file = file
        self._cipher = SegmentCipher(self._key, header.salt)
        self._active = (first, HEADER_BYTES)
        self._segments.append(SegmentInfo(first, header, HEADER_BYTES))

    def _write(self, file: int, frame: bytes, size: int) -> None:
        try:
            written = os.write(file, frame)
        except OSError as error:
            raise _cannot_keep(error) from error
        if written != len(frame):
            # Half a record must not stay: the next one would follow garbage.
            os.ftruncate(file, size)
            raise _cannot_keep(_disk_full())

    def _cipher_of(self, segment: int) -> SegmentCipher:
        cipher = self._ciphers.get(segment)
        if cipher is None:
            info = next((info for info in self._segments if info.first == segment), None)
            if info is None:
                path = segment_path(self._folder, segment)
                raise DamagedSegmentError(path, 0, "it is not there")
            cipher = self._ciphers[segment] = SegmentCipher(self._key, info.header.salt)
        return cipher


def _microseconds(moment: datetime) -> int:
    return int(moment.timestamp() * _MICROSECONDS)


def _disk_full() -> OSError:
    """Return the error for a write that stopped short, which says nothing by itself."""
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _cannot_keep(error: OSError) -> UnavailableError:
    return UnavailableError(
        f"the record of this call cannot be kept ({error.strerror}), so the call is not answered; "
        "make room on the disk of the data folder"
    )
