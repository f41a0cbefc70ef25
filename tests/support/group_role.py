"""Roles in IAM for Greengrass, made through the cloud's public API as an administrator would."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.support.cloud import REGION, RunningCloud
from tests.support.roles import trust_policy


async def allow(cloud: RunningCloud, role: str, action: str, *resources: str) -> None:
    """Let a role do one more thing."""
    statement = {"Effect": "Allow", "Action": action, "Resource": list(resources)}
    await cloud.call(
        "iam",
        "put_role_policy",
        RoleName=role,
        PolicyName=f"{action.replace(':', '.').replace('*', 'all')}-{len(resources)}",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )


async def make_service_role(
    cloud: RunningCloud, name: str, trust: Mapping[str, Any], actions: Sequence[str] = ("iot:*",)
) -> str:
    """Make a role for deployments and associate it with the account."""
    arn = await cloud.role(name, trust)
    for action in actions:
        await allow(cloud, name, action, "*")
    await cloud.greengrass("associate_service_role_to_account", RoleArn=arn)
    return arn


def trust_of_group(cloud: RunningCloud, group_id: str) -> dict[str, Any]:
    """Return the guide's trust policy of a group role: this group of this account."""
    return trust_policy(account=cloud.account, source=group_arn(cloud, group_id))


def group_arn(cloud: RunningCloud, group_id: str) -> str:
    """Return a group's ARN."""
    return f"arn:aws:greengrass:{REGION}:{cloud.account}:/greengrass/groups/{group_id}"


async def give_role(cloud: RunningCloud, group_id: str, name: str) -> str:
    """Make a role that trusts Greengrass for one group, and associate it with the group."""
    arn = await cloud.role(name, trust_of_group(cloud, group_id))
    await cloud.greengrass("associate_role_to_group", GroupId=group_id, RoleArn=arn)
    return arn
