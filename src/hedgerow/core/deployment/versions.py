"""Versions of a group on disk, and the two links that say which runs and which ran before.

INVARIANT: a link is replaced by one rename, and a version that a link leads to is never removed.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hedgerow.kernel import PeerError, new_token, quoted
from hedgerow.pki import flush

RUNNING: Final = "group"
PREVIOUS: Final = "previous"
_VERSIONS: Final = "versions"
_SAFE_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,127}", re.ASCII)


class Versions:
    """The versions and links below a folder of deployments."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def running_id(self) -> str | None:
        """The id that `group` leads to, whatever lies there; None without one."""
        running = self._path / RUNNING
        return running.readlink().name if running.is_symlink() else None

    def folder(self, deployment_id: str) -> Path:
        """Return where the files of a deployment lie."""
        return self._path / _VERSIONS / safe_id(deployment_id)

    def all(self) -> list[Path]:
        """Return the folders of all versions."""
        return sorted((self._path / _VERSIONS).glob("*"))

    def flush(self, deployment_id: str) -> None:
        """Bring to the disk that the files of a deployment are there."""
        flush(self.folder(deployment_id).parent)
        flush(self._path)

    def run(self, deployment_id: str, before: str | None) -> None:
        """Let `group` lead to a deployment, and `previous` to the one that ran before, if any."""
        running = self._path / RUNNING
        if running.exists() and not running.is_symlink():
            running.rename(self._path / f"group.replaced-{new_token(32)}")
        if before not in {None, deployment_id} and self.folder(before or "").is_dir():
            self.point(PREVIOUS, self._target(before or ""))
        self.point(RUNNING, self._target(deployment_id))

    def go_back(self, deployment_id: str) -> None:
        """Let `group` lead to what ran before, if it leads to this one; it takes no room."""
        if self.running_id != deployment_id:
            return
        previous = self._path / PREVIOUS
        if previous.is_symlink() and previous.readlink().name != deployment_id:
            previous.replace(self._path / RUNNING)
        else:
            (self._path / RUNNING).unlink()
        flush(self._path)
        self.discard(deployment_id)

    def discard(self, deployment_id: str) -> None:
        """Remove the files of a deployment, unless a link leads there."""
        folder = self.folder(deployment_id)
        if folder.name not in self._linked():
            shutil.rmtree(folder, ignore_errors=True)

    def forget_previous(self) -> None:
        """Keep nothing to go back to: it must not be run any more."""
        (self._path / PREVIOUS).unlink(missing_ok=True)
        flush(self._path)

    def prune(self) -> None:
        """Remove every version but the one that runs and the one before it."""
        linked = self._linked()
        for folder in self.all():
            if folder.name not in linked:
                shutil.rmtree(folder, ignore_errors=True)

    def clear(self) -> Iterator[Path]:
        """Remove all of it, links first, and yield what is left."""
        for name in (RUNNING, PREVIOUS):
            path = self._path / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        gone = (self._path / _VERSIONS, *self._path.glob("group.replaced-*"))
        for folder in gone:
            shutil.rmtree(folder, ignore_errors=True)
            if folder.exists():
                yield folder
        flush(self._path)

    def point(self, name: str, target: Path) -> None:
        """Replace a link in one step."""
        temporary = self._path / f".{name}.{new_token(32)}"
        temporary.symlink_to(target, target_is_directory=True)
        temporary.replace(self._path / name)
        flush(self._path)

    def _target(self, deployment_id: str) -> Path:
        return self.folder(deployment_id).relative_to(self._path)

    def _linked(self) -> set[str]:
        links = [self._path / name for name in (RUNNING, PREVIOUS)]
        return {link.readlink().name for link in links if link.is_symlink()}


def safe_id(identifier: str) -> str:
    """Return an identifier that may be a file name, or raise `PeerError`."""
    if not _SAFE_ID.fullmatch(identifier):
        raise PeerError(f"{quoted(identifier)} is not the form of an identifier")
    return identifier
