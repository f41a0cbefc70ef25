"""The four ways to read, the same inside a transaction and outside."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final

from hedgerow.kernel import CallerError
from hedgerow.store.database import Row, Values
from hedgerow.store.errors import TamperedError
from hedgerow.store.page_tokens import PageTokens
from hedgerow.store.records import Kind, Page, Record, T
from hedgerow.store.sealing import SealedRow, Sealer

PAGE_LIMIT = 1000
"""The most records a page may have."""

COLUMNS: Final = (
    "account",
    "kind",
    "id_index",
    "parent_index",
    "name_index",
    "version",
    "key_id",
    "sealed",
)
"""The columns of a `SealedRow`, in its order."""

_SELECT: Final = f"SELECT {', '.join(COLUMNS)}, sequence FROM records WHERE"  # noqa: S608 - constants
_BY_ID: Final = f"{_SELECT} id_index = :index"
_BY_NAME: Final = f"{_SELECT} name_index = :index"
_IN_ORDER: Final = "ORDER BY sequence"


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
        statement, values = self._listing(kind, account, parent)
        if after is not None:
            statement += " AND sequence > :after"
            values["after"] = self._tokens.decode(after, listing)
        values["limit"] = limit + 1
        rows = await self._select(f"{statement} {_IN_ORDER} LIMIT :limit", values)
        shown = rows[:limit]
        more = len(rows) > limit
        return Page(
            records=tuple(self._open(kind, row) for row in shown),
            next_token=self._tokens.encode(shown[-1][-1], listing) if more else None,
        )

    async def all(
        self, kind: Kind[T], account: str | None = None, *, parent: str | None = None
    ) -> tuple[Record[T], ...]:
        """Return every record of the kind as of one moment, in order of creation."""
        statement, values = self._listing(kind, account, parent)
        rows = await self._scan(f"{statement} {_IN_ORDER}", values)
        return tuple(self._open(kind, row) for row in rows)

    @abstractmethod
    async def _select(self, statement: str, values: Values) -> Sequence[Row]:
        """Return the rows of a statement that finds few."""

    @abstractmethod
    async def _scan(self, statement: str, values: Values) -> Sequence[Row]:
        """Return the rows of a statement that may find many."""

    def _listing(
        self, kind: Kind[T], account: str | None, parent: str | None
    ) -> tuple[str, dict[str, str | bytes | int]]:
        """Return the statement of a listing, without its order, and its values."""
        statement, values = f"{_SELECT} kind = :kind", dict[str, str | bytes | int](kind=kind.name)
        if account is not None:
            statement += " AND account = :account"
            values["account"] = account
        if parent is not None:
            statement += " AND parent_index = :parent"
            values["parent"] = self._sealer.parent_index(kind.name, parent)
        return statement, values

    def _open_only(self, kind: Kind[T], account: str, rows: Sequence[Row]) -> Record[T] | None:
        if not rows:
            return None
        record = self._open(kind, rows[0])
        if record.account != account:
            raise TamperedError(f"a stored record of kind {kind.name} stands in a foreign account")
        return record

    def _open(self, kind: Kind[T], row: Row) -> Record[T]:
        sealed_row = SealedRow(*row[: len(COLUMNS)])
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
