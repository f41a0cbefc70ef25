"""`hedgerow import` of what an old plant left, and then the unchanged SDKs talking through it."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from tests.support.cloud import ACCOUNT, REGION, RunningCloud
from tests.support.commands import commanded_cloud, hedgerow
from tests.support.core import running_core, until
from tests.support.core_estate import clients, core_estate, message, watching
from tests.support.v1_estate import CORE, GROUP_ID, LAMP, PRESS, OldPlant

from hedgerow.cli.demo.device import Device
from hedgerow.cli.demo.device_v1 import DeviceV1
from hedgerow.cli.demo.device_v2 import DeviceV2
from hedgerow.cli.demo.identity import DeviceFiles
from hedgerow.cloud.app import Layout
from hedgerow.core.app import CoreApp
from hedgerow.estate.wire import unpacked

# The v1 SDK leaves its sockets to the garbage collector, and uses what Python 3.11 warns of.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:AWSIoTPythonSDK"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture
async def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RunningCloud]:
    async with commanded_cloud(tmp_path / "cloud", monkeypatch) as made:
        yield made


async def imported(*words: str) -> dict[str, Any]:
    """Import, and return what the command printed."""
    done = await hedgerow("import", *words, "--json")
    assert done.exit_code == 0, done.output
    return printed(done)


def printed(done: Result) -> dict[str, Any]:
    """Return the JSON document among the lines; the cloud of this process logs there too."""
    lines = done.stdout.splitlines()
    document = lines[lines.index("{") : lines.index("}") + 1]
    answer: dict[str, Any] = json.loads("\n".join(document))
    return answer


def codes(answer: dict[str, Any]) -> set[str]:
    return {finding["Code"] for finding in answer["Findings"]}


async def everything(cloud: RunningCloud) -> dict[str, int]:
    """Return how much there is of all that an import can make."""
    return {
        "things": len((await cloud.iot("list_things"))["things"]),
        "certificates": len((await cloud.iot("list_certificates"))["certificates"]),
        "policies": len((await cloud.iot("list_policies"))["policies"]),
        "groups": len((await cloud.greengrass("list_groups"))["Groups"]),
        "cores": len((await cloud.greengrass("list_core_definitions"))["Definitions"]),
    }


ALLOW_ALL = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}],
    }
)
NOTHING = {"things": 0, "certificates": 0, "policies": 0, "groups": 0, "cores": 0}


async def talk_through(cloud: RunningCloud, plant: OldPlant, root: Path, answer: Any) -> None:
    """Deploy what was imported to the old core, and let both SDKs talk with old certificates.

    With each other, to the cloud and from it: that is what the policies have to allow.
    """
    await cloud.service_role()
    repointed = await hedgerow("core", "repoint", "--root", str(root))
    assert repointed.exit_code == 0, repointed.output
    group = answer["Groups"][0]
    async with running_core(root) as core:
        await cloud.greengrass(
            "create_deployment",
            GroupId=group["Id"],
            GroupVersionId=group["LatestVersion"],
            DeploymentType="NewDeployment",
        )
        await until(lambda: core.keeper.served is not None)
        await cloud.greengrass(
            "update_connectivity_info",
            ThingName=CORE,
            ConnectivityInfo=[
                {"Id": "here", "HostAddress": "127.0.0.1", "PortNumber": core.mqtt_port}
            ],
        )
        await until(lambda: "127.0.0.1" in served_names(core))
        who = await cloud.enrol("watcher", ALLOW_ALL)
        async with watching(cloud, who, "plant/up") as program:
            talking = asyncio.get_running_loop().run_in_executor(None, _talk, cloud, plant, root)
            assert await message(program) == ("plant/up", b"to the cloud")
            await until(lambda: f"{CORE}-c01" in clients(cloud))
            await program.publish("plant/down", b"from the cloud", qos=1)
            await talking


def served_names(core: CoreApp) -> tuple[str, ...]:
    """Return what the certificate that clients are shown names."""
    served = core.keeper.served
    return () if served is None else served.requested_names


def _talk(cloud: RunningCloud, plant: OldPlant, root: Path) -> None:
    press: Device = DeviceV1(files(cloud, plant, root.parent, PRESS))
    lamp: Device = DeviceV2(files(cloud, plant, root.parent, LAMP))
    try:
        for device in (press, lamp):
            found = device.discover("localhost", cloud.endpoints.device_https_port)
            assert found.thing_arn == f"arn:aws:iot:{REGION}:{ACCOUNT}:thing/{CORE}"
            host, port = next(one for one in found.addresses if one[0] == "127.0.0.1")
            device.connect(host, port, found.ca_pem)
        lamp.subscribe("plant/press")
        lamp.subscribe("plant/down")
        press.subscribe("plant/lamp")
        press.publish("plant/press", b"down")
        lamp.wait_for("plant/press", b"down")
        lamp.publish("plant/lamp", b"on")
        press.wait_for("plant/lamp", b"on")
        press.publish("plant/up", b"to the cloud")
        lamp.wait_for("plant/down", b"from the cloud")
    finally:
        press.close()
        lamp.close()


def files(cloud: RunningCloud, plant: OldPlant, folder: Path, name: str) -> DeviceFiles:
    """Return the files of a device: its own, and the new cloud's root certificate."""
    identity = plant.identities[name]
    certificate, key = identity.write(folder / "device-files" / name, name)
    root_ca = certificate.with_name("root.ca.pem")
    root_ca.write_text(Layout(cloud.data_dir).root_certificate.read_text())
    return DeviceFiles(
        thing_name=name,
        thing_arn=f"arn:aws:iot:{REGION}:{ACCOUNT}:thing/{name}",
        certificate_arn=f"arn:aws:iot:{REGION}:{ACCOUNT}:cert/{identity.certificate_id}",
        certificate_id=identity.certificate_id,
        certificate=certificate,
        key=key,
        root_ca=root_ca,
    )


async def test_a_core_folder_alone_becomes_a_plant_that_talks(
    cloud: RunningCloud, tmp_path: Path
) -> None:
    plant = OldPlant.make()
    root = plant.write_core_folder(tmp_path / "greengrass", ggMqttPort=0, ggDaemonPort=0)
    devices = plant.write_device_certificates(tmp_path / "pems")
    dry = await imported(str(root), "--devices-dir", str(devices), "--dry-run")
    assert not dry["Applied"]
    assert await everything(cloud) == NOTHING
    assert {"POLICY_MADE", "ARNS_MOVED", "GROUP_NAME_UNKNOWN"} <= codes(dry)
    answer = await imported(str(root), "--devices-dir", str(devices), "--group-name", "plant")
    assert answer["Applied"]
    assert answer["Made"] == dry["Made"]
    assert [(group["Id"], group["Name"]) for group in answer["Groups"]] == [(GROUP_ID, "plant")]
    assert (await everything(cloud))["things"] == 3
    await talk_through(cloud, plant, root, answer)


async def test_saved_answers_become_a_plant_that_talks(cloud: RunningCloud, tmp_path: Path) -> None:
    plant = OldPlant.make()
    answers = plant.write_answers(tmp_path / "saved")
    answer = await imported(str(answers))
    assert answer["Applied"]
    assert "POLICY_MADE" not in codes(answer)
    root = plant.write_core_folder(tmp_path / "greengrass", ggMqttPort=0, ggDaemonPort=0)
    await talk_through(cloud, plant, root, answer)


@pytest.mark.parametrize("file_name", ["plant.template", "plant.yaml"])
async def test_a_template_becomes_a_plant_that_talks(
    cloud: RunningCloud, tmp_path: Path, file_name: str
) -> None:
    plant = OldPlant.make()
    template = plant.write_template(tmp_path / file_name)
    root = plant.write_core_folder(tmp_path / "greengrass", ggMqttPort=0, ggDaemonPort=0)
    devices = plant.write_device_certificates(tmp_path / "pems")
    plant.identities[CORE].write(devices, CORE)
    given = [word for one in plant.template_parameters() for word in ("--parameter", one)]
    answer = await imported(str(template), "--devices-dir", str(devices), *given)
    assert answer["Applied"]
    assert [group["Name"] for group in answer["Groups"]] == ["plant"]
    shown = await cloud.greengrass("get_group", GroupId=answer["Groups"][0]["Id"])
    assert shown["tags"] == {"site": "north"}
    await talk_through(cloud, plant, root, answer)


async def test_a_cloud_that_was_lost_is_made_again_from_the_folder_of_its_core(
    cloud: RunningCloud, tmp_path: Path
) -> None:
    async with core_estate(tmp_path / "lost") as lost:
        async with running_core(lost.root) as core:
            await lost.deploy(core)
        before = await lost.cloud.call("hedgerow", "export_group", GroupId=lost.group.group_id)
    answer = await imported(str(lost.root), "--group-name", "again")
    assert answer["Applied"]
    after = await cloud.call("hedgerow", "export_group", GroupId=lost.group.group_id)
    old, new = (unpacked(one["Estate"].read()) for one in (before, after))
    devices = {lost.a.name, lost.b.name, lost.c.name}
    assert {one.name: one.certificates for one in new.things if one.name in devices} == {
        one.name: one.certificates for one in old.things if one.name in devices
    }
    assert new.groups[0].entities("Subscription") == old.groups[0].entities("Subscription")
    assert "POLICY_MADE" in codes(answer)
