"""boto3 against a whole cloud: what IAM's answers say holds for the very next call of anybody."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.cloud import ACCOUNT, RunningCloud, running_cloud
from tests.support.iam_cloud import allowing, document, trusting

FULL_ACCESS = "arn:aws:iam::aws:policy/AWSGreengrassFullAccess"
DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedException")
READ_ONLY = "arn:aws:iam::aws:policy/AWSGreengrassReadOnlyAccess"


class Someone:
    """A user with a key of its own, and the administrator beside."""

    def __init__(self, cloud: RunningCloud, clients: dict[str, Any]) -> None:
        self.cloud = cloud
        self._clients = clients

    async def admin(self, operation: str, **members: Any) -> Any:
        """Call IAM as the administrator."""
        return await self.cloud.call("iam", operation, **members)

    async def outcome(self, service: str, operation: str, **members: Any) -> str:
        """Return the code that the user's call is refused with, or `done`."""
        try:
            await asyncio.to_thread(getattr(self._clients[service], operation), **members)
        except ClientError as refused:
            return str(refused.response["Error"]["Code"])
        return "done"

    async def may(self, service: str, operation: str, **members: Any) -> bool:
        """Whether the user may do something; another outcome than yes or no is a mistake."""
        outcome = await self.outcome(service, operation, **members)
        return {"done": True, **dict.fromkeys(DENIED, False)}[outcome]


@pytest.fixture
async def alice(tmp_path: Path) -> AsyncIterator[Someone]:
    async with running_cloud(tmp_path, combined=False) as cloud:
        await cloud.call("iam", "create_user", UserName="alice", Path="/plant/")
        key = (await cloud.call("iam", "create_access_key", UserName="alice"))["AccessKey"]
        signing = {
            "aws_access_key_id": key["AccessKeyId"],
            "aws_secret_access_key": key["SecretAccessKey"],
        }
        services = ("greengrass", "iam", "iot", "sts")
        clients = {
            service: await asyncio.to_thread(cloud.client, service, **signing)
            for service in services
        }
        yield Someone(cloud, clients)


@pytest.mark.spec("L08")
async def test_the_managed_policies_of_greengrass_do_what_they_say(alice: Someone) -> None:
    made = await alice.cloud.greengrass("create_group", Name="plant")
    reading = ("greengrass", "get_group"), {"GroupId": made["Id"]}
    writing = ("greengrass", "update_group"), {"GroupId": made["Id"], "Name": "north"}
    assert not await alice.may(*reading[0], **reading[1])
    await alice.admin("attach_user_policy", UserName="alice", PolicyArn=READ_ONLY)
    assert await alice.may(*reading[0], **reading[1])
    assert await alice.may("greengrass", "list_groups")
    assert not await alice.may(*writing[0], **writing[1])
    await alice.admin("detach_user_policy", UserName="alice", PolicyArn=READ_ONLY)
    await alice.admin("attach_user_policy", UserName="alice", PolicyArn=FULL_ACCESS)
    assert await alice.may(*writing[0], **writing[1])
    assert not await alice.may("iot", "list_things")
    await alice.admin("detach_user_policy", UserName="alice", PolicyArn=FULL_ACCESS)
    assert not await alice.may(*reading[0], **reading[1])


async def test_a_group_gives_and_takes_at_once(alice: Someone) -> None:
    await alice.admin("create_group", GroupName="ops")
    await alice.admin(
        "put_group_policy",
        GroupName="ops",
        PolicyName="p",
        PolicyDocument=allowing("iot:ListThings"),
    )
    assert not await alice.may("iot", "list_things")
    for _ in range(3):
        await alice.admin("add_user_to_group", GroupName="ops", UserName="alice")
        assert await alice.may("iot", "list_things")
        await alice.admin("remove_user_from_group", GroupName="ops", UserName="alice")
        assert not await alice.may("iot", "list_things")


async def test_the_version_in_force_is_the_one_that_counts(alice: Someone) -> None:
    made = await alice.admin(
        "create_policy", PolicyName="p", PolicyDocument=allowing("iot:ListThings")
    )
    arn = made["Policy"]["Arn"]
    await alice.admin("attach_user_policy", UserName="alice", PolicyArn=arn)
    await alice.admin("create_policy_version", PolicyArn=arn, PolicyDocument=allowing("s3:*"))
    assert await alice.may("iot", "list_things")
    await alice.admin("set_default_policy_version", PolicyArn=arn, VersionId="v2")
    assert not await alice.may("iot", "list_things")


async def test_a_boundary_takes_away_and_gives_nothing(alice: Someone) -> None:
    made = await alice.admin(
        "create_policy", PolicyName="b", PolicyDocument=allowing("iot:ListThings")
    )
    boundary = {"UserName": "alice", "PermissionsBoundary": made["Policy"]["Arn"]}
    await alice.admin("put_user_permissions_boundary", **boundary)
    assert not await alice.may("iot", "list_things")
    everything = "arn:aws:iam::aws:policy/AdministratorAccess"
    await alice.admin("attach_user_policy", UserName="alice", PolicyArn=everything)
    assert await alice.may("iot", "list_things")
    assert not await alice.may("iam", "list_users")
    await alice.admin("delete_user_permissions_boundary", UserName="alice")
    assert await alice.may("iam", "list_users")


async def test_a_deny_on_a_user_holds_for_that_user_however_it_is_asked_for(
    alice: Someone,
) -> None:
    everything = {"Effect": "Allow", "Action": "iam:*", "Resource": "*"}
    own = f"arn:aws:iam::{ACCOUNT}:user/plant/alice"
    but_alice = {"Effect": "Deny", "Action": "iam:*", "Resource": own}
    await alice.admin(
        "put_user_policy",
        UserName="alice",
        PolicyName="p",
        PolicyDocument=document(everything, but_alice),
    )
    assert await alice.may("iam", "get_user", UserName="administrator")
    assert not await alice.may("iam", "get_user", UserName="alice")
    for name in ("ALICE", "Alice"):
        assert await alice.outcome("iam", "get_user", UserName=name) == "NoSuchEntity"
    assert not await alice.may("iam", "get_user")


async def test_a_user_that_is_renamed_keeps_what_it_has_and_its_key(alice: Someone) -> None:
    policy = allowing("iot:ListThings")
    await alice.admin("put_user_policy", UserName="alice", PolicyName="p", PolicyDocument=policy)
    await alice.admin("update_user", UserName="alice", NewUserName="alba", NewPath="/")
    assert await alice.may("iot", "list_things")
    assert await alice.may("sts", "get_caller_identity")


async def test_a_role_trusts_the_user_it_named_and_not_the_next_of_that_name(
    alice: Someone,
) -> None:
    own = f"arn:aws:iam::{ACCOUNT}:user/plant/alice"
    role = {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/r", "RoleSessionName": "visit"}
    await alice.admin("create_role", RoleName="r", AssumeRolePolicyDocument=trusting(AWS=own))
    assert await alice.may("sts", "assume_role", **role)
    await alice.admin("update_user", UserName="alice", NewUserName="alba")
    assert await alice.may("sts", "assume_role", **role)
    await alice.admin("create_user", UserName="alice", Path="/plant/")
    key = (await alice.admin("create_access_key", UserName="alice"))["AccessKey"]
    second = Someone(
        alice.cloud,
        {
            "sts": await asyncio.to_thread(
                alice.cloud.client,
                "sts",
                aws_access_key_id=key["AccessKeyId"],
                aws_secret_access_key=key["SecretAccessKey"],
            )
        },
    )
    assert not await second.may("sts", "assume_role", **role)
