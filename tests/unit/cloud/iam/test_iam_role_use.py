"""A role tells when its sessions last did something."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.iam_cloud import trusting
from tests.support.people import Key, People, people
from tests.support.store_documents import OTHER

from hedgerow.cloud.iam.role_use import ROLE_USE, RoleUse, note_role_use


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[People]:
    async with people(tmp_path) as running:
        yield running


async def used(cloud: People, admin: Key) -> Any:
    """Return when the role was last used, by both answers that say so."""
    await cloud.identities.last_use.settled()
    role = (await cloud.iam(admin, "GetRole", RoleName="crew"))["Role"]["RoleLastUsed"]
    details = await cloud.iam(admin, "GetAccountAuthorizationDetails")
    assert [one["RoleLastUsed"] for one in details["RoleDetailList"]] == [role]
    return role


async def test_a_role_is_used_when_a_session_of_it_calls(cloud: People) -> None:
    admin = await cloud.administrator()
    arn = await cloud.role(admin, "crew", trusting(AWS=(await whoami(cloud, admin))["Account"]))
    session = await cloud.assume(admin, arn)
    assert await used(cloud, admin) == {}
    cloud.clock.advance(timedelta(minutes=5))
    first = cloud.clock.now()
    await whoami(cloud, session)
    cloud.clock.advance(timedelta(seconds=59))
    await whoami(cloud, session)
    assert await used(cloud, admin) == {"LastUsedDate": first, "Region": "eu-west-1"}
    cloud.clock.advance(timedelta(seconds=1))
    await whoami(cloud, session)
    assert (await used(cloud, admin))["LastUsedDate"] == first + timedelta(minutes=1)


async def test_nothing_is_kept_of_a_role_that_is_gone(cloud: People) -> None:
    admin = await cloud.administrator()
    account = (await whoami(cloud, admin))["Account"]
    session = await cloud.assume(admin, await cloud.role(admin, "crew", trusting(AWS=account)))
    await whoami(cloud, session)
    assert await used(cloud, admin) != {}
    (record,) = await cloud.store.all(ROLE_USE)
    await cloud.iam(admin, "DeleteRole", RoleName="crew")
    assert await cloud.store.all(ROLE_USE) == ()
    use = RoleUse(at=cloud.clock.now(), region="eu-west-1")
    async with cloud.store.transaction() as tx:
        await note_role_use(tx, account, record.id, use)
        await note_role_use(tx, OTHER, record.id, use)
    assert await cloud.store.all(ROLE_USE) == ()


async def whoami(cloud: People, key: Key) -> dict[str, Any]:
    return await cloud.sts(key, "GetCallerIdentity")
