"""One core, and one update agent, a root folder."""

import fcntl
import os
from pathlib import Path
from typing import Literal

from hedgerow.kernel import ConfigurationError

_FOLDER_MODE = 0o700


class RootLock:
    """Held by the core that runs on a root; the operating system lets go of it however it ends.

    `holder` is the other kind of process of which there is one a root: the update agent.
    """

    def __init__(self, state: Path, holder: Literal["core", "agent"] = "core") -> None:
        self._path = state / f"{holder}.lock"
        self._holder = "core" if holder == "core" else "update agent"
        self._descriptor: int | None = None

    def take(self) -> None:
        """Take the lock, or raise `ConfigurationError` if another one has it."""
        try:
            self._path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigurationError(f"cannot write {self._path}: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise ConfigurationError(
                f"another {self._holder} runs on this root already (it holds {self._path}); "
                "stop it first"
            ) from error
        self._descriptor = descriptor

    def release(self) -> None:
        """Let the next one have it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
