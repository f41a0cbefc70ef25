"""Whatever lies in the folder, the keeper starts; what it cannot use it sets aside, and says so."""

import logging
import os
from itertools import pairwise
from pathlib import Path

import pytest
from tests.support.clock import ManualClock
from tests.support.mqtt_keeping import (
    TestSealer,
    facts,
    journal_files,
    message,
    state_of,
    subscription,
)

from hedgerow.mqtt import KeptDelivery
from hedgerow.mqtt.keeping import FileKeeper, Sealer

_SEALER = TestSealer()
_FIRST = "0000000000000001.journal"


def _open(folder: Path, seal: Sealer | None = None) -> FileKeeper:
    keeper = FileKeeper(folder, seal=seal, clock=ManualClock())
    keeper.open()
    return keeper


def _filled(folder: Path, seal: Sealer | None = None) -> Path:
    """Leave a journal of two commits behind, and return its path."""
    keeper = _open(folder, seal)
    keeper.session(facts("secret client"))
    keeper.subscribed("secret client", subscription("secret/filter"))
    keeper.commit()
    keeper.queued("secret client", 1, KeptDelivery(message("secret/topic", b"secret payload"), 1))
    keeper.close()
    return folder / _FIRST


def _found(folder: Path, seal: Sealer | None = None) -> tuple[FileKeeper, list[int]]:
    """Open again and close; return the keeper and how many deliveries each session had."""
    keeper = _open(folder, seal)
    deliveries = [len(kept.deliveries) for kept in keeper.sessions()]
    keeper.close()
    return keeper, deliveries


def test_a_damaged_frame_ends_what_is_believed_and_the_file_is_set_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = _filled(tmp_path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        keeper, deliveries = _found(tmp_path)
    assert deliveries == [0]
    (finding,) = keeper.findings
    assert "is not a whole journal of sessions: what stands at byte" in finding
    assert "set aside as 0000000000000001.damaged" in finding
    assert finding in caplog.text
    assert journal_files(tmp_path) == ["0000000000000001.damaged", "0000000000000002.journal"]
    assert (tmp_path / "0000000000000001.damaged").read_bytes() == content
    again, deliveries = _found(tmp_path)
    assert (again.findings, deliveries) == ((), [0])


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"SQLite format 3\0 and more", "it does not begin as one"),
        (b"HGKEEP01" + bytes(100), "its header is damaged"),
    ],
)
def test_a_foreign_file_is_set_aside(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / _FIRST).write_bytes(content)
    keeper, deliveries = _found(tmp_path)
    assert deliveries == []
    assert problem in keeper.findings[0]
    assert (tmp_path / "0000000000000001.damaged").read_bytes() == content


def test_what_goes_on_from_a_damaged_file_is_not_believed(tmp_path: Path) -> None:
    """It would be changes of something else than what they were made to."""
    path = _filled(tmp_path)
    _found(tmp_path)
    second = tmp_path / "0000000000000002.journal"
    second.rename(tmp_path / "0000000000000002.filling")
    path.write_bytes(b"foreign")
    keeper, deliveries = _found(tmp_path)
    assert deliveries == []
    assert len(keeper.findings) == 2
    assert "goes on from change 3, but those before end at 0" in keeper.findings[1]


def test_things_that_are_no_files_are_set_aside(tmp_path: Path) -> None:
    (tmp_path / _FIRST).mkdir()
    (tmp_path / "0000000000000002.journal").symlink_to("/etc/passwd")
    keeper, deliveries = _found(tmp_path)
    assert deliveries == []
    assert "cannot be read" in keeper.findings[0]
    os.mkfifo(tmp_path / "0000000000000009.journal")
    keeper, deliveries = _found(tmp_path)
    assert deliveries == []


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    for name in ("notes.txt", "x.journal", "sessions.key", "\u0661.journal"):
        (tmp_path / name).write_bytes(b"mine")
    keeper, _ = _found(tmp_path)
    assert keeper.findings == ()
    assert (tmp_path / "x.journal").read_bytes() == b"mine"
    assert (tmp_path / "notes.txt").read_bytes() == b"mine"


def test_room_that_was_made_before_the_power_went_is_no_damage(tmp_path: Path) -> None:
    path = _filled(tmp_path)
    path.write_bytes(path.read_bytes() + bytes(10_000))
    keeper, deliveries = _found(tmp_path)
    assert (keeper.findings, deliveries) == ((), [1])


def test_few_damaged_files_are_left_lying(tmp_path: Path) -> None:
    for _ in range(8):
        keeper = _open(tmp_path)
        keeper.session(facts("one"))
        keeper.close()
        (path,) = tmp_path.glob("*.journal")
        path.write_bytes(b"damaged")
    _found(tmp_path)
    assert len(list(tmp_path.glob("*.damaged"))) == 4


@pytest.mark.promise(7)
def test_nothing_of_a_sealed_journal_can_be_read(tmp_path: Path) -> None:
    content = _filled(tmp_path, _SEALER).read_bytes()
    assert b"secret" not in content
    assert b"secret" in _filled(tmp_path / "plain").read_bytes()
    keeper, deliveries = _found(tmp_path, _SEALER)
    assert (keeper.findings, deliveries) == ((), [1])


@pytest.mark.promise(7)
@pytest.mark.parametrize("seal", [None, TestSealer(b"K" * 32)])
def test_a_sealed_journal_does_not_open_with_another_key(
    tmp_path: Path, seal: Sealer | None
) -> None:
    _filled(tmp_path, _SEALER)
    keeper, deliveries = _found(tmp_path, seal)
    assert deliveries == []
    assert "another key" in keeper.findings[0] or "no key was given" in keeper.findings[0]
    assert "secret" not in keeper.findings[0]


@pytest.mark.promise(7)
def test_a_journal_that_is_not_sealed_is_not_believed_where_it_should_be(tmp_path: Path) -> None:
    """Or whoever can write to the folder could put sessions and messages there."""
    _filled(tmp_path)
    keeper, deliveries = _found(tmp_path, _SEALER)
    assert deliveries == []
    assert "it is not encrypted" in keeper.findings[0]


@pytest.mark.promise(7)
def test_a_sealed_frame_is_good_in_its_own_place_only(tmp_path: Path) -> None:
    """Frames cannot be left out, put in another order, or be taken from another file."""
    keeper = _open(tmp_path / "a", _SEALER)
    starts = [(tmp_path / "a" / _FIRST).stat().st_size]
    for number in range(3):
        keeper.session(facts("one", expiry_s=100 + number))
        keeper.commit()
        starts.append((tmp_path / "a" / _FIRST).stat().st_size)
    keeper.close()
    content = (tmp_path / "a" / _FIRST).read_bytes()
    header = content[: starts[0]]
    frames = [content[one:two] for one, two in pairwise(starts)]
    for name, order in (("left out", (0, 2)), ("swapped", (0, 2, 1)), ("repeated", (0, 0))):
        folder = tmp_path / name
        folder.mkdir()
        (folder / _FIRST).write_bytes(header + b"".join(frames[one] for one in order))
        again = _open(folder, _SEALER)
        assert [kept.facts.expiry_s for kept in again.sessions()] == [100]
        assert len(again.findings) == 1
        again.close()
    assert state_of(_closed(tmp_path / "a"))[0]["one"][0][2] == 102


def _closed(folder: Path) -> FileKeeper:
    keeper = _open(folder, _SEALER)
    keeper.close()
    return keeper
