from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgerow.core.deployment import Ledger, LedgerFile

MADE = datetime(2026, 11, 24, tzinfo=UTC)


def test_what_was_written_is_read_by_the_next(tmp_path: Path) -> None:
    ledger = Ledger(serials={"g": 7}, newest=MADE, trial="d", starts={"d": 2}, failed={"x": "why"})
    LedgerFile(tmp_path).write(ledger)
    assert LedgerFile(tmp_path).read() == ledger


def test_without_a_record_there_is_an_empty_one_and_nothing_was_lost(tmp_path: Path) -> None:
    file = LedgerFile(tmp_path)
    assert file.read() == Ledger()
    assert file.lost is None


@pytest.mark.parametrize("damage", [b"damaged", b"\0" * 4096 + b"x"])
def test_a_record_that_is_damaged_twice_is_lost_and_that_is_told(
    tmp_path: Path, damage: bytes
) -> None:
    LedgerFile(tmp_path).write(Ledger(reported="d"))
    for slot in tmp_path.iterdir():
        slot.write_bytes(damage)
    file = LedgerFile(tmp_path)
    assert file.read() == Ledger()
    assert "both copies" in (file.lost or "")
    file.write(Ledger(reported="e"))
    assert LedgerFile(tmp_path).read().reported == "e"


@given(st.lists(st.integers(0, 100)))
def test_the_floor_of_a_group_never_sinks(serials: list[int]) -> None:
    ledger, highest = Ledger(), 0
    for serial in serials:
        ledger = ledger.with_serial("g", serial)
        highest = max(highest, serial)
        assert ledger.serials.get("g", 0) == highest


@given(st.lists(st.integers(-1000, 1000), min_size=1))
def test_the_newest_never_gets_older(minutes: list[int]) -> None:
    ledger = Ledger()
    for minute in minutes:
        ledger = ledger.with_newest(MADE + timedelta(minutes=minute))
    assert ledger.newest == MADE + timedelta(minutes=max(minutes))


def test_the_last_failures_are_remembered_and_no_more() -> None:
    ledger = Ledger()
    for number in range(40):
        ledger = ledger.with_failed(f"d{number}", "why")
    assert list(ledger.failed) == [f"d{number}" for number in range(24, 40)]
    again = ledger.with_failed("d30", "another reason")
    assert list(again.failed)[-1] == "d30"
    assert len(again.failed) == 16


def test_a_write_that_the_disk_refuses_leaves_the_record_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = LedgerFile(tmp_path)
    file.write(Ledger(reported="d"))

    def refuse(*_args: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hedgerow.pki.twin_file.os.pwrite", refuse)
    with pytest.raises(OSError, match="No space"):
        file.write(Ledger(reported="e"))
    assert file.read().reported == "d"
    assert LedgerFile(tmp_path).read().reported == "d"
