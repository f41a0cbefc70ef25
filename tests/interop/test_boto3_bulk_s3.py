"""A bulk deployment whose input lies in an S3-compatible store, through boto3."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web
from tests.support.bulk import (
    BUCKET,
    KEY,
    counts_of,
    ended,
    execution_role,
    line_of,
    may_deploy,
    start,
)
from tests.support.cloud import ACCOUNT, RunningCloud, born_cloud, running_cloud
from tests.support.s3 import S3Store, s3_store

from hedgerow.cloud.greengrass import bulk_runner


@dataclass(frozen=True)
class Stored:
    """A cloud, and the store that its operator gave it."""

    cloud: RunningCloud
    store: S3Store


@pytest.fixture
async def stored(tmp_path: Path) -> AsyncIterator[Stored]:
    async with s3_store() as store:
        data = tmp_path / "cloud"
        await asyncio.to_thread(shutil.copytree, born_cloud(), data)
        store.write_file(data / "s3.json", {BUCKET: ACCOUNT})
        async with running_cloud(tmp_path, combined=False) as cloud:
            yield Stored(cloud, store)


@pytest.mark.spec("P14", "P15")
async def test_groups_are_deployed_by_a_file_in_a_store(stored: Stored) -> None:
    groups = [await stored.cloud.group(f"core-{number}") for number in range(2)]
    lines = "".join(f"{line_of(group)}\n" for group in groups)
    stored.store.objects[f"/{BUCKET}/{KEY}"] = lines.encode()
    bulk = await start(stored.cloud, await execution_role(stored.cloud))
    assert counts_of(await ended(stored.cloud, bulk, "Completed")) == (2, 0, 0)


@pytest.mark.spec("P15")
async def test_the_store_is_not_asked_for_what_the_role_may_not_read(stored: Stored) -> None:
    """The role decides first, whatever the operator's key could read."""
    stored.store.objects[f"/{BUCKET}/{KEY}"] = b"{}"
    policy = may_deploy(object_arn=f"arn:aws:s3:::{BUCKET}/another")
    bulk = await start(stored.cloud, await execution_role(stored.cloud, policy))
    status = await ended(stored.cloud, bulk, "Failed")
    assert status["ErrorDetails"][0]["DetailedErrorCode"] == "403"
    assert not stored.store.asked


async def test_what_the_store_says_is_said_in_the_status(stored: Stored) -> None:
    """There is no such object: a 404 that names it."""
    bulk = await start(stored.cloud, await execution_role(stored.cloud))
    status = await ended(stored.cloud, bulk, "Failed")
    assert status["ErrorDetails"][0]["DetailedErrorCode"] == "404"
    assert f"s3://{BUCKET}/{KEY}" in status["ErrorMessage"]


async def test_a_store_that_stays_away_is_named_in_the_end(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked a few times; the caller reads why nothing was deployed."""
    monkeypatch.setattr(bulk_runner, "PAUSE_SECONDS", 0.0)

    async def away(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=503)

    stored.store.instead = away
    bulk = await start(stored.cloud, await execution_role(stored.cloud))
    status = await ended(stored.cloud, bulk, "Failed")
    assert status["ErrorDetails"][0]["DetailedErrorCode"] == "500"
    assert f"{stored.store.base} answered 503" in status["ErrorMessage"]
    assert len(stored.store.asked) == bulk_runner.MAX_FAILURES
