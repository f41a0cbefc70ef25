"""`admin.json` holds a secret key: what others can read is refused, with the command to run."""

from pathlib import Path
from shutil import copytree

import pytest
from tests.support.cloud import ACCOUNT, REGION, born_cloud

from hedgerow.cli.environment import environment
from hedgerow.cloud.app import CloudApp, Endpoints, Layout
from hedgerow.cloud.app.endpoints import write_endpoints
from hedgerow.kernel import ConfigurationError

pytestmark = pytest.mark.promise(6)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    copytree(born_cloud(), tmp_path / "cloud")
    made = Layout(tmp_path / "cloud")
    endpoints = Endpoints(
        host="cloud.example",
        api_port=1,
        device_https_port=2,
        device_mqtt_port=3,
        account_id=ACCOUNT,
        region=REGION,
        pid=1,
    )
    write_endpoints(made.endpoints, endpoints)
    return made


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
async def test_a_loose_administrator_s_key_is_refused_by_whoever_finds_it(
    layout: Layout, mode: int
) -> None:
    layout.administrator.chmod(mode)
    advice = f"mode {mode:04o}.*chmod 600 .*admin.json"
    with pytest.raises(ConfigurationError, match=advice):
        environment(layout.folder)
    with pytest.raises(ConfigurationError, match=advice):
        await CloudApp.open(layout.folder)
    layout.administrator.chmod(0o600)
    assert environment(layout.folder)["AWS_SECRET_ACCESS_KEY"]


async def test_one_that_was_moved_away_troubles_nobody(layout: Layout) -> None:
    layout.administrator.unlink()
    assert "AWS_SECRET_ACCESS_KEY" not in environment(layout.folder)
    await (await CloudApp.open(layout.folder)).stop()


def test_one_that_is_broken_is_named(layout: Layout) -> None:
    layout.administrator.write_text("{")
    with pytest.raises(ConfigurationError, match=r"cannot read .*admin.json"):
        environment(layout.folder)
