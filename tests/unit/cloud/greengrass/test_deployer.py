import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.estate import Estate, estate, signing_root, until
from tests.support.registry import HOME, issued

from hedgerow.aws import AwsError
from hedgerow.cloud.greengrass import deployments, groups
from hedgerow.cloud.greengrass.documents import DEPLOYMENT, DEPLOYMENT_FILES
from hedgerow.cloud.greengrass.kinds import CORE
from hedgerow.cloud.iot.arns import thing_arn
from hedgerow.contract import (
    DeploymentManifest,
    DeploymentStatusReport,
    GroupDeployment,
    Membership,
    decode,
    deployment_thing,
    verify,
)
from hedgerow.kernel import CallerError


@pytest.fixture
async def greengrass(tmp_path: Path) -> AsyncIterator[Estate]:
    async with estate(tmp_path) as made:
        yield made


async def notice(greengrass: Estate, core: str) -> Mapping[str, Any]:
    document = json.loads(await greengrass.shadows.get(deployment_thing(core)))
    desired: Mapping[str, Any] = document["state"]["desired"]
    return desired


def opened(greengrass: Estate, signed: bytes) -> bytes:
    now = greengrass.registrar.clock.now()
    return verify(signed, [signing_root().certificate], now).payload


@pytest.mark.spec("P04", "P05", "P11")
async def test_a_deployment_goes_from_building_to_success(greengrass: Estate) -> None:
    core = issued()
    await greengrass.registrar.enrol("core", core)
    await greengrass.service_role()
    group_id = await greengrass.group()
    version_id = await greengrass.simple_version(group_id, ("core", core), {})
    request = {
        "GroupId": group_id,
        "DeploymentType": "NewDeployment",
        "GroupVersionId": version_id,
    }
    begun = await greengrass.write(lambda tx: deployments.begin(tx, HOME, request))
    deployment_id = begun["DeploymentId"]
    status = await greengrass.status(group_id, deployment_id)
    assert (status["DeploymentStatus"], status["DeploymentType"]) == ("Building", "NewDeployment")
    with pytest.raises(AwsError, match="in progress"):
        await greengrass.reset(group_id)
    await greengrass.deployer.build(deployment_id)
    status = await greengrass.status(group_id, deployment_id)
    assert status["DeploymentStatus"] == "InProgress"
    await greengrass.succeed("core", core, group_id, deployment_id)
    status = await greengrass.status(group_id, deployment_id)
    assert status["DeploymentStatus"] == "Success"
    assert "ErrorMessage" not in status


async def test_the_core_is_told_and_can_check_what_it_fetches(greengrass: Estate) -> None:
    deployed = await greengrass.deployed("core", "a", "b")
    told = await notice(greengrass, "core")
    assert told["DeploymentId"] == deployed.deployment_id
    assert told["GroupId"] == deployed.group_id
    own = await greengrass.desk.own_group(
        greengrass.admit(deployed.identities["core"]), deployed.group_id
    )
    signed = await greengrass.desk.manifest(own, deployed.deployment_id)
    manifest = decode(opened(greengrass, signed), DeploymentManifest)
    assert manifest.core_thing_arn == thing_arn(HOME, "core")
    (artifact,) = manifest.artifacts
    group = await greengrass.desk.group_file(own, deployed.deployment_id)
    assert artifact.sha256 == hashlib.sha256(group).hexdigest()
    assert artifact.size == len(group)
    resolved = decode(group, GroupDeployment)
    assert [device.thing_name for device in resolved.devices] == ["a", "b"]
    signed = await greengrass.desk.membership_file(own, deployed.deployment_id)
    members = decode(opened(greengrass, signed), Membership)
    assert members.serial == told["MembershipSerial"] > 0
    assert {entry.certificate_id for entry in members.certificates} == {
        deployed.identities["a"].id,
        deployed.identities["b"].id,
    }


@pytest.mark.spec("L10")
async def test_without_a_service_role_a_deployment_fails_in_the_documented_words(
    greengrass: Estate,
) -> None:
    core = issued()
    await greengrass.registrar.enrol("core", core)
    group_id = await greengrass.group()
    version_id = await greengrass.simple_version(group_id, ("core", core), {})
    deployment_id = await greengrass.deploy(group_id, version_id)
    status = await greengrass.status(group_id, deployment_id)
    assert status["DeploymentStatus"] == "Failure"
    assert "TES service role is not associated with this account" in status["ErrorMessage"]


async def test_what_cannot_be_deployed_fails_with_every_reason_and_reaches_no_core(
    greengrass: Estate,
) -> None:
    await greengrass.service_role()
    group_id = await greengrass.group()
    connectors = {
        "Connectors": [
            {
                "Id": "sns",
                "ConnectorArn": "arn:aws:greengrass:eu-west-1::/connectors/SNS/versions/4",
            }
        ]
    }
    version_id = await greengrass.version(
        group_id,
        ConnectorDefinitionVersionArn=await greengrass.definition("connectors", connectors),
    )
    deployment_id = await greengrass.deploy(group_id, version_id)
    status = await greengrass.status(group_id, deployment_id)
    assert status["DeploymentStatus"] == "Failure"
    assert [detail["DetailedErrorCode"] for detail in status["ErrorDetails"]] == [
        "CORE_COUNT_ERROR",
        "CONNECTOR_NOT_SUPPORTED_ERROR",
    ]
    assert await greengrass.registrar.store.all(DEPLOYMENT_FILES, HOME.account) == ()
    await greengrass.deploy(group_id, version_id)  # a failure does not block the next


@pytest.mark.spec("P08")
async def test_a_second_deployment_while_one_runs_is_refused(greengrass: Estate) -> None:
    deployed = await greengrass.deployed("core")
    await greengrass.deploy(deployed.group_id, deployed.version_id)
    with pytest.raises(AwsError) as refused:
        await greengrass.deploy(deployed.group_id, deployed.version_id)
    assert refused.value.code == "ConcurrentDeployment"


@pytest.mark.spec("P06")
async def test_rolling_back_is_redeploying_an_earlier_deployment(greengrass: Estate) -> None:
    first = await greengrass.deployed("core", "a")
    core = first.identities["core"]
    version_id = await greengrass.simple_version(first.group_id, ("core", core), {})
    second = await greengrass.deploy(first.group_id, version_id)
    await greengrass.succeed("core", core, first.group_id, second)
    third = await greengrass.deploy(
        first.group_id, "", DeploymentType="Redeployment", DeploymentId=first.deployment_id
    )
    own = await greengrass.desk.own_group(greengrass.admit(core), first.group_id)
    group = decode(await greengrass.desk.group_file(own, third), GroupDeployment)
    assert group.deployment_id == third
    assert group.group_version_id == first.version_id
    assert [device.thing_name for device in group.devices] == ["a"]


async def test_a_deployment_is_never_changed_by_what_happens_to_its_definitions(
    greengrass: Estate,
) -> None:
    deployed = await greengrass.deployed("core", "a")
    before = await greengrass.registrar.store.get(
        DEPLOYMENT_FILES, HOME.account, deployed.deployment_id
    )
    core = deployed.identities["core"]
    await greengrass.simple_version(deployed.group_id, ("core", core), {})
    after = await greengrass.registrar.store.get(
        DEPLOYMENT_FILES, HOME.account, deployed.deployment_id
    )
    assert before is not None
    assert after == before
    assert after.version == 1


async def test_a_failure_on_the_core_leaves_the_last_good_one_serving(greengrass: Estate) -> None:
    deployed = await greengrass.deployed("core", "a")
    core = deployed.identities["core"]
    version_id = await greengrass.simple_version(deployed.group_id, ("core", core), {})
    second = await greengrass.deploy(deployed.group_id, version_id)
    own = await greengrass.desk.own_group(greengrass.admit(core), deployed.group_id)
    report = DeploymentStatusReport(status="Failure", error_message="no space")
    await greengrass.desk.report(own, second, thing_arn(HOME, "core"), report)
    status = await greengrass.status(deployed.group_id, second)
    assert (status["DeploymentStatus"], status["ErrorMessage"]) == ("Failure", "no space")
    (serving,) = await greengrass.index.groups_serving("a")
    assert serving.rollout.serving == deployed.deployment_id


async def test_a_report_on_an_older_deployment_is_refused(greengrass: Estate) -> None:
    deployed = await greengrass.deployed("core")
    core = deployed.identities["core"]
    await greengrass.deploy(deployed.group_id, deployed.version_id)
    with pytest.raises(CallerError, match="newest"):
        await greengrass.succeed("core", core, deployed.group_id, deployed.deployment_id)


async def test_a_device_serves_from_the_first_delivery_on_but_a_new_one_waits_for_success(
    greengrass: Estate,
) -> None:
    deployed = await greengrass.deployed("core", "a")
    core, newcomer = deployed.identities["core"], issued()
    await greengrass.registrar.enrol("b", newcomer)
    version_id = await greengrass.simple_version(
        deployed.group_id, ("core", core), {"a": deployed.identities["a"], "b": newcomer}
    )
    second = await greengrass.deploy(deployed.group_id, version_id)
    assert await greengrass.index.groups_serving("b") == ()
    assert len(await greengrass.index.groups_serving("a")) == 1
    await greengrass.succeed("core", core, deployed.group_id, second)
    assert len(await greengrass.index.groups_serving("b")) == 1


@pytest.mark.spec("E06")
async def test_the_eleventh_group_of_a_device_is_refused(greengrass: Estate) -> None:
    await greengrass.service_role()
    sensor = issued()
    await greengrass.registrar.enrol("sensor", sensor)
    states = []
    for number in range(11):
        core = issued()
        await greengrass.registrar.enrol(f"core{number}", core)
        group_id = await greengrass.group()
        version_id = await greengrass.simple_version(
            group_id, (f"core{number}", core), {"sensor": sensor}
        )
        deployment_id = await greengrass.deploy(group_id, version_id)
        states.append(await greengrass.status(group_id, deployment_id))
    assert [state["DeploymentStatus"] for state in states[:10]] == ["InProgress"] * 10
    assert states[10]["DeploymentStatus"] == "Failure"
    assert (
        "Device is a member of too many groups, devices may not be in more than 10 groups"
        in states[10]["ErrorMessage"]
    )
    assert len(await greengrass.index.groups_serving("sensor")) == 10


async def test_a_core_serves_one_group_until_that_is_reset(greengrass: Estate) -> None:
    first = await greengrass.deployed("core")
    core = first.identities["core"]
    second = await greengrass.group("second")
    version_id = await greengrass.simple_version(second, ("core", core), {})
    refused = await greengrass.deploy(second, version_id)
    status = await greengrass.status(second, refused)
    assert status["DeploymentStatus"] == "Failure"
    assert first.group_id in status["ErrorMessage"]
    reset = await greengrass.reset(first.group_id)
    await greengrass.succeed("core", core, first.group_id, reset)
    moved = await greengrass.deploy(second, version_id)
    assert (await greengrass.status(second, moved))["DeploymentStatus"] == "InProgress"


@pytest.mark.spec("P04", "P09", "P11")
async def test_a_reset_clears_the_cloud_then_the_core_and_then_the_group_can_go(
    greengrass: Estate,
) -> None:
    deployed = await greengrass.deployed("core", "a")
    core = deployed.identities["core"]
    running = await greengrass.deploy(deployed.group_id, deployed.version_id)
    with pytest.raises(AwsError, match="in progress"):
        await greengrass.reset(deployed.group_id)
    await greengrass.succeed("core", core, deployed.group_id, running)
    with pytest.raises(AwsError, match="Reset its deployments"):
        await _delete_group(greengrass, deployed.group_id)
    reset = await greengrass.reset(deployed.group_id)
    assert await greengrass.index.groups_serving("a") == ()
    assert [r.id for r in await greengrass.registrar.store.all(DEPLOYMENT, HOME.account)] == [reset]
    told = await notice(greengrass, "core")
    assert (told["DeploymentId"], told["DeploymentType"]) == (reset, "ResetDeployment")
    own = await greengrass.desk.own_group(greengrass.admit(core), deployed.group_id)
    manifest = decode(
        opened(greengrass, await greengrass.desk.manifest(own, reset)), DeploymentManifest
    )
    assert manifest.deployment_type == "ResetDeployment"
    assert manifest.artifacts == ()
    with pytest.raises(AwsError, match="Reset its deployments"):
        await _delete_group(greengrass, deployed.group_id)
    await greengrass.succeed("core", core, deployed.group_id, reset)
    assert (await greengrass.status(deployed.group_id, reset))["DeploymentStatus"] == "Success"
    await _delete_group(greengrass, deployed.group_id)
    assert await greengrass.registrar.store.all(DEPLOYMENT, HOME.account) == ()


@pytest.mark.spec("P12")
async def test_a_forced_reset_waits_for_no_core_and_ends_a_running_deployment(
    greengrass: Estate,
) -> None:
    deployed = await greengrass.deployed("core", "a")
    await greengrass.deploy(deployed.group_id, deployed.version_id)
    reset = await greengrass.reset(deployed.group_id, force=True)
    status = await greengrass.status(deployed.group_id, reset)
    assert (status["DeploymentStatus"], status["DeploymentType"]) == (
        "Success",
        "ForceResetDeployment",
    )
    assert (await notice(greengrass, "core"))["DeploymentType"] == "ForceResetDeployment"
    assert await greengrass.index.groups_serving("a") == ()
    await _delete_group(greengrass, deployed.group_id)


async def test_a_group_that_was_never_delivered_is_reset_at_once(greengrass: Estate) -> None:
    group_id = await greengrass.group()
    reset = await greengrass.reset(group_id)
    assert (await greengrass.status(group_id, reset))["DeploymentStatus"] == "Success"


async def test_what_was_begun_before_a_crash_is_built_at_the_next_start(
    greengrass: Estate,
) -> None:
    deployed = await greengrass.deployed("core")
    request = {
        "GroupId": deployed.group_id,
        "DeploymentType": "NewDeployment",
        "GroupVersionId": deployed.version_id,
    }
    begun = await greengrass.write(lambda tx: deployments.begin(tx, HOME, request))
    await greengrass.deployer.start()  # never told of it

    async def built() -> bool:
        status = await greengrass.status(deployed.group_id, begun["DeploymentId"])
        return bool(status["DeploymentStatus"] == "InProgress")

    await until(greengrass.registrar.store, built)


async def test_an_error_of_ours_fails_the_deployment_and_not_the_deployer(
    tmp_path: Path,
) -> None:
    async with estate(tmp_path, start=True) as greengrass:
        deployed = await greengrass.deployed("core")
        store = greengrass.registrar.store
        arn = (await groups.get_version(store, HOME, _version_request(deployed)))["Definition"]
        version_id = arn["CoreDefinitionVersionArn"].rsplit("/", 1)[1]
        record = await store.get(CORE.versions, HOME.account, version_id)
        assert record is not None
        async with store.transaction() as tx:
            broken = msgspec.structs.replace(record.document, content={"Cores": [{"Id": "x"}]})
            await tx.update(record, broken)
        request = {
            "GroupId": deployed.group_id,
            "DeploymentType": "NewDeployment",
            "GroupVersionId": deployed.version_id,
        }
        begun = await greengrass.write(lambda tx: deployments.begin(tx, HOME, request))
        greengrass.deployer.build_soon(begun["DeploymentId"])

        async def failed() -> bool:
            status = await greengrass.status(deployed.group_id, begun["DeploymentId"])
            return bool(status["DeploymentStatus"] == "Failure")

        await until(store, failed)
        status = await greengrass.status(deployed.group_id, begun["DeploymentId"])
        assert "internal error" in status["ErrorMessage"]


def _version_request(deployed: Any) -> dict[str, str]:
    return {"GroupId": deployed.group_id, "GroupVersionId": deployed.version_id}


async def _delete_group(greengrass: Estate, group_id: str) -> None:
    await greengrass.write(lambda tx: groups.delete(tx, HOME, {"GroupId": group_id}))
