"""What the store promises to the rooms that use it."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.clock import ManualClock
from tests.support.store_documents import ACCOUNT, LAMP, OTHER, SWITCH, Lamp, Switch

from hedgerow.kernel import CallerError, ConfigurationError, UnavailableError
from hedgerow.store import (
    AlreadyExistsError,
    Change,
    InvalidPageTokenError,
    Kind,
    MasterKey,
    Store,
    UnreadableDocumentError,
    VersionConflictError,
)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def master_key(tmp_path: Path) -> MasterKey:
    return MasterKey.create_file(tmp_path / "master.key")


@pytest.fixture
async def store(tmp_path: Path, master_key: MasterKey, clock: ManualClock) -> AsyncIterator[Store]:
    store = await Store.open(tmp_path / "state.db", master_key, clock)
    yield store
    await store.close()


async def test_what_was_inserted_is_read_back_by_id_and_by_name(
    store: Store, clock: ManualClock
) -> None:
    async with store.transaction() as transaction:
        written = await transaction.insert(
            LAMP, ACCOUNT, "lamp-1", Lamp("red"), parent="hall", name="door"
        )
    assert written.version == 1
    assert written.created_at == written.updated_at == clock.now()
    assert await store.get(LAMP, ACCOUNT, "lamp-1") == written
    assert await store.find(LAMP, ACCOUNT, name="door", parent="hall") == written
    assert await store.find(LAMP, ACCOUNT, name="door") is None
    assert await store.get(LAMP, OTHER, "lamp-1") is None
    assert await store.get(Kind("bulb", Lamp), ACCOUNT, "lamp-1") is None


async def test_it_is_all_there_after_closing_and_opening(
    store: Store, tmp_path: Path, clock: ManualClock
) -> None:
    async with store.transaction() as transaction:
        written = await transaction.insert(LAMP, ACCOUNT, "lamp-1", Lamp("red"), name="door")
    await store.close()
    again = await Store.open(
        tmp_path / "state.db", MasterKey.from_file(tmp_path / "master.key"), clock
    )
    try:
        assert await again.find(LAMP, ACCOUNT, name="door") == written
    finally:
        await again.close()


async def test_a_second_writer_is_refused_and_a_reader_is_not(
    store: Store, tmp_path: Path, master_key: MasterKey, clock: ManualClock
) -> None:
    """A second writer's changes would never reach the first one's subscribers."""
    with pytest.raises(UnavailableError, match="another process is using"):
        await Store.open(tmp_path / "state.db", master_key, clock)
    reader = await Store.open(
        f"sqlite:///{tmp_path / 'state.db'}", master_key, clock, read_only=True
    )
    async with store.transaction() as transaction:
        written = await transaction.insert(LAMP, ACCOUNT, "lamp-1", Lamp("red"))
    assert await reader.get(LAMP, ACCOUNT, "lamp-1") == written
    with pytest.raises(RuntimeError, match="reading only"):
        async with reader.transaction():
            pass
    await reader.close()
    async with store.transaction() as transaction:
        await transaction.delete(written)


async def test_reading_only_makes_no_store(
    tmp_path: Path, master_key: MasterKey, clock: ManualClock
) -> None:
    with pytest.raises(ConfigurationError, match="no store"):
        await Store.open(tmp_path / "other.db", master_key, clock, read_only=True)
    assert not (tmp_path / "other.db").exists()


@pytest.mark.parametrize("url", ["postgresql://host/db", "sqlite://", "mysql+aiomysql://h/d"])
async def test_a_database_that_is_not_an_sqlite_file_is_refused(
    master_key: MasterKey, clock: ManualClock, url: str
) -> None:
    with pytest.raises(ConfigurationError, match="SQLite file"):
        await Store.open(url, master_key, clock)


async def test_a_layout_of_another_version_is_refused(
    store: Store, tmp_path: Path, master_key: MasterKey, clock: ManualClock
) -> None:
    await store.close()
    with closing(sqlite3.connect(tmp_path / "state.db")) as database, database:
        database.execute("UPDATE schema_version SET version = 99")
    with pytest.raises(ConfigurationError, match="layout 99"):
        await Store.open(tmp_path / "state.db", master_key, clock)


async def test_another_master_key_does_not_open_the_store(
    store: Store, tmp_path: Path, clock: ManualClock
) -> None:
    await store.close()
    other = MasterKey.create_file(tmp_path / "other.key")
    with pytest.raises(ConfigurationError, match="does not open this store"):
        await Store.open(tmp_path / "state.db", other, clock)


async def test_an_update_replaces_the_document_and_counts_the_version(
    store: Store, clock: ManualClock
) -> None:
    async with store.transaction() as transaction:
        first = await transaction.insert(LAMP, ACCOUNT, "lamp-1", Lamp("red"), name="door")
    clock.advance(timedelta(minutes=1))
    async with store.transaction() as transaction:
        second = await transaction.update(first, Lamp("blue"))
    found = await store.get(LAMP, ACCOUNT, "lamp-1")
    assert found == second
    assert second.version == 2
    assert second.name == "door"
    assert second.document == Lamp("blue")
    assert second.created_at == first.created_at
    assert second.updated_at == clock.now()


async def test_an_update_can_give_change_and_take_away_the_name(store: Store) -> None:
    async with store.transaction() as transaction:
        lamp = await transaction.insert(LAMP, ACCOUNT, "lamp-1", Lamp("red"))
        lamp = await transaction.update(lamp, lamp.document, name="door")
        lamp = await transaction.update(lamp, lamp.document, name="gate")
    assert await store.find(LAMP, ACCOUNT, name="door") is None
    assert await store.find(LAMP, ACCOUNT, name="gate") == lamp
    async with store.transaction() as transaction:
        await transaction.update(lamp, lamp.document, name=None)
        await transaction.insert(LAMP, ACCOUNT, "lamp-2", Lamp("red"), name="gate")
    found = await store.find(LAMP, ACCOUNT, name="gate")
    assert found is not None
    assert found.id == "lamp-2"


async def test_an_update_or_delete_of_a_stale_record_is_refused(store: Store) -> None:
    async with store.transaction() as transaction:
        stale = await transaction.insert(LAMP, ACCOUNT, "lamp-1", Lamp("red"))
        current = await transaction.update(stale, Lamp("blue"))
        with pytest.raises(VersionConflictError, match="read it again"):
            await transaction.update(stale, Lamp("green"))
        with pytest.raises(VersionConflictError, match="read it again"):
            await transaction.delete(stale)
        assert await transaction.get(LAMP, ACCOUNT, "lamp-1") == current
        await transaction.delete(current)
        with pytest.raises(VersionConflictError):
            await transaction.update(current, Lamp("green"))
    assert await store.get(LAMP, ACCOUNT, "lamp-1") is None


async def test_ids_are_unique_per_kind_and_account(store: Store) -> None:
    async with store.transaction() as transaction:
        await transaction.insert(LAMP, ACCOUNT, "one", Lamp("red"))
        await transaction.insert(LAMP, OTHER, "one", Lamp("red"))
        await transaction.insert(SWITCH, ACCOUNT, "one", Switch(2))
        with pytest.raises(AlreadyExistsError, match="the id 'one' exists"):
            await transaction.insert(LAMP, ACCOUNT, "one", Lamp("blue"))
    found = await store.get(LAMP, ACCOUNT, "one")
    assert found is not None
    assert found.document == Lamp("red")


async def test_names_are_unique_per_kind_account_and_parent(store: Store) -> None:
    async with store.transaction() as transaction:
        await transaction.insert(LAMP, ACCOUNT, "1", Lamp("red"), name="door")
        await transaction.insert(LAMP, OTHER, "2", Lamp("red"), name="door")
        await transaction.insert(LAMP, ACCOUNT, "3", Lamp("red"), name="door", parent="hall")
        unnamed = await transaction.insert(LAMP, ACCOUNT, "4", Lamp("red"))
        await transaction.insert(LAMP, ACCOUNT, "5", Lamp("red"))
        with pytest.raises(AlreadyExistsError, match="the name 'door' exists"):
            await transaction.insert(LAMP, ACCOUNT, "6", Lamp("red"), name="door")
        with pytest.raises(AlreadyExistsError):
            await transaction.insert(LAMP, ACCOUNT, "6", Lamp("red"), name="door", parent="hall")
        with pytest.raises(AlreadyExistsError):
            await transaction.update(unnamed, Lamp("red"), name="door")
    assert len(await store.all(LAMP)) == 5


async def test_a_block_that_raises_leaves_nothing_behind_and_tells_nobody(store: Store) -> None:
    heard: list[Change] = []
    store.on_change(heard.append)

    async def fail() -> None:
        async with store.transaction() as transaction:
            await transaction.insert(LAMP, ACCOUNT, "lamp-1", Lamp("red"))
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert await store.get(LAMP, ACCOUNT, "lamp-1") is None
    assert heard == []


async def test_a_transaction_reads_what_it_wrote_and_others_do_not_until_it_is_committed(
    store: Store,
) -> None:
    async with store.transaction() as transaction:
        written = await transaction.insert(LAMP, ACCOUNT, "lamp-1", Lamp("red"), name="door")
        assert await transaction.get(LAMP, ACCOUNT, "lamp-1") == written
        assert await transaction.find(LAMP, ACCOUNT, name="door") == written
        assert await transaction.all(LAMP) == (written,)
        assert (await transaction.list(LAMP, ACCOUNT)).records == (written,)
        assert await store.get(LAMP, ACCOUNT, "lamp-1") is None
        assert await store.all(LAMP) == ()
    assert await store.all(LAMP) == (written,)


async def test_pages_hold_every_record_once_in_order_of_creation(store: Store) -> None:
    async with store.transaction() as transaction:
        for number in range(7):
            await transaction.insert(LAMP, ACCOUNT, f"lamp-{number}", Lamp("red", number))
            await transaction.insert(LAMP, OTHER, f"lamp-{number}", Lamp("red", number))
    seen: list[int] = []
    sizes: list[int] = []
    token: str | None = None
    while True:
        page = await store.list(LAMP, ACCOUNT, limit=3, after=token)
        seen += [record.document.watts for record in page.records]
        sizes.append(len(page.records))
        token = page.next_token
        if token is None:
            break
    assert seen == list(range(7))
    assert sizes == [3, 3, 1]


async def test_a_page_that_holds_the_last_record_has_no_token(store: Store) -> None:
    async with store.transaction() as transaction:
        for number in range(3):
            await transaction.insert(LAMP, ACCOUNT, f"lamp-{number}", Lamp("red"))
    assert (await store.list(LAMP, ACCOUNT, limit=3)).next_token is None


async def test_pages_go_on_although_records_come_and_go_between_them(store: Store) -> None:
    async with store.transaction() as transaction:
        lamps = [
            await transaction.insert(LAMP, ACCOUNT, f"lamp-{number}", Lamp("red", number))
            for number in range(4)
        ]
    first = await store.list(LAMP, ACCOUNT, limit=2)
    async with store.transaction() as transaction:
        await transaction.delete(lamps[0])
        await transaction.delete(lamps[1])
        await transaction.insert(LAMP, ACCOUNT, "lamp-4", Lamp("red", 4))
    rest = await store.list(LAMP, ACCOUNT, limit=9, after=first.next_token)
    assert [record.document.watts for record in rest.records] == [2, 3, 4]


async def test_the_place_of_a_deleted_last_record_is_not_given_out_again(store: Store) -> None:
    async with store.transaction() as transaction:
        await transaction.insert(LAMP, ACCOUNT, "lamp-0", Lamp("red"))
        last = await transaction.insert(LAMP, ACCOUNT, "lamp-1", Lamp("red"))
        await transaction.insert(LAMP, ACCOUNT, "lamp-2", Lamp("red"))
    token = (await store.list(LAMP, ACCOUNT, limit=2)).next_token
    async with store.transaction() as transaction:
        await transaction.delete(last)
        for record in (await transaction.list(LAMP, ACCOUNT)).records:
            await transaction.delete(record)
        await transaction.insert(LAMP, ACCOUNT, "lamp-new", Lamp("red"))
    page = await store.list(LAMP, ACCOUNT, limit=2, after=token)
    assert [record.id for record in page.records] == ["lamp-new"]


async def test_children_are_listed_by_their_parent(store: Store) -> None:
    async with store.transaction() as transaction:
        await transaction.insert(LAMP, ACCOUNT, "1", Lamp("red"), parent="hall")
        await transaction.insert(LAMP, ACCOUNT, "2", Lamp("red"), parent="attic")
        await transaction.insert(LAMP, OTHER, "3", Lamp("red"), parent="hall")
        await transaction.insert(LAMP, ACCOUNT, "4", Lamp("red"))
    page = await store.list(LAMP, ACCOUNT, parent="hall")
    assert [record.id for record in page.records] == ["1"]
    assert [record.id for record in await store.all(LAMP, ACCOUNT)] == ["1", "2", "4"]
    assert [record.id for record in await store.all(LAMP, parent="hall")] == ["1", "3"]
    assert len(await store.all(LAMP)) == 4


@pytest.mark.parametrize("limit", [0, -1, 1001])
async def test_a_page_of_no_or_too_many_records_is_refused(store: Store, limit: int) -> None:
    with pytest.raises(CallerError, match="1 to 1000"):
        await store.list(LAMP, ACCOUNT, limit=limit)


async def test_a_page_token_is_good_for_its_own_list_only(store: Store) -> None:
    async with store.transaction() as transaction:
        for account in (ACCOUNT, OTHER):
            for number in range(3):
                await transaction.insert(
                    LAMP, account, f"{number}", Lamp("red"), parent="hall" if number else None
                )
    token = (await store.list(LAMP, ACCOUNT, limit=1)).next_token
    assert token is not None
    for attempt in (
        store.list(LAMP, OTHER, after=token),
        store.list(SWITCH, ACCOUNT, after=token),
        store.list(LAMP, ACCOUNT, parent="hall", after=token),
    ):
        with pytest.raises(InvalidPageTokenError):
            await attempt


async def test_changes_are_heard_after_the_commit_in_order(store: Store) -> None:
    heard: list[tuple[Change, bool]] = []

    def hear(change: Change) -> None:
        heard.append((change, committed))

    committed = False
    store.on_change(hear)
    async with store.transaction() as transaction:
        lamp = await transaction.insert(LAMP, ACCOUNT, "lamp-1", Lamp("red"), parent="hall")
        lamp = await transaction.update(lamp, Lamp("blue"))
        await transaction.delete(lamp)
        committed = True
    assert heard == [
        (Change("lamp", ACCOUNT, "lamp-1", "insert", 1, "hall"), True),
        (Change("lamp", ACCOUNT, "lamp-1", "update", 2, "hall"), True),
        (Change("lamp", ACCOUNT, "lamp-1", "delete", 2, "hall"), True),
    ]


async def test_a_subscriber_hears_nothing_after_it_has_left(store: Store) -> None:
    heard: list[Change] = []
    leave = store.on_change(heard.append)
    leave()
    leave()
    async with store.transaction() as transaction:
        await transaction.insert(LAMP, ACCOUNT, "lamp-1", Lamp("red"))
    assert heard == []


async def test_a_failing_subscriber_harms_neither_the_writer_nor_the_others(store: Store) -> None:
    heard: list[Change] = []
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _loop, context: reported.append(context["exception"])
    )
    trouble = RuntimeError("subscriber")

    def fail(_change: Change) -> None:
        raise trouble

    store.on_change(fail)
    store.on_change(heard.append)
    async with store.transaction() as transaction:
        await transaction.insert(LAMP, ACCOUNT, "lamp-1", Lamp("red"))
    assert len(heard) == 1
    assert reported == [trouble]


async def test_a_watch_gives_the_changes_of_its_kinds(store: Store) -> None:
    with store.watch(LAMP) as lamps, store.watch() as everything:
        async with store.transaction() as transaction:
            await transaction.insert(SWITCH, ACCOUNT, "switch-1", Switch(2))
            await transaction.insert(LAMP, ACCOUNT, "lamp-1", Lamp("red"))
        assert (await anext(lamps)).id == "lamp-1"
        assert [(await anext(everything)).id, (await anext(everything)).id] == [
            "switch-1",
            "lamp-1",
        ]


async def test_a_watch_ends_when_it_is_left_and_when_the_store_closes(store: Store) -> None:
    with store.watch(LAMP) as left:
        pass
    assert [change async for change in left] == []
    with store.watch(LAMP) as watch:
        async with store.transaction() as transaction:
            await transaction.insert(LAMP, ACCOUNT, "lamp-1", Lamp("red"))
        await store.close()
        assert [change.id async for change in watch] == ["lamp-1"]
        assert [change async for change in watch] == []


async def test_writers_wait_for_each_other_and_readers_for_nobody(store: Store) -> None:
    inside = asyncio.Event()
    go_on = asyncio.Event()
    order: list[str] = []

    async def slow_writer() -> None:
        async with store.transaction() as transaction:
            await transaction.insert(LAMP, ACCOUNT, "slow", Lamp("red"))
            inside.set()
            await go_on.wait()
            order.append("slow")

    async def second_writer() -> None:
        await inside.wait()
        async with store.transaction() as transaction:
            await transaction.insert(LAMP, ACCOUNT, "second", Lamp("red"))
            order.append("second")

    async with asyncio.TaskGroup() as group:
        group.create_task(slow_writer())
        group.create_task(second_writer())
        await inside.wait()
        assert await store.all(LAMP) == ()
        order.append("reader")
        go_on.set()
    assert order == ["reader", "slow", "second"]
    assert [record.id for record in await store.all(LAMP)] == ["slow", "second"]


async def test_many_tasks_that_add_to_one_record_lose_nothing(store: Store) -> None:
    async with store.transaction() as transaction:
        await transaction.insert(LAMP, ACCOUNT, "lamp-1", Lamp("red", 0))

    async def add_one() -> None:
        async with store.transaction() as transaction:
            lamp = await transaction.get(LAMP, ACCOUNT, "lamp-1")
            assert lamp is not None
            await transaction.update(lamp, Lamp("red", lamp.document.watts + 1))

    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(add_one())
    lamp = await store.get(LAMP, ACCOUNT, "lamp-1")
    assert lamp is not None
    assert lamp.document.watts == 20
    assert lamp.version == 21


async def test_a_transaction_inside_a_transaction_of_the_same_task_raises(store: Store) -> None:
    async with store.transaction():
        with pytest.raises(RuntimeError, match="already in a transaction"):
            async with store.transaction():
                pass


async def test_a_transaction_that_has_ended_is_of_no_use(store: Store) -> None:
    async with store.transaction() as transaction:
        pass
    with pytest.raises(RuntimeError, match="has ended"):
        await transaction.get(LAMP, ACCOUNT, "lamp-1")


async def test_a_cancelled_writer_leaves_nothing_and_the_store_goes_on(store: Store) -> None:
    inside = asyncio.Event()

    async def writer() -> None:
        async with store.transaction() as transaction:
            await transaction.insert(LAMP, ACCOUNT, "lost", Lamp("red"))
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.get_running_loop().create_task(writer())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with store.transaction() as transaction:
        await transaction.insert(LAMP, ACCOUNT, "kept", Lamp("red"))
    assert [record.id for record in await store.all(LAMP)] == ["kept"]


async def test_a_writer_cancelled_at_any_step_is_whole_or_absent_and_the_feed_agrees(
    store: Store,
) -> None:
    heard: list[str] = []
    store.on_change(lambda change: heard.append(change.id))

    async def writer(number: int) -> None:
        async with store.transaction() as transaction:
            await transaction.insert(LAMP, ACCOUNT, f"{number}-a", Lamp("red"))
            await transaction.insert(LAMP, ACCOUNT, f"{number}-b", Lamp("red"))

    loop = asyncio.get_running_loop()
    for steps in range(40):
        task = loop.create_task(writer(steps))
        for _ in range(steps * 3):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() or task.exception() is None
    stored = [record.id for record in await store.all(LAMP)]
    assert stored == heard
    assert len(stored) % 2 == 0


async def test_a_writer_cancelled_while_committing_knows_the_outcome_before_it_ends(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    store.on_change(lambda change: heard.append(change.id))

    async def writer() -> None:
        async with store.transaction() as transaction:
            await transaction.insert(LAMP, ACCOUNT, "lamp-1", Lamp("red"))

    task = asyncio.get_running_loop().create_task(writer())
    committing = store._database.commit

    def commit_cancelled() -> "asyncio.Future[None]":
        task.cancel()
        return committing()

    monkeypatch.setattr(store._database, "commit", commit_cancelled)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert heard == ["lamp-1"]
    assert await store.get(LAMP, ACCOUNT, "lamp-1") is not None


async def test_a_cancelled_reader_harms_nobody(store: Store) -> None:
    async with store.transaction() as transaction:
        await transaction.insert(LAMP, ACCOUNT, "lamp-1", Lamp("red"))
    loop = asyncio.get_running_loop()
    for steps in range(20):
        task = loop.create_task(store.get(LAMP, ACCOUNT, "lamp-1"))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    assert await store.get(LAMP, ACCOUNT, "lamp-1") is not None


async def test_a_document_of_another_shape_is_an_error_that_names_the_field(store: Store) -> None:
    async with store.transaction() as transaction:
        await transaction.insert(LAMP, ACCOUNT, "one", Lamp("red"))
    with pytest.raises(UnreadableDocumentError, match="poles"):
        await store.get(Kind("lamp", Switch), ACCOUNT, "one")


async def test_every_connection_waits_for_the_disk(store: Store) -> None:
    """Acknowledged means fsynced: WAL with synchronous=FULL (2), on the connection that writes."""
    async with store.transaction() as transaction:
        connection = transaction._open_connection()
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
