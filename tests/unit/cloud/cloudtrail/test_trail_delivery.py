"""Delivery: by the clock, each record once and in order, whatever happens in between."""

import asyncio
import gzip
import json
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.clock import ManualClock
from tests.support.trail import (
    ACCOUNT,
    HOME,
    Delivering,
    delivering,
    digest_files,
    events,
    found,
    log_files,
    records_in,
    verified,
)

from hedgerow.cloud.cloudtrail import batches
from hedgerow.cloud.cloudtrail.documents import (
    TRAIL_PROGRESS,
    NextDigest,
    NextFile,
    TrailProgress,
)
from hedgerow.store import Record, Store


@pytest.fixture
async def estate(tmp_path: Path) -> AsyncIterator[Delivering]:
    async with delivering(tmp_path) as running:
        await begin(running)
        yield running


async def begin(estate: Delivering, **settings: Any) -> None:
    """Make a trail that logs."""
    wanted = {"S3BucketName": "audit", "EnableLogFileValidation": True, **settings}
    await estate.api("CreateTrail", Name="main", **wanted)
    await estate.api("StartLogging", Name="main")


def delivered(bucket: Path) -> list[str]:
    """Return the ids of all delivered events, in the order of delivery."""
    return [record["eventID"] for file in log_files(bucket) for record in records_in(file)]


def digests(bucket: Path) -> list[Any]:
    return [json.loads(gzip.decompress(file.read_bytes())) for file in digest_files(bucket)]


async def progress(store: Store) -> Record[TrailProgress]:
    record = await store.get(TRAIL_PROGRESS, HOME.account, "main")
    assert record is not None
    return record


async def test_records_come_in_files_every_five_minutes(estate: Delivering) -> None:
    bucket = estate.folder / "audit"
    estate.calls(2)
    await estate.later()
    assert len(log_files(bucket)) == 1, "the first file comes at once"
    estate.calls(2)
    await estate.later(minutes=4)
    assert len(log_files(bucket)) == 1
    await estate.later(minutes=1)
    assert len(log_files(bucket)) == 2
    assert delivered(bucket) == [event["eventID"] for event in events(estate.trail)][1:]


async def test_digests_come_every_hour_also_of_nothing(estate: Delivering) -> None:
    bucket = estate.folder / "audit"
    await estate.later(minutes=59)
    assert digests(bucket) == []
    await estate.later(minutes=1)
    await estate.later(hours=1)
    first, second = digests(bucket)
    assert (len(first["logFiles"]), second["logFiles"]) == (1, [])
    assert first["digestStartTime"] == "2026-10-07T12:00:00Z"
    assert first["digestEndTime"] == second["digestStartTime"] == "2026-10-07T13:00:00Z"
    assert first["previousDigestS3Object"] is None
    assert second["previousDigestS3Object"] == first["digestS3Object"]
    assert (second["newestEventTime"], second["oldestEventTime"]) == (None, None)


async def test_files_and_folders_are_private(estate: Delivering) -> None:
    await estate.later(hours=1)
    for path in estate.folder.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


async def test_a_large_batch_is_several_files(
    estate: Delivering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "MAX_RECORDS", 10)
    estate.calls(25)
    await estate.later(hours=1)
    bucket = estate.folder / "audit"
    assert sorted(len(records_in(file)) for file in log_files(bucket)) == [6, 10, 10]
    assert found(verified(bucket, as_of=estate.clock.now())) == []


async def test_nothing_is_lost_or_twice_over_a_restart(tmp_path: Path) -> None:
    clock = ManualClock()
    async with delivering(tmp_path, clock) as estate:
        await begin(estate)
        estate.calls(3)
        await estate.later(minutes=5)
        estate.calls(3)
    async with delivering(tmp_path, clock) as estate:
        estate.calls(3)
        await estate.later(hours=1)
        bucket = estate.folder / "audit"
        recorded = [event["eventID"] for event in events(estate.trail)][1:]
        assert sorted(delivered(bucket)) == sorted(recorded)
    assert found(verified(bucket, as_of=estate.clock.now())) == []


async def test_a_file_written_and_not_noted_is_written_again_the_same(estate: Delivering) -> None:
    """As a kill between writing a file and noting it leaves things."""
    bucket = estate.folder / "audit"
    estate.calls(3)
    before = await progress(estate.store)
    await estate.later()
    (file,) = log_files(bucket)
    content = file.read_bytes()
    done = await progress(estate.store)
    (described,) = done.document.files
    async with estate.store.transaction() as tx:
        planned = NextFile(key=described.key, after=before.document.position, last=described.last)
        await tx.update(done, msgspec.structs.replace(before.document, next_file=planned))
    estate.calls(2)
    await estate.later(minutes=5)
    assert file.read_bytes() == content
    assert len(log_files(bucket)) == 2
    assert len(set(delivered(bucket))) == len(delivered(bucket)) == 6
    await estate.later(hours=1)
    assert found(verified(bucket, as_of=estate.clock.now())) == []


async def test_a_digest_written_and_not_noted_is_written_again_the_same(
    estate: Delivering,
) -> None:
    bucket = estate.folder / "audit"
    await estate.later(minutes=30)
    before = await progress(estate.store)
    await estate.later(minutes=30)
    (file,) = digest_files(bucket)
    signature = file.with_name(file.name + ".signature")
    written = file.read_bytes(), signature.read_bytes()
    async with estate.store.transaction() as tx:
        done = await tx.get(TRAIL_PROGRESS, HOME.account, "main")
        assert done is not None
        planned = NextDigest(
            key=file.relative_to(bucket).as_posix(),
            bucket="audit",
            end=done.document.digest_start,
            stopped=False,
        )
        await tx.update(done, msgspec.structs.replace(before.document, next_digest=planned))
    await estate.later(minutes=1)
    assert (file.read_bytes(), signature.read_bytes()) == written
    assert len(digest_files(bucket)) == 1


async def test_the_stop_of_logging_is_the_last_record_delivered(estate: Delivering) -> None:
    bucket = estate.folder / "audit"
    await estate.api("StopLogging", Name="main")
    await estate.later()
    estate.calls(3)
    await estate.later(hours=2)
    last = [record["eventName"] for file in log_files(bucket) for record in records_in(file)][-1]
    assert last == "StopLogging"
    (end,) = verified(bucket, as_of=estate.clock.now() + timedelta(days=9)).ends
    assert end.stopped
    assert found(verified(bucket, as_of=estate.clock.now() + timedelta(days=9))) == []


async def test_what_was_not_logged_is_passed_over_and_the_chain_goes_on(
    estate: Delivering,
) -> None:
    bucket = estate.folder / "audit"
    await estate.api("StopLogging", Name="main")
    await estate.later()
    estate.calls(5)
    await estate.later(minutes=10)
    await estate.api("StartLogging", Name="main")
    estate.calls(2)
    await estate.later(minutes=10)
    estate.calls(1)
    await estate.later(minutes=50)
    assert len(delivered(bucket)) == 6, "Start, Stop; Start and two calls; one more"
    lists = digests(bucket)[1]["hedgerow"]["logFiles"].values()
    assert [one["skipped"] for one in sorted(lists, key=lambda one: one["first"])] == [
        "stopped",
        "",
    ]
    report = verified(bucket, as_of=estate.clock.now())
    assert found(report) == []
    assert report.digests == 2


async def test_a_trail_that_moves_ends_where_it_was_and_begins_anew(estate: Delivering) -> None:
    estate.calls(2)
    await estate.api("UpdateTrail", Name="main", S3BucketName="audit2")
    estate.calls(2)
    await estate.later(hours=1)
    assert found(verified(estate.folder / "audit", as_of=estate.clock.now())) == []
    assert found(verified(estate.folder / "audit2", as_of=estate.clock.now())) == []
    both = delivered(estate.folder / "audit") + delivered(estate.folder / "audit2")
    assert both == [event["eventID"] for event in events(estate.trail)][1:]


async def test_a_trail_without_validation_has_no_digests(tmp_path: Path) -> None:
    async with delivering(tmp_path) as estate:
        await begin(estate, EnableLogFileValidation=False)
        estate.calls(2)
        await estate.later(hours=2)
        assert len(log_files(estate.folder / "audit")) == 1
        assert digest_files(estate.folder / "audit") == []
        assert (await progress(estate.store)).document.files == ()


async def test_two_trails_deliver_everything_each(estate: Delivering) -> None:
    await estate.api(
        "CreateTrail", Name="second", S3BucketName="other", EnableLogFileValidation=True
    )
    await estate.api("StartLogging", Name="second")
    estate.calls(4)
    await estate.later(hours=1)
    assert len(delivered(estate.folder / "audit")) == 7
    assert len(delivered(estate.folder / "other")) == 5
    for bucket in ("audit", "other"):
        assert found(verified(estate.folder / bucket, as_of=estate.clock.now())) == []


async def test_a_folder_that_cannot_be_written_is_told_and_tried_again(estate: Delivering) -> None:
    estate.folder.mkdir(parents=True)
    obstacle = estate.folder / "audit"
    obstacle.write_text("a file where the bucket should be")
    estate.calls(2)
    await estate.later()
    status = await estate.api("GetTrailStatus", Name="main")
    assert status["LatestDeliveryError"] == "bucket audit: File exists"
    obstacle.unlink()
    await estate.later(hours=1)
    assert len(delivered(obstacle)) == 4
    assert "LatestDeliveryError" not in await estate.api("GetTrailStatus", Name="main")


async def test_records_that_the_journal_lost_are_said_to_be_lost(tmp_path: Path) -> None:
    """The journal is cut behind what was delivered; the signed digest says so for good."""
    clock = ManualClock()
    journal = tmp_path / "trail" / ACCOUNT
    async with delivering(tmp_path, clock) as estate:
        await begin(estate)
        size = next(journal.glob("*.journal")).stat().st_size
        estate.calls(5)
        await estate.later(hours=1)
    os.truncate(next(journal.glob("*.journal")), size)
    async with delivering(tmp_path, clock) as estate:
        estate.calls(2)
        await estate.later(hours=1)
        names = [event["eventName"] for event in events(estate.trail)]
        assert {"JournalTruncated", "TrailRecordsLost"} <= set(names)
        await estate.later(hours=1)
    report = verified(estate.folder / "audit")
    assert "RecordsLost" in found(report)
    last = [record["eventName"] for record in records_in(log_files(estate.folder / "audit")[1])]
    assert last[0] == "JournalTruncated", "what is left is delivered from where it can be read"


async def test_a_journal_that_was_cut_and_grew_again_is_not_taken_for_the_same(
    tmp_path: Path,
) -> None:
    clock = ManualClock()
    journal = tmp_path / "trail" / ACCOUNT
    async with delivering(tmp_path, clock) as estate:
        await begin(estate)
        size = next(journal.glob("*.journal")).stat().st_size
        estate.calls(3)
        await estate.later(hours=1)
    os.truncate(next(journal.glob("*.journal")), size)
    async with delivering(tmp_path, clock) as estate:
        estate.calls(20)
        await estate.later(hours=1)
        await estate.later(hours=1)
    report = verified(estate.folder / "audit", as_of=clock.now())
    assert found(report) == ["RecordsLost"]
    assert "another than that of record" in report.findings[0].what


async def test_stopping_and_deleting_at_once_leaves_the_stop_delivered(
    estate: Delivering,
) -> None:
    estate.calls(2)
    await estate.api("StopLogging", Name="main")
    await estate.api("DeleteTrail", Name="main")
    bucket = estate.folder / "audit"
    last = [record["eventName"] for file in log_files(bucket) for record in records_in(file)][-1]
    assert last == "StopLogging"
    report = verified(bucket, as_of=estate.clock.now() + timedelta(days=9))
    assert (found(report), report.ends[0].stopped) == ([], True)
    assert await estate.store.get(TRAIL_PROGRESS, HOME.account, "main") is None


async def test_stopping_and_starting_at_once_loses_nothing(estate: Delivering) -> None:
    estate.calls(2)
    await estate.api("StopLogging", Name="main")
    await estate.api("StartLogging", Name="main")
    estate.calls(2)
    await estate.later(hours=1)
    bucket = estate.folder / "audit"
    assert delivered(bucket) == [event["eventID"] for event in events(estate.trail)][1:]
    assert found(verified(bucket, as_of=estate.clock.now())) == []


async def test_calls_of_the_api_and_delivery_do_not_disturb_each_other(
    estate: Delivering,
) -> None:
    """Trails are started, stopped and moved while rounds of delivery are under way."""

    async def changes() -> None:
        for number in range(6):
            await estate.api("StopLogging", Name="main")
            await estate.api("StartLogging", Name="main")
            await estate.api("UpdateTrail", Name="main", S3KeyPrefix=f"p{number}")

    async def rounds() -> None:
        for _ in range(25):
            estate.calls(1)
            await estate.later(seconds=20)

    await asyncio.gather(changes(), rounds())
    await estate.later(hours=1)
    assert "LatestDeliveryError" not in await estate.api("GetTrailStatus", Name="main")
    bucket = estate.folder / "audit"
    ids = delivered(bucket)
    assert len(ids) == len(set(ids))
    assert found(verified(bucket, as_of=estate.clock.now())) == []


async def test_starting_what_is_started_changes_nothing(estate: Delivering) -> None:
    estate.calls(2)
    before = await progress(estate.store)
    await estate.api("StartLogging", Name="main")
    assert await progress(estate.store) == before
    assert not estate.folder.exists()


async def test_files_of_the_journal_that_are_not_delivered_stay(tmp_path: Path) -> None:
    clock = ManualClock()
    for number in range(3):
        async with delivering(tmp_path, clock) as estate:
            if number == 0:
                await begin(estate)
                estate.folder.mkdir(parents=True)
                (estate.folder / "audit").write_text("in the way")
            estate.calls(2)
            clock.advance(timedelta(days=120))
            await estate.deliverer.run_due()
    assert len(list((tmp_path / "trail" / ACCOUNT).glob("*.journal"))) == 3
    (estate.folder / "audit").unlink()
    async with delivering(tmp_path, clock) as estate:
        await estate.deliverer.run_due()
        assert len(delivered(estate.folder / "audit")) == 7


async def test_old_files_of_the_journal_go_when_they_are_delivered(tmp_path: Path) -> None:
    clock = ManualClock()
    for _ in range(3):
        async with delivering(tmp_path, clock) as estate:
            if not await estate.store.get(TRAIL_PROGRESS, HOME.account, "main"):
                await begin(estate)
            estate.calls(2)
            clock.advance(timedelta(days=60))
    async with delivering(tmp_path, clock) as estate:
        estate.calls(1)
        before = len(list((tmp_path / "trail" / ACCOUNT).glob("*.journal")))
        await estate.deliverer.run_due()
        after = len(list((tmp_path / "trail" / ACCOUNT).glob("*.journal")))
        assert (before, after) == (4, 3), "the second one may have events of the last 90 days"
        assert len(delivered(estate.folder / "audit")) == 8
