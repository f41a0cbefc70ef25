"""`hedgerow import`, `export` and `core repoint` as a person runs them."""

import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.cloud import ACCOUNT, REGION, RunningCloud
from tests.support.commands import commanded_cloud, hedgerow
from tests.support.v1_estate import CORE, GROUP_ID, LAMP, PRESS, OldPlant

from hedgerow.core.app.lock import RootLock
from hedgerow.core.config import load_config

PLANT = OldPlant.make()


@pytest.fixture
async def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RunningCloud]:
    async with commanded_cloud(tmp_path / "cloud", monkeypatch) as made:
        yield made


async def test_what_is_in_the_way_comes_first_and_the_exit_code_says_so(
    cloud: RunningCloud, tmp_path: Path
) -> None:
    root = PLANT.write_core_folder(tmp_path / "greengrass")
    done = await hedgerow("import", root)
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    in_the_way = lines.index("In the way:")
    assert f"CERTIFICATE_UNUSABLE  {LAMP}: " in lines[in_the_way + 1]
    assert f"--device {LAMP}=FILE" in lines[in_the_way + 1]
    assert "Nothing was written." in lines
    assert (await cloud.iot("list_things"))["things"] == []


async def test_things_can_be_left_out_and_each_is_named(
    cloud: RunningCloud, tmp_path: Path
) -> None:
    root = PLANT.write_core_folder(tmp_path / "greengrass")
    certificate, _ = PLANT.identities[PRESS].write(tmp_path, "any")
    words = ("import", root, "--device", f"{PRESS}={certificate}", "--leave-out")
    done = await hedgerow(*words)
    assert done.exit_code == 0, done.output
    assert f"THING_LEFT_OUT  {LAMP}: " in done.stdout
    assert f"The group {CORE}-group is {GROUP_ID}" in done.stdout
    assert "Next: aws greengrass create-deployment" in done.stdout
    things = (await cloud.iot("list_things"))["things"]
    assert {one["thingName"] for one in things} == {CORE, PRESS}


async def test_what_is_imported_can_be_deployed_at_once(
    cloud: RunningCloud, tmp_path: Path
) -> None:
    done = await hedgerow("import", PLANT.write_answers(tmp_path / "saved"), "--deploy")
    assert done.exit_code == 0, done.output
    listed = await cloud.greengrass("list_deployments", GroupId=GROUP_ID)
    assert [one["DeploymentType"] for one in listed["Deployments"]] == ["NewDeployment"]
    assert "Next:" not in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--device", "press"), "NAME=VALUE"),
        (("--device", "press=/nowhere"), "cannot read /nowhere"),
        (("--format", "json"), "there is no estate.json"),
    ],
)
async def test_what_is_asked_wrongly_is_said(
    cloud: RunningCloud, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    root = PLANT.write_core_folder(tmp_path / "greengrass")
    done = await hedgerow("import", root, *words)
    assert done.exit_code == 1
    assert said in done.output
    assert cloud.data_dir.exists()


async def test_a_group_goes_out_into_private_files_and_back_in_without_a_change(
    cloud: RunningCloud, tmp_path: Path
) -> None:
    assert (await hedgerow("import", PLANT.write_answers(tmp_path / "saved"))).exit_code == 0
    out = tmp_path / "out"
    done = await hedgerow("export", "--group", "plant", "--format", "json", "--to", out)
    assert done.exit_code == 0, done.output
    (written,) = out.iterdir()
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert b"PRIVATE KEY" not in written.read_bytes()
    back = await hedgerow("import", out)
    assert back.exit_code == 0, back.output
    assert "keep  3 policy, 3 certificate, 3 thing, 1 group" in back.stdout
    for form in ("files", "cloudformation"):
        folder = tmp_path / form
        done = await hedgerow("export", "--group", "plant", "--format", form, "--to", folder)
        assert done.exit_code == 0, done.output
        back = await hedgerow("import", folder)
        assert back.exit_code == 0, back.output
        assert "keep  3 policy, 3 certificate, 3 thing, 1 group" in back.stdout
        assert "make" not in back.stdout
    again = await hedgerow("export", "--group", GROUP_ID, "--to", out)
    assert again.exit_code == 1
    assert "is not empty" in again.output
    none = await hedgerow("export", "--group", "nobody", "--to", tmp_path / "none")
    assert none.exit_code == 1
    assert "there is no group 'nobody'" in none.output
    assert cloud.data_dir.exists()


async def test_a_core_is_turned_towards_this_cloud_once_and_keeps_what_it_was(
    cloud: RunningCloud, tmp_path: Path
) -> None:
    root = PLANT.write_core_folder(tmp_path / "greengrass")
    path = root / "config/config.json"
    before = path.read_bytes()
    path.chmod(0o600)
    lock = RootLock(load_config(root).folders.state)
    lock.take()
    held = await hedgerow("core", "repoint", "--root", root)
    assert "another core runs" in held.output
    assert path.read_bytes() == before
    lock.release()
    first = await hedgerow("core", "repoint", "--root", root)
    assert first.exit_code == 0, first.output
    thing = json.loads(path.read_text())["coreThing"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert thing["thingArn"] == f"arn:aws:iot:{REGION}:{ACCOUNT}:thing/{CORE}"
    assert thing["iotMqttPort"] == cloud.endpoints.device_mqtt_port
    assert (root / "certs" / thing["caPath"]).read_text() == cloud.roots_pem
    assert (root / "config/config.json.before").read_bytes() == before
    assert (root / "ggc/deployment.before/group/group.json").is_file()
    assert not (root / "ggc/deployment").exists()
    second = await hedgerow("core", "repoint", "--root", root)
    assert "already" in second.stdout
    assert not (root / "config/config.json.before-2").exists()
    lost = await hedgerow("core", "repoint", "--root", tmp_path)
    assert lost.exit_code == 1
    assert "config.json" in lost.output
