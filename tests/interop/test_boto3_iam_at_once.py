"""Many callers at once: what only one may do is done once, and nobody sees a half of a change."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.iam_cloud import IamCloud, allowing, iam_cloud, trusting
from tests.support.store_documents import ACCOUNT


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[IamCloud]:
    async with iam_cloud(tmp_path) as running:
        yield running


async def outcome(cloud: IamCloud, operation: str, **members: Any) -> str:
    """Return the code that a call is refused with, or `done`."""
    try:
        await cloud.iam(operation, **members)
    except ClientError as refused:
        return str(refused.response["Error"]["Code"])
    return "done"


async def test_a_name_is_given_once(cloud: IamCloud) -> None:
    names = ("alice", "Alice", "ALICE", "aLice", "alIce", "alicE")
    outcomes = await asyncio.gather(
        *(outcome(cloud, "create_user", UserName=name) for name in names)
    )
    assert sorted(outcomes) == ["EntityAlreadyExists"] * 5 + ["done"]


async def test_the_last_place_is_taken_once(cloud: IamCloud) -> None:
    arns = []
    for number in range(12):
        made = await cloud.iam(
            "create_policy", PolicyName=f"p{number}", PolicyDocument=allowing("iot:*")
        )
        arns.append(made["Policy"]["Arn"])
    await cloud.iam("create_user", UserName="alice")
    outcomes = await asyncio.gather(
        *(outcome(cloud, "attach_user_policy", UserName="alice", PolicyArn=arn) for arn in arns)
    )
    assert sorted(outcomes) == ["LimitExceeded"] * 2 + ["done"] * 10
    versions = await asyncio.gather(
        *(
            outcome(
                cloud,
                "create_policy_version",
                PolicyArn=arns[0],
                PolicyDocument=allowing(f"iot:{number}"),
            )
            for number in range(6)
        )
    )
    assert sorted(versions) == ["LimitExceeded"] * 2 + ["done"] * 4
    listed = (await cloud.iam("list_policy_versions", PolicyArn=arns[0]))["Versions"]
    assert [one["VersionId"] for one in listed] == ["v5", "v4", "v3", "v2", "v1"]


async def test_nobody_is_left_with_what_was_deleted_meanwhile(cloud: IamCloud) -> None:
    for round_number in range(5):
        group, name = f"g{round_number}", f"p{round_number}"
        await cloud.iam("create_group", GroupName=group)
        made = await cloud.iam("create_policy", PolicyName=name, PolicyDocument=allowing("iot:*"))
        arn = made["Policy"]["Arn"]
        outcomes = await asyncio.gather(
            outcome(cloud, "add_user_to_group", GroupName=group, UserName="administrator"),
            outcome(cloud, "delete_group", GroupName=group),
            outcome(cloud, "attach_user_policy", UserName="administrator", PolicyArn=arn),
            outcome(cloud, "delete_policy", PolicyArn=arn),
        )
        assert sorted(outcomes[:2]) in (["NoSuchEntity", "done"], ["DeleteConflict", "done"])
        assert sorted(outcomes[2:]) in (["NoSuchEntity", "done"], ["DeleteConflict", "done"])
        who = await cloud.user_principal("administrator")
        found = await cloud.directory.principal_policies(who)
        assert found is not None


async def test_a_user_with_something_to_sign_in_with_stays(cloud: IamCloud) -> None:
    await cloud.iam("create_user", UserName="alice")
    key = (await cloud.iam("create_access_key", UserName="alice"))["AccessKey"]["AccessKeyId"]
    refused = await cloud.error("delete_user", UserName="alice")
    assert refused == (
        "DeleteConflict",
        409,
        "Cannot delete entity, must delete access keys first.",
    )
    await cloud.iam("delete_access_key", UserName="alice", AccessKeyId=key)
    await cloud.iam("create_login_profile", UserName="alice", Password="kN4!dsfk33-longer")
    assert "login profile" in (await cloud.error("delete_user", UserName="alice"))[2]
    await cloud.iam("delete_login_profile", UserName="alice")
    await cloud.iam("delete_user", UserName="alice")


async def test_an_answered_change_holds_for_whoever_asks_next(cloud: IamCloud) -> None:
    await cloud.iam("create_user", UserName="alice")
    who = await cloud.user_principal("alice")
    for number in range(10):
        await cloud.iam(
            "put_user_policy",
            UserName="alice",
            PolicyName=f"p{number}",
            PolicyDocument=allowing("iot:*"),
        )
        found = await cloud.directory.principal_policies(who)
        assert found is not None
        assert len(found.identity) == number + 1


async def test_a_role_made_by_many_is_one(cloud: IamCloud) -> None:
    trust = trusting(AWS=ACCOUNT)
    outcomes = await asyncio.gather(
        *(
            outcome(cloud, "create_role", RoleName="r", AssumeRolePolicyDocument=trust)
            for _ in range(4)
        )
    )
    assert sorted(outcomes) == ["EntityAlreadyExists"] * 3 + ["done"]
