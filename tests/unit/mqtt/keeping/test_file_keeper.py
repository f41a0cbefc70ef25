"""A keeper in files finds again what it was told."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.clock import ManualClock
from tests.support.mqtt_keeping import (
    TestSealer,
    facts,
    journal_files,
    message,
    plain_message,
    state_of,
    subscription,
)

from hedgerow.kernel import UnavailableError
from hedgerow.mqtt import KeptDelivery, KeptWill
from hedgerow.mqtt.codec import Properties, SubscribeItem
from hedgerow.mqtt.keeper import KeptSubscription
from hedgerow.mqtt.keeping import FileKeeper, Sealer


@contextmanager
def keeping(folder: Path, seal: Sealer | None = None) -> Iterator[FileKeeper]:
    """Give a keeper that is closed at the end, whatever happens."""
    keeper = FileKeeper(folder, seal=seal, clock=ManualClock())
    keeper.open()
    try:
        yield keeper
    finally:
        keeper.close()


def test_everything_that_was_told_is_found_again(tmp_path: Path) -> None:
    will = KeptWill(message("last/words", properties=Properties(content_type="text")), 1234.5)
    rich = message(
        "a/b",
        bytes(range(256)),
        qos=2,
        retain=True,
        properties=Properties(
            payload_format_indicator=True,
            response_topic="answers",
            correlation_data=b"\0\1",
            user_property=(("a", "1"), ("a", "2")),
        ),
        expires_at=99.25,
        taken_at=98.5,
    )
    option_rich = SubscribeItem(
        "a/#", 2, no_local=True, retain_as_published=True, retain_handling=2
    )
    with keeping(tmp_path) as keeper:
        keeper.session(facts("one", speaks_5=True, expires_at=17.5, will=will))
        keeper.session(facts("two"))
        keeper.subscribed("one", KeptSubscription(option_rich, 1, identifier=7))
        keeper.subscribed("one", subscription("gone"))
        keeper.unsubscribed("one", "gone")
        keeper.queued("one", 1, KeptDelivery(rich, 2, (7, 9), retain=True))
        keeper.queued("one", 2, KeptDelivery(rich, 1))
        keeper.queued("one", 3, KeptDelivery(message("settled"), 1))
        keeper.sent("one", 1, 400)
        keeper.released("one", 1)
        keeper.settled("one", 3)
        keeper.received("two", 5)
        keeper.received("two", 6)
        keeper.completed("two", 5)
        keeper.retain(message("kept", b"old"))
        keeper.retain(message("kept", b"new"))
        keeper.retain(message("dropped"))
        keeper.unretain("dropped")
        keeper.commit()
        told = state_of(keeper)
    with keeping(tmp_path) as again:
        assert state_of(again) == told
        one, two = sorted(again.sessions(), key=lambda kept: kept.facts.client_id)
        assert again.findings == ()
    assert one.subscriptions == (KeptSubscription(option_rich, 1, identifier=7),)
    assert list(one.deliveries) == [1, 2]
    first, second = one.deliveries.values()
    assert (first.packet_id, first.released, first.identifiers, first.retain) == (
        400,
        True,
        (7, 9),
        True,
    )
    assert plain_message(first.message) == plain_message(rich)
    assert first.message is second.message
    assert one.facts.will is not None
    assert plain_message(one.facts.will.message) == plain_message(will.message)
    assert two.received == {6}
    assert told[1].keys() == {"kept"}


def test_what_was_not_committed_is_kept_by_a_clean_end_too(tmp_path: Path) -> None:
    with keeping(tmp_path) as keeper:
        keeper.session(facts("one"))
    with keeping(tmp_path) as again:
        assert [kept.facts for kept in again.sessions()] == [facts("one")]


def test_a_forgotten_session_begins_anew_with_nothing(tmp_path: Path) -> None:
    with keeping(tmp_path) as keeper:
        keeper.session(facts("one"))
        keeper.subscribed("one", subscription("a"))
        keeper.queued("one", 1, KeptDelivery(message("a"), 1))
        keeper.forget("one")
        keeper.session(facts("one", expiry_s=5))
    with keeping(tmp_path) as again:
        (kept,) = again.sessions()
    assert (kept.facts.expiry_s, kept.subscriptions, dict(kept.deliveries)) == (5, (), {})


def test_a_message_for_many_sessions_is_written_once(tmp_path: Path) -> None:
    shared = message("news", os.urandom(50_000))  # noqa: TID251 - only has to be incompressible
    with keeping(tmp_path) as keeper:
        for number in range(100):
            keeper.session(facts(f"client {number}"))
            keeper.queued(f"client {number}", 1, KeptDelivery(shared, 1))
        keeper.commit()
        assert _size(tmp_path) < 75_000
    with keeping(tmp_path) as again:
        found = {id(kept.deliveries[1].message) for kept in again.sessions()}
        assert len(found) == 1
        assert _size(tmp_path) < 75_000


def test_a_commit_with_nothing_told_writes_nothing(tmp_path: Path) -> None:
    with keeping(tmp_path) as keeper:
        before = _size(tmp_path)
        keeper.session(facts("one"))
        keeper.commit()
        after = _size(tmp_path)
        assert after > before
        keeper.commit()
        keeper.session(facts("one"))  # nothing new
        keeper.settled("one", 17)  # not there
        keeper.commit()
        assert _size(tmp_path) == after


def test_what_is_told_of_no_session_is_passed_over(tmp_path: Path) -> None:
    with keeping(tmp_path) as keeper:
        keeper.subscribed("nobody", subscription("a"))
        keeper.unsubscribed("nobody", "a")
        keeper.queued("nobody", 1, KeptDelivery(message("a"), 1))
        keeper.sent("nobody", 1, 1)
        keeper.released("nobody", 1)
        keeper.settled("nobody", 1)
        keeper.received("nobody", 1)
        keeper.completed("nobody", 1)
        keeper.forget("nobody")
        keeper.unretain("nothing")
        keeper.commit()
        assert state_of(keeper) == ({}, {})


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "sessions"
    old_mask = os.umask(0)
    try:
        with keeping(folder) as keeper:
            keeper.session(facts("one"))
            keeper.commit()
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            assert [stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()] == [0o600]
    finally:
        os.umask(old_mask)


def test_a_loose_folder_is_tightened(tmp_path: Path) -> None:
    folder = tmp_path / "sessions"
    folder.mkdir(mode=0o755)
    with keeping(folder):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_one_folder_has_one_keeper(tmp_path: Path) -> None:
    with keeping(tmp_path), pytest.raises(UnavailableError, match="another process"):
        FileKeeper(tmp_path, seal=None, clock=ManualClock()).open()
    with keeping(tmp_path):
        pass


def test_a_folder_that_cannot_be_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UnavailableError, match="cannot be used"):
        FileKeeper(tmp_path / "file" / "sessions", seal=None, clock=ManualClock()).open()


def test_synced_commits_keep_the_same(tmp_path: Path) -> None:
    keeper = FileKeeper(tmp_path, seal=None, clock=ManualClock(), sync="always", segment_bytes=4096)
    keeper.open()
    for number in range(200):
        keeper.session(facts("one", expiry_s=number + 1))
        keeper.retain(message(f"topic/{number % 7}", b"x" * 500))
        keeper.commit()
    told = state_of(keeper)
    keeper.close()
    with keeping(tmp_path) as again:
        assert state_of(again) == told


@pytest.mark.parametrize("seal", [None, TestSealer()])
def test_many_starts_leave_one_file(tmp_path: Path, seal: Sealer | None) -> None:
    for number in range(5):
        with keeping(tmp_path, seal) as keeper:
            keeper.session(facts(f"client {number}"))
            assert len(list(keeper.sessions())) == number + 1
    assert journal_files(tmp_path) == ["0000000000000005.journal"]


def test_a_session_that_changed_is_what_it_was_last(tmp_path: Path) -> None:
    with keeping(tmp_path) as keeper:
        keeper.session(facts("one", expires_at=None))
        keeper.queued("one", 1, KeptDelivery(message("a"), 1))
        keeper.commit()
        keeper.session(facts("one", expires_at=55.0))
    with keeping(tmp_path) as again:
        (kept,) = again.sessions()
    assert kept.facts == replace(facts("one"), expires_at=55.0)
    assert list(kept.deliveries) == [1]


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())
