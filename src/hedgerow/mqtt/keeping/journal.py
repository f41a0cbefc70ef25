"""The journal as it is written: segment after segment, each filled from what lives."""

import errno
import logging
import os
import threading
from typing import Final

from hedgerow.kernel import Clock
from hedgerow.mqtt.keeping.changes import Change, encode_changes
from hedgerow.mqtt.keeping.flusher import Flusher
from hedgerow.mqtt.keeping.folder import KeeperFolder, Recovered
from hedgerow.mqtt.keeping.live import Live
from hedgerow.mqtt.keeping.seal import Sealer
from hedgerow.mqtt.keeping.segment import BrokenTailError, Segment

FLUSH_SECONDS: Final = 0.05
"""What a loss of power can take, unless every write is synced."""
SEGMENT_BYTES: Final = 8 * 1024 * 1024
"""How much a segment grows, over twice what lives, before the next one is begun."""

_STEP_BYTES: Final = 64 * 1024
"""How much of what lives is restated with one write while a segment is being filled."""
_LEAP_BYTES: Final = 1024 * 1024
"""The same when all of it is restated at once."""
_PATIENCE_S: Final = 1.0
"""How long it takes until a disk that refused a whole segment is tried again."""
_log: Final = logging.getLogger(__name__)


class Journal:
    """Writes changes, and begins new segments when the old one is mostly dead.

    INVARIANT: a file is deleted only when one with a higher number, which stands by itself, is on
    the disk under its last name.
    """

    def __init__(
        self,
        folder: KeeperFolder,
        live: Live,
        found: Recovered,
        seal: Sealer | None,
        clock: Clock,
        *,
        always: bool,
        segment_bytes: int,
    ) -> None:
        self._folder = folder
        self._live = live
        self._seal = seal
        self._clock = clock
        self._always = always
        self._segment_bytes = segment_bytes
        self._next_number = found.number
        self._sequence = found.sequence
        self._damaged = found.damaged
        self._segment: Segment | None = None
        self._is_filling = False
        self._finishing = False
        self._grow_to = 0
        self._changing = threading.Lock()
        """Held while files are opened, closed or renamed; never while a disk is waited for."""
        self._full: list[Segment] = []
        self._has_new_names = False
        self._flusher = Flusher(self._flush, FLUSH_SECONDS)
        self._refused: OSError | None = None
        self._retry_at = 0.0

    @property
    def is_broken(self) -> bool:
        """Whether changes need not be told: the next write begins with all that lives."""
        return self._segment is None

    def write(self, changes: list[Change]) -> None:
        """Hand changes to the operating system, and to the disk if that is wanted.

        Raises `OSError` if that cannot be. Then either nothing of them is there and they are to be
        given again, or the journal `is_broken`.
        """
        if self._flusher.failed is not None:
            # A disk that failed to sync may have dropped what it had: nothing of it is relied on.
            self.give_up()
            self._flusher.forgive()
        segment = self._segment
        if segment is None:
            self._begin_anew_if_time()
            return
        if self._is_filling and not self._live.is_told:
            changes += self._live.restate(_STEP_BYTES)
        try:
            segment.append(encode_changes(changes))
        except BrokenTailError:
            self.give_up()
            raise
        self._make_safe()
        self._move_on(segment)

    def begin(self) -> None:
        """Begin a segment with all that lives, and delete what was before.

        Raises `OSError` if that cannot be; the journal is broken then.
        """
        self.give_up()
        number = self._take_number()
        path = self._folder.filling(number)
        segment = Segment(path, number, self._sequence, self._seal)
        try:
            self._live.enter(number)
            while not self._live.is_told:
                segment.append(encode_changes(self._live.restate(_LEAP_BYTES)))
            segment.flush()
            segment.rename(self._folder.journal(number))
            self._folder.flush()
        except BaseException:
            segment.close()
            segment.path.unlink(missing_ok=True)
            raise
        self._segment = segment
        self._is_filling = False
        self._set_goal(segment)
        self._folder.tidy(number, self._damaged)
        self._damaged = ()

    def give_up(self) -> None:
        """Write no more to the files that there are; what they have stays readable."""
        with self._changing:
            segment, self._segment = self._segment, None
            for old in self._full:
                old.close()
            self._full.clear()
            if segment is not None:
                self._sequence = segment.next
                segment.close()
        self._is_filling = self._finishing = False

    def close(self) -> None:
        """Bring everything to the disk and close the files. Raises `OSError` if it cannot be."""
        self._flusher.stop()
        self._flush()
        self.give_up()

    # ---- from segment to segment

    def _move_on(self, segment: Segment) -> None:
        """Finish a segment that knows everything, or begin the next one if this one is too big."""
        if self._is_filling:
            if self._live.is_told:
                self._is_filling = False
                self._finishing = True
                if self._always:
                    self._finish(segment)
                else:
                    self._flusher.give(lambda: self._finish(segment))
        elif segment.size >= self._grow_to and not self._finishing:
            try:
                self._begin_next(segment)
            except OSError as error:
                # What was to be written is written; that the file grows is no reason to fail.
                self._set_goal(segment, over=segment.size)
                _log.warning("no new journal of sessions can be begun: %s", error.strerror)

    def _begin_next(self, before: Segment) -> None:
        number = self._take_number()
        segment = Segment(self._folder.filling(number), number, before.next, self._seal)
        with self._changing:
            self._full.append(before)
            self._segment = segment
            self._has_new_names = True
        self._live.enter(number)
        self._is_filling = True

    def _finish(self, segment: Segment) -> None:
        """Give a segment that knows everything its last name, and delete what was before.

        Runs on the flusher's thread, or where writes are synced.
        """
        self._flush()
        with self._changing:
            if self._segment is not segment:
                return  # given up meanwhile: who knows what of it is on the disk
            segment.rename(self._folder.journal(segment.number))
        self._folder.flush()
        self._folder.tidy(segment.number)
        self._set_goal(segment)
        self._finishing = False

    def _set_goal(self, segment: Segment, *, over: int | None = None) -> None:
        size = segment.size if over is None else over
        self._grow_to = max(size, 2 * self._live.size) + self._segment_bytes

    def _take_number(self) -> int:
        number = self._next_number
        self._next_number = number + 1
        return number

    # ---- when the disk refuses

    def _begin_anew_if_time(self) -> None:
        now = self._clock.monotonic()
        if self._refused is not None and now < self._retry_at:
            raise OSError(self._refused.errno or errno.EIO, self._refused.strerror)
        try:
            self.begin()
        except OSError as error:
            self._refused, self._retry_at = error, now + _PATIENCE_S
            raise
        self._refused = None

    # ---- to the disk

    def _make_safe(self) -> None:
        if not self._always:
            self._flusher.want()
            return
        try:
            self._flush()
        except OSError:
            self.give_up()
            raise

    def _flush(self) -> None:
        """Wait until everything written so far is on the disk, older segments first."""
        with self._changing:
            if self._segment is None:
                return
            full, names = tuple(self._full), self._has_new_names
            files = [os.dup(segment.file) for segment in (*full, self._segment)]
        try:
            for file in files:
                os.fdatasync(file)
        finally:
            for file in files:
                os.close(file)
        if names:
            self._folder.flush()
        with self._changing:
            self._has_new_names &= not names
            for segment in full:
                if segment in self._full:
                    self._full.remove(segment)
                    segment.close()
