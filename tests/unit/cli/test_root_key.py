"""`hedgerow cloud root-key`: break-glass keys, made while the cloud does not run."""

import json
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from click.testing import CliRunner
from tests.support.clock import ManualClock
from tests.support.cloud import ACCOUNT, born_cloud

from hedgerow.cli.cloud import cloud
from hedgerow.cloud.app import Layout
from hedgerow.cloud.app.root_keys import open_offline
from hedgerow.cloud.cloudtrail import Trail, TrailKeys
from hedgerow.cloud.home import Home
from hedgerow.kernel import ConfigurationError, UnavailableError
from hedgerow.store import MasterKey


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copytree(born_cloud(), tmp_path / "cloud")
    return tmp_path / "cloud"


def said(folder: Path, *words: str) -> Any:
    """Run the command and return what it prints."""
    done = CliRunner().invoke(cloud, ["root-key", "--data", str(folder), *words, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_a_key_is_made_listed_and_deleted(folder: Path) -> None:
    made = said(folder)
    assert made["accessKeyId"].startswith("AKIA")
    assert len(made["secretAccessKey"]) == 40
    (row,) = said(folder, "--list")
    assert (row["accessKeyId"], row["status"]) == (made["accessKeyId"], "Active")
    assert "secretAccessKey" not in row
    assert said(folder, "--delete", made["accessKeyId"]) == {"deleted": made["accessKeyId"]}
    assert said(folder, "--list") == []


def test_it_prints_for_people_as_well(folder: Path) -> None:
    done = CliRunner().invoke(cloud, ["root-key", "--data", str(folder)])
    assert done.exit_code == 0
    assert "accessKeyId" in done.stdout
    assert "--delete AKIA" in done.stderr
    both = CliRunner().invoke(
        cloud, ["root-key", "--data", str(folder), "--list", "--delete", "AKIA"]
    )
    assert both.exit_code == 2


async def test_each_step_is_in_the_trail(folder: Path) -> None:
    clock = ManualClock()
    async with open_offline(folder, None, clock) as offline:
        made = await offline.create_root_key()
        await offline.delete_root_key(made.access_key_id)
    layout = Layout(folder)
    keys = TrailKeys.open(layout.trail, MasterKey.from_file(layout.master_key))
    trail = Trail(Home(account=ACCOUNT, region="eu-west-1"), keys, clock)
    await trail.start()
    try:
        events = [json.loads(frame.body) for frame in trail.frames()]
    finally:
        await trail.stop()
    names = [event["eventName"] for event in events]
    assert names[-2:] == ["RootAccessKeyCreated", "RootAccessKeyDeleted"]
    assert all(made.access_key_id in json.dumps(event) for event in events[-2:])
    assert made.secret_access_key.reveal() not in json.dumps(events)


async def test_it_keeps_out_while_the_store_is_held(folder: Path) -> None:
    async with open_offline(folder, None, ManualClock()):
        with pytest.raises(UnavailableError, match="stop it first"):
            async with open_offline(folder, None, ManualClock()):
                pass


async def test_an_account_that_is_none_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"it has {ACCOUNT}"):
        async with open_offline(folder, "999999999999", ManualClock()):
            pass
