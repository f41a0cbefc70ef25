"""A core is provisioned to take software updates."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from click.testing import Result
from tests.support.cloud import RunningCloud
from tests.support.commands import commanded_cloud, hedgerow
from tests.support.updates import new_place

from hedgerow.core.app.agent_app import AgentApp, AgentSettings


@pytest.fixture
async def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RunningCloud]:
    async with commanded_cloud(tmp_path / "cloud", monkeypatch, combined=False) as made:
        yield made


async def _provision(root: Path, *words: str) -> Result:
    command = ["core", "provision", "--root", str(root), "--name", "edge", "--no-deploy", *words]
    return await hedgerow(*command)


@pytest.mark.usefixtures("cloud")
async def test_the_root_of_updates_is_pinned_and_the_agent_may_do_its_work(tmp_path: Path) -> None:
    place, root = new_place(tmp_path), tmp_path / "root"
    done = await _provision(root, "--updates-root", str(place.repository.first_root))
    assert done.exit_code == 0, done.output
    assert (root / "certs/updates.root.json").read_bytes() == place.pinned
    await AgentApp(AgentSettings(root=root)).check()


async def test_what_is_no_root_is_told_before_anything_is_made(
    cloud: RunningCloud, tmp_path: Path
) -> None:
    place = new_place(tmp_path)
    forged = json.loads(place.pinned)
    forged["signed"]["version"] = 2
    (tmp_path / "forged.json").write_text(json.dumps(forged))
    done = await _provision(tmp_path / "root", "--updates-root", str(tmp_path / "forged.json"))
    assert done.exit_code == 1
    assert "no root of software updates" in done.output
    assert (await cloud.iot("list_things"))["things"] == []
