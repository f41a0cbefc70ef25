"""Whoever has a key cannot fill the cloud with sessions: a user or role has so many at a time."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.people import ACCOUNT, Key, People, people, trusting

from hedgerow.aws import AwsError
from hedgerow.cloud.sts.documents import SESSION
from hedgerow.cloud.sts.live_sessions import SESSIONS_LIMIT
from hedgerow.cloud.sts.sessions import Grant, Sessions, TemporaryCredentials

ROOT = f"arn:aws:iam::{ACCOUNT}:root"
HOUR = timedelta(hours=1)


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[People]:
    async with people(tmp_path) as made:
        yield made


@pytest.fixture
async def admin(cloud: People) -> Key:
    return await cloud.administrator()


async def issuer(cloud: People, admin: Key) -> str:
    """Return the unique id of the administrator."""
    found: str = (await cloud.sts(admin, "GetCallerIdentity"))["UserId"]
    return found


async def fill(
    sessions: Sessions, issuer_id: str, count: int = SESSIONS_LIMIT, duration: timedelta = HOUR
) -> list[TemporaryCredentials]:
    """Make so many sessions of a user, all at once."""
    grant = Grant("IAMUser", ACCOUNT, issuer_id, "", duration)
    return list(await asyncio.gather(*(sessions.issue(grant) for _ in range(count))))


async def refused(cloud: People, by: Key, operation: str, **members: Any) -> None:
    with pytest.raises(ClientError) as caught:
        await cloud.sts(by, operation, **members)
    answer: Any = caught.value.response
    assert answer["Error"]["Code"] == "Throttling"
    assert answer["Error"]["Message"].startswith("Rate exceeded")
    assert "until they expire" in answer["Error"]["Message"]
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.promise(1)
async def test_a_user_has_so_many_live_sessions_and_no_more(cloud: People, admin: Key) -> None:
    """The others go on, and so does who is at the limit, with the credentials it has."""
    user = await issuer(cloud, admin)
    role = await cloud.role(admin, "r", trusting(ROOT))
    made = await fill(cloud.identities.sessions, user)
    await refused(cloud, admin, "GetSessionToken")
    await refused(cloud, admin, "GetFederationToken", Name="guest")
    assert len(await cloud.store.all(SESSION)) == SESSIONS_LIMIT
    await cloud.assume(admin, role)
    held = Key(
        made[0].access_key_id,
        made[0].secret_access_key.reveal(),
        made[0].session_token.reveal(),
    )
    assert (await cloud.sts(held, "GetCallerIdentity"))["UserId"] == user


@pytest.mark.promise(1)
async def test_a_role_has_so_many_live_sessions_and_no_more(cloud: People, admin: Key) -> None:
    """Sessions that services make of it are no part of that, and still can be made."""
    role = await cloud.role(admin, "r", trusting(ROOT))
    first = await cloud.assume(admin, role)
    who = await cloud.sts(first, "GetCallerIdentity")
    role_id = who["UserId"].partition(":")[0]
    sessions = cloud.identities.sessions
    grant = Grant("AssumedRole", ACCOUNT, role_id, "shift", HOUR)
    for _ in range(SESSIONS_LIMIT - 1):
        await sessions.issue(grant)
    await refused(cloud, admin, "AssumeRole", RoleArn=role, RoleSessionName="one-more")
    service = Grant("AssumedRole", ACCOUNT, role_id, "core", HOUR, invoked_by="greengrass")
    await sessions.issue(service)


@pytest.mark.promise(1)
async def test_calls_at_the_same_time_do_not_pass_the_limit(cloud: People, admin: Key) -> None:
    user = await issuer(cloud, admin)
    grant = Grant("IAMUser", ACCOUNT, user, "", HOUR)
    asked = [cloud.identities.sessions.issue(grant) for _ in range(SESSIONS_LIMIT + 20)]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(each, AwsError) for each in outcomes) == 20
    assert len(await cloud.store.all(SESSION)) == SESSIONS_LIMIT


@pytest.mark.promise(1)
async def test_the_limit_outlives_a_restart(cloud: People, admin: Key) -> None:
    user = await issuer(cloud, admin)
    await fill(cloud.identities.sessions, user)
    again = Sessions(cloud.store, cloud.identities.directory, cloud.clock)
    with pytest.raises(AwsError, match="Rate exceeded"):
        await fill(again, user, 1)


async def test_ended_and_revoked_sessions_do_not_count(cloud: People, admin: Key) -> None:
    """What has ended makes room, in the store too, as soon as its room is needed."""
    user, sessions = await issuer(cloud, admin), cloud.identities.sessions
    made = await fill(sessions, user)
    await sessions.revoke(ACCOUNT, made[0].access_key_id)
    await fill(sessions, user, 1)
    await refused(cloud, admin, "GetSessionToken")
    cloud.clock.advance(HOUR)
    await cloud.sts(admin, "GetSessionToken")
    (last,) = await cloud.store.all(SESSION)
    await sessions.revoke(ACCOUNT, last.id)
    await fill(sessions, user)
