"""The data plane serves software updates to those whose policy lets them fetch any."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.cloud import ACCOUNT, REGION, Answer, DeviceHttps, running_cloud
from tests.support.updates import UpdatePlace

from hedgerow.contract.updates import update_metadata_path, update_target_path, updates_arn
from hedgerow.kernel import SystemClock
from hedgerow.policy import core_update_policy, minimal_core_policy

pytestmark = pytest.mark.promise(1)
_MEBIBYTE = 1_048_576


@dataclass
class Served:
    """A repository that a cloud serves, and two cores: one may fetch updates."""

    place: UpdatePlace
    allowed: DeviceHttps
    refused: DeviceHttps

    @property
    def file(self) -> Path:
        """The package's file."""
        (found,) = (self.place.files / "targets").rglob("*.tar.gz")
        return found

    @property
    def path(self) -> str:
        """Where it is fetched."""
        return update_target_path(str(self.file.relative_to(self.place.files / "targets")))

    async def piece(self, asked: str | None, path: str | None = None) -> Answer:
        """Ask for a piece of the package."""
        headers = {} if asked is None else {"range": asked}
        return await self.allowed.request("GET", path or self.path, headers=headers)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with running_cloud(tmp_path, combined=False) as cloud:
        place = UpdatePlace(tmp_path / "cloud", SystemClock())
        place.repository.create(place.keys)
        place.publish(program="#!/bin/sh\n")
        updates = core_update_policy(region=REGION, account=ACCOUNT, core_thing_name="edge")
        minimal = minimal_core_policy(
            region=REGION, account=ACCOUNT, core_thing_name="other", group_id="g"
        )
        core, other = await cloud.enrol("edge", updates), await cloud.enrol("other", minimal)
        async with cloud.https(core.identity) as one, cloud.https(other.identity) as two:
            yield Served(place, one, two)


async def test_metadata_and_packages_come_as_they_are(served: Served) -> None:
    for name in ("timestamp.json", "1.root.json", "2.snapshot.json", "2.targets.json"):
        answer = await served.allowed.get(update_metadata_path(name))
        assert answer.status == 200
        assert answer.body == (served.place.files / "metadata" / name).read_bytes()
    whole = served.file.read_bytes()
    for first, last in ((0, 99), (100, 10**9), (0, 0)):
        answer = await served.piece(f"bytes={first}-{last}")
        assert (answer.status, answer.body) == (206, whole[first : last + 1])
    assert (await served.piece(f"bytes={len(whole)}-{len(whole)}")).status == 416


async def test_a_core_without_the_permission_is_told_which(served: Served) -> None:
    for path in (update_metadata_path("timestamp.json"), served.path):
        answer = await served.refused.get(path)
        assert answer.status == 403
        wanted = f"greengrass:GetDeploymentArtifacts on {updates_arn(REGION, ACCOUNT)}"
        assert wanted in answer.message


async def test_nothing_but_metadata_is_metadata(served: Served) -> None:
    escapes = ("online.key", "..%2Fonline.key", "%2E%2E%2Fonline.key", "1.root.json%00", "x.json")
    for name in escapes:
        answer = await served.allowed.get(f"/greengrass/updates/metadata/{name}")
        assert answer.status in {400, 404}, name
        assert b"PRIVATE" not in answer.body


async def test_nothing_but_packages_is_a_package(served: Served) -> None:
    escapes = (
        "../online.key",
        "..%2Fonline.key",
        "core/../../online.key",
        "core/1.1.0/",
        "%2Fetc%2Fpasswd",
    )
    for path in escapes:
        answer = await served.piece("bytes=0-99", f"/greengrass/updates/targets/{path}")
        assert answer.status in {400, 404}, path
        assert b"PRIVATE" not in answer.body


async def test_a_package_comes_in_pieces_that_are_asked_for(served: Served) -> None:
    odd = (None, "bytes=0-", "bytes=-5", "bytes=9-1", "bytes=0-1,3-4", "lines=0-1", "bytes=a-b")
    for asked in odd:
        assert (await served.piece(asked)).status == 400, asked


async def test_a_piece_is_never_longer_than_a_mebibyte(served: Served) -> None:
    served.file.write_bytes(bytes(3 * _MEBIBYTE))
    answer = await served.piece("bytes=5-99999999")
    assert (answer.status, len(answer.body)) == (206, _MEBIBYTE)
