"""The store itself: opening, reading, writing one transaction at a time, and the change feed."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from hedgerow.kernel import Clock, ConfigurationError, UnavailableError
from hedgerow.store.engines import Engines, create_private, make_engines
from hedgerow.store.errors import TamperedError, VersionConflictError
from hedgerow.store.feed import Callback, Feed, Watch
from hedgerow.store.hold import Hold
from hedgerow.store.key_table import create_keys, load_keys
from hedgerow.store.master_key import MasterKey
from hedgerow.store.page_tokens import PageTokens
from hedgerow.store.reading import Reader
from hedgerow.store.records import Kind
from hedgerow.store.schema import create_schema, require_schema
from hedgerow.store.sealing import Sealer, StoreKeys
from hedgerow.store.transaction import Transaction

R = TypeVar("R")


class Store(Reader):
    """Encrypted records with versions, transactions and a change feed.

    Readers never wait for a writer. Writers wait for each other. What `transaction()` has
    committed is on disk when its block is left.
    """

    def __init__(self, engines: Engines, keys: StoreKeys, clock: Clock, hold: Hold | None) -> None:
        super().__init__(Sealer(keys), PageTokens(keys.token))
        self._engines = engines
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
        engines = make_engines(url_or_path)
        if read_only and not engines.database.is_file():
            raise ConfigurationError(f"there is no store at {engines.database}")
        hold = None if read_only else Hold.take(engines.database)
        try:
            with _database_errors():
                if hold is not None:
                    await _create_what_is_missing(engines, master_key)
                keys = await _open_keys(engines, master_key)
        except BaseException:
            await engines.dispose()
            if hold is not None:
                hold.release()
            raise
        return cls(engines, keys, clock, hold)

    async def close(self) -> None:
        """Wait for the write in progress, end every watch, and close the database."""
        async with self._writing:
            self._feed.close()
            await self._engines.dispose()
            if self._hold is not None:
                self._hold.release()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Give a transaction; commit it when the block ends, undo it when the block raises.

        Subscribers hear of its changes after the commit, in the order of commits. A task has one
        transaction at a time: asking for a second inside the first is a mistake and raises.
        """
        if self._hold is None:
            raise RuntimeError("this store was opened for reading only")
        task = asyncio.current_task()
        if task is not None and task is self._writer_task:
            raise RuntimeError("this task is already in a transaction; use that one")
        async with self._writing:
            self._writer_task = task
            try:
                with _database_errors():
                    async with self._engines.writer.connect() as connection:
                        await connection.begin()
                        async with self._ended_with_block(connection) as transaction:
                            yield transaction
            finally:
                self._writer_task = None

    def on_change(self, callback: Callback) -> Callable[[], None]:
        """Call `callback` after every commit, once per change; return what ends that.

        It must be quick and must not wait: writers wait for it.
        """
        return self._feed.subscribe(callback)

    def watch(self, *kinds: Kind[Any]) -> Watch:
        """Return an iterator of changes of these kinds (all kinds if none is given)."""
        return Watch(self._feed, kinds)

    @asynccontextmanager
    async def _ended_with_block(self, connection: AsyncConnection) -> AsyncIterator[Transaction]:
        transaction = Transaction(connection, self._sealer, self._tokens, self._clock)
        try:
            yield transaction
        except BaseException:
            transaction.finish()
            await _to_the_end(connection.rollback())
            raise
        await _to_the_end(self._commit(connection, transaction))

    async def _commit(self, connection: AsyncConnection, transaction: Transaction) -> None:
        changes = transaction.finish()
        await connection.commit()
        self._feed.publish(changes)

    async def _select(self, query: sa.Select[Any], values: dict[str, Any]) -> Sequence[sa.Row[Any]]:
        with _database_errors():
            async with self._engines.reader.connect() as connection:
                rows: Sequence[sa.Row[Any]] = (await connection.execute(query, values)).all()
                return rows


async def _open_keys(engines: Engines, master_key: MasterKey) -> StoreKeys:
    async with engines.reader.connect() as connection:
        await require_schema(connection)
        return await load_keys(connection, master_key)


async def _create_what_is_missing(engines: Engines, master_key: MasterKey) -> None:
    create_private(engines.database)
    async with engines.writer.begin() as connection:
        await create_schema(connection)
        await create_keys(connection, master_key)


async def _to_the_end(work: Coroutine[Any, Any, R]) -> R:
    """Finish the work even if this task is cancelled meanwhile, so that its outcome is known."""
    task = asyncio.get_running_loop().create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
        except Exception:  # noqa: BLE001, S110 - `result` below raises it
            pass
    result = task.result()
    if cancelled is not None:
        raise cancelled
    return result


@contextmanager
def _database_errors() -> Iterator[None]:
    """Say whose fault an error of the database is, without its parameters."""
    try:
        yield
    except sa.exc.OperationalError as error:
        if not hasattr(error.orig, "sqlite_errorcode"):  # it was read, but is not what it should be
            raise TamperedError("a stored record has a text where bytes were written") from None
        raise UnavailableError(f"the store cannot be used now: {error.orig}") from error
    except sa.exc.IntegrityError as error:
        raise VersionConflictError(
            "another writer wrote the same record first; read it again"
        ) from error
    except sa.exc.DatabaseError as error:
        raise TamperedError(
            f"the store's file is damaged ({error.orig}); restore it from a backup"
        ) from error
