"""Which roles may be associated, and whom Greengrass assumes them for."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from tests.support.estate import Deployed, Estate, estate, until
from tests.support.registry import HOME
from tests.support.roles import RoleDouble, trust_policy

from hedgerow.aws import AwsError
from hedgerow.cloud.greengrass import NoGroupRoleError, OwnGroup, roles
from hedgerow.cloud.greengrass.arns import group_arn
from hedgerow.cloud.greengrass.documents import GROUP_SESSION
from hedgerow.cloud.greengrass.role_desk import AssociableRole
from hedgerow.cloud.greengrass.role_sessions import SESSIONS_LIMIT
from hedgerow.contract import deployment_thing
from hedgerow.kernel import DeniedError

SERVICE_ROLE = f"arn:aws:iam::{HOME.account}:role/Greengrass_ServiceRole"


@pytest.fixture
async def greengrass(tmp_path: Path) -> AsyncIterator[Estate]:
    async with estate(tmp_path) as made:
        yield made


async def own_group(greengrass: Estate, deployed: Deployed, core: str = "core") -> OwnGroup:
    device = greengrass.admit(deployed.identities[core])
    return await greengrass.desk.own_group(device, deployed.group_id)


@pytest.mark.parametrize(
    "arn",
    [
        "role",
        "",
        "arn:aws:s3:::bucket",
        f"arn:aws:iam::{HOME.account}:user/Greengrass_ServiceRole",
        f"arn:aws:iam::{HOME.account}:role/absent",
        f"arn:aws:iam:eu-west-1:{HOME.account}:role/there",
        "arn:aws:iam::999999999999:role/theirs",
    ],
)
async def test_only_a_role_of_this_account_is_associated(greengrass: Estate, arn: str) -> None:
    greengrass.iam.add(HOME, "there")
    theirs = "arn:aws:iam::999999999999:role/theirs"
    greengrass.iam.roles[theirs] = RoleDouble("999999999999", theirs, json.dumps(trust_policy()))
    with pytest.raises(AwsError) as refused:
        await greengrass.roles.associable(arn)
    assert (refused.value.code, refused.value.message) == (
        "BadRequestException",
        "That role ARN is invalid.",
    )


@pytest.mark.spec("L09")
async def test_the_service_role_is_the_accounts_in_one_region(greengrass: Estate) -> None:
    """Each region has its own; the second bears the name that V1's device setup gives."""
    store, now = greengrass.registrar.store, greengrass.registrar.clock.now()
    names = {"us-west-2": "Greengrass_ServiceRole", "us-east-1": "GreengrassServiceRole_x7Qz1"}
    for region, name in names.items():
        home = replace(HOME, region=region)
        role = await greengrass.roles.associable(greengrass.iam.add(HOME, name))
        with pytest.raises(AwsError, match="in this region"):
            await roles.service_role(store, home, {})
        async with store.transaction() as tx:
            await roles.associate_service_role(tx, home, {}, role=role, now=now)
    for region, name in names.items():
        shown = await roles.service_role(store, replace(HOME, region=region), {})
        assert shown["RoleArn"].endswith(f":role/{name}")


@pytest.mark.spec("L11")
async def test_a_loose_trust_policy_is_accepted_and_told_about(greengrass: Estate) -> None:
    tight = trust_policy(account=HOME.account, source=f"arn:aws:greengrass:*:{HOME.account}:*")
    assert (await greengrass.roles.associable(greengrass.iam.add(HOME, "t", tight))).warnings == ()
    loose = greengrass.iam.add(HOME, "loose")
    with structlog.testing.capture_logs() as logs:
        role = await greengrass.roles.associable(loose, "g")
    assert [entry["log_level"] for entry in logs] == ["warning", "warning"]
    assert tuple(entry["reason"] for entry in logs) == role.warnings
    assert group_arn(HOME, "g") in role.warnings[1]


def test_nobody_else_makes_an_associable_role() -> None:
    with pytest.raises(TypeError):
        AssociableRole(arn=SERVICE_ROLE, warnings=(), trusts_greengrass=True, _seal=object())


@pytest.mark.spec("L10", "L12")
async def test_a_deployment_assumes_the_service_role_for_its_group(greengrass: Estate) -> None:
    deployed = await greengrass.deployed("core", "a")
    (assumed,) = greengrass.iam.assumed
    assert assumed == {
        "role_arn": SERVICE_ROLE,
        "service": "greengrass.amazonaws.com",
        "source_account": HOME.account,
        "source_arn": group_arn(HOME, deployed.group_id),
        "session_name": "greengrass-deployment",
        "duration": timedelta(minutes=15),
    }
    assert greengrass.iam.revoked == [(HOME.account, "ASIA0000000000000001")]
    things = f"arn:aws:iot:{HOME.region}:{HOME.account}:thing/"
    assert set(greengrass.iam.judged) == {
        ("iot:DescribeThing", f"{things}core"),
        ("iot:DescribeThing", f"{things}a"),
        ("iot:DescribeCertificate", deployed.identities["core"].arn),
        ("iot:DescribeCertificate", deployed.identities["a"].arn),
        ("iot:UpdateThingShadow", f"{things}{deployment_thing('core')}"),
    }


async def failed(greengrass: Estate, deployed: Deployed) -> dict[str, Any]:
    deployment_id = await greengrass.deploy(deployed.group_id, deployed.version_id)
    status = await greengrass.status(deployed.group_id, deployment_id)
    assert status["DeploymentStatus"] == "Failure"
    return dict(status)


@pytest.mark.spec("L10")
async def test_a_role_that_cannot_be_assumed_fails_a_deployment_in_the_documented_words(
    greengrass: Estate,
) -> None:
    deployed = await greengrass.deployed("core")
    told = len(greengrass.iam.judged)
    greengrass.iam.denied[SERVICE_ROLE] = "aws:SourceArn does not match"
    status = await failed(greengrass, deployed)
    documented = (
        "Greengrass is not authorized to assume the Service Role associated with this account"
    )
    assert status["ErrorMessage"].startswith(documented)
    assert "aws:SourceArn does not match" in status["ErrorMessage"]
    assert status["ErrorDetails"][0]["DetailedErrorCode"] == "SERVICE_ROLE_ASSUME_ERROR"
    del greengrass.iam.denied[SERVICE_ROLE]
    del greengrass.iam.roles[SERVICE_ROLE]
    status = await failed(greengrass, deployed)
    assert status["ErrorMessage"].startswith(documented)
    assert len(greengrass.iam.judged) == told


async def test_what_the_service_role_forbids_fails_a_deployment_with_action_and_resource(
    greengrass: Estate,
) -> None:
    deployed = await greengrass.deployed("core", "a")
    greengrass.iam.refused = {"iot:DescribeCertificate"}
    status = await failed(greengrass, deployed)
    assert [detail["DetailedErrorCode"] for detail in status["ErrorDetails"]] == [
        "SERVICE_ROLE_PERMISSION_ERROR"
    ] * 2
    for identity in deployed.identities.values():
        assert f"iot:DescribeCertificate on resource: {identity.arn}" in status["ErrorMessage"]
    assert SERVICE_ROLE in status["ErrorMessage"]
    assert len(greengrass.iam.revoked) == len(greengrass.iam.assumed) == 2


@pytest.mark.spec("L12", "L13")
async def test_the_core_gets_its_own_groups_role_for_an_hour(greengrass: Estate) -> None:
    deployed = await greengrass.deployed("core")
    own = await own_group(greengrass, deployed)
    with pytest.raises(NoGroupRoleError, match="You need to attach an IAM role"):
        await greengrass.roles.group_credentials(own)
    arn = await greengrass.group_role(deployed.group_id, "line")
    got = await greengrass.roles.group_credentials(own)
    assert greengrass.iam.assumed[-1] == {
        "role_arn": arn,
        "service": "greengrass.amazonaws.com",
        "source_account": HOME.account,
        "source_arn": group_arn(HOME, deployed.group_id),
        "session_name": deployed.identities["core"].id,
        "duration": timedelta(hours=1),
    }
    assert (got.secret_access_key, got.session_token) == ("secret-key", "session-token")
    assert "secret-key" not in repr(got)
    assert "session-token" not in repr(got)


async def test_a_group_role_that_does_not_trust_greengrass_is_refused_with_the_reason(
    greengrass: Estate,
) -> None:
    deployed = await greengrass.deployed("core")
    own = await own_group(greengrass, deployed)
    arn = await greengrass.group_role(deployed.group_id, "line")
    greengrass.iam.denied[arn] = "aws:SourceArn does not match"
    attempts = greengrass.iam.attempts
    with pytest.raises(DeniedError, match=r"assume the Group Role.*SourceArn"):
        await greengrass.roles.group_credentials(own)
    assert (attempts[-1].role_arn, attempts[-1].keys) == (arn, None)
    assert attempts[-1].refusal == "aws:SourceArn does not match"
    del greengrass.iam.denied[arn], greengrass.iam.roles[arn]
    with pytest.raises(DeniedError, match="there is no role"):
        await greengrass.roles.group_credentials(own)


@pytest.mark.promise(4)
async def test_credentials_end_with_the_certificate_they_were_given_to(tmp_path: Path) -> None:
    async with estate(tmp_path, start=True) as greengrass:
        deployed = await greengrass.deployed("core", "a")
        await greengrass.group_role(deployed.group_id, "line")
        own = await own_group(greengrass, deployed)
        given = [await greengrass.roles.group_credentials(own) for _ in range(2)]
        await greengrass.registrar.status(deployed.identities["a"], "REVOKED")
        await greengrass.registrar.status(deployed.identities["core"], "REVOKED")

        async def forgotten() -> bool:
            return await greengrass.registrar.store.all(GROUP_SESSION, HOME.account) == ()

        await until(greengrass.registrar.store, forgotten)
        ended = {key for _, key in greengrass.iam.revoked}
        assert {keys.access_key_id for keys in given} < ended
        with pytest.raises(DeniedError):
            await greengrass.roles.group_credentials(own)
        assert len(greengrass.iam.revoked) == len(greengrass.iam.assumed)


async def test_a_core_that_asks_without_end_fills_nothing(greengrass: Estate) -> None:
    deployed = await greengrass.deployed("core")
    await greengrass.group_role(deployed.group_id, "line")
    own = await own_group(greengrass, deployed)
    before = len(greengrass.iam.revoked)
    given = [
        (await greengrass.roles.group_credentials(own)).access_key_id
        for _ in range(SESSIONS_LIMIT + 3)
    ]
    records = await greengrass.registrar.store.all(GROUP_SESSION, HOME.account)
    assert {record.id for record in records} == set(given[3:])
    assert [key for _, key in greengrass.iam.revoked[before:]] == given[:3]


@pytest.mark.promise(4)
async def test_what_was_put_out_while_the_cloud_was_down_ends_at_its_start(
    greengrass: Estate,
) -> None:
    deployed = await greengrass.deployed("core")
    await greengrass.group_role(deployed.group_id, "line")
    given = await greengrass.roles.group_credentials(await own_group(greengrass, deployed))
    await greengrass.registrar.status(deployed.identities["core"], "INACTIVE")
    await greengrass.given.start()

    async def forgotten() -> bool:
        return await greengrass.registrar.store.all(GROUP_SESSION, HOME.account) == ()

    await until(greengrass.registrar.store, forgotten)
    assert greengrass.iam.revoked[-1] == (HOME.account, given.access_key_id)


async def test_after_a_reset_there_is_no_role_for_the_core(greengrass: Estate) -> None:
    deployed = await greengrass.deployed("core")
    own = await own_group(greengrass, deployed)
    await greengrass.group_role(deployed.group_id, "line")
    await greengrass.roles.group_credentials(own)
    await greengrass.reset(deployed.group_id, force=True)
    with pytest.raises((NoGroupRoleError, DeniedError)):
        await greengrass.roles.group_credentials(await own_group(greengrass, deployed))


@pytest.mark.spec("L17")
async def test_the_core_hears_of_another_role_without_a_deployment(tmp_path: Path) -> None:
    async with estate(tmp_path, start=True) as greengrass:
        deployed = await greengrass.deployed("core")
        before = await desired(greengrass)
        assert before["RoleVersion"] == ""
        await greengrass.group_role(deployed.group_id, "line")
        greengrass.deployer.role_changed(deployed.group_id)

        async def told() -> bool:
            return bool((await desired(greengrass))["RoleVersion"])

        await until(greengrass.registrar.store, told)
        after = await desired(greengrass)
        assert after | {"RoleVersion": ""} == before
        await greengrass.write(
            lambda tx: roles.disassociate_group_role(
                tx, HOME, {"GroupId": deployed.group_id}, now=greengrass.registrar.clock.now()
            )
        )
        greengrass.deployer.role_changed(deployed.group_id)

        async def untold() -> bool:
            return await desired(greengrass) == before

        await until(greengrass.registrar.store, untold)


async def desired(greengrass: Estate) -> dict[str, Any]:
    document = json.loads(await greengrass.shadows.get(deployment_thing("core")))
    return dict(document["state"]["desired"])
