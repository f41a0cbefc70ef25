"""A running cloud keeps the short-lived metadata fresh."""

from datetime import timedelta
from pathlib import Path

from tests.support.clock import ManualClock
from tests.support.updates import new_place
from tuf.api.metadata import Metadata, Timestamp

from hedgerow.cloud.updates import Freshener, UpdateRepository


def _version(files: Path) -> int:
    newest: Metadata[Timestamp] = Metadata.from_file(str(files / "metadata/timestamp.json"))
    return newest.signed.version


async def test_what_is_due_is_signed_when_the_cloud_starts(tmp_path: Path) -> None:
    clock = ManualClock()
    place = new_place(tmp_path, clock)
    before = _version(place.files)
    clock.advance(timedelta(days=6))
    freshener = Freshener(place.repository)
    await freshener.start()
    await freshener.stop()
    assert _version(place.files) == before + 1


async def test_a_cloud_without_a_repository_starts_all_the_same(tmp_path: Path) -> None:
    freshener = Freshener(UpdateRepository(tmp_path / "updates", ManualClock()))
    await freshener.start()
    await freshener.stop()
    assert not (tmp_path / "updates").exists()


async def test_a_lost_online_key_does_not_keep_a_cloud_from_starting(tmp_path: Path) -> None:
    clock = ManualClock()
    place = new_place(tmp_path, clock)
    (place.files / "online.key").unlink()
    clock.advance(timedelta(days=6))
    freshener = Freshener(place.repository)
    await freshener.start()
    await freshener.stop()
