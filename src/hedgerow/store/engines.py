"""The two ways to the database: many readers that never wait, and one writer at a time."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from hedgerow.kernel import ConfigurationError

READERS = 4
"""Connections that read at the same time; further readers wait for one of them."""

_MODE = 0o600
_ON_CONNECT = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",  # an acknowledged write is on the disk, not only handed over
    "PRAGMA busy_timeout=5000",
    "PRAGMA foreign_keys=ON",
    "PRAGMA trusted_schema=OFF",
)


@dataclass(frozen=True, slots=True)
class Engines:
    """`reader` runs each statement by itself; `writer` has one connection and locks on begin."""

    reader: AsyncEngine
    writer: AsyncEngine
    database: Path

    async def dispose(self) -> None:
        """Close every connection."""
        await self.reader.dispose()
        await self.writer.dispose()


def make_engines(url_or_path: str | Path) -> Engines:
    """Return engines for a database file or an SQLAlchemy URL; nothing is opened yet.

    Raises `ConfigurationError` for a database other than SQLite.
    """
    url = _database_url(url_or_path)
    reader = create_async_engine(
        url,
        pool_size=READERS,
        max_overflow=0,
        pool_reset_on_return=None,
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
        hide_parameters=True,
    )
    writer = create_async_engine(url, pool_size=1, max_overflow=0, hide_parameters=True)
    sa.event.listen(reader.sync_engine, "connect", _configure_sqlite)
    sa.event.listen(reader.sync_engine, "connect", _forbid_writing)
    sa.event.listen(writer.sync_engine, "connect", _configure_sqlite)
    sa.event.listen(writer.sync_engine, "begin", _begin_writing)
    return Engines(reader=reader, writer=writer, database=Path(url.database or ""))


def _database_url(url_or_path: str | Path) -> sa.URL:
    text = str(url_or_path)
    if "://" in text:
        url = sa.make_url(text).set(drivername="sqlite+aiosqlite")
        if not text.startswith("sqlite") or not url.database:
            scheme = text.partition("://")[0]
            raise ConfigurationError(
                f"the store cannot use {scheme}; give the path of an SQLite file"
            )
    else:
        url = sa.URL.create("sqlite+aiosqlite", database=text)
    return url


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


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions begin and end only where we say so
    cursor = connection.cursor()
    for statement in _ON_CONNECT:
        cursor.execute(statement)
    cursor.close()


def _forbid_writing(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA query_only=ON")
    cursor.close()


def _begin_writing(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
