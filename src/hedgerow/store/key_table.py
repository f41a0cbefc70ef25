"""The store's own keys: made once, kept wrapped by the master key in the database."""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from hedgerow.kernel import Secret, random_bytes
from hedgerow.store.errors import TamperedError
from hedgerow.store.master_key import KEY_BYTES, MasterKey
from hedgerow.store.schema import keys
from hedgerow.store.sealing import StoreKeys

_INDEX: Final = "index"
_TOKEN: Final = "token"  # noqa: S105 - the name of a purpose
_DATA: Final = "data"
_PURPOSES: Final = (_INDEX, _TOKEN, _DATA)


async def create_keys(connection: AsyncConnection, master_key: MasterKey) -> None:
    """Make the keys of an empty store; those that are there stay."""
    if await connection.scalar(sa.select(sa.func.count()).select_from(keys)):
        return
    for purpose in _PURPOSES:
        wrapped = master_key.wrap(Secret(random_bytes(KEY_BYTES)), purpose)
        await connection.execute(keys.insert().values(purpose=purpose, wrapped=wrapped))


async def load_keys(connection: AsyncConnection, master_key: MasterKey) -> StoreKeys:
    """Return the unwrapped keys.

    Raises `ConfigurationError` if the master key is not the one of this store.
    """
    found: dict[str, dict[int, Secret[bytes]]] = {purpose: {} for purpose in _PURPOSES}
    for row in await connection.execute(sa.select(keys)):
        if not isinstance(row.wrapped, bytes) or row.purpose not in _PURPOSES:
            raise TamperedError("the store's key table was changed; restore it from a backup")
        found[row.purpose][row.id] = master_key.unwrap(row.wrapped, row.purpose)
    if not all(found[purpose] for purpose in _PURPOSES):
        raise TamperedError("the store's key table is not whole; restore it from a backup")
    return StoreKeys(
        index=found[_INDEX][min(found[_INDEX])],
        token=found[_TOKEN][max(found[_TOKEN])],
        data=found[_DATA],
        current=max(found[_DATA]),
    )
