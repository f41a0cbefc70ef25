import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hedgerow.contract import FunctionMember
from hedgerow.core.spool import (
    NO_EXTRAS,
    Extras,
    FileSpool,
    MemorySpool,
    Spool,
    SpoolSettings,
    size_in_queue,
)
from hedgerow.core.spool.settings import SPOOLER_ARN
from hedgerow.kernel import CallerError

MakeSpool = Callable[[int], Spool]


@pytest.fixture(params=["memory", "files"])
def make_spool(request: pytest.FixtureRequest, tmp_path: Path) -> MakeSpool:
    """Every test that takes this is the contract of `Spool`: both kinds keep it."""
    if request.param == "memory":
        return MemorySpool
    return lambda size: FileSpool(tmp_path / "spool", size)


def drain(spool: Spool) -> list[bytes]:
    payloads = []
    while (message := spool.oldest()) is not None:
        payloads.append(message.payload)
        spool.remove(message.number)
    return payloads


@pytest.mark.spec("H01")
def test_messages_leave_in_the_order_they_came(make_spool: MakeSpool) -> None:
    spool = make_spool(300_000)
    for number in range(100):
        spool.put("a/b", b"%d" % number)
    assert spool.count == 100
    assert drain(spool) == [b"%d" % number for number in range(100)]
    assert (spool.count, spool.size_bytes, spool.dropped) == (0, 0, 0)
    spool.close()


@pytest.mark.spec("H01")
def test_the_oldest_stays_until_it_is_removed(make_spool: MakeSpool) -> None:
    spool = make_spool(300_000)
    spool.put("t", b"one")
    spool.put("t", b"two")
    first = spool.oldest()
    assert first is not None
    assert spool.oldest() == first
    spool.remove(first.number + 1)
    assert spool.oldest() == first
    spool.remove(first.number)
    assert drain(spool) == [b"two"]
    spool.close()


@pytest.mark.spec("H05")
def test_when_full_the_oldest_is_replaced_and_counted(make_spool: MakeSpool) -> None:
    spool = make_spool(262_144)
    for number in range(10):
        spool.put("t", bytes([number]) * 50_000)
        assert spool.size_bytes <= 262_144
    assert spool.dropped == 5
    assert [payload[0] for payload in drain(spool)] == [5, 6, 7, 8, 9]
    spool.close()


def test_a_message_that_was_replaced_in_flight_does_not_take_another_with_it(
    make_spool: MakeSpool,
) -> None:
    spool = make_spool(1000)
    spool.put("t", b"a" * 600)
    in_flight = spool.oldest()
    assert in_flight is not None
    spool.put("t", b"b" * 600)
    spool.remove(in_flight.number)
    assert drain(spool) == [b"b" * 600]
    spool.close()


def test_a_message_larger_than_the_queue_is_dropped_and_counted(make_spool: MakeSpool) -> None:
    spool = make_spool(1000)
    spool.put("t", b"kept")
    spool.put("t", b"x" * 2000)
    assert spool.dropped == 1
    assert drain(spool) == [b"kept"]
    spool.close()


def test_messages_are_read_ahead_again_from_the_oldest_after_a_rewind(
    make_spool: MakeSpool,
) -> None:
    spool = make_spool(300_000)
    for number in range(6):
        spool.put("t", b"%d" % number)
    assert [_next(spool) for _ in range(3)] == [b"0", b"1", b"2"]
    first = spool.oldest()
    assert first is not None
    spool.remove(first.number)
    assert _next(spool) == b"3"
    spool.rewind()
    assert [_next(spool) for _ in range(6)] == [b"1", b"2", b"3", b"4", b"5", None]
    spool.put("t", b"6")
    assert _next(spool) == b"6"
    assert drain(spool) == [b"%d" % number for number in range(1, 7)]
    spool.put("t", b"7")
    assert _next(spool) == b"7"
    spool.close()


def test_what_is_replaced_while_it_was_read_ahead_takes_no_other_with_it(
    make_spool: MakeSpool,
) -> None:
    spool = make_spool(1000)
    for name in (b"a", b"b"):
        spool.put("t", name * 400)
    assert [_next(spool) for _ in range(2)] == [b"a" * 400, b"b" * 400]
    spool.put("t", b"c" * 400)
    assert _next(spool) == b"c" * 400
    assert spool.dropped == 1
    assert drain(spool) == [b"b" * 400, b"c" * 400]
    spool.close()


def _next(spool: Spool) -> bytes | None:
    message = spool.next()
    return message.payload if message else None


def test_extras_are_kept_and_count_for_the_size(make_spool: MakeSpool) -> None:
    spool = make_spool(300_000)
    spool.put("t/é", b"p", Extras(expires_at_ms=2**41, properties=b"properties"))
    spool.put("t", b"p")
    first = spool.next()
    assert first is not None
    assert first.extras == Extras(2**41, b"properties")
    assert (first.topic, first.payload) == ("t/é", b"p")
    assert spool.size_bytes == size_in_queue("t/é", b"p", first.extras) + size_in_queue("t", b"p")
    second = spool.next()
    assert second is not None
    assert second.extras == NO_EXTRAS
    spool.close()


def test_payloads_do_not_show_in_reprs(make_spool: MakeSpool) -> None:
    spool = make_spool(1000)
    spool.put("t", b"confidential")
    assert "confidential" not in repr(spool.oldest())
    spool.close()


@pytest.mark.spec("H03")
def test_files_keep_what_waits_over_a_stop(tmp_path: Path) -> None:
    spool = FileSpool(tmp_path, 1_000_000)
    for number in range(1000):
        spool.put("t", b"%d" % number)
    for _ in range(400):
        message = spool.oldest()
        assert message is not None
        spool.remove(message.number)
    spool.close()
    again = FileSpool(tmp_path, 1_000_000)
    assert drain(again) == [b"%d" % number for number in range(400, 1000)]
    again.close()


def test_segments_that_were_sent_leave_the_disk(tmp_path: Path) -> None:
    spool = FileSpool(tmp_path, 400_000)
    for _ in range(300):
        spool.put("t", b"x" * 1000)
    assert len(list(tmp_path.glob("*.segment"))) > 4
    drain(spool)
    assert len(list(tmp_path.glob("*.segment"))) == 1
    spool.close()


def test_files_and_folder_are_for_the_owner_only(tmp_path: Path) -> None:
    spool = FileSpool(tmp_path / "spool", 400_000)
    spool.put("t", b"x")
    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "spool").iterdir()} == {0o600}
    spool.close()


_WRITER = """
import sys
from pathlib import Path
from hedgerow.contract import FunctionMember
from hedgerow.core.spool import FileSpool
spool = FileSpool(Path(sys.argv[1]), 10_000_000)
for number in range(1_000_000):
    spool.put("t", b"%d" % number)
    print(number, flush=True)
"""


@pytest.mark.spec("H03")
def test_kill_9_loses_nothing_that_was_queued(tmp_path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    for _ in range(500):
        last = int(writer.stdout.readline())
    os.kill(writer.pid, signal.SIGKILL)
    for line in writer.stdout:
        last = int(line) if line.endswith("\n") else last
    writer.wait()
    writer.stdout.close()
    spool = FileSpool(tmp_path, 10_000_000)
    payloads = drain(spool)
    spool.close()
    assert payloads[: last + 1] == [b"%d" % number for number in range(last + 1)]
    assert len(payloads) - (last + 1) in {0, 1}


def test_a_record_cut_short_by_a_power_cut_ends_the_queue_there(tmp_path: Path) -> None:
    spool = FileSpool(tmp_path, 1_000_000)
    for number in range(10):
        spool.put("t", b"%d" % number)
    spool.close()
    [segment] = tmp_path.glob("*.segment")
    with segment.open("r+b") as file:
        file.truncate(segment.stat().st_size - 1)
    again = FileSpool(tmp_path, 1_000_000)
    again.put("t", b"new")
    assert drain(again) == [b"%d" % number for number in range(9)] + [b"new"]
    again.close()


def test_a_damaged_segment_is_given_up_and_counted_and_the_rest_is_sent(tmp_path: Path) -> None:
    spool = FileSpool(tmp_path, 400_000)
    for number in range(100):
        spool.put("t", b"%03d" % number + b"x" * 1000)
    first, *_ = sorted(tmp_path.glob("*.segment"))
    in_first = len(list(_records_of(first)))
    with first.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 10)
    sent = [payload[:3] for payload in drain(spool)]
    assert sent == [b"%03d" % number for number in range(in_first, 100)]
    assert spool.dropped == in_first
    assert (spool.count, spool.size_bytes) == (0, 0)
    spool.put("t", b"after")
    assert drain(spool) == [b"after"]
    spool.close()


@pytest.mark.spec("H03")
def test_whatever_lies_in_the_folder_the_queue_opens(tmp_path: Path) -> None:
    """Segments that cannot be read or hold nothing good are passed over; the others are sent."""
    spool = FileSpool(tmp_path, 400_000)
    for number in range(100):
        spool.put("t", b"%03d" % number + b"x" * 1000)
    spool.close()
    first, second, third, *_ = sorted(tmp_path.glob("*.segment"))
    in_good = [len(_records_of(s)) for s in sorted(tmp_path.glob("*.segment"))]
    first.write_bytes(os.urandom(1000))  # noqa: TID251 - damage, not a secret
    second.unlink()
    second.mkdir()
    third.write_bytes(b"")
    (tmp_path / "nonsense.segment").write_bytes(b"\xff" * 5000)
    (tmp_path / "position").write_bytes(b"\xff" * 2000)
    again = FileSpool(tmp_path, 400_000)
    assert [int(body[:3]) for body in drain(again)] == list(range(sum(in_good[:3]), 100))
    again.put("t", b"new")
    again.close()
    last = FileSpool(tmp_path, 400_000)
    assert drain(last) == [b"new"]
    last.close()


def _records_of(segment: Path) -> list[int]:
    from hedgerow.core.spool.records import decode_record  # noqa: PLC0415 - only used here

    data, offset, numbers = segment.read_bytes(), 0, []
    while (record := decode_record(data, offset)) is not None:
        offset += record.size
        numbers.append(record.message.number)
    return numbers


def test_a_full_disk_drops_and_counts_and_does_not_raise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = FileSpool(tmp_path, 400_000)
    spool.put("t", b"before")

    def full(_file: int, _data: bytes, _offset: int) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        spool.put("t", b"lost")
    spool.put("t", b"after")
    assert spool.dropped == 1
    assert drain(spool) == [b"before", b"after"]
    spool.close()


async def test_sync_brings_every_segment_to_the_disk(tmp_path: Path) -> None:
    spool = FileSpool(tmp_path, 400_000)
    for _ in range(200):
        spool.put("t", b"x" * 1000)
    assert spool._full_segments
    await spool.sync()
    assert spool._full_segments == []
    await spool.sync()
    spool.close()


def spooler(**variables: str) -> list[FunctionMember]:
    return [FunctionMember(id="spooler", function_arn=SPOOLER_ARN, environment=variables)]


@pytest.mark.spec("H03", "H04", "H07")
def test_the_group_configures_the_queue_and_leaving_it_out_restores_the_defaults() -> None:
    settings = SpoolSettings.of(
        spooler(GG_CONFIG_STORAGE_TYPE="FileSystem", GG_CONFIG_MAX_SIZE_BYTES="2726297")
    )
    assert (settings.storage, settings.max_size_bytes) == ("FileSystem", 2726297)
    defaults = SpoolSettings.of([])
    assert (defaults.storage, defaults.max_size_bytes) == ("Memory", 2_621_440)


@pytest.mark.spec("H09")
def test_the_quality_of_subscriptions_is_at_most_once_unless_the_group_says_otherwise() -> None:
    assert SpoolSettings.of([]).subscription_quality == "AtMostOnce"
    assert SpoolSettings.of(spooler()).subscription_quality == "AtMostOnce"
    for quality in ("AtMostOnce", "AtLeastOncePersistent"):
        settings = SpoolSettings.of(spooler(GG_CONFIG_SUBSCRIPTION_QUALITY=quality))
        assert settings.subscription_quality == quality


@pytest.mark.spec("H04")
def test_a_smaller_queue_than_the_minimum_is_refused_in_the_documented_words() -> None:
    assert SpoolSettings.of(spooler(GG_CONFIG_MAX_SIZE_BYTES="262144")).max_size_bytes == 262_144
    with pytest.raises(CallerError, match=r"^Spool size should be at least 262144 bytes$"):
        SpoolSettings.of(spooler(GG_CONFIG_MAX_SIZE_BYTES="262143"))


@pytest.mark.parametrize(
    "variables",
    [
        {"GG_CONFIG_STORAGE_TYPE": "Tape"},
        {"GG_CONFIG_MAX_SIZE_BYTES": "-1"},
        {"GG_CONFIG_MAX_SIZE_BYTES": "2.5MB"},
        {"GG_CONFIG_SUBSCRIPTION_QUALITY": "Always"},
    ],
)
def test_a_wrong_setting_is_named(variables: dict[str, str]) -> None:
    with pytest.raises(CallerError, match=next(iter(variables))):
        SpoolSettings.of(spooler(**variables))
