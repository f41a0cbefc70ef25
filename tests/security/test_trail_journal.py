"""Attacks on an account's journal: kills, torn tails, full disks, readers and cutters of files."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support.clock import ManualClock
from tests.support.trail import ACCOUNT, call, events, master_key, running_trail, trail_keys

from hedgerow.cloud.cloudtrail.chain import next_head, origin, record_hash
from hedgerow.cloud.cloudtrail.segments import (
    HEADER_BYTES,
    DamagedSegmentError,
    SegmentCipher,
    new_header,
    read_frames,
)
from hedgerow.kernel import ConfigurationError, Secret, UnavailableError
from hedgerow.store import MasterKey

pytestmark = pytest.mark.promise(8)


def journal_files(folder: Path) -> list[Path]:
    return sorted((folder / ACCOUNT).glob("*.journal"))


def names(recorded: list[Any]) -> list[str]:
    return [event["eventName"] for event in recorded]


def writer(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    root = Path(__file__).parents[2]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.trail_writer", str(folder), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": f"{root}:{root / 'src'}"},
    )


@pytest.mark.parametrize("answered", [1, 200])
async def test_a_killed_process_loses_no_record_of_an_answered_call(
    tmp_path: Path, answered: int
) -> None:
    def run_and_kill() -> int:
        process = writer(tmp_path)
        assert process.stdout is not None
        for _ in range(answered):
            process.stdout.readline()
        process.kill()
        rest = process.stdout.read().splitlines()
        process.wait()
        process.stdout.close()
        assert process.stderr is not None
        process.stderr.close()
        return answered + sum(line.isdigit() for line in rest)

    acknowledged = await asyncio.to_thread(run_and_kill)
    async with running_trail(tmp_path) as trail:
        recorded = events(trail)
    numbers = [event["requestParameters"]["GroupId"] for event in recorded]
    assert numbers[:acknowledged] == [f"group-{number}" for number in range(acknowledged)]
    assert set(names(recorded)) == {"GetGroupVersion"}


async def test_a_full_disk_withholds_the_record_and_leaves_the_journal_whole(
    tmp_path: Path,
) -> None:
    def fill() -> list[str]:
        process = writer(tmp_path, "20000")
        out, errors = process.communicate(timeout=30)
        assert process.returncode == 0, errors
        return out.splitlines()

    lines = await asyncio.to_thread(fill)
    assert lines[-1].startswith("refused: the record of this call cannot be kept")
    async with running_trail(tmp_path) as trail:
        kept = [event["requestParameters"]["GroupId"] for event in events(trail)]
        trail.record_call(call("AfterRoomWasMade"))
        assert names(events(trail))[-1] == "AfterRoomWasMade"
    assert kept == [f"group-{number}" for number in range(len(lines) - 1)]


@pytest.mark.parametrize("cut", [1, 17, 40, 300])
async def test_a_torn_tail_is_cut_off_and_said_so(tmp_path: Path, cut: int) -> None:
    async with running_trail(tmp_path) as trail:
        for _ in range(3):
            trail.record_call(call())
    (file,) = journal_files(tmp_path)
    (tmp_path / ACCOUNT / "flushed").unlink()  # the loss of power came before the flush
    os.truncate(file, file.stat().st_size - cut)
    async with running_trail(tmp_path) as trail:
        recorded = events(trail)
        assert names(recorded) == ["GetGroupVersion", "GetGroupVersion", "JournalTailRepaired"]
        details = recorded[-1]["serviceEventDetails"]
        assert details["lastGoodSequence"] == 2
        assert details["bytesCut"] > 0
    async with running_trail(tmp_path) as trail:
        assert len(events(trail)) == 3, "it is said once"


async def test_records_that_were_on_disk_and_are_gone_are_noticed(tmp_path: Path) -> None:
    """No loss of power takes what was flushed: somebody did."""
    sizes = []
    async with running_trail(tmp_path) as trail:
        for _ in range(4):
            trail.record_call(call())
            sizes.append(journal_files(tmp_path)[0].stat().st_size)
    os.truncate(journal_files(tmp_path)[0], sizes[1])  # at a record's end: nothing looks torn
    async with running_trail(tmp_path) as trail:
        recorded = events(trail)
    assert names(recorded) == ["GetGroupVersion", "GetGroupVersion", "JournalTruncated"]
    assert recorded[-1]["serviceEventDetails"]["lastSequence"] == 2
    assert recorded[-1]["serviceEventDetails"]["flushedSequence"] == 4


@pytest.mark.parametrize("where", [10, 60, 85, HEADER_BYTES + 30, HEADER_BYTES + 300, -10])
async def test_an_edited_byte_of_the_journal_is_noticed(tmp_path: Path, where: int) -> None:
    async with running_trail(tmp_path) as trail:
        for _ in range(3):
            trail.record_call(call())
    (file,) = journal_files(tmp_path)
    content = bytearray(file.read_bytes())
    content[where] ^= 1
    file.write_bytes(content)
    async with running_trail(tmp_path) as trail:
        recorded = names(events(trail))
    assert {"JournalTailRepaired", "JournalFileDamaged"} & set(recorded)
    assert "JournalTruncated" in recorded
    kept = [path for path in (tmp_path / ACCOUNT).iterdir() if path.name.endswith(".damaged")]
    assert kept, "what was damaged stays as evidence"


async def test_a_frame_from_elsewhere_is_not_taken(tmp_path: Path) -> None:
    """Two records change places inside the journal; each is genuine."""
    sizes = [HEADER_BYTES]
    async with running_trail(tmp_path) as trail:
        for _ in range(3):
            trail.record_call(call())
            sizes.append(journal_files(tmp_path)[0].stat().st_size)
    (file,) = journal_files(tmp_path)
    content = file.read_bytes()
    first, second, third = (content[sizes[n] : sizes[n + 1]] for n in range(3))
    file.write_bytes(content[:HEADER_BYTES] + second + first + third)
    async with running_trail(tmp_path) as trail:
        assert names(events(trail)) == ["JournalTailRepaired", "JournalTruncated"]


def test_a_frame_sealed_after_another_history_is_not_taken(tmp_path: Path) -> None:
    """The number and the key fit; what came before does not."""
    key = Secret(b"k" * 32)
    start = origin(ACCOUNT)
    header = new_header(start, 0)
    cipher = SegmentCipher(key, header.salt)
    first = cipher.seal(start, b"one")
    foreign = cipher.seal(next_head(start, record_hash(b"another")), b"two")
    path = tmp_path / "1.journal"
    path.write_bytes(header.encode(key) + first + foreign)
    frames = read_frames(path, key)
    assert next(frames).body == b"one"
    with pytest.raises(DamagedSegmentError, match="follows another"):
        next(frames)


@pytest.mark.promise(7)
async def test_nothing_of_a_record_is_readable_on_disk(tmp_path: Path) -> None:
    async with running_trail(tmp_path) as trail:
        trail.record_call(call(input={"GroupId": "a-name-nobody-may-read"}))
    for path in (tmp_path / ACCOUNT).iterdir():
        content = path.read_bytes()
        for text in (b"a-name-nobody-may-read", b"GetGroupVersion", b"Mary_Major", b"eventName"):
            assert text not in content, path.name
        assert path.stat().st_mode & 0o077 == 0


async def test_another_master_key_opens_no_journal(tmp_path: Path) -> None:
    keys = trail_keys(tmp_path)
    keys.journal_key(ACCOUNT)
    stranger = MasterKey(Secret(b"x" * 32))
    with pytest.raises(ConfigurationError, match="does not open"):
        stranger.unwrap(
            (tmp_path / ACCOUNT / "journal.key").read_bytes(), f"trail journal {ACCOUNT}"
        )
    with pytest.raises(ConfigurationError):
        master_key().unwrap((tmp_path / ACCOUNT / "journal.key").read_bytes(), "trail journal 2")


async def test_a_call_before_the_record_is_open_is_not_recorded_as_if(tmp_path: Path) -> None:
    async with running_trail(tmp_path) as trail:
        pass
    with pytest.raises(UnavailableError, match="not open"):
        trail.record_call(call())


async def test_a_caller_cannot_escape_the_record_with_half_a_character(tmp_path: Path) -> None:
    """JSON cannot carry half a surrogate pair; the call is recorded all the same."""
    async with running_trail(tmp_path, ManualClock()) as trail:
        trail.record_call(call(input={"GroupId": "\ud800x"}, user_agent="a\udfffb"))
        (event,) = events(trail)
    assert event["requestParameters"] == {"GroupId": "?x"}
    assert event["userAgent"] == "a?b"
