"""Writing: inserts, updates and deletes that become visible together or not at all."""

from collections.abc import Sequence
from dataclasses import replace
from types import EllipsisType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from hedgerow.kernel import Clock, quoted
from hedgerow.store.errors import AlreadyExistsError, VersionConflictError
from hedgerow.store.page_tokens import PageTokens
from hedgerow.store.reading import Reader
from hedgerow.store.records import Change, Kind, Operation, Record, T
from hedgerow.store.schema import records
from hedgerow.store.sealing import SealedRow, Sealer

_TAKEN = sa.select(records.c.id_index).where(
    sa.or_(
        records.c.id_index == sa.bindparam("id"),
        records.c.name_index == sa.bindparam("name"),  # equal to NULL is never true
    )
)


class Transaction(Reader):
    """One write transaction; it reads what it wrote. `Store.transaction()` makes and ends it."""

    def __init__(
        self, connection: AsyncConnection, sealer: Sealer, tokens: PageTokens, clock: Clock
    ) -> None:
        super().__init__(sealer, tokens)
        self._connection: AsyncConnection | None = connection
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
        await self._require_free(row, record, new=True)
        await self._write(records.insert().values(**_values(row)))
        self._note("insert", record)
        return record

    async def update(
        self, record: Record[T], document: T, *, name: str | EllipsisType | None = ...
    ) -> Record[T]:
        """Replace the document, and the name if one is given (None takes it away).

        Raises `VersionConflictError` if the record is not as it was read, and
        `AlreadyExistsError` if the new name is taken.
        """
        changed = replace(
            record,
            document=document,
            version=record.version + 1,
            name=record.name if isinstance(name, EllipsisType) else name,
            updated_at=self._clock.now(),
        )
        row = self._sealer.seal(changed)
        if changed.name is not None and changed.name != record.name:
            await self._require_free(row, changed, new=False)
        written = await self._write(
            records.update().where(*self._as_read(record)).values(**_values(row))
        )
        _require_written(written, record)
        self._note("update", changed)
        return changed

    async def delete(self, record: Record[T]) -> None:
        """Remove the record. Raises `VersionConflictError` if it is not as it was read."""
        written = await self._write(records.delete().where(*self._as_read(record)))
        _require_written(written, record)
        self._note("delete", record)

    def finish(self) -> tuple[Change, ...]:
        """Refuse further use and return what was changed. For the store only."""
        self._connection = None
        return tuple(self._changes)

    async def _select(self, query: sa.Select[Any], values: dict[str, Any]) -> Sequence[sa.Row[Any]]:
        rows: Sequence[sa.Row[Any]] = (await self._open_connection().execute(query, values)).all()
        return rows

    async def _write(self, statement: sa.Insert | sa.Update | sa.Delete) -> int:
        return (await self._open_connection().execute(statement)).rowcount

    def _open_connection(self) -> AsyncConnection:
        if self._connection is None:
            raise RuntimeError("this transaction has ended")
        return self._connection

    async def _require_free(self, row: SealedRow, record: Record[T], *, new: bool) -> None:
        """Raise if another record has the name, or, for a new one, the id."""
        kind = record.kind.name
        indexes = {"id": row.id_index, "name": row.name_index}
        for taken in await self._select(_TAKEN, indexes):
            if taken.id_index != row.id_index:
                name = quoted(record.name or "")
                raise AlreadyExistsError(f"a {kind} with the name {name} exists already")
            if new:
                raise AlreadyExistsError(f"a {kind} with the id {quoted(record.id)} exists already")

    def _as_read(self, record: Record[T]) -> tuple[sa.ColumnElement[bool], ...]:
        index = self._sealer.id_index(record.kind.name, record.account, record.id)
        return records.c.id_index == index, records.c.version == record.version

    def _note(self, operation: Operation, record: Record[T]) -> None:
        self._changes.append(
            Change(
                kind=record.kind.name,
                account=record.account,
                id=record.id,
                operation=operation,
                version=record.version,
                parent=record.parent,
            )
        )


def _values(row: SealedRow) -> dict[str, Any]:
    return {
        "account": row.account,
        "kind": row.kind,
        "id_index": row.id_index,
        "parent_index": row.parent_index,
        "name_index": row.name_index,
        "version": row.version,
        "key_id": row.key_id,
        "sealed": row.sealed,
    }


def _require_written(count: int, record: Record[T]) -> None:
    if count != 1:
        raise VersionConflictError(
            f"the {record.kind.name} {quoted(record.id)} was changed or deleted since it was read "
            f"(version {record.version}); read it again"
        )
