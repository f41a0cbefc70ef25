"""The agent as a process: killed at any moment, and replaced by its own next version."""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.update_plant import Plant, update_plant

KILLS = int(os.environ.get("HEDGEROW_UPDATE_KILLS", "0"))
_LONGEST_SECONDS = 6.0
pytestmark = pytest.mark.timeout(120 + 30 * KILLS)


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    async with update_plant(tmp_path) as made:
        yield made


@pytest.mark.skipif(not KILLS, reason="takes long; HEDGEROW_UPDATE_KILLS says how many")
@pytest.mark.spec("T02")
async def test_a_killed_agent_leaves_no_update_open(plant: Plant) -> None:
    """Kill -9 some time after it took the job; the next run of it ends the update, truthfully."""
    moments = random.Random(7)  # noqa: S311 - a seed, so that a failure can be had again
    for number in range(1, KILLS + 1):
        version = f"7.{number}.0"
        await plant.publish(version)
        job = await plant.create_job(version)
        async with plant.agent_process() as agent:
            await plant.begun(job)
            await asyncio.sleep(moments.uniform(0, _LONGEST_SECONDS))
            agent.kill()
            await agent.wait()
        async with plant.agent_process():
            ended = await plant.ended(job)
        assert ended["status"] == "SUCCEEDED", ended
        assert (await plant.look()).version == version


def _environment(pid: int) -> str:
    return Path(f"/proc/{pid}/environ").read_text()


@pytest.mark.spec("T01", "T02")
async def test_the_agent_goes_on_as_its_new_version_if_that_can_do_its_work(plant: Plant) -> None:
    link = plant.root / "ota/ota_agent"
    await plant.publish("7.0.0", "#!/bin/sh\necho broken >&2\nexit 5\n", software="ota_agent")
    await plant.publish("7.1.0", software="ota_agent")
    async with plant.agent_process() as agent:
        bad = await plant.ended(await plant.create_job("7.0.0", software="ota_agent"))
        assert bad["status"] == "FAILED"
        assert "fails its trial: 'broken'" in bad["statusDetails"]["detailsMap"]["reason"]
        assert link.readlink() == Path("packages/installed")
        good = await plant.ended(await plant.create_job("7.1.0", software="ota_agent"))
        assert good["status"] == "SUCCEEDED", good
        assert str(plant.root / "ota/packages/7.1.0/site") in _environment(agent.pid)
        assert link.readlink() == Path("packages/7.1.0")
