"""The tables, and the version of their layout."""

import sqlite3
from typing import Final

from hedgerow.kernel import ConfigurationError

SCHEMA_VERSION: Final = 1

_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL PRIMARY KEY)",
    """
    CREATE TABLE IF NOT EXISTS keys (
        id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        purpose VARCHAR(16) NOT NULL,
        wrapped BLOB NOT NULL
    )
    """,
    # `sequence` is the order of creation.
    """
    CREATE TABLE IF NOT EXISTS records (
        sequence INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        account VARCHAR(64) NOT NULL,
        kind VARCHAR(64) NOT NULL,
        id_index BLOB NOT NULL UNIQUE,
        parent_index BLOB NOT NULL,
        name_index BLOB UNIQUE,
        version BIGINT NOT NULL,
        key_id INTEGER NOT NULL,
        sealed BLOB NOT NULL
    )
    """,
    "CREATE INDEX IF NOT EXISTS records_in_order ON records (kind, account, sequence)",
    "CREATE INDEX IF NOT EXISTS records_of_parent ON records (parent_index, sequence)",
)


def create_schema(connection: sqlite3.Connection) -> None:
    """Make the tables that are not there; those that are stay as they are."""
    for statement in _TABLES:
        connection.execute(statement)
    if _found_version(connection) is None:
        connection.execute("INSERT INTO schema_version (version) VALUES (?)", (SCHEMA_VERSION,))


def require_schema(connection: sqlite3.Connection) -> None:
    """Raise `ConfigurationError` unless the tables have the layout that this version knows."""
    found = _found_version(connection)
    if found != SCHEMA_VERSION:
        raise ConfigurationError(
            f"the database has layout {found} and this Hedgerow knows layout {SCHEMA_VERSION}; "
            "use the version of Hedgerow that wrote it, or a newer one"
        )


def _found_version(connection: sqlite3.Connection) -> int | None:
    row = connection.execute("SELECT version FROM schema_version").fetchone()
    return None if row is None else row[0]
