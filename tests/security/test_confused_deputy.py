"""Make Greengrass act with a role that was meant for another group, or for another account.

The attackers here may do everything in their own account, and their core's policy is `*`.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.cloud import Answer, CloudGroup, RunningCloud, running_cloud
from tests.support.group_role import (
    allow,
    give_role,
    group_arn,
    make_service_role,
    trust_of_group,
)
from tests.support.roles import trust_policy

from hedgerow.contract import GroupCredentials, decode, group_credentials_path

pytestmark = pytest.mark.promise(1)

EVERYTHING = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    }
)


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path, combined=False) as running:
        yield running


async def deployed(cloud: RunningCloud, core: str) -> CloudGroup:
    """Make a group whose core runs it and may do everything."""
    group = await cloud.group(core)
    await cloud.edit_policy(core, EVERYTHING)
    await group.deploy()
    return group


async def ask(by: CloudGroup, group_id: str) -> Answer:
    """Ask for the credentials of a group's role as the core of a group."""
    async with by.cloud.https(by.core.identity) as https:
        return await https.post(group_credentials_path(group_id), b"")


def given(answer: Answer) -> GroupCredentials:
    assert answer.status == 200, answer.body
    return decode(answer.body, GroupCredentials)


async def refusal(cloud: RunningCloud, operation: str, **members: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        await cloud.greengrass(operation, **members)
    error = refused.value.response["Error"]
    message = error.get("Message") or refused.value.response.get("Message", "")
    return error["Code"], str(message)


@pytest.mark.spec("L11", "L12", "D13")
async def test_a_core_gets_the_role_of_its_own_group_and_of_no_other(cloud: RunningCloud) -> None:
    a, b = await deployed(cloud, "core-a"), await deployed(cloud, "core-b")
    role = await give_role(cloud, a.group_id, "of-a")
    assert given(await ask(a, a.group_id)).role_arn == role
    answer = await ask(b, a.group_id)
    assert answer.status == 403
    assert a.group_id in answer.message
    assert (await ask(b, "*")).status == 403
    assert (await ask(b, b.group_id)).status == 404


async def test_a_device_of_the_group_is_not_its_core(cloud: RunningCloud) -> None:
    device = await cloud.enrol("device", EVERYTHING)
    group = await cloud.group("core-a", device)
    await group.deploy()
    await give_role(cloud, group.group_id, "of-a")
    async with cloud.https(device.identity) as https:
        answer = await https.post(group_credentials_path(group.group_id), b"")
    assert answer.status == 403


@pytest.mark.spec("L12")
async def test_a_role_held_to_one_group_is_of_no_use_to_another(cloud: RunningCloud) -> None:
    """Whoever may associate roles with group B tries group A's role there."""
    a, b = await deployed(cloud, "core-a"), await deployed(cloud, "core-b")
    role = await give_role(cloud, a.group_id, "of-a")
    await cloud.greengrass("associate_role_to_group", GroupId=b.group_id, RoleArn=role)
    answer = await ask(b, b.group_id)
    assert answer.status == 403
    assert "not authorized to assume the Group Role" in answer.message
    assert group_arn(cloud, b.group_id) in answer.message
    given(await ask(a, a.group_id))


@pytest.mark.spec("L12")
@pytest.mark.parametrize("theirs", ["account", "source"])
async def test_keys_of_two_accounts_in_one_statement_let_nobody_in(
    cloud: RunningCloud, theirs: str
) -> None:
    group = await deployed(cloud, "core-a")
    other = "999999999999"
    source = group_arn(cloud, group.group_id)
    trust = trust_policy(
        account=other if theirs == "account" else cloud.account,
        source=source.replace(cloud.account, other) if theirs == "source" else source,
    )
    role = await cloud.role("of-two", trust)
    await cloud.greengrass("associate_role_to_group", GroupId=group.group_id, RoleArn=role)
    assert (await ask(group, group.group_id)).status == 403


@pytest.mark.spec("L11")
async def test_a_role_of_another_service_or_of_a_person_is_not_greengrasss(
    cloud: RunningCloud,
) -> None:
    group = await deployed(cloud, "core-a")
    person = {"Effect": "Allow", "Action": "sts:AssumeRole"} | {
        "Principal": {"AWS": f"arn:aws:iam::{cloud.account}:root"}
    }
    for name, trust in (
        ("of-lambda", trust_policy(service="lambda.amazonaws.com")),
        ("of-people", {"Version": "2012-10-17", "Statement": [person]}),
    ):
        role = await cloud.role(name, trust)
        await cloud.greengrass("associate_role_to_group", GroupId=group.group_id, RoleArn=role)
        assert (await ask(group, group.group_id)).status == 403


@pytest.mark.spec("L11", "L12")
async def test_another_account_gets_no_role_of_this_one(cloud: RunningCloud) -> None:
    mine = await deployed(cloud, "core-a")
    role = await give_role(cloud, mine.group_id, "of-a")
    loose = await cloud.role("loose", trust_policy())
    async with cloud.member("intruders") as intruders:
        theirs = await deployed(intruders, "core-b")
        for arn in (role, loose):
            for operation, members in (
                ("associate_role_to_group", {"GroupId": theirs.group_id}),
                ("associate_service_role_to_account", {}),
            ):
                refused = await refusal(intruders, operation, RoleArn=arn, **members)
                assert refused[0] in {"AccessDeniedException", "BadRequestException"}
        assert (await ask(theirs, mine.group_id)).status == 403
        same_name = await intruders.role("of-a", trust_of_group(cloud, mine.group_id))
        await intruders.greengrass(
            "associate_role_to_group", GroupId=theirs.group_id, RoleArn=same_name
        )
        answer = await ask(theirs, theirs.group_id)
        assert answer.status == 403
        assert group_arn(intruders, theirs.group_id) in answer.message
    assert given(await ask(mine, mine.group_id)).role_arn == role


@pytest.mark.spec("L10", "L11")
async def test_a_service_role_of_another_account_or_region_deploys_nothing(
    cloud: RunningCloud,
) -> None:
    group = await cloud.group("core-a")
    await cloud.greengrass("disassociate_service_role_from_account")
    await begin(group)
    status = await group.wait_for("Failure")
    assert status["ErrorMessage"].startswith("TES service role is not associated with this account")
    elsewhere = f"arn:aws:greengrass:us-west-2:{cloud.account}:*"
    for number, trust in enumerate(
        (
            trust_policy(account="999999999999"),
            trust_policy(account=cloud.account, source=elsewhere),
            trust_policy(service="iot.amazonaws.com"),
        )
    ):
        await make_service_role(cloud, f"role-{number}", trust)
        await begin(group)
        status = await group.wait_for("Failure")
        assert status["ErrorMessage"].startswith(
            "Greengrass is not authorized to assume the Service Role associated with this account"
        )
    here = elsewhere.replace("us-west-2", "eu-west-1")
    await make_service_role(cloud, "right", trust_policy(account=cloud.account, source=here))
    await begin(group)
    await group.wait_for("InProgress")


async def test_a_deployment_does_only_what_the_service_role_allows(cloud: RunningCloud) -> None:
    """Otherwise whoever may deploy could read what they may not, with Greengrass's help."""
    group = await cloud.group("core-a", await cloud.enrol_device("device"))
    await make_service_role(cloud, "narrow", trust_policy(), ("iot:DescribeThing",))
    await begin(group)
    status = await group.wait_for("Failure")
    reasons = [detail["DetailedErrorMessage"] for detail in status["ErrorDetails"]]
    assert len(reasons) == 3
    assert sum("iot:DescribeCertificate on resource" in reason for reason in reasons) == 2
    assert sum("iot:UpdateThingShadow on resource" in reason for reason in reasons) == 1
    await allow(cloud, "narrow", "iot:*", "*")
    await begin(group)
    await group.wait_for("InProgress")


async def begin(group: CloudGroup) -> None:
    answer = await group.cloud.greengrass(
        "create_deployment",
        GroupId=group.group_id,
        DeploymentType="NewDeployment",
        GroupVersionId=group.version_id,
    )
    group.deployment_id = answer["DeploymentId"]
