"""The file that events are written to, one line each, for people to follow and tools to collect."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

FILE_BYTES: Final = 16 * 1_048_576
"""A file that is full takes the place of the one before it, `events.log.1`."""
NAME: Final = "events.log"
_FILE_MODE: Final = 0o600
_FOLDER_MODE: Final = 0o700


class EventLog:
    """The events of one account. Blocking: write to it from a thread."""

    def __init__(self, folder: Path, limit: int = FILE_BYTES) -> None:
        self._folder = folder
        self._limit = limit

    @property
    def path(self) -> Path:
        """The file that is written to now."""
        return self._folder / NAME

    def write(self, lines: Sequence[bytes]) -> None:
        """Append lines and have them on the disk, or raise `OSError`.

        A line that a crash or a full disk cut short is ended first, and told again in whole by
        whoever was not told that it is there.
        """
        self._make_room()
        append_lines(self.path, lines)

    def _make_room(self) -> None:
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            return
        if size >= self._limit:
            self.path.replace(self.path.with_name(f"{NAME}.1"))


def append_lines(path: Path, lines: Sequence[bytes]) -> None:
    """Append lines to a file that only this user can read, and have them on the disk.

    A line that was cut short is ended first.
    """
    path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    descriptor = os.open(path, flags, _FILE_MODE)
    with os.fdopen(descriptor, "r+b", buffering=0) as file:
        text = b"".join(line + b"\n" for line in lines)
        if _is_cut_short(file.fileno()):
            text = b"\n" + text
        while text:
            text = text[file.write(text) :]
        os.fdatasync(file.fileno())


def _is_cut_short(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    return size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
