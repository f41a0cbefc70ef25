"""Access keys: two for each user, their secrets given out once."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tests.support.people import ACCOUNT, OTHER, Key, People, allow, people, trusting

from hedgerow.aws import AwsError
from hedgerow.cloud.iam.access_keys import ACCESS_KEY, KEY_USE, create_access_key


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[People]:
    async with people(tmp_path) as made:
        yield made


@pytest.fixture
async def admin(cloud: People) -> Key:
    return await cloud.administrator()


async def failure(cloud: People, by: Key, operation: str, **members: object) -> tuple[str, str]:
    """Return code and sentence with which an operation of iam fails."""
    with pytest.raises(ClientError) as caught:
        await cloud.iam(by, operation, **members)
    error = caught.value.response["Error"]
    return str(error["Code"]), str(error["Message"])


async def test_a_user_has_two_keys_at_most(cloud: People, admin: Key) -> None:
    await cloud.user(admin, "ada")
    second = (await cloud.iam(admin, "CreateAccessKey", UserName="ada"))["AccessKey"]
    assert second["Status"] == "Active"
    assert second["UserName"] == "ada"
    assert second["CreateDate"] == cloud.clock.now()
    assert len(second["SecretAccessKey"]) == 40
    assert await failure(cloud, admin, "CreateAccessKey", UserName="ada") == (
        "LimitExceeded",
        "Cannot exceed quota for AccessKeysPerUser: 2",
    )


async def test_no_third_key_comes_from_asking_at_once(cloud: People, admin: Key) -> None:
    await cloud.iam(admin, "CreateUser", UserName="ada")
    asked = [cloud.iam(admin, "CreateAccessKey", UserName="ada") for _ in range(5)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(1 for answer in answers if isinstance(answer, ClientError)) == 3
    rows = (await cloud.iam(admin, "ListAccessKeys", UserName="ada"))["AccessKeyMetadata"]
    assert len(rows) == 2


async def test_nothing_is_made_for_a_user_that_is_gone(cloud: People, admin: Key) -> None:
    await cloud.iam(admin, "CreateUser", UserName="ada")
    user = await cloud.identities.directory.user(ACCOUNT, "ada")
    assert user is not None
    await cloud.iam(admin, "DeleteUser", UserName="ada")
    with pytest.raises(AwsError) as caught:
        async with cloud.store.transaction() as tx:
            await create_access_key(tx, ACCOUNT, user.id)
    assert caught.value.code == "NoSuchEntity"


async def test_lists_tell_no_secret(cloud: People, admin: Key) -> None:
    one = await cloud.user(admin, "ada")
    two = Key.of((await cloud.iam(admin, "CreateAccessKey", UserName="ada"))["AccessKey"])
    first = await cloud.iam(admin, "ListAccessKeys", UserName="ada", MaxItems=1)
    rest = await cloud.iam(admin, "ListAccessKeys", UserName="ada", Marker=first["Marker"])
    rows = first["AccessKeyMetadata"] + rest["AccessKeyMetadata"]
    assert {row["AccessKeyId"] for row in rows} == {one.id, two.id}
    assert first["IsTruncated"]
    assert not rest["IsTruncated"]
    assert all("SecretAccessKey" not in row for row in rows)


async def test_a_user_sees_to_its_own_keys_without_naming_itself(cloud: People, admin: Key) -> None:
    mine = f"arn:aws:iam::{ACCOUNT}:user/ada"
    ada = await cloud.user(admin, "ada", allow("iam:*AccessKey*", on=mine))
    made = Key.of((await cloud.iam(ada, "CreateAccessKey"))["AccessKey"])
    await cloud.iam(ada, "UpdateAccessKey", AccessKeyId=made.id, Status="Inactive")
    rows = (await cloud.iam(ada, "ListAccessKeys"))["AccessKeyMetadata"]
    assert {row["AccessKeyId"]: row["Status"] for row in rows} == {
        ada.id: "Active",
        made.id: "Inactive",
    }
    await cloud.iam(ada, "DeleteAccessKey", AccessKeyId=made.id)
    code, _ = await failure(cloud, ada, "CreateAccessKey", UserName="administrator")
    assert code == "AccessDenied"


async def test_a_roles_session_has_no_keys_of_its_own(cloud: People, admin: Key) -> None:
    trust = trusting(f"arn:aws:iam::{ACCOUNT}:root")
    role = await cloud.role(admin, "r", trust, allow("iam:*"))
    session = await cloud.assume(admin, role)
    assert await failure(cloud, session, "CreateAccessKey") == (
        "ValidationError",
        "Must specify userName when calling with non-User credentials",
    )


async def test_keys_of_others_are_not_found(cloud: People, admin: Key) -> None:
    await cloud.user(admin, "ada")
    other = await cloud.administrator(OTHER)
    for key_id in (admin.id, other.id, "AKIA" + "A" * 16):
        code, message = await failure(
            cloud, admin, "DeleteAccessKey", UserName="ada", AccessKeyId=key_id
        )
        assert (code, message) == (
            "NoSuchEntity",
            f"The Access Key with id {key_id} cannot be found.",
        )
    code, _ = await failure(cloud, admin, "GetAccessKeyLastUsed", AccessKeyId=other.id)
    assert code == "NoSuchEntity"


async def test_the_root_makes_keys_for_itself(cloud: People) -> None:
    root = await cloud.root()
    made = (await cloud.iam(root, "CreateAccessKey"))["AccessKey"]
    who = await cloud.sts(Key.of(made), "GetCallerIdentity")
    assert who["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
    code, _ = await failure(cloud, root, "CreateAccessKey")
    assert code == "LimitExceeded"


async def test_a_user_with_keys_is_not_deleted(cloud: People, admin: Key) -> None:
    key = await cloud.user(admin, "ada")
    assert await failure(cloud, admin, "DeleteUser", UserName="ada") == (
        "DeleteConflict",
        "Cannot delete entity, must delete access keys first.",
    )
    await cloud.iam(admin, "DeleteAccessKey", UserName="ada", AccessKeyId=key.id)
    await cloud.iam(admin, "DeleteUser", UserName="ada")


async def test_a_deleted_key_leaves_nothing_and_no_record_shows_a_secret(
    cloud: People, admin: Key
) -> None:
    key = await cloud.user(admin, "ada")
    await cloud.sts(key, "GetCallerIdentity")
    await cloud.identities.last_use.settled()
    stored = await cloud.store.get(ACCESS_KEY, ACCOUNT, key.id)
    assert stored is not None
    assert key.secret not in repr(stored)
    await cloud.iam(admin, "DeleteAccessKey", UserName="ada", AccessKeyId=key.id)
    assert await cloud.store.get(ACCESS_KEY, ACCOUNT, key.id) is None
    assert await cloud.store.get(KEY_USE, ACCOUNT, key.id) is None
    assert not any(key.secret in repr(record) for record in cloud.records)


async def test_a_status_is_active_or_inactive(cloud: People, admin: Key) -> None:
    asked = {"AccessKeyId": admin.id, "Status": "Expired"}
    code, _ = await failure(cloud, admin, "UpdateAccessKey", **asked)
    assert code == "ValidationError"
