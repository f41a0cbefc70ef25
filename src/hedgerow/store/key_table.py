"""The store's own keys: made once, kept wrapped by the master key in the database."""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from hedgerow.kernel import ConfigurationError, Secret, random_bytes
from hedgerow.store.master_key import KEY_BYTES, MasterKey
from hedgerow.store.schema import keys
from hedgerow.store.sealing import StoreKeys

_INDEX: Final = "index"
_TOKEN: Final = "token"  # noqa: S105 - the name of a purpose
_DATA: Final = "data"


async def load_or_create_keys(connection: AsyncConnection, master_key: MasterKey) -> StoreKeys:
    """Return the unwrapped keys, making them in an empty store.

    Raises `ConfigurationError` if the master key is not the one of this store.
    """
    rows = (await connection.execute(sa.select(keys).order_by(keys.c.id))).all()
    if not rows:
        for purpose in (_INDEX, _TOKEN, _DATA):
            await _create_key(connection, master_key, purpose)
        rows = (await connection.execute(sa.select(keys).order_by(keys.c.id))).all()
    found: dict[str, dict[int, Secret[bytes]]] = {_INDEX: {}, _TOKEN: {}, _DATA: {}}
    for row in rows:
        found.setdefault(row.purpose, {})[row.id] = master_key.unwrap(row.wrapped, row.purpose)
    if not all(found[purpose] for purpose in (_INDEX, _TOKEN, _DATA)):
        raise ConfigurationError("the store's key table is not whole; restore it from a backup")
    return StoreKeys(
        index=found[_INDEX][min(found[_INDEX])],
        token=found[_TOKEN][max(found[_TOKEN])],
        data=found[_DATA],
        current=max(found[_DATA]),
    )


async def _create_key(connection: AsyncConnection, master_key: MasterKey, purpose: str) -> None:
    wrapped = master_key.wrap(Secret(random_bytes(KEY_BYTES)), purpose)
    await connection.execute(keys.insert().values(purpose=purpose, wrapped=wrapped))
