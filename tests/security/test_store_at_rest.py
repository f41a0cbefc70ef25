"""What lies on the disk says nothing, and cannot be changed unnoticed (DESIGN 4, promise 7)."""

import sqlite3
import stat
import traceback
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.store_documents import ACCOUNT, LAMP, OTHER, Lamp, opened

from hedgerow.kernel import ConfigurationError, HedgerowError, Secret
from hedgerow.store import MasterKey, Record, Store, TamperedError

pytestmark = pytest.mark.promise(7)

_SECRET_WORDS = (b"ultramarine", b"lamp-in-the-cellar", b"cellar-door", b"north-wing", b"colour")

Reading = Callable[[Store], Awaitable[object]]
_READINGS: dict[str, Reading] = {
    "get": lambda store: store.get(LAMP, ACCOUNT, "lamp-in-the-cellar"),
    "find": lambda store: store.find(LAMP, ACCOUNT, name="cellar-door", parent="north-wing"),
    "list": lambda store: store.list(LAMP, ACCOUNT),
    "all": lambda store: store.all(LAMP),
}


async def _write_two(store: Store) -> tuple[Record[Lamp], Record[Lamp]]:
    async with store.transaction() as transaction:
        first = await transaction.insert(
            LAMP,
            ACCOUNT,
            "lamp-in-the-cellar",
            Lamp("ultramarine"),
            parent="north-wing",
            name="cellar-door",
        )
        second = await transaction.insert(
            LAMP, ACCOUNT, "second", Lamp("red"), parent="south-wing", name="gate"
        )
    return first, second


def _tamper(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / "state.db")) as database, database:
        database.create_function("flipped", 1, lambda byte: bytes([byte[0] ^ 0x10]))
        for statement in statements:
            database.execute(statement)


def _leaks(folder: Path) -> list[tuple[str, bytes]]:
    return [
        (path.name, word)
        for path in folder.iterdir()
        for word in _SECRET_WORDS
        if word in path.read_bytes()
    ]


def _modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


async def test_no_id_name_parent_or_document_is_readable_in_any_file(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        first, _ = await _write_two(store)
        async with store.transaction() as transaction:
            await transaction.update(first, Lamp("ultramarine", 6), name="cellar-door")
        assert (tmp_path / "state.db-wal").stat().st_size > 0
        assert _leaks(tmp_path) == []
    assert _leaks(tmp_path) == []
    _tamper(tmp_path, "CREATE TABLE notes AS SELECT 'ultramarine' AS word")
    assert _leaks(tmp_path) == [("state.db", b"ultramarine")], "the search would have found it"


async def test_the_same_document_never_gives_the_same_bytes(tmp_path: Path) -> None:
    async with opened(tmp_path) as store, store.transaction() as transaction:
        for number in range(20):
            await transaction.insert(LAMP, ACCOUNT, f"lamp-{number:03}", Lamp("red"))
    with closing(sqlite3.connect(tmp_path / "state.db")) as database:
        sealed = [bytes(row[0]) for row in database.execute("SELECT sealed FROM records")]
    assert len({one[:28] for one in sealed}) == 20, "salt and nonce are fresh"
    assert len({one[28:44] for one in sealed}) == 20


async def test_every_file_of_the_store_is_its_owner_s_alone(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await _write_two(store)
        modes = _modes(tmp_path)
    assert {"state.db", "state.db-wal", "state.db-shm", "master.key"} <= set(modes)
    assert set(modes.values()) == {0o600}


def _overwrite(offset: int) -> str:
    """Return a statement that replaces one byte of what is sealed (from the end, if negative)."""
    at = f"{offset}" if offset >= 0 else f"length(sealed) - {-offset}"
    return (
        f"UPDATE records SET sealed = CAST(substr(sealed, 1, {at}) || "  # noqa: S608 - a test
        f"flipped(substr(sealed, {at} + 1, 1)) || substr(sealed, {at} + 2) AS BLOB)"
    )


_TAMPERINGS = {
    "two ciphertexts swapped": (
        "CREATE TEMP TABLE old AS SELECT sequence AS other, sealed FROM records",
        "UPDATE records SET sealed = (SELECT old.sealed FROM old WHERE other = 3 - sequence)",
    ),
    "one ciphertext copied over another": (
        "UPDATE records SET sealed = (SELECT sealed FROM records WHERE sequence = 2)",
    ),
    "a version counted on": ("UPDATE records SET version = version + 1",),
    "a parent changed": (
        "UPDATE records SET parent_index = (SELECT parent_index FROM records WHERE sequence = 2)",
    ),
    "a parent taken away": ("UPDATE records SET parent_index = x''",),
    "a byte of the salt changed": (_overwrite(3),),
    "a byte of the nonce changed": (_overwrite(20),),
    "a byte of the text changed": (_overwrite(40),),
    "a byte of the tag changed": (_overwrite(-1),),
    "the end cut off": ("UPDATE records SET sealed = substr(sealed, 1, length(sealed) - 1)",),
    "cut to less than a tag": ("UPDATE records SET sealed = substr(sealed, 1, 30)",),
    "emptied": ("UPDATE records SET sealed = x''",),
    "another data key named": ("UPDATE records SET key_id = key_id - 1",),
    "a data key named that is not there": ("UPDATE records SET key_id = 77",),
}


@pytest.mark.parametrize("reading", _READINGS)
@pytest.mark.parametrize("tampering", _TAMPERINGS)
async def test_a_changed_row_is_never_given_out(
    tmp_path: Path, tampering: str, reading: str
) -> None:
    async with opened(tmp_path) as store:
        await _write_two(store)
    _tamper(tmp_path, *_TAMPERINGS[tampering])
    async with opened(tmp_path) as store:
        with pytest.raises(TamperedError) as caught:
            await _READINGS[reading](store)
    told = "".join(traceback.format_exception(caught.value))
    assert not [word for word in _SECRET_WORDS if word.decode() in str(caught.value)], told


async def test_an_old_version_under_a_new_number_is_never_given_out(tmp_path: Path) -> None:
    """Putting back what a record was before, say an active certificate, is noticed."""
    async with opened(tmp_path) as store:
        first, _ = await _write_two(store)
        _tamper(tmp_path, "CREATE TABLE kept AS SELECT * FROM records")
        async with store.transaction() as transaction:
            await transaction.update(first, Lamp("faded"))
        _tamper(
            tmp_path,
            "UPDATE records SET sealed = (SELECT sealed FROM kept WHERE sequence = 1) "
            "WHERE sequence = 1",
        )
        with pytest.raises(TamperedError):
            await store.get(LAMP, ACCOUNT, first.id)


@pytest.mark.parametrize(
    "change", [f"account = '{OTHER}'", "kind = 'bulb'", "id_index = x'00'", "name_index = x'00'"]
)
async def test_a_row_moved_to_another_account_kind_id_or_name_is_never_given_out(
    tmp_path: Path, change: str
) -> None:
    async with opened(tmp_path) as store:
        await _write_two(store)
        _tamper(tmp_path, f"UPDATE records SET {change} WHERE sequence = 1")  # noqa: S608
        for reading in _READINGS.values():
            try:
                answer = await reading(store)
            except TamperedError:
                continue
            assert "ultramarine" not in repr(answer)
        if change.startswith("account"):
            with pytest.raises(TamperedError):
                await store.all(LAMP, OTHER)


async def test_rows_that_took_each_other_s_place_are_never_given_out(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await _write_two(store)
        for column in ("id_index", "name_index"):
            _tamper(
                tmp_path,
                "CREATE TEMP TABLE old AS SELECT * FROM records",
                f"UPDATE records SET {column} = x'01' WHERE sequence = 1",  # noqa: S608
                f"UPDATE records SET {column} = (SELECT {column} FROM old WHERE sequence = 1) "  # noqa: S608
                "WHERE sequence = 2",
                f"UPDATE records SET {column} = (SELECT {column} FROM old WHERE sequence = 2) "  # noqa: S608
                "WHERE sequence = 1",
            )
            with pytest.raises(TamperedError):
                await _READINGS["get" if column == "id_index" else "find"](store)


async def test_a_tampered_record_cannot_be_read_inside_a_transaction_either(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as store:
        await _write_two(store)
        _tamper(tmp_path, "UPDATE records SET version = 9")
        async with store.transaction() as transaction:
            with pytest.raises(TamperedError):
                await transaction.get(LAMP, ACCOUNT, "second")


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE keys SET wrapped = (SELECT wrapped FROM keys WHERE purpose = 'token')",
        "UPDATE keys SET purpose = 'data' WHERE purpose = 'token'",
        "UPDATE keys SET wrapped = x''",
        "DELETE FROM keys WHERE purpose = 'data'",
    ],
)
async def test_keys_that_were_exchanged_do_not_open_the_store(
    tmp_path: Path, tampering: str
) -> None:
    async with opened(tmp_path) as store:
        await _write_two(store)
    _tamper(tmp_path, tampering)
    with pytest.raises((ConfigurationError, TamperedError)):
        async with opened(tmp_path):
            pass


@pytest.mark.parametrize("offset", [0, 20, 4096, 8200])
async def test_a_damaged_file_is_an_error_that_says_so(tmp_path: Path, offset: int) -> None:
    async with opened(tmp_path) as store:
        await _write_two(store)
    with (tmp_path / "state.db").open("r+b") as file:
        file.seek(offset)
        file.write(b"\x5a" * 2000)

    async def use() -> None:
        async with opened(tmp_path) as store:
            await store.get(LAMP, ACCOUNT, "lamp-in-the-cellar")
            await store.all(LAMP)

    with pytest.raises(HedgerowError):
        await use()


async def test_neither_keys_nor_the_store_show_a_key_when_printed(tmp_path: Path) -> None:
    raw = bytes(range(32))
    key = MasterKey(Secret(raw))
    async with opened(tmp_path) as store:
        for thing in (key, store, store._sealer, store._tokens):
            for shown in (repr(thing), str(thing), f"{thing}"):
                assert raw.hex() not in shown
                assert repr(raw) not in shown
                assert "b'" not in shown


async def test_a_page_token_reveals_nothing_and_cannot_be_changed(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await _write_two(store)
        first = (await store.list(LAMP, ACCOUNT, limit=1)).next_token
        again = (await store.list(LAMP, ACCOUNT, limit=1)).next_token
        assert first is not None
        assert first != again
        for position in range(len(first)):
            changed = "A" if first[position] != "A" else "B"
            forged = first[:position] + changed + first[position + 1 :]
            with pytest.raises(HedgerowError, match="page token"):
                await store.list(LAMP, ACCOUNT, after=forged)
        for forged in ("", "AAAA", first[:-4], first + "AAAA", "\x00", "ü", first + "=" * 9999):
            with pytest.raises(HedgerowError, match="page token"):
                await store.list(LAMP, ACCOUNT, after=forged)
