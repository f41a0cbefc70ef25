"""A disk that is really full: a small one in memory, for the core to write to.

It is mounted inside a mount namespace of the harness, so that it goes with it.
"""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

_SIZE_KIB: Final = 16_384
_INSIDE: Final = "HEDGEROW_FAULTS_INSIDE"


def go_inside(command: list[str]) -> None:
    """Become this command in a mount namespace of its own, unless this is one."""
    if _INSIDE not in os.environ:
        os.environ[_INSIDE] = "1"
        os.execvp("unshare", ["unshare", "--map-root-user", "--mount", *command])  # noqa: S606 - of this host


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """A mounted disk."""

    folder: Path

    @classmethod
    def mounted(cls, folder: Path) -> Self:
        """Mount one."""
        folder.mkdir(mode=0o700, parents=True)
        options = f"size={_SIZE_KIB}k,mode=0700"
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
            check=True,
        )
        return cls(folder)

    def fill(self, free_kib: int) -> None:
        """Leave so much room and no more."""
        found = os.statvfs(self.folder)
        free = found.f_bavail * found.f_frsize - free_kib * 1024
        with self._filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(free, 1))

    def empty(self) -> None:
        """Give the room back."""
        self._filler.unlink(missing_ok=True)

    def unmount(self) -> None:
        """Take it away; nobody uses it any more."""
        subprocess.run(["umount", str(self.folder)], check=True)

    @property
    def _filler(self) -> Path:
        return self.folder / "filler"
