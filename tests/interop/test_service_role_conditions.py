"""What conditions of the service role know when Greengrass works with it."""

import dataclasses
import json
from pathlib import Path

import pytest
from tests.support.cloud import (
    ACCOUNT,
    REGION,
    SERVICE_ROLE,
    SERVICE_ROLE_POLICY,
    CloudGroup,
    RunningCloud,
    running_cloud,
)

Condition = dict[str, dict[str, str]]

LONG_AGO, NEVER = "2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z"
HOLDING: list[Condition] = [
    {"DateGreaterThan": {"aws:CurrentTime": LONG_AGO}},
    {"NumericGreaterThan": {"aws:EpochTime": "1600000000"}},
    {"StringEquals": {"aws:RequestedRegion": REGION, "aws:ResourceAccount": ACCOUNT}},
    {"Bool": {"aws:SecureTransport": "true"}},
]


def statement(effect: str, condition: Condition) -> dict[str, object]:
    return {"Effect": effect, "Action": "iot:*", "Resource": "*", "Condition": condition}


async def write(cloud: RunningCloud, *statements: dict[str, object]) -> None:
    """Let the service role have this policy and no other."""
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    await cloud.call(
        "iam",
        "put_role_policy",
        RoleName=SERVICE_ROLE,
        PolicyName="own",
        PolicyDocument=document,
    )


@pytest.mark.promise(4)
async def test_the_service_role_is_judged_by_time_region_and_account(tmp_path: Path) -> None:
    """A deny that depends on them counts as much as an allow."""
    always = statement("Allow", {})
    async with running_cloud(tmp_path) as cloud:
        group = await cloud.group("core")
        await cloud.call(
            "iam", "detach_role_policy", RoleName=SERVICE_ROLE, PolicyArn=SERVICE_ROLE_POLICY
        )
        for condition in HOLDING:
            await write(cloud, statement("Allow", condition))
            await group.deploy()
            await write(cloud, always, statement("Deny", condition))
            assert await failure(group) == "SERVICE_ROLE_PERMISSION_ERROR", condition
        await write(cloud, statement("Allow", {"DateGreaterThan": {"aws:CurrentTime": NEVER}}))
        assert await failure(group) == "SERVICE_ROLE_PERMISSION_ERROR"


async def failure(group: CloudGroup) -> str:
    """Deploy, and return the code with which that fails."""
    made = await group.cloud.greengrass(
        "create_deployment",
        GroupId=group.group_id,
        DeploymentType="NewDeployment",
        GroupVersionId=group.version_id,
    )
    group.deployment_id = made["DeploymentId"]
    status = await group.wait_for("Failure")
    code: str = status["ErrorDetails"][0]["DetailedErrorCode"]
    return code


@pytest.mark.parametrize("missing", ["iot:GetThingShadow", "iot:UpdateThingShadow"])
async def test_no_shadow_is_synchronised_without_the_service_roles_rights_to_shadows(
    tmp_path: Path, missing: str
) -> None:
    """The deployment that would switch it on fails, and says which right is missing."""
    allowed = {"iot:DescribeThing", "iot:DescribeCertificate", "iot:GetThingShadow"}
    allowed = (allowed | {"iot:UpdateThingShadow"}) - {missing}
    async with running_cloud(tmp_path) as cloud:
        lamp = await cloud.enrol_device("lamp")
        group = await cloud.group("core", lamp)
        await group.deploy()
        await cloud.call(
            "iam", "detach_role_policy", RoleName=SERVICE_ROLE, PolicyArn=SERVICE_ROLE_POLICY
        )
        rights: dict[str, object] = {"Effect": "Allow", "Action": sorted(allowed), "Resource": "*"}
        await write(cloud, rights)
        await group.new_version(dataclasses.replace(lamp, sync_shadow=True))
        assert await failure(group) == "SERVICE_ROLE_PERMISSION_ERROR"
        message = (await group.status())["ErrorMessage"]
        assert f"{missing} on resource: arn:aws:iot:{REGION}:{ACCOUNT}:thing/core-gda" in message
        await write(cloud, {**rights, "Action": [*sorted(allowed), missing]})
        await group.deploy()
        if missing == "iot:GetThingShadow":
            await write(cloud, rights)
            await group.new_version(lamp)
            await group.deploy()
