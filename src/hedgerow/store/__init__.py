"""Keeps the cloud's documents: encrypted, versioned, and safe once a write was acknowledged.

In come typed documents (`msgspec` structs) with an account, an id and perhaps a parent and a
unique name; out come `Record`s, pages of them, and after every commit the `Change`s. The database
(SQLite) sees accounts, kinds, versions and sizes; ids, names, parents and documents only as keyed
hashes and ciphertext. It imports `kernel`, and knows no kind of document by itself. What must
never happen here: a plaintext or a key on disk, a record given out that was not authenticated, a
change announced before it is committed.

Whoever can write to the database file cannot change, move or swap records unnoticed. They could
still remove records or put back a whole older file; no key inside it can tell. That is what file
permissions and backups are for.

Tests: `tests/unit/store`, `tests/property/test_store_*`, `tests/security/test_store_*`.
"""

from hedgerow.store.errors import (
    AlreadyExistsError,
    TamperedError,
    UnreadableDocumentError,
    VersionConflictError,
)
from hedgerow.store.feed import Watch
from hedgerow.store.master_key import MasterKey
from hedgerow.store.page_tokens import InvalidPageTokenError
from hedgerow.store.reading import PAGE_LIMIT
from hedgerow.store.records import Change, Kind, Page, Record
from hedgerow.store.store import Store
from hedgerow.store.transaction import Transaction

__all__ = [
    "PAGE_LIMIT",
    "AlreadyExistsError",
    "Change",
    "InvalidPageTokenError",
    "Kind",
    "MasterKey",
    "Page",
    "Record",
    "Store",
    "TamperedError",
    "Transaction",
    "UnreadableDocumentError",
    "VersionConflictError",
    "Watch",
]
