"""Which versions of a software lie in the root, and which of them is in force.

    <root>/ggc/packages/1.1.0/      a package as it was unpacked
    <root>/ggc/core -> packages/1.1.0
    <root>/ota/packages/1.1.0/
    <root>/ota/ota_agent -> packages/1.1.0

The links are replaced by renames, so that there is never a moment without a whole version. A root
that never had an update gets a slot `installed`, whose program starts what is installed on the
host: the way back from the first update.
"""

import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

from hedgerow.contract.update_programs import program_text
from hedgerow.contract.updates import ENTRIES, Software, require_version
from hedgerow.kernel import ConfigurationError, new_token
from hedgerow.pki import flush

INSTALLED: Final = "installed"
_PLACES: Final[dict[Software, tuple[str, str]]] = {
    "core": ("ggc", "core"),
    "ota_agent": ("ota", "ota_agent"),
}


class InstalledSoftware:
    """The versions of one software in a root. Blocking, and short."""

    def __init__(self, root: Path, software: Software) -> None:
        folder, link = _PLACES[software]
        self.software: Software = software
        self._root = root.absolute()
        self._link = self._root / folder / link
        self._packages = self._root / folder / "packages"

    @property
    def program(self) -> Path:
        """The program of the version in force, by the documented path."""
        return self._link / ENTRIES[self.software]

    def current(self) -> str | None:
        """Return the slot in force, or None without one."""
        if not self._link.is_symlink():
            return None
        return self._link.readlink().name

    def program_of(self, slot: str) -> Path:
        """Return the program of a slot."""
        return self._slot(slot) / ENTRIES[self.software]

    def adopt_host(self) -> None:
        """Give a root that has no version in force the slot of what is installed on the host.

        `ConfigurationError` if something of somebody else's lies where the link would be.
        """
        if self._link.is_symlink():
            return
        if self._link.exists():
            raise ConfigurationError(
                f"{self._link} is not a link to a package; move it away, and the update agent puts "
                "its own there"
            )
        text = program_text(
            self.software,
            launch=f"exec {shlex.quote(sys.executable)} -P -m hedgerow.cli",
            root=shlex.quote(str(self._root)),
        )
        slot = self._slot(INSTALLED)
        slot.mkdir(mode=0o755, parents=True, exist_ok=True)
        program = slot / ENTRIES[self.software]
        program.write_text(text, encoding="utf-8")
        program.chmod(0o755)
        flush(program)
        self.switch(INSTALLED)

    def staging(self) -> Path:
        """Return a folder, not there yet, to unpack a package into."""
        return self._packages / f".staged-{new_token(64)}"

    def keep(self, staged: Path, version: str) -> None:
        """Make a staged package a version beside the others; not the one in force."""
        slot = self._slot(require_version(version))
        if slot.name == self.current():
            raise ConfigurationError(f"{slot} is in force; it is not replaced while it is")
        if slot.exists():
            aside = self.staging()
            slot.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
        staged.rename(slot)
        flush(self._packages)

    def switch(self, slot: str) -> None:
        """Put a version in force, in one step."""
        folder = self._slot(slot)
        if not folder.is_dir():
            raise ConfigurationError(f"there is no {folder} to switch to")
        pending = self._link.with_name(f".{self._link.name}.{new_token(32)}")
        pending.symlink_to(folder.relative_to(self._link.parent), target_is_directory=True)
        pending.replace(self._link)
        flush(self._link.parent)

    def prune(self, previous: str) -> None:
        """Remove every version but the one in force and the one before it."""
        for path in self._packages.iterdir():
            if path.name not in {previous, self.current()}:
                shutil.rmtree(path, ignore_errors=True)

    def sweep(self) -> None:
        """Remove what was cut short before it became a version."""
        for path in self._packages.glob(".staged-*"):
            shutil.rmtree(path, ignore_errors=True)
        for path in self._link.parent.glob(f".{self._link.name}.*"):
            path.unlink(missing_ok=True)

    def _slot(self, slot: str) -> Path:
        if slot != INSTALLED:
            require_version(slot)
        return self._packages / slot
