"""GetSessionToken, GetFederationToken and the small operations."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tests.support.people import ACCOUNT, Key, People, allow, people, policy, trusting

from hedgerow.cloud.iam.key_ids import account_of, new_key_id

ROOT = f"arn:aws:iam::{ACCOUNT}:root"


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[People]:
    async with people(tmp_path) as made:
        yield made


@pytest.fixture
async def admin(cloud: People) -> Key:
    return await cloud.administrator()


async def refused(cloud: People, by: Key, service: str, operation: str, **members: object) -> str:
    """Return the sentence with which a call is denied."""
    with pytest.raises(ClientError) as caught:
        await cloud.call(by, service, operation, members)
    assert caught.value.response["Error"]["Code"] == "AccessDenied"
    return str(caught.value.response["Error"]["Message"])


async def test_a_session_token_is_of_the_user_itself_for_half_a_day(
    cloud: People, admin: Key
) -> None:
    user = await cloud.user(admin, "ada")
    made = (await cloud.sts(user, "GetSessionToken"))["Credentials"]
    who = await cloud.sts(Key.of(made), "GetCallerIdentity")
    assert who["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/ada"
    assert who["UserId"].startswith("AIDA")
    assert made["Expiration"] == cloud.clock.now() + timedelta(hours=12)
    short = (await cloud.sts(user, "GetSessionToken", DurationSeconds=900))["Credentials"]
    assert short["Expiration"] == cloud.clock.now() + timedelta(minutes=15)


async def test_the_roots_sessions_last_an_hour(cloud: People) -> None:
    root = await cloud.root()
    made = (await cloud.sts(root, "GetSessionToken", DurationSeconds=7200))["Credentials"]
    assert made["Expiration"] == cloud.clock.now() + timedelta(hours=1)
    who = await cloud.sts(Key.of(made), "GetCallerIdentity")
    assert who["Arn"] == ROOT


async def test_sessions_may_not_make_further_ones(cloud: People, admin: Key) -> None:
    role = await cloud.role(admin, "r", trusting(ROOT), allow("sts:*"))
    own = Key.of((await cloud.sts(admin, "GetSessionToken"))["Credentials"])
    assumed = await cloud.assume(admin, role)
    for session in (own, assumed):
        sentence = await refused(cloud, session, "sts", "GetSessionToken")
        assert sentence == "Cannot call GetSessionToken with session credentials"
        sentence = await refused(cloud, session, "sts", "GetFederationToken", Name="bob")
        assert sentence == "Cannot call GetFederationToken with session credentials"


async def test_a_session_without_a_code_calls_no_iam_but_may_assume_roles(
    cloud: People, admin: Key
) -> None:
    role = await cloud.role(admin, "r", trusting(ROOT))
    own = Key.of((await cloud.sts(admin, "GetSessionToken"))["Credentials"])
    assert "without multi-factor" in await refused(cloud, own, "iam", "ListUsers")
    assert (await cloud.assume(own, role)).token


async def test_a_session_with_a_code_calls_iam(cloud: People, admin: Key) -> None:
    device = await cloud.device(admin, "administrator")
    made = await cloud.sts(
        admin, "GetSessionToken", SerialNumber=device.serial, TokenCode=device.code(1)
    )
    assert (await cloud.iam(Key.of(made["Credentials"]), "ListUsers"))["Users"]


async def test_a_federated_user_may_what_both_its_policy_and_its_maker_may(
    cloud: People, admin: Key
) -> None:
    maker = await cloud.user(admin, "maker", allow("sts:GetFederationToken", "iam:*"))
    wide = policy(allow("sts:GetAccessKeyInfo", "iam:*"))
    answer = await cloud.sts(maker, "GetFederationToken", Name="guest", Policy=wide)
    arn = f"arn:aws:sts::{ACCOUNT}:federated-user/guest"
    assert answer["FederatedUser"] == {"FederatedUserId": f"{ACCOUNT}:guest", "Arn": arn}
    guest = Key.of(answer["Credentials"])
    assert (await cloud.sts(guest, "GetCallerIdentity"))["Arn"] == arn
    assert "GetFederationToken" in await refused(cloud, guest, "iam", "ListUsers")
    asked: dict[str, dict[str, object]] = {
        "AssumeRole": {"RoleArn": f"{ROOT[:-4]}role/anything", "RoleSessionName": "xx"},
        "GetAccessKeyInfo": {"AccessKeyId": maker.id},
    }
    for operation, members in asked.items():
        sentence = await refused(cloud, guest, "sts", operation, **members)
        assert sentence == f"Cannot call {operation} with session credentials"


async def test_who_may_make_federated_users_is_said_by_policies(cloud: People, admin: Key) -> None:
    federated = f"arn:aws:sts::{ACCOUNT}:federated-user/guest"
    maker = await cloud.user(admin, "maker", allow("sts:GetFederationToken", on=federated))
    assert await cloud.sts(maker, "GetFederationToken", Name="guest")
    assert "other" in await refused(cloud, maker, "sts", "GetFederationToken", Name="other")
    tags = [{"Key": "line", "Value": "7"}]
    sentence = await refused(cloud, maker, "sts", "GetFederationToken", Name="guest", Tags=tags)
    assert "sts:TagSession" in sentence


async def test_a_keys_account_is_read_from_its_id(cloud: People, admin: Key) -> None:
    info = await cloud.sts(
        admin, "GetAccessKeyInfo", AccessKeyId=new_key_id("AKIA", "000000000042")
    )
    assert info["Account"] == "000000000042"
    with pytest.raises(ClientError, match="is no id of an access key"):
        await cloud.sts(admin, "GetAccessKeyInfo", AccessKeyId="AKIA0123456789012345")


@pytest.mark.parametrize("account", ["000000000000", "123456789012", "999999999999"])
def test_ids_name_their_account(account: str) -> None:
    lasting, temporary = new_key_id("AKIA", account), new_key_id("ASIA", account)
    assert account_of(lasting) == account_of(temporary) == account
    assert len(lasting) == 20
    assert lasting != new_key_id("AKIA", account)


@pytest.mark.parametrize(
    "text", ["", "AKIA", "AKIA1", "ABIAAAAAAAAAAAAAAAAA", "AKIA================", "AKIA" + "7" * 16]
)
def test_what_is_no_id_names_no_account(text: str) -> None:
    assert account_of(text) is None
