"""The shadows on disk: one SQLite file in the core's state folder.

What is promised: a change that was answered is with the operating system, so `kill -9` loses
none; a power cut loses at most the last moments, and never leaves half a document.
"""

import os
import sqlite3
from collections.abc import Collection
from pathlib import Path
from typing import Final

import msgspec

from hedgerow.contract import ShadowId
from hedgerow.core.shadow.reconcile import State
from hedgerow.kernel import ConfigurationError
from hedgerow.shadow import NO_SHADOW, Shadow

_FILE: Final = "shadows.db"
_FILE_MODE: Final = 0o600
_FOLDER_MODE: Final = 0o700
_SCHEMA: Final = """
    CREATE TABLE IF NOT EXISTS shadow (thing TEXT PRIMARY KEY, document BLOB NOT NULL) WITHOUT ROWID
"""


class Agreed(msgspec.Struct, frozen=True, kw_only=True):
    """What the core and the cloud last held alike, and the cloud's version of it."""

    state: State | None
    cloud_version: int


class Offered(msgspec.Struct, frozen=True, kw_only=True):
    """The local state from which a change of the cloud's copy was begun."""

    state: State | None


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A local shadow as it lies on disk.

    `agreed` is None before it was ever synchronised; `offered` is there while it is not known
    whether the cloud took what was written to it last.
    """

    shadow: Shadow = NO_SHADOW
    agreed: Agreed | None = None
    offered: Offered | None = None


class ShadowDatabase:
    """The local shadows. Blocking, and short: call it from the loop.

    A classic one is kept under its thing's name, a named one under `<thing>/<shadow>`.
    """

    def __init__(self, folder: Path) -> None:
        """Open the database in this folder, or make it; `ConfigurationError` if neither works.

        A damaged one is moved aside, and `damage` says so: the core has other work to do.
        """
        self._path = folder / _FILE
        self.damage: str | None = None
        try:
            folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            self._database = self._opened_or_replaced()
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(
                f"cannot open the shadow database {self._path}: {error}"
            ) from error

    def read(self, shadow: ShadowId) -> Kept:
        """Return a shadow; one that was never written is `Kept()`.

        Raises `sqlite3.Error` or `msgspec.DecodeError` for a damaged file.
        """
        row = self._database.execute(
            "SELECT document FROM shadow WHERE thing = ?", (str(shadow),)
        ).fetchone()
        return Kept() if row is None else msgspec.json.decode(row[0], type=Kept)

    def write(self, shadow: ShadowId, kept: Kept) -> None:
        """Keep a shadow; `sqlite3.Error` if the disk does not take it."""
        self._database.execute(
            "INSERT INTO shadow VALUES (?, ?) "
            "ON CONFLICT (thing) DO UPDATE SET document = excluded.document",
            (str(shadow), msgspec.json.encode(kept)),
        )

    def named(self, thing_name: str) -> tuple[ShadowId, ...]:
        """Return a thing's named shadows that were ever written, also deleted ones, in order.

        Raises `sqlite3.Error` for a damaged file.
        """
        first = f"{thing_name}/"
        rows = self._database.execute(
            "SELECT thing FROM shadow WHERE thing > ? AND thing < ? ORDER BY thing",
            (first, f"{thing_name}0"),  # 0 is what comes after / in ASCII
        )
        return tuple(ShadowId(thing_name, key.removeprefix(first)) for (key,) in rows)

    def clear(self) -> None:
        """Forget every shadow; nothing of them stays readable in the file."""
        self._database.execute("DELETE FROM shadow")
        self._shrink()

    def keep_only(self, things: Collection[str]) -> None:
        """Forget the shadows of all other things."""
        found = [key for (key,) in self._database.execute("SELECT thing FROM shadow")]
        gone = [(key,) for key in found if key.partition("/")[0] not in things]
        if gone:
            self._database.executemany("DELETE FROM shadow WHERE thing = ?", gone)
            self._shrink()

    def _shrink(self) -> None:
        self._database.execute("VACUUM")
        self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _opened_or_replaced(self) -> sqlite3.Connection:
        try:
            return self._opened()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            aside = self._path.with_suffix(".damaged")
            self._path.replace(aside)
            self.damage = f"the shadow database was damaged ({error}) and is now {aside}"
            return self._opened()

    def _opened(self) -> sqlite3.Connection:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        os.close(os.open(self._path, flags, _FILE_MODE))
        database = sqlite3.connect(self._path, isolation_level=None)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            database.execute(_SCHEMA)
        except BaseException:
            database.close()
            raise
        return database
