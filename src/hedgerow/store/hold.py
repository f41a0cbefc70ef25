"""One process writes to a store: the change feed reaches the subscribers of that process only."""

import fcntl
import os
from pathlib import Path
from typing import Self

from hedgerow.kernel import UnavailableError

_MODE = 0o600


class Hold:
    """A lock on a database that ends with the process, however it ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    @classmethod
    def take(cls, database: Path) -> Self:
        """Take the lock, or raise `UnavailableError` if another holds it.

        The lock has a file of its own: closing the database file here would drop the locks that
        SQLite keeps on it for this process.
        """
        path = database.with_name(database.name + ".lock")
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
        except OSError as error:
            raise UnavailableError(f"the lock {path} cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise UnavailableError(
                f"another process is using the store {database}; stop it first"
            ) from error
        return cls(descriptor)

    def release(self) -> None:
        """Give the lock back; a second time does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
