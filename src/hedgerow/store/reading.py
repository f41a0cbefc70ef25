"""The four ways to read, the same inside a transaction and outside."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from hedgerow.kernel import CallerError
from hedgerow.store.errors import TamperedError
from hedgerow.store.page_tokens import PageTokens
from hedgerow.store.records import Kind, Page, Record, T
from hedgerow.store.schema import records
from hedgerow.store.sealing import SealedRow, Sealer

PAGE_LIMIT = 1000
"""The most records a page may have."""

_COLUMNS = (
    records.c.account,
    records.c.kind,
    records.c.id_index,
    records.c.parent_index,
    records.c.name_index,
    records.c.version,
    records.c.key_id,
    records.c.sealed,
)
_BY_ID = sa.select(*_COLUMNS).where(records.c.id_index == sa.bindparam("index"))
_BY_NAME = sa.select(*_COLUMNS).where(records.c.name_index == sa.bindparam("index"))
_IN_ORDER = sa.select(*_COLUMNS, records.c.sequence).order_by(records.c.sequence)


class Reader(ABC):
    """Reads records. Every record that comes out was authenticated; else `TamperedError`."""

    def __init__(self, sealer: Sealer, tokens: PageTokens) -> None:
        self._sealer = sealer
        self._tokens = tokens

    async def get(self, kind: Kind[T], account: str, id: str) -> Record[T] | None:  # noqa: A002 - the record's own word
        """Return the record with this id, or None."""
        index = self._sealer.id_index(kind.name, account, id)
        record = self._open_only(kind, account, await self._select(_BY_ID, {"index": index}))
        if record is not None and record.id != id:
            raise TamperedError(f"a stored record of kind {kind.name} stands under a foreign id")
        return record

    async def find(
        self, kind: Kind[T], account: str, *, name: str, parent: str | None = None
    ) -> Record[T] | None:
        """Return the record with this name under this parent (None: under no parent), or None."""
        index = self._sealer.name_index(kind.name, account, parent, name)
        return self._open_only(kind, account, await self._select(_BY_NAME, {"index": index}))

    async def list(
        self,
        kind: Kind[T],
        account: str,
        *,
        parent: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[T]:
        """Return up to `limit` records in order of creation, after the page that gave `after`.

        Without a parent, all records of the kind are listed. Raises `InvalidPageTokenError`.
        """
        if not 1 <= limit <= PAGE_LIMIT:
            raise CallerError(f"a page has 1 to {PAGE_LIMIT} records, not {limit}")
        listing = self._sealer.listing(kind.name, account, parent)
        query = self._listing_query(kind, account, parent).limit(limit + 1)
        if after is not None:
            query = query.where(records.c.sequence > self._tokens.decode(after, listing))
        rows = await self._select(query, {})
        shown = rows[:limit]
        more = len(rows) > limit
        return Page(
            records=tuple(self._open(kind, row) for row in shown),
            next_token=self._tokens.encode(shown[-1].sequence, listing) if more else None,
        )

    async def all(
        self, kind: Kind[T], account: str | None = None, *, parent: str | None = None
    ) -> tuple[Record[T], ...]:
        """Return every record of the kind as of one moment, in order of creation."""
        rows = await self._select(self._listing_query(kind, account, parent), {})
        return tuple(self._open(kind, row) for row in rows)

    @abstractmethod
    async def _select(
        self, query: sa.Select[Any], values: dict[str, Any]
    ) -> Sequence[sa.Row[Any]]: ...

    def _listing_query(
        self, kind: Kind[T], account: str | None, parent: str | None
    ) -> sa.Select[Any]:
        query = _IN_ORDER.where(records.c.kind == kind.name)
        if account is not None:
            query = query.where(records.c.account == account)
        if parent is not None:
            index = self._sealer.parent_index(kind.name, parent)
            query = query.where(records.c.parent_index == index)
        return query

    def _open_only(
        self, kind: Kind[T], account: str, rows: Sequence[sa.Row[Any]]
    ) -> Record[T] | None:
        if not rows:
            return None
        record = self._open(kind, rows[0])
        if record.account != account:
            raise TamperedError(f"a stored record of kind {kind.name} stands in a foreign account")
        return record

    def _open(self, kind: Kind[T], row: sa.Row[Any]) -> Record[T]:
        sealed_row = SealedRow(*row[: len(_COLUMNS)])
        _require_types(sealed_row)
        if sealed_row.kind != kind.name:
            raise TamperedError(f"a stored record of kind {kind.name} has become another kind")
        return self._sealer.open(kind, sealed_row)


def _require_types(row: SealedRow) -> None:
    """Raise unless every column has its type: SQLite lets anybody put a text where bytes were."""
    texts = (row.account, row.kind)
    numbers = (row.version, row.key_id)
    binaries = (row.id_index, row.parent_index, row.sealed, row.name_index or b"")
    if not (
        all(type(value) is str for value in texts)
        and all(type(value) is int for value in numbers)
        and all(type(value) is bytes for value in binaries)
    ):
        raise TamperedError("a stored record has a column of another type than was written")
