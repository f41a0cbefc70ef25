"""The two ways to the database file: reading, which never waits, and writing, one at a time.

Statements find rows by index in pages that the machine holds in memory: they take some
microseconds and run where they are called. What may take long, a commit that waits for the disk
or a reading of everything, runs on a thread. `bench/api_calls.py` has what this is worth.
"""

import asyncio
import os
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from hedgerow.kernel import ConfigurationError, HedgerowError, UnavailableError
from hedgerow.store.errors import TamperedError, VersionConflictError
from hedgerow.store.worker import Worker

Row = tuple[Any, ...]
Values = Mapping[str, Any]

_MODE = 0o600
_ON_CONNECT = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",  # an acknowledged write is on the disk, not only handed over
    "PRAGMA busy_timeout=5000",
    "PRAGMA foreign_keys=ON",
    "PRAGMA trusted_schema=OFF",
)


class Database:
    """One SQLite file, open. INVARIANT: a connection is used by one thread at a time."""

    def __init__(self, path: Path, *, read_only: bool) -> None:
        """Connect. Raises `UnavailableError` if the file cannot be used."""
        with database_errors():
            self._reading = _connect(path, query_only=True)
            self._scanning = _connect(path, query_only=True)
            self._writing = _connect(path, query_only=read_only)
        self._scanner = Worker("store-scan")
        self._committer = Worker("store-commit")

    @property
    def writing(self) -> sqlite3.Connection:
        """The connection of the transaction in progress."""
        return self._writing

    def select(self, statement: str, values: Values) -> Sequence[Row]:
        """Return the few rows that a statement finds by index, as of now."""
        with database_errors():
            return self._reading.execute(statement, values).fetchall()

    async def scan(self, statement: str, values: Values) -> Sequence[Row]:
        """Return any number of rows as of one moment."""

        def fetch() -> Sequence[Row]:
            with database_errors():
                return self._scanning.execute(statement, values).fetchall()

        return await self._scanner.start(fetch)

    def begin(self) -> None:
        """Begin to write; the caller sees to it that one does at a time."""
        with database_errors():
            self._writing.execute("BEGIN IMMEDIATE")

    def commit(self) -> "asyncio.Future[None]":
        """Begin to commit; the future is done when the disk has it. Cancelling it stops nothing."""

        def commit() -> None:
            with database_errors():
                self._writing.commit()

        return self._committer.start(commit)

    def rollback(self) -> None:
        """Undo what was written since `begin`."""
        if self._writing.in_transaction:
            with database_errors():
                self._writing.rollback()

    def close(self) -> None:
        """Close every connection."""
        for worker in (self._scanner, self._committer):
            worker.stop()
        for connection in (self._reading, self._scanning, self._writing):
            connection.close()


def database_path(url_or_path: str | Path) -> Path:
    """Return the path of a database file given as a path or as `sqlite:///PATH`.

    Raises `ConfigurationError` for a database other than an SQLite file.
    """
    scheme, separator, rest = str(url_or_path).partition("://")
    if not separator:
        return Path(url_or_path)
    path = rest.removeprefix("/")
    if scheme != "sqlite" or not rest.startswith("/") or not path:
        raise ConfigurationError(f"the store cannot use {scheme}; give the path of an SQLite file")
    return Path(path)


def create_private(path: Path) -> None:
    """Make the database file for its owner only; SQLite gives its log files the same mode.

    A file that is there is not touched: closing it would drop locks of SQLite in this process.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
    except FileExistsError:
        return
    except OSError as error:
        raise ConfigurationError(f"the store {path} cannot be opened: {error.strerror}") from error
    os.close(descriptor)


class _Errors:
    """Says whose fault an error of the database is, without its parameters."""

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, sqlite3.Error):
            # One without a code shows what was read.
            raise _as_ours(error) from (error if hasattr(error, "sqlite_errorcode") else None)


_ERRORS: Final = _Errors()


def database_errors() -> _Errors:
    """Return the block in which an error of the database becomes one of ours."""
    return _ERRORS


def _as_ours(error: sqlite3.Error) -> HedgerowError:
    if isinstance(error, sqlite3.OperationalError):
        if not hasattr(error, "sqlite_errorcode"):  # it was read, but is not what it should be
            return TamperedError("a stored record has a text where bytes were written")
        return UnavailableError(f"the store cannot be used now: {error}")
    if isinstance(error, sqlite3.IntegrityError):
        return VersionConflictError("another writer wrote the same record first; read it again")
    return TamperedError(f"the store's file is damaged ({error}); restore it from a backup")


def _connect(path: Path, *, query_only: bool = False) -> sqlite3.Connection:
    # Transactions begin and end only where we say so; INVARIANT above stands in for the check.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for statement in _ON_CONNECT:
        connection.execute(statement)
    if query_only:
        connection.execute("PRAGMA query_only=ON")
    return connection
