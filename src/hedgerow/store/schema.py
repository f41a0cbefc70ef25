"""The tables, and the version of their layout."""

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from hedgerow.kernel import ConfigurationError

SCHEMA_VERSION = 1

_metadata = sa.MetaData()

schema_version = sa.Table(
    "schema_version",
    _metadata,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
)

keys = sa.Table(
    "keys",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("purpose", sa.String(16), nullable=False),
    sa.Column("wrapped", sa.LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)

records = sa.Table(
    "records",
    _metadata,
    sa.Column(
        "sequence", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True
    ),  # order of creation
    sa.Column("account", sa.String(64), nullable=False),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("id_index", sa.LargeBinary(32), nullable=False, unique=True),
    sa.Column("parent_index", sa.LargeBinary(32), nullable=False),
    sa.Column("name_index", sa.LargeBinary(32), nullable=True, unique=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("key_id", sa.Integer, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Index("records_in_order", "kind", "account", "sequence"),
    sa.Index("records_of_parent", "parent_index", "sequence"),
    sqlite_autoincrement=True,
)


async def create_schema(connection: AsyncConnection) -> None:
    """Make the tables that are not there; those that are stay as they are."""
    await connection.run_sync(_metadata.create_all)
    if await _found_version(connection) is None:
        await connection.execute(schema_version.insert().values(version=SCHEMA_VERSION))


async def require_schema(connection: AsyncConnection) -> None:
    """Raise `ConfigurationError` unless the tables have the layout that this version knows."""
    found = await _found_version(connection)
    if found != SCHEMA_VERSION:
        raise ConfigurationError(
            f"the database has layout {found} and this Hedgerow knows layout {SCHEMA_VERSION}; "
            "use the version of Hedgerow that wrote it, or a newer one"
        )


async def _found_version(connection: AsyncConnection) -> int | None:
    found: int | None = await connection.scalar(sa.select(schema_version.c.version))
    return found
