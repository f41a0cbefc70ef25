"""How much there may be, and what the log is told of policies with traps."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.support.iam_cloud import allowing, document, trusting
from tests.support.store_documents import ACCOUNT, opened

from hedgerow.aws import AwsError
from hedgerow.cloud.iam import IamDirectory, groups, managed_policies, roles, users
from hedgerow.cloud.iam.documents import GROUP, ROLE, USER, Group, Role, User
from hedgerow.cloud.iam.policy_text import require_sound
from hedgerow.cloud.iam.quotas import QUOTAS
from hedgerow.kernel import SystemClock
from hedgerow.policy import Dialect
from hedgerow.store import Store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with opened(tmp_path) as store:
        yield store


@pytest.mark.parametrize(
    ("quota", "kind", "made", "create"),
    [
        ("GroupsPerAccount", GROUP, Group, groups.create),
        ("UsersPerAccount", USER, User, users.create),
        ("RolesPerAccount", ROLE, Role, roles.create),
    ],
)
async def test_an_account_has_so_many_and_no_more(
    store: Store, quota: str, kind: Any, made: Any, create: Any
) -> None:
    more = {"trust": trusting(AWS=ACCOUNT)} if made is Role else {}
    async with store.transaction() as tx:
        for number in range(QUOTAS[quota] - 1):
            entity = made(name=f"e{number}", **more)
            await tx.insert(kind, ACCOUNT, f"ID{number}", entity, name=entity.name)
    directory = IamDirectory(store)
    await directory.start()
    request = {f"{made.__name__}Name": "last", "AssumeRolePolicyDocument": trusting(AWS=ACCOUNT)}
    by_arn = (directory.unique_id,) if made is Role else ()
    async with store.transaction() as tx:
        await create(tx, await directory.estate(ACCOUNT), *by_arn, request)
    request[f"{made.__name__}Name"] = "over"
    with pytest.raises(AwsError, match=f"Cannot exceed quota for {quota}"):
        async with store.transaction() as tx:
            await create(tx, await directory.estate(ACCOUNT), *by_arn, request)


async def test_an_account_has_so_many_policies_and_no_more(store: Store) -> None:
    directory = IamDirectory(store)
    await directory.start()
    estate = await directory.estate(ACCOUNT)
    request = {"PolicyName": "p", "PolicyDocument": allowing("iot:*")}
    async with store.transaction() as tx:
        _, _, record = await managed_policies.create(tx, estate, SystemClock(), request)
    for number in range(QUOTAS["PoliciesPerAccount"]):
        estate.policies[str(number)] = record
    with pytest.raises(AwsError, match="Cannot exceed quota for PoliciesPerAccount: 1500"):
        async with store.transaction() as tx:
            await managed_policies.create(
                tx, estate, SystemClock(), {**request, "PolicyName": "over"}
            )


def test_a_policy_with_a_trap_is_stored_and_told_of() -> None:
    open_meaning = document(
        {
            "Effect": "Allow",
            "Action": "*",
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:TagKeys": ["env"]}},
        }
    )
    with capture_logs() as logs:
        require_sound(open_meaning, Dialect.IDENTITY, name="user/alice#own")
        require_sound(allowing("iot:*"), Dialect.IDENTITY, name="user/alice#other")
    assert [(one["log_level"], one["policy"]) for one in logs] == [("warning", "user/alice#own")]
    assert "aws:TagKeys" in logs[0]["places"][0]
