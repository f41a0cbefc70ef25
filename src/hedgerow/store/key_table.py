"""The store's own keys: made once, kept wrapped by the master key in the database."""

import sqlite3
from typing import Final

from hedgerow.kernel import Secret, random_bytes
from hedgerow.store.errors import TamperedError
from hedgerow.store.master_key import KEY_BYTES, MasterKey
from hedgerow.store.sealing import StoreKeys

_INDEX: Final = "index"
_TOKEN: Final = "token"  # noqa: S105 - the name of a purpose
_DATA: Final = "data"
_PURPOSES: Final = (_INDEX, _TOKEN, _DATA)


def create_keys(connection: sqlite3.Connection, master_key: MasterKey) -> None:
    """Make the keys of an empty store; those that are there stay."""
    if connection.execute("SELECT id FROM keys LIMIT 1").fetchone():
        return
    for purpose in _PURPOSES:
        wrapped = master_key.wrap(Secret(random_bytes(KEY_BYTES)), purpose)
        connection.execute("INSERT INTO keys (purpose, wrapped) VALUES (?, ?)", (purpose, wrapped))


def load_keys(connection: sqlite3.Connection, master_key: MasterKey) -> StoreKeys:
    """Return the unwrapped keys.

    Raises `ConfigurationError` if the master key is not the one of this store.
    """
    found: dict[str, dict[int, Secret[bytes]]] = {purpose: {} for purpose in _PURPOSES}
    for number, purpose, wrapped in connection.execute("SELECT id, purpose, wrapped FROM keys"):
        if not isinstance(wrapped, bytes) or purpose not in _PURPOSES:
            raise TamperedError("the store's key table was changed; restore it from a backup")
        found[purpose][number] = master_key.unwrap(wrapped, purpose)
    if not all(found[purpose] for purpose in _PURPOSES):
        raise TamperedError("the store's key table is not whole; restore it from a backup")
    return StoreKeys(
        index=found[_INDEX][min(found[_INDEX])],
        token=found[_TOKEN][max(found[_TOKEN])],
        data=found[_DATA],
        current=max(found[_DATA]),
    )
