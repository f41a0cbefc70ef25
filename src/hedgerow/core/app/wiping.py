"""Folders whose content a reset takes away."""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path


def wipe_folders(folders: Iterable[Path]) -> Iterator[str]:
    """Remove all that lies in these folders, and yield what could not be removed.

    A folder may be a link to another disk: what it leads to is emptied, the link stays. Links
    inside it are removed, never followed.
    """
    for folder in folders:
        try:
            entries = list(folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            yield f"{folder} cannot be read: {error.strerror}"
            continue
        for entry in entries:
            yield from _remove(entry)


def _remove(entry: Path) -> Iterator[str]:
    try:
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)
    except OSError as error:
        yield f"{entry} cannot be removed: {error.strerror}"
