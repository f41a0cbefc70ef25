"""A disk that refuses: `commit` says so, what was kept is safe, and it goes on afterwards."""

import errno
import os
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.clock import ManualClock
from tests.support.core import until
from tests.support.mqtt_keeping import State, facts, journal_files, message, state_of
from tests.support.mqtt_stage import FULL, Stage

from hedgerow.mqtt import KeptDelivery
from hedgerow.mqtt.codec import Disconnect, Puback, Publish
from hedgerow.mqtt.keeping import FileKeeper

_PAYLOAD = bytes(1000)
_FULL = r"too large|No space"


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """Have the operating system refuse more, as it does when there is no room."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def keeper(tmp_path: Path, clock: ManualClock) -> Iterator[FileKeeper]:
    keeper = FileKeeper(tmp_path / "kept", seal=None, clock=clock)
    keeper.open()
    yield keeper
    keeper.close()


def _found(folder: Path, clock: ManualClock) -> State:
    """Return what another process would find if this one were killed now."""
    copy = folder.parent / "copy"
    while not copy.exists():
        try:
            shutil.copytree(folder, copy)
        except shutil.Error:  # a file was deleted meanwhile, as a later one has all of it
            shutil.rmtree(copy)
    again = FileKeeper(copy, seal=None, clock=clock)
    again.open()
    assert again.findings == ()
    state = state_of(again)
    again.close()
    shutil.rmtree(copy)
    return state


def test_what_a_full_disk_refuses_is_kept_with_the_next_that_it_takes(
    tmp_path: Path, keeper: FileKeeper, clock: ManualClock
) -> None:
    folder = tmp_path / "kept"
    keeper.session(facts("one"))
    keeper.commit()
    kept = state_of(keeper)
    with no_file_larger_than(1000):
        keeper.queued("one", 1, KeptDelivery(message("a", _PAYLOAD), 1))
        with pytest.raises(OSError, match=_FULL):
            keeper.commit()
        assert _found(folder, clock) == kept
        keeper.commit()  # nothing new was told, so there is nothing to refuse
        keeper.queued("one", 2, KeptDelivery(message("b"), 1))
        with pytest.raises(OSError, match=_FULL):
            keeper.commit()
        assert _found(folder, clock) == kept
    keeper.queued("one", 3, KeptDelivery(message("c"), 1))
    keeper.commit()
    found = _found(folder, clock)
    assert found == state_of(keeper)
    assert [number for number, _ in found[0]["one"][2]] == [1, 2, 3]
    assert journal_files(folder) == ["0000000000000001.journal"]


def test_a_disk_that_refuses_for_long_costs_no_memory_without_bound(
    tmp_path: Path, keeper: FileKeeper, clock: ManualClock
) -> None:
    keeper.session(facts("one"))
    keeper.commit()
    with no_file_larger_than(10):
        for number in range(1, 12_000):
            keeper.queued("one", number, KeptDelivery(message("a"), 1))
            keeper.settled("one", number)
            if not number % 100:
                with pytest.raises(OSError, match=_FULL):
                    keeper.commit()
        assert len(keeper._pending) < 10_000
    clock.advance(timedelta(seconds=2))
    keeper.retain(message("at", b"last"))
    keeper.commit()
    assert _found(tmp_path / "kept", clock) == state_of(keeper)


def test_a_start_on_a_full_disk_works_and_loses_nothing(tmp_path: Path, clock: ManualClock) -> None:
    folder = tmp_path / "kept"
    keeper = FileKeeper(folder, seal=None, clock=clock)
    keeper.open()
    keeper.session(facts("one"))
    keeper.queued("one", 1, KeptDelivery(message("a", _PAYLOAD), 1))
    keeper.close()
    kept = state_of(keeper)
    again = FileKeeper(folder, seal=None, clock=clock)
    with no_file_larger_than(10):
        again.open()
        assert state_of(again) == kept
        again.session(facts("two"))
        with pytest.raises(OSError, match=_FULL):
            again.commit()
        assert journal_files(folder) == ["0000000000000001.journal"]
    again.session(facts("three"))
    with pytest.raises(OSError, match=_FULL):
        again.commit()  # it is not tried again with every message
    clock.advance(timedelta(seconds=2))
    again.session(facts("four"))
    again.commit()
    assert _found(folder, clock)[0].keys() == {"one", "two", "three", "four"}
    again.close()


def test_a_segment_that_cannot_be_followed_grows_on(tmp_path: Path, clock: ManualClock) -> None:
    """What was to be kept is kept; that no next file can be begun is not its fault."""
    folder = tmp_path / "kept"
    keeper = FileKeeper(folder, seal=None, clock=clock, segment_bytes=5000)
    keeper.open()
    (folder / "0000000000000002.filling").mkdir()
    for _ in range(30):
        keeper.retain(message("busy", _PAYLOAD))
        keeper.commit()
    (folder / "0000000000000002.filling").rmdir()
    assert _found(folder, clock) == state_of(keeper)
    keeper.close()


@pytest.mark.parametrize("waits", [True, False])
async def test_a_disk_that_fails_to_sync_is_not_relied_on(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, *, waits: bool
) -> None:
    """The operating system forgets what it could not write: all that lives goes to a new file."""
    folder = tmp_path / "kept"
    keeper = FileKeeper(folder, seal=None, clock=clock, sync="always" if waits else "soon")
    keeper.open()
    keeper.session(facts("one"))
    keeper.commit()
    failed: list[int] = []

    def fail(file: int) -> None:
        failed.append(file)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr("os.fdatasync", fail)
        keeper.session(facts("two"))
        if waits:
            with pytest.raises(OSError, match="Input/output"):
                keeper.commit()
        else:
            keeper.commit()
        await until(lambda: bool(failed) and (waits or keeper._journal._flusher.failed is not None))  # type: ignore[union-attr]
    keeper.session(facts("three"))
    keeper.commit()
    assert journal_files(folder) == ["0000000000000002.journal"]
    assert _found(folder, clock)[0].keys() == {"one", "two", "three"}
    keeper.close()


async def test_a_message_that_cannot_be_kept_is_not_acknowledged(
    tmp_path: Path, clock: ManualClock
) -> None:
    """The promise as a whole: the publisher is cut off, and sends it again when there is room."""
    keeper = FileKeeper(tmp_path, seal=None, clock=clock)
    keeper.open()
    stage = Stage(FULL, keeper=keeper, clock=clock)
    receiver = stage.connected("receiver", expiry_s=60)
    receiver.subscribe("a", qos=1)
    receiver.vanish()
    sender = stage.connected("sender")
    with no_file_larger_than(1000):
        sender.give(Publish("a", _PAYLOAD, qos=1, packet_id=1))
        (goodbye,) = sender.got()
        assert isinstance(goodbye, Disconnect)
        assert sender.transport.is_closing()
        other = stage.connected("other")  # whose traffic needs no keeping is served
        other.give(Publish("b", _PAYLOAD, qos=1, packet_id=1))
        assert [type(packet) for packet in other.got()] == [Puback]
    sender = stage.connected("sender")
    sender.give(Publish("a", _PAYLOAD, qos=1, packet_id=1))
    assert [type(packet) for packet in sender.got()] == [Puback]
    keeper.close()
    again = FileKeeper(tmp_path, seal=None, clock=clock)
    again.open()
    (kept,) = again.sessions()
    assert {one.message.payload for one in kept.deliveries.values()} == {_PAYLOAD}
    again.close()
    await stage.broker.stop()
