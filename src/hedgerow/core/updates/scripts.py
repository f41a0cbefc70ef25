"""The four scripts of `managedRespawn`, by which an init system is told of an update.

Source: guide page core-ota-update. They lie in `<root>/usr/scripts`, belong to root, can be run
and changed by root only, and have to succeed.
"""

import stat
from pathlib import Path
from typing import Final, Literal

from structlog.typing import FilteringBoundLogger

from hedgerow.contract.updates import Software
from hedgerow.core.updates.programs import run_program
from hedgerow.kernel import ConfigurationError, UnavailableError

When = Literal["pre", "post"]

NAMES: Final[dict[tuple[Software, When], str]] = {
    ("core", "pre"): "ggc_pre_update.sh",
    ("core", "post"): "ggc_post_update.sh",
    ("ota_agent", "pre"): "ota_pre_update.sh",
    ("ota_agent", "post"): "ota_post_update.sh",
}
SCRIPT_SECONDS: Final = 300.0
_ROOT: Final = 0
_OTHERS_WRITE: Final = 0o022
_OTHERS_RUN: Final = 0o011


class RespawnScripts:
    """The scripts of a root. `owner` is the user id they have to belong to."""

    def __init__(self, root: Path, log: FilteringBoundLogger, *, owner: int = _ROOT) -> None:
        self._folder = root / "usr" / "scripts"
        self._log = log
        self._owner = owner

    def require(self) -> None:
        """Raise `ConfigurationError`, with every fault at once, unless all four may be run."""
        faults = [fault for name in NAMES.values() for fault in self._faults(name)]
        if faults:
            raise ConfigurationError(f"managedRespawn is true, and {'; '.join(faults)}")

    async def run(self, software: Software, when: When) -> None:
        """Run one of them; `UnavailableError` unless it succeeds in time."""
        self.require()
        name = NAMES[software, when]
        script = self._folder / name
        code, _ = await run_program(script, seconds=SCRIPT_SECONDS, folder=self._folder)
        self._log.info("a script ran", script=name, code=code)
        if code != 0:
            raise UnavailableError(f"{name} failed with exit code {code}")

    def _faults(self, name: str) -> list[str]:
        path = self._folder / name
        try:
            found, folder = path.lstat(), self._folder.stat()
        except FileNotFoundError:
            return [f"{path} is missing"]
        except OSError as error:
            return [f"{path} cannot be looked at: {error.strerror}"]
        if not stat.S_ISREG(found.st_mode):
            return [f"{path} is not a plain file"]
        checks = (
            (
                found.st_uid != self._owner,
                f"{path} does not belong to root; run: chown root {path}",
            ),
            (not found.st_mode & stat.S_IXUSR, f"{path} cannot be run; run: chmod 700 {path}"),
            (
                bool(found.st_mode & (_OTHERS_RUN | _OTHERS_WRITE)),
                f"others can run or change {path}; run: chmod 700 {path}",
            ),
            (
                bool(folder.st_mode & _OTHERS_WRITE) or folder.st_uid not in {self._owner, _ROOT},
                f"others can change {self._folder}; run: chmod go-w {self._folder}",
            ),
        )
        return [sentence for is_fault, sentence in checks if is_fault]
