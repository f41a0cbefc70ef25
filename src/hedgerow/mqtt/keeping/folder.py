"""A keeper's folder: which files there are, what they come to, and who may write there.

`N.journal` stands by itself; `N.filling` goes on from the files before it until it has everything
that they have, and is renamed then. So what was kept is the highest journal and all fillings above
it, in the order of their numbers; whatever is below is left over.
"""

import fcntl
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hedgerow.kernel import UnavailableError
from hedgerow.mqtt.keeper import KeptMessage, KeptSession
from hedgerow.mqtt.keeping.changes import UnreadableChangesError
from hedgerow.mqtt.keeping.replay import Replay
from hedgerow.mqtt.keeping.seal import Sealer
from hedgerow.mqtt.keeping.segment import DamagedSegmentError, SegmentReader

_JOURNAL: Final = ".journal"
_FILLING: Final = ".filling"
_DAMAGED: Final = ".damaged"
_FOLDER_MODE: Final = 0o700
_DAMAGED_FILES: Final = 4
"""How many damaged files are left lying; older ones are deleted."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a folder came to. `findings` are sentences about files that are not as they were left.

    `damaged` are the files to set aside, once what was found is safe elsewhere.
    """

    sessions: list[KeptSession]
    retained: list[KeptMessage]
    number: int
    """The number of the next file: higher than that of any that is there."""
    sequence: int
    """The sequence number that comes next."""
    next_session: int
    """The number of the next session, and of the next message: those before were given."""
    next_message: int
    findings: tuple[str, ...] = ()
    damaged: tuple[Path, ...] = ()


@dataclass(slots=True)
class _Reading:
    """How far reading a folder is."""

    replay: Replay = field(default_factory=Replay)
    sequence: int | None = 1
    findings: list[str] = field(default_factory=list)
    damaged: list[Path] = field(default_factory=list)


class KeeperFolder:
    """A folder that one process keeps sessions in, and nobody else enters."""

    def __init__(self, path: Path) -> None:
        """Make the folder if need be and lock it. Raises `UnavailableError` if that cannot be."""
        self.path = path
        try:
            path.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            self._entry = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise UnavailableError(
                f"the folder {path}, where sessions are kept, cannot be used: {error.strerror}"
            ) from error
        try:
            fcntl.flock(self._entry, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.fchmod(self._entry, _FOLDER_MODE)
        except OSError as error:
            os.close(self._entry)
            raise UnavailableError(
                f"sessions are kept in {path} by another process already; stop it first"
                if isinstance(error, BlockingIOError)
                else f"the folder {path} belongs to another user; run: chown it to this one"
            ) from error

    def close(self) -> None:
        """Let the next one have the folder."""
        if self._entry >= 0:
            os.close(self._entry)
            self._entry = -1

    def flush(self) -> None:
        """Wait until the names of the files are on the disk."""
        os.fsync(self._entry)

    def filling(self, number: int) -> Path:
        """Return the path of a segment that goes on from others."""
        return self.path / f"{number:016d}{_FILLING}"

    def journal(self, number: int) -> Path:
        """Return the path of a segment that stands by itself."""
        return self.path / f"{number:016d}{_JOURNAL}"

    def recover(self, sealer: Sealer | None) -> Recovered:
        """Read what was kept, and change nothing.

        No content of the folder is an error: what is damaged is passed over, and so is what goes on
        from it.
        """
        journals, fillings = self._numbers(_JOURNAL), self._numbers(_FILLING)
        base = journals[-1] if journals else 0
        files = [self.journal(base)] if base else []
        files += [self.filling(number) for number in fillings if number > base]
        reading = _Reading(sequence=None if base else 1)
        for path in files:
            _read(path, sealer, reading)
        return Recovered(
            reading.replay.sessions(),
            reading.replay.retained(),
            number=max([0, *journals, *fillings, *self._numbers(_DAMAGED)]) + 1,
            sequence=reading.sequence or 1,
            next_session=reading.replay.highest_session + 1,
            next_message=reading.replay.highest_message + 1,
            findings=tuple(reading.findings),
            damaged=tuple(reading.damaged),
        )

    def tidy(self, number: int, damaged: tuple[Path, ...] = ()) -> None:
        """Set damaged files aside, and delete every other with a lower number than this one's."""
        for path in damaged:
            with suppress(FileNotFoundError):
                path.rename(path.with_suffix(_DAMAGED))
        old = [self.journal(one) for one in self._numbers(_JOURNAL) if one < number]
        old += [self.filling(one) for one in self._numbers(_FILLING) if one < number]
        old += [self._damaged(one) for one in self._numbers(_DAMAGED)[:-_DAMAGED_FILES]]
        for path in old:
            path.unlink(missing_ok=True)

    def _damaged(self, number: int) -> Path:
        return self.path / f"{number:016d}{_DAMAGED}"

    def _numbers(self, suffix: str) -> list[int]:
        names = [path.stem for path in self.path.glob(f"*{suffix}")]
        return sorted(int(name) for name in names if name.isascii() and name.isdigit())


def _read(path: Path, sealer: Sealer | None, reading: _Reading) -> None:
    reader = SegmentReader(path, sealer)
    try:
        for changes in reader.frames(reading.sequence):
            reading.replay.apply(changes)
    except (DamagedSegmentError, UnreadableChangesError) as error:
        problem = str(error)
    except OSError as error:
        problem = f"it cannot be read ({error.strerror})"
    else:
        reading.sequence = reader.next or reading.sequence
        return
    # What goes on from something that is lost would be changes to nothing.
    reading.sequence = reader.next or reading.sequence or 0
    reading.damaged.append(path)
    reading.findings.append(
        f"{path} is not a whole journal of sessions: {problem}. What stands before that was "
        f"taken over and the file is set aside as {path.with_suffix(_DAMAGED).name}; look who or "
        "what can write there, and delete it"
    )
