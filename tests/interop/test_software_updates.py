"""A core and its agent take updates from a cloud: everything real, the core in its own process."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.update_plant import CORE, Plant, update_plant

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    async with update_plant(tmp_path) as made:
        yield made


@pytest.mark.spec("T01", "T02", "T05", "T07", "T08")
async def test_a_core_takes_an_update_and_goes_back_from_a_bad_one(plant: Plant) -> None:
    """All of it behind a proxy, which V1's agent could not be, and there is no other way."""
    before = await plant.look()
    await plant.publish("7.1.0")
    other = await plant.create_job("0.0.0", b'{"operation": "something else"}')
    async with plant.agent():
        good = await plant.ended(await plant.create_update())
        assert good["status"] == "SUCCEEDED", good
        after = await plant.look()
        assert (after.version, after.deployment_id) == ("7.1.0", before.deployment_id)
        await plant.publish("7.2.0", program="#!/bin/sh\nexit 3\n")
        bad = await plant.ended(await plant.create_job("7.2.0"))
        assert bad["status"] == "FAILED"
        details = bad["statusDetails"]["detailsMap"]
        assert details["reason"].endswith("start failed with exit code 3; 7.1.0 runs again")
        assert (await plant.look()).version == "7.1.0"
    assert set(plant.proxy.targets) == {"localhost:1", "localhost:2"}
    untouched = await plant.cloud.iot("describe_job_execution", jobId=other, thingName=CORE)
    assert untouched["execution"]["status"] == "QUEUED"
