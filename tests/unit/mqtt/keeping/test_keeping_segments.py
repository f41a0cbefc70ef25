"""Segments follow each other: the files stay small, and none goes before the next one is whole."""

import asyncio
import os
from pathlib import Path

import pytest
from tests.support.clock import ManualClock
from tests.support.core import until
from tests.support.mqtt_keeping import facts, journal_files, message, state_of, subscription

from hedgerow.mqtt import KeptDelivery
from hedgerow.mqtt.keeping import FileKeeper
from hedgerow.mqtt.keeping.live import Live

_PAYLOAD = bytes(1000)


def _open(folder: Path, *, segment_bytes: int, always: bool = True) -> FileKeeper:
    keeper = FileKeeper(
        folder,
        seal=None,
        clock=ManualClock(),
        sync="always" if always else "soon",
        segment_bytes=segment_bytes,
    )
    keeper.open()
    return keeper


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def test_messages_that_come_and_go_leave_small_files(tmp_path: Path) -> None:
    keeper = _open(tmp_path, segment_bytes=20_000)
    keeper.session(facts("one"))
    largest = 0
    for number in range(1, 400):
        keeper.queued("one", number, KeptDelivery(message("a", _PAYLOAD), 1))
        keeper.sent("one", number, number)
        keeper.commit()
        keeper.settled("one", number)
        keeper.commit()
        largest = max(largest, _size(tmp_path))
    assert largest < 50_000
    assert len(journal_files(tmp_path)) == 1
    keeper.close()


def test_what_lives_is_carried_from_segment_to_segment(tmp_path: Path) -> None:
    keeper = _open(tmp_path, segment_bytes=10_000)
    shared = message("shared", _PAYLOAD)
    for name in ("one", "two", "three"):
        keeper.session(facts(name))
        keeper.subscribed(name, subscription("a/#"))
        keeper.queued(name, 1, KeptDelivery(shared, 2))
        keeper.sent(name, 1, 17)
        keeper.released(name, 1)
        keeper.received(name, 99)
    keeper.retain(shared)
    keeper.commit()
    lasting = state_of(keeper)
    for _ in range(100):
        keeper.retain(message("busy", _PAYLOAD))
        keeper.commit()
    keeper.unretain("busy")
    keeper.commit()
    assert journal_files(tmp_path)[0] > "0000000000000005"
    assert state_of(keeper) == lasting
    keeper.close()
    again = _open(tmp_path, segment_bytes=10_000)
    assert state_of(again) == lasting
    kept = {id(one.deliveries[1].message) for one in again.sessions()}
    assert kept == {id(one) for one in again.retained()}
    again.close()


def test_a_next_segment_is_filled_a_step_with_every_commit(tmp_path: Path) -> None:
    """No commit writes all that lives: with much of it the loop would stand still."""
    keeper = _open(tmp_path, segment_bytes=50_000)
    for number in range(300):
        keeper.session(facts(f"client {number}"))
        keeper.queued(f"client {number}", 1, KeptDelivery(message("a", os.urandom(2000)), 1))  # noqa: TID251
    keeper.commit()
    grown: list[int] = []
    for _ in range(800):
        before = _size(tmp_path)
        keeper.retain(message("busy", _PAYLOAD))
        keeper.commit()
        grown.append(_size(tmp_path) - before)
    assert any(step < 0 for step in grown), "no segment was left behind"
    assert max(grown) < 80_000
    assert max(grown) > 60_000
    keeper.close()


async def test_without_waiting_for_the_disk_a_thread_finishes_segments(tmp_path: Path) -> None:
    keeper = _open(tmp_path, segment_bytes=10_000, always=False)
    keeper.session(facts("one"))
    for _ in range(40):
        keeper.retain(message("busy", _PAYLOAD))
        keeper.commit()
        await asyncio.sleep(0)
    await until(lambda: journal_files(tmp_path)[0] >= "0000000000000002")
    await until(lambda: [path for path in journal_files(tmp_path) if "journal" in path] != [])
    told = state_of(keeper)
    keeper.close()
    again = _open(tmp_path, segment_bytes=10_000)
    assert state_of(again) == told
    again.close()


def test_a_segment_that_was_given_up_takes_nobodys_place(tmp_path: Path) -> None:
    """Its thread may be about to finish it: it may not be on the disk, so the old one stays."""
    keeper = _open(tmp_path, segment_bytes=1)
    keeper.session(facts("one"))
    keeper.commit()
    keeper.session(facts("two"))
    journal = keeper._journal
    assert journal is not None
    filling = journal._segment
    assert filling is not None
    assert journal_files(tmp_path) == ["0000000000000001.journal", "0000000000000002.filling"]
    journal.give_up()
    journal._finish(filling)
    assert journal_files(tmp_path) == ["0000000000000001.journal", "0000000000000002.filling"]
    keeper.commit()
    assert journal_files(tmp_path) == ["0000000000000003.journal"]
    keeper.close()


@pytest.mark.parametrize("left", ["everything", "nothing"])
def test_what_lives_is_measured(left: str) -> None:
    live = Live()
    shared = message("shared", _PAYLOAD)
    live.session(facts("one"))
    live.session(facts("two"))
    alone = live.size
    for name in ("one", "two"):
        live.subscribed(name, subscription("a"))
        live.queued(name, 1, KeptDelivery(shared, 1))
    live.retain(shared)
    assert alone + 1000 < live.size < alone + 1500, "a message counts once"
    for name in ("one", "two"):
        live.unsubscribed(name, "a")
        live.settled(name, 1)
    live.unretain("shared")
    assert live.size == alone
    if left == "nothing":
        live.queued("one", 2, KeptDelivery(shared, 1))
        live.forget("one")
        live.forget("two")
        assert live.size == 0
