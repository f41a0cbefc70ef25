"""Writing: inserts, updates and deletes that become visible together or not at all."""

import sqlite3
from collections.abc import Sequence
from types import EllipsisType
from typing import Final

import msgspec

from hedgerow.kernel import Clock, quoted
from hedgerow.store.database import Row, Values, database_errors
from hedgerow.store.errors import AlreadyExistsError, VersionConflictError
from hedgerow.store.page_tokens import PageTokens
from hedgerow.store.reading import COLUMNS, Reader
from hedgerow.store.records import Change, Kind, Operation, Record, T
from hedgerow.store.sealing import SealedRow, Sealer

# A name equal to NULL is never true.
_TAKEN: Final = "SELECT id_index FROM records WHERE id_index = :id OR name_index = :name"
_INSERT: Final = (
    f"INSERT INTO records ({', '.join(COLUMNS)}) "  # noqa: S608 - constants
    f"VALUES ({', '.join(f':{column}' for column in COLUMNS)})"
)
_AS_READ: Final = "WHERE id_index = :read_index AND version = :read_version"
_UPDATE: Final = (
    f"UPDATE records SET {', '.join(f'{column} = :{column}' for column in COLUMNS)} {_AS_READ}"  # noqa: S608
)
_DELETE: Final = f"DELETE FROM records {_AS_READ}"  # noqa: S608


class Transaction(Reader):
    """One write transaction; it reads what it wrote. `Store.transaction()` makes and ends it."""

    def __init__(
        self, connection: sqlite3.Connection, sealer: Sealer, tokens: PageTokens, clock: Clock
    ) -> None:
        super().__init__(sealer, tokens)
        self._connection: sqlite3.Connection | None = connection
        self._clock = clock
        self._changes: list[Change] = []

    async def insert(
        self,
        kind: Kind[T],
        account: str,
        id: str,  # noqa: A002 - the record's own word
        document: T,
        *,
        parent: str | None = None,
        name: str | None = None,
    ) -> Record[T]:
        """Add a record and return it.

        Raises `AlreadyExistsError` if the kind has this id in this account, or this name under
        this parent; the transaction can go on after that.
        """
        now = self._clock.now()
        record = Record(
            kind=kind,
            account=account,
            id=id,
            version=1,
            document=document,
            parent=parent,
            name=name,
            created_at=now,
            updated_at=now,
        )
        row = self._sealer.seal(record)
        try:
            self._write(_INSERT, _values(row))
        except VersionConflictError:
            await self._require_free(row, record, new=True)
            raise
        self._note("insert", record)
        return record

    async def update(
        self, record: Record[T], document: T, *, name: str | EllipsisType | None = ...
    ) -> Record[T]:
        """Replace the document, and the name if one is given (None takes it away).

        Raises `VersionConflictError` if the record is not as it was read, and
        `AlreadyExistsError` if the new name is taken.
        """
        changed = msgspec.structs.replace(
            record,
            document=document,
            version=record.version + 1,
            name=record.name if isinstance(name, EllipsisType) else name,
            updated_at=self._clock.now(),
        )
        row = self._sealer.seal(changed)
        if changed.name is not None and changed.name != record.name:
            await self._require_free(row, changed, new=False)
        written = self._write(_UPDATE, {**_values(row), **self._as_read(record)})
        _require_written(written, record)
        self._note("update", changed)
        return changed

    async def delete(self, record: Record[T]) -> None:
        """Remove the record. Raises `VersionConflictError` if it is not as it was read."""
        written = self._write(_DELETE, self._as_read(record))
        _require_written(written, record)
        self._note("delete", record)

    def finish(self) -> tuple[Change, ...]:
        """Refuse further use and return what was changed. For the store only."""
        self._connection = None
        return tuple(self._changes)

    async def _select(self, statement: str, values: Values) -> Sequence[Row]:
        with database_errors():
            return self._open_connection().execute(statement, values).fetchall()

    _scan = _select

    def _write(self, statement: str, values: Values) -> int:
        with database_errors():
            return self._open_connection().execute(statement, values).rowcount

    def _open_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise RuntimeError("this transaction has ended")
        return self._connection

    async def _require_free(self, row: SealedRow, record: Record[T], *, new: bool) -> None:
        """Raise if another record has the name, or, for a new one, the id."""
        kind = record.kind.name
        indexes = {"id": row.id_index, "name": row.name_index}
        for (taken,) in await self._select(_TAKEN, indexes):
            if taken != row.id_index:
                name = quoted(record.name or "")
                raise AlreadyExistsError(f"a {kind} with the name {name} exists already")
            if new:
                raise AlreadyExistsError(f"a {kind} with the id {quoted(record.id)} exists already")

    def _as_read(self, record: Record[T]) -> Values:
        index = self._sealer.id_index(record.kind.name, record.account, record.id)
        return {"read_index": index, "read_version": record.version}

    def _note(self, operation: Operation, record: Record[T]) -> None:
        self._changes.append(
            Change(
                kind=record.kind.name,
                account=record.account,
                id=record.id,
                operation=operation,
                version=record.version,
                parent=record.parent,
                document=None if operation == "delete" else record.document,
            )
        )


def _values(row: SealedRow) -> Values:
    return {column: getattr(row, column) for column in COLUMNS}


def _require_written(count: int, record: Record[T]) -> None:
    if count != 1:
        raise VersionConflictError(
            f"the {record.kind.name} {quoted(record.id)} was changed or deleted since it was read "
            f"(version {record.version}); read it again"
        )
