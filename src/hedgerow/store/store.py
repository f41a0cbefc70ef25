"""The store itself: opening, reading, writing one transaction at a time, and the change feed."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from hedgerow.kernel import Clock, ConfigurationError
from hedgerow.store.database import (
    Database,
    Row,
    Values,
    create_private,
    database_errors,
    database_path,
)
from hedgerow.store.feed import Callback, CommitCallback, Feed, Watch
from hedgerow.store.hold import Hold
from hedgerow.store.key_table import create_keys, load_keys
from hedgerow.store.master_key import MasterKey
from hedgerow.store.page_tokens import PageTokens
from hedgerow.store.reading import Reader
from hedgerow.store.records import Change, Kind
from hedgerow.store.schema import create_schema, require_schema
from hedgerow.store.sealing import Sealer, StoreKeys
from hedgerow.store.transaction import Transaction

R = TypeVar("R")


class Store(Reader):
    """Encrypted records with versions, transactions and a change feed.

    Readers never wait for a writer. Writers wait for each other. What `transaction()` has
    committed is on disk when its block is left.
    """

    def __init__(
        self, database: Database, keys: StoreKeys, clock: Clock, hold: Hold | None
    ) -> None:
        super().__init__(Sealer(keys), PageTokens(keys.token))
        self._database = database
        self._hold = hold
        self._clock = clock
        self._feed = Feed()
        self._writing = asyncio.Lock()
        self._writer_task: asyncio.Task[Any] | None = None

    @classmethod
    async def open(
        cls,
        url_or_path: str | Path,
        master_key: MasterKey,
        clock: Clock,
        *,
        read_only: bool = False,
    ) -> Self:
        """Open the database, making it if it is not there.

        One process has a store open for writing; any number may read beside it.
        Raises `ConfigurationError` if the master key does not fit or the layout is unknown,
        `UnavailableError` if the file cannot be used, `TamperedError` if it is damaged.
        """
        path = database_path(url_or_path)
        if read_only and not path.is_file():
            raise ConfigurationError(f"there is no store at {path}")
        hold = None if read_only else Hold.take(path)
        try:
            database, keys = await asyncio.to_thread(
                _open, path, master_key, create=hold is not None
            )
        except BaseException:
            if hold is not None:
                hold.release()
            raise
        return cls(database, keys, clock, hold)

    async def close(self) -> None:
        """Wait for the write in progress, end every watch, and close the database."""
        async with self._writing:
            self._feed.close()
            await asyncio.to_thread(self._database.close)
            if self._hold is not None:
                self._hold.release()

    def transaction(self) -> "WriteTurn":
        """Give a transaction; commit it when the block ends, undo it when the block raises.

        Subscribers hear of its changes after the commit, in the order of commits. A task has one
        transaction at a time: asking for a second inside the first is a mistake and raises.
        """
        return WriteTurn(self)

    def on_change(self, callback: Callback) -> Callable[[], None]:
        """Call `callback` after every commit, once per change; return what ends that.

        It must be quick and must not wait: writers wait for it.
        """
        return self._feed.subscribe(callback)

    def on_commit(self, callback: CommitCallback) -> Callable[[], None]:
        """Call `callback` after every commit with all its changes; return what ends that.

        Nothing else happens in between, so what it updates is never seen half updated. It must be
        quick and must not wait: writers wait for it.
        """
        return self._feed.subscribe_to_commits(callback)

    def watch(self, *kinds: Kind[Any]) -> Watch:
        """Return an iterator of changes of these kinds (all kinds if none is given)."""
        return Watch(self._feed, kinds)

    async def _begin(self) -> Transaction:
        if self._hold is None:
            raise RuntimeError("this store was opened for reading only")
        task = asyncio.current_task()
        if task is not None and task is self._writer_task:
            raise RuntimeError("this task is already in a transaction; use that one")
        await self._writing.acquire()
        try:
            self._database.begin()
        except BaseException:
            self._writing.release()
            raise
        self._writer_task = task
        return Transaction(self._database.writing, self._sealer, self._tokens, self._clock)

    async def _end(self, transaction: Transaction, *, keep: bool) -> None:
        try:
            changes = transaction.finish()
            if keep and changes:
                await self._commit(changes)
            else:
                self._database.rollback()
        finally:
            self._writer_task = None
            self._writing.release()

    async def _commit(self, changes: Sequence[Change]) -> None:
        """Commit and tell, also if this task is cancelled meanwhile: the outcome is known then."""
        committing = self._database.commit()
        cancelled = await _end_of(committing)
        try:
            committing.result()
        except BaseException:
            self._database.rollback()
            raise
        self._feed.publish(changes)
        if cancelled is not None:
            raise cancelled

    async def _select(self, statement: str, values: Values) -> Sequence[Row]:
        return self._database.select(statement, values)

    async def _scan(self, statement: str, values: Values) -> Sequence[Row]:
        return await self._database.scan(statement, values)


class WriteTurn:
    """The block in which one task writes; `Store.transaction` makes it."""

    __slots__ = ("_store", "_transaction")

    def __init__(self, store: Store) -> None:
        self._store = store
        self._transaction: Transaction | None = None

    async def __aenter__(self) -> Transaction:
        self._transaction = await self._store._begin()  # noqa: SLF001 - its other half
        return self._transaction

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if self._transaction is not None:
            await self._store._end(self._transaction, keep=kind is None)  # noqa: SLF001 - likewise


def _open(path: Path, master_key: MasterKey, *, create: bool) -> tuple[Database, StoreKeys]:
    """Open the database, with what is missing made if that is wanted, and its keys."""
    if create:
        create_private(path)
    database = Database(path, read_only=not create)
    try:
        with database_errors():
            if create:
                database.begin()
                create_schema(database.writing)
                create_keys(database.writing, master_key)
                database.writing.commit()
            require_schema(database.writing)
            return database, load_keys(database.writing, master_key)
    except BaseException:
        database.close()
        raise


async def _end_of(work: "asyncio.Future[None]") -> asyncio.CancelledError | None:
    """Wait until work has ended, however it ended; return the cancellation that came meanwhile."""
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError as error:
            cancelled = error
        except Exception:  # noqa: BLE001, S110 - it stays in `work`, for whoever asks
            pass
    return cancelled
