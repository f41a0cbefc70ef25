"""A core that goes back by itself, and one that wipes itself, against a whole cloud."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.clock import ManualClock
from tests.support.core import running_core, until
from tests.support.core_estate import CORE, Estate, core_estate, message, spooler, with_functions

from hedgerow.contract import deployment_thing
from hedgerow.core.app import CoreApp
from hedgerow.core.config import load_config
from hedgerow.kernel import SystemClock
from hedgerow.shadow import ShadowError


@pytest.fixture
async def estate(tmp_path: Path) -> AsyncIterator[Estate]:
    async with core_estate(tmp_path) as made:
        yield made


@pytest.mark.spec("P06")
async def test_a_core_that_is_not_healthy_goes_back_by_itself_and_says_why(estate: Estate) -> None:
    """The queue in files that the group asks for cannot be had: its place is taken by a file."""
    folders = load_config(estate.root).folders
    async with running_core(estate.root) as core:
        await estate.deploy(core)
        first = estate.group.deployment_id
        async with estate.device(core, estate.a) as a, estate.device(core, estate.b) as b:
            await b.subscribe("t/ab")
            folders.spool.write_text("in the way")
            await with_functions(estate, spooler(GG_CONFIG_STORAGE_TYPE="FileSystem"))
            status = await estate.deploy(core, "Failure")
            assert "health check failed: the queue for the cloud" in status["ErrorMessage"]
            assert f"the core runs deployment {first} again" in status["ErrorMessage"]
            assert core.agent.state.running == first
            await a.publish("t/ab", b"nobody was dropped", qos=1)
            assert await message(b) == ("t/ab", b"nobody was dropped")
        folders.spool.unlink()
        await estate.deploy(core)
        assert core.agent.state.last_failure is None
        assert core.queue.storage == "FileSystem"


async def test_what_a_core_has_no_room_for_is_refused_before_anything_changes(
    estate: Estate,
) -> None:
    async with running_core(estate.root) as core:
        await estate.deploy(core)
        first = core.agent.state.running
        await with_functions(
            estate,
            spooler(GG_CONFIG_STORAGE_TYPE="FileSystem", GG_CONFIG_MAX_SIZE_BYTES=str(2**60)),
        )
        status = await estate.deploy(core, "Failure")
        assert "the queue for the cloud needs" in status["ErrorMessage"]
        assert core.agent.state.running == first
        assert core.agent._folder.ledger.failed == {}


@pytest.mark.spec("P10", "P12")
@pytest.mark.parametrize("is_off", [False, True])
async def test_a_reset_wipes_what_is_documented_and_leaves_the_rest(
    estate: Estate, *, is_off: bool
) -> None:
    """With `is_off` the core was not there, and wipes itself when it comes back."""
    folders = load_config(estate.root).folders
    async with running_core(estate.root) as core:
        await with_functions(estate, spooler(GG_CONFIG_STORAGE_TYPE="FileSystem"))
        await estate.deploy(core)
        core.shadows.update("A", "", json.dumps({"state": {"reported": {"secret": 17}}}).encode())
        for folder in (folders.user_log / "region" / "account", folders.functions / "code"):
            folder.mkdir(parents=True)
            (folder / "file").write_text("the group's")
        (folders.user_log / "link").symlink_to(estate.root / "certs")
        if not is_off:
            await _reset(estate, core)
    if is_off:
        estate.group.deployment_id = await _force_reset(estate)
        assert (await estate.group.status())["DeploymentStatus"] == "Success"
        assert folders.functions.exists()
        async with running_core(estate.root) as core:
            assert core.agent.state.running is not None
            await until(lambda: core.agent._folder.reported() == estate.group.deployment_id)
            assert core.agent.state.running is None
    gone = (folders.user_log, folders.functions, folders.server, folders.spool)
    assert [list(folder.iterdir()) for folder in gone if folder.exists()] == [
        [] for folder in gone if folder.exists()
    ]
    assert not (folders.deployment / "versions").exists()
    assert b"secret" not in b"".join(p.read_bytes() for p in folders.shadows.iterdir())
    kept = [estate.root / "config/config.json", *(estate.root / "certs").iterdir()]
    assert len(kept) == 4
    assert all(path.read_bytes() for path in kept)
    assert "core serves" in (folders.system_log / "runtime.log").read_text()


async def _reset(estate: Estate, core: CoreApp) -> None:
    answer = await estate.cloud.greengrass("reset_deployments", GroupId=estate.group.group_id)
    await until(lambda: core.agent._folder.reported() == answer["DeploymentId"])


async def _force_reset(estate: Estate) -> str:
    answer = await estate.cloud.greengrass(
        "reset_deployments", GroupId=estate.group.group_id, Force=True
    )
    deployment_id: str = answer["DeploymentId"]
    return deployment_id


@pytest.mark.parametrize(("days", "side"), [(1, "ahead of"), (-1, "behind")])
async def test_a_core_whose_clock_is_off_by_a_day_serves_on_and_says_so(
    estate: Estate, days: int, side: str
) -> None:
    """It takes what is valid by its clock, and refuses the rest with a reason that names it."""
    async with running_core(estate.root) as core:
        await estate.deploy(core)
    first = estate.group.deployment_id
    clock = ManualClock(SystemClock().now() + timedelta(days=days))
    async with running_core(estate.root, clock=clock) as core:
        assert core.agent.state.running == first
        async with estate.device(core, estate.a) as a:
            await a.publish("t/ab", b"local work goes on", qos=1)
        status = await estate.deploy(core, "Success" if days > 0 else "Failure")
        problem = f"this machine's clock is 24 hours {side} the cloud's"
        assert any(problem in said for said in core.problems)
        if days < 0:
            assert problem in status["ErrorMessage"]
            assert core.agent.state.running == first


@pytest.mark.spec("P12")
async def test_a_core_that_was_away_for_a_reset_wipes_itself_before_the_next_deployment(
    estate: Estate,
) -> None:
    """It never hears of the reset: by then the group is deployed again."""
    folders = load_config(estate.root).folders
    async with running_core(estate.root) as core:
        await estate.deploy(core)
        core.shadows.update("A", "", b'{"state": {"reported": {"secret": 17}}}')
        folders.user_log.mkdir(parents=True)
        (folders.user_log / "a.log").write_text("the group's")
    await _force_reset(estate)
    answer = await estate.cloud.greengrass(
        "create_deployment",
        GroupId=estate.group.group_id,
        DeploymentType="NewDeployment",
        GroupVersionId=estate.group.version_id,
    )
    await _is_wished_for(estate, answer["DeploymentId"])
    async with running_core(estate.root) as core:
        await until(lambda: core.agent._folder.reported() == answer["DeploymentId"])
        assert core.agent.state.running == answer["DeploymentId"]
        with pytest.raises(ShadowError, match="No shadow exists"):
            core.shadows.get("A")
        assert list(folders.user_log.iterdir()) == []
        async with estate.device(core, estate.a):
            pass
    async with running_core(estate.root) as core:  # what is deployed now is not wiped again
        assert core.agent.state.running == answer["DeploymentId"]
        await estate.deploy(core)
        assert "made up for" not in _since_last_start(folders.system_log / "runtime.log")


async def _is_wished_for(estate: Estate, deployment_id: str) -> None:
    """Return once the cloud's notice names a deployment."""
    async with asyncio.timeout(10):
        while True:
            answer = await estate.cloud.call(
                "iot-data", "get_thing_shadow", thingName=deployment_thing(CORE)
            )
            if deployment_id.encode() in await asyncio.to_thread(answer["payload"].read):
                return


def _since_last_start(log: Path) -> str:
    return log.read_text().rpartition("core serves")[2]
