"""A disk that fails at a chosen step: the power goes, or it is full. By Python's own audit events.

Every creation, rename and removal below a folder is a step. A power cut raises `PowerCut` before
the step and at every one after it, so that no clean-up does anything either; a full disk refuses
whatever needs room, and lets go on what needs none.
"""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

_WRITING = os.O_WRONLY | os.O_RDWR
_CHANGES = frozenset({"os.rename", "os.symlink", "os.mkdir", "os.remove", "os.rmdir"})
_NEEDS_ROOM = frozenset({"os.symlink", "os.mkdir"})


class PowerCut(BaseException):
    """The machine is off; no handler of errors may go on."""


@dataclass
class FailingDisk:
    """What fails, from which step on; `steps` counts those that were reached."""

    folder: str
    fault: Literal["power", "full"]
    first: int
    steps: int = 0

    @property
    def has_failed(self) -> bool:
        """Tell whether the step was reached."""
        return self.steps >= self.first

    def take(self, event: str, args: tuple[Any, ...]) -> None:
        """Let one step happen, or not."""
        if not self._is_here(event, args):
            return
        self.steps += 1
        if self.steps < self.first:
            return
        if self.fault == "power":
            raise PowerCut
        if event in _NEEDS_ROOM or (event == "open" and not os.path.lexists(args[0])):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), args[0])

    def _is_here(self, event: str, args: tuple[Any, ...]) -> bool:
        if event == "open":
            path, _, flags = args
            if not isinstance(path, str) or not flags & _WRITING:
                return False
        elif event in _CHANGES:
            path = os.fspath(args[1] if event == "os.symlink" else args[0])
        else:
            return False
        return str(path).startswith(self.folder) or not Path(path).is_absolute()


_disks: list[FailingDisk] = []
_is_hooked = False


def _hook(event: str, args: tuple[Any, ...]) -> None:
    for disk in _disks:
        disk.take(event, args)


@contextmanager
def failing_disk(
    folder: Path, fault: Literal["power", "full"], first: int
) -> Iterator[FailingDisk]:
    """Let the disk fail from the step with this number on, within the context."""
    global _is_hooked  # noqa: PLW0603 - a hook is for the process, and cannot be taken away
    if not _is_hooked:
        sys.addaudithook(_hook)
        _is_hooked = True
    disk = FailingDisk(str(folder), fault, first)
    _disks.append(disk)
    try:
        yield disk
    finally:
        _disks.remove(disk)
