"""Where the gateway finds credentials: as the store says, without asking it again and again."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.people import ACCOUNT, OTHER, Key, People, allow, code_of, people, trusting

from hedgerow.cloud.sts import Sessions, StoredCredentials
from hedgerow.cloud.sts.documents import SESSION
from hedgerow.store import Kind, Record, Store

ROOT = f"arn:aws:iam::{ACCOUNT}:root"


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[People]:
    async with people(tmp_path) as made:
        yield made


@pytest.fixture
async def admin(cloud: People) -> Key:
    return await cloud.administrator()


async def failure(cloud: People, by: Key) -> str:
    """Return the code with which the smallest call fails."""
    with pytest.raises(ClientError) as caught:
        await cloud.sts(by, "GetCallerIdentity")
    return code_of(caught.value)


async def test_a_warm_answer_reads_nothing(
    cloud: People, admin: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = await cloud.role(admin, "r", trusting(ROOT))
    session = await cloud.assume(admin, role)
    for key in (admin, session):
        await cloud.sts(key, "GetCallerIdentity")

    async def unreachable(*_arguments: Any, **_named: Any) -> Any:
        raise AssertionError("a warm answer reads nothing from the store")

    for reading in ("get", "find", "list", "all"):
        monkeypatch.setattr(Store, reading, unreachable)
    for key in (admin, session):
        assert await cloud.identities.credentials.find(key.id, key.token)


async def test_a_key_that_is_switched_off_or_deleted_proves_nothing_at_once(
    cloud: People, admin: Key
) -> None:
    user = await cloud.user(admin, "ada")
    await cloud.sts(user, "GetCallerIdentity")
    await cloud.iam(
        admin, "UpdateAccessKey", UserName="ada", AccessKeyId=user.id, Status="Inactive"
    )
    assert await failure(cloud, user) == "InvalidClientTokenId"
    await cloud.iam(admin, "UpdateAccessKey", UserName="ada", AccessKeyId=user.id, Status="Active")
    await cloud.sts(user, "GetCallerIdentity")
    await cloud.iam(admin, "DeleteAccessKey", UserName="ada", AccessKeyId=user.id)
    assert await failure(cloud, user) == "InvalidClientTokenId"


async def test_a_renamed_user_is_known_by_its_new_name_at_once(cloud: People, admin: Key) -> None:
    user = await cloud.user(admin, "ada")
    own = Key.of((await cloud.sts(user, "GetSessionToken"))["Credentials"])
    for key in (user, own):
        await cloud.sts(key, "GetCallerIdentity")
    await cloud.iam(admin, "UpdateUser", UserName="ada", NewUserName="ava")
    for key in (user, own):
        arn = (await cloud.sts(key, "GetCallerIdentity"))["Arn"]
        assert arn == f"arn:aws:iam::{ACCOUNT}:user/ava"


async def test_a_session_token_is_bound_to_its_session(cloud: People, admin: Key) -> None:
    role = await cloud.role(admin, "r", trusting(ROOT))
    one, two = await cloud.assume(admin, role), await cloud.assume(admin, role)
    for wrong in (
        Key(one.id, one.secret),
        Key(one.id, one.secret, two.token),
        Key(one.id, two.secret, two.token),
        Key(admin.id, admin.secret, one.token),
        Key(one.id, admin.secret, one.token),
    ):
        assert await failure(cloud, wrong) in ("InvalidClientTokenId", "SignatureDoesNotMatch")


async def test_a_session_ends_with_its_time(cloud: People, admin: Key) -> None:
    role = await cloud.role(admin, "r", trusting(ROOT))
    session = await cloud.assume(admin, role, DurationSeconds=900)
    cloud.clock.advance(timedelta(seconds=899))
    await cloud.sts(session, "GetCallerIdentity")
    cloud.clock.advance(timedelta(seconds=1))
    assert await failure(cloud, session) == "ExpiredToken"


async def test_ended_sessions_are_forgotten_a_day_later(cloud: People, admin: Key) -> None:
    role = await cloud.role(admin, "r", trusting(ROOT))
    ended = await cloud.assume(admin, role, DurationSeconds=900)
    cloud.clock.advance(timedelta(hours=24))
    lasting = await cloud.assume(admin, role)
    assert await cloud.identities.sessions.forget_ended() == 0
    assert await failure(cloud, ended) == "ExpiredToken"
    cloud.clock.advance(timedelta(minutes=16))
    assert await cloud.identities.sessions.forget_ended() == 1
    assert await failure(cloud, ended) == "InvalidClientTokenId"
    await cloud.sts(lasting, "GetCallerIdentity")


async def test_sessions_from_before_a_restart_are_forgotten_too(cloud: People, admin: Key) -> None:
    role = await cloud.role(admin, "r", trusting(ROOT))
    for _ in range(3):
        await cloud.assume(admin, role, DurationSeconds=900)
    again = Sessions(cloud.store, cloud.identities.directory, cloud.clock)
    cloud.clock.advance(timedelta(hours=25))
    assert await again.forget_ended() == 3
    assert await cloud.identities.sessions.forget_ended() == 0
    assert await cloud.store.all(SESSION) == ()


async def test_a_revoked_session_ends_at_once_and_only_that_one(cloud: People, admin: Key) -> None:
    role = await cloud.role(admin, "r", trusting(ROOT))
    one, two = await cloud.assume(admin, role), await cloud.assume(admin, role)
    await cloud.sts(one, "GetCallerIdentity")
    await cloud.identities.sessions.revoke(ACCOUNT, one.id)
    assert await failure(cloud, one) == "InvalidClientTokenId"
    await cloud.sts(two, "GetCallerIdentity")
    await cloud.identities.sessions.revoke(ACCOUNT, two.id)
    assert await failure(cloud, two) == "InvalidClientTokenId"


async def test_a_deleted_role_ends_its_sessions_also_if_it_is_made_again(
    cloud: People, admin: Key
) -> None:
    role = await cloud.role(admin, "r", trusting(ROOT))
    session = await cloud.assume(admin, role)
    await cloud.sts(session, "GetCallerIdentity")
    await cloud.iam(admin, "DeleteRole", RoleName="r")
    assert await failure(cloud, session) == "InvalidClientTokenId"
    await cloud.role(admin, "r", trusting(ROOT))
    assert await failure(cloud, session) == "InvalidClientTokenId"


async def test_a_role_denies_sessions_from_before_a_moment(cloud: People, admin: Key) -> None:
    role = await cloud.role(admin, "r", trusting(ROOT), allow("iam:ListUsers"))
    old = await cloud.assume(admin, role)
    cloud.clock.advance(timedelta(minutes=1))
    moment = f"{cloud.clock.now():%Y-%m-%dT%H:%M:%SZ}"
    older = {
        "Effect": "Deny",
        "Action": "*",
        "Resource": "*",
        "Condition": {"DateLessThan": {"aws:TokenIssueTime": moment}},
    }
    await cloud.role_policy(admin, "r", "revoked", older)
    new = await cloud.assume(admin, role)
    assert await cloud.iam(new, "ListUsers")
    with pytest.raises(ClientError, match="explicit deny"):
        await cloud.iam(old, "ListUsers")


async def test_what_changes_while_it_is_read_is_not_kept(
    cloud: People, admin: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await cloud.user(admin, "ada")
    credentials = StoredCredentials(cloud.store, cloud.identities.directory)
    await credentials.start()
    read, go_on = asyncio.Event(), asyncio.Event()
    get = Store.get

    async def slow(self: Store, kind: Kind[Any], account: str, identifier: str) -> Any:
        found: Record[Any] | None = await get(self, kind, account, identifier)
        if not read.is_set():
            read.set()
            await go_on.wait()
        return found

    monkeypatch.setattr(Store, "get", slow)
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(credentials.find(user.id, None))
        await read.wait()
        await cloud.iam(admin, "DeleteAccessKey", UserName="ada", AccessKeyId=user.id)
        go_on.set()
    assert asked.result() is not None
    assert await credentials.find(user.id, None) is None
    credentials.stop()


async def test_no_more_is_remembered_than_there_is_room_for(
    cloud: People, admin: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hedgerow.cloud.sts.credentials.MAX_REMEMBERED", 2)
    role = await cloud.role(admin, "r", trusting(ROOT))
    sessions = [await cloud.assume(admin, role) for _ in range(4)]
    for session in sessions:
        await cloud.sts(session, "GetCallerIdentity")
    assert len(cloud.identities.credentials._known) == 2
    assert len(cloud.identities.credentials._by_issuer) == 1


async def test_an_accounts_keys_are_found_there_only(cloud: People, admin: Key) -> None:
    other = await cloud.administrator(OTHER)
    assert (await cloud.sts(admin, "GetCallerIdentity"))["Account"] == ACCOUNT
    assert (await cloud.sts(other, "GetCallerIdentity"))["Account"] == OTHER
    sessions = await cloud.store.all(SESSION)
    assert sessions == ()


async def test_the_last_use_of_a_key_is_told(cloud: People, admin: Key) -> None:
    user = await cloud.user(admin, "ada")
    before = await cloud.iam(admin, "GetAccessKeyLastUsed", AccessKeyId=user.id)
    assert before["AccessKeyLastUsed"]["ServiceName"] == "N/A"
    assert "LastUsedDate" not in before["AccessKeyLastUsed"]
    first = cloud.clock.now()
    await cloud.sts(user, "GetCallerIdentity")
    cloud.clock.advance(timedelta(seconds=59))
    await cloud.sts(user, "GetCallerIdentity")
    await cloud.identities.last_use.settled()
    after = await cloud.iam(admin, "GetAccessKeyLastUsed", AccessKeyId=user.id)
    assert after["UserName"] == "ada"
    assert after["AccessKeyLastUsed"] == {
        "LastUsedDate": first,
        "ServiceName": "sts",
        "Region": "eu-west-1",
    }
    cloud.clock.advance(timedelta(seconds=1))
    await cloud.sts(user, "GetCallerIdentity")
    await cloud.identities.last_use.settled()
    again = await cloud.iam(admin, "GetAccessKeyLastUsed", AccessKeyId=user.id)
    assert again["AccessKeyLastUsed"]["LastUsedDate"] == first + timedelta(seconds=60)
