"""What a disk has to offer before something is written: room, and a folder that is this core's.

The state of a folder is observed first and judged after that, so that every fault is told at once.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hedgerow.kernel import CallerError

_SPARE_BYTES: Final = 4 * 1_048_576
"""What is left beside what is written: logs and queues have to go on."""
_SPARE_FILES: Final = 16
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class Demand:
    """So many bytes are going to be written below a folder, for a purpose."""

    folder: Path
    size: int
    purpose: str


@dataclass(frozen=True, slots=True)
class FolderState:
    """What was seen of a folder, or of the nearest one above it that is there."""

    path: Path
    is_writable: bool
    is_read_only: bool
    is_foreign: bool
    """Whether another user than this one and root owns it."""
    is_loose: bool
    """Whether others may write in it."""
    free_bytes: int
    free_files: int | None
    """None where the file system does not count them."""


def observe(folder: Path) -> FolderState:
    """Look at a folder, or at the nearest one above it that is there."""
    path = next(place for place in (folder, *folder.parents) if place.is_dir())
    found, disk = path.stat(), os.statvfs(path)
    is_shared = bool(found.st_mode & _OTHERS_WRITE) and not found.st_mode & stat.S_ISVTX
    return FolderState(
        path=path,
        is_writable=os.access(path, os.W_OK | os.X_OK, effective_ids=True),
        is_read_only=bool(disk.f_flag & os.ST_RDONLY),
        is_foreign=found.st_uid not in (os.geteuid(), 0),
        is_loose=is_shared,
        free_bytes=disk.f_bavail * disk.f_frsize,
        free_files=disk.f_favail if disk.f_files else None,
    )


def faults(demand: Demand, state: FolderState) -> Iterator[str]:
    """Yield what of a folder speaks against writing there, each as a sentence. Pure."""
    if state.is_read_only:
        yield f"{state.path} is on a file system that is read-only; mount it for writing"
    elif not state.is_writable:
        yield f"this core may not write in {state.path}; give the folder to the core's user"
    if state.is_foreign:
        yield f"{state.path} belongs to another user; give it to the core's user"
    if state.is_loose:
        yield f"{state.path} can be written by others; run: chmod go-w {state.path}"
    if state.free_bytes < demand.size + _SPARE_BYTES:
        yield (
            f"{demand.purpose} needs {_mib(demand.size + _SPARE_BYTES)} in {state.path}, where "
            f"{_mib(state.free_bytes)} are free; make room on that disk"
        )
    if state.free_files is not None and state.free_files < _SPARE_FILES:
        yield f"the file system of {state.path} has no room for more files; remove some"


def shortcomings(demands: Iterable[Demand]) -> tuple[str, ...]:
    """Return everything that speaks against these demands, each as a sentence."""
    return tuple(
        dict.fromkeys(
            fault for demand in demands for fault in faults(demand, observe(demand.folder))
        )
    )


def require_room(demands: Iterable[Demand]) -> None:
    """Pass only if every demand can be met; `CallerError` lists every fault."""
    found = shortcomings(demands)
    if found:
        raise CallerError("; ".join(found), code="NoRoom")


def _mib(size: int) -> str:
    return f"{size / 1_048_576:.1f} MiB"
