import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hedgerow.aws import AwsError
from hedgerow.cloud.home import Home
from hedgerow.cloud.iam import ADMINISTRATOR_ACCESS
from hedgerow.cloud.iam.documents import ROLE
from hedgerow.cloud.organizations import DEFAULT_ROLE, active_accounts, found_organization
from hedgerow.cloud.organizations import accounts as made
from hedgerow.cloud.organizations.documents import MEMBER_ACCOUNT, CreationRequest
from hedgerow.kernel import SystemClock
from hedgerow.store import MasterKey, Record, Store

MANAGEMENT = "123456789012"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """Found an organization."""
    key = MasterKey.create_file(tmp_path / "master.key")
    opened = await Store.open(tmp_path / "state.db", key, SystemClock())
    async with opened.transaction() as tx:
        await found_organization(tx, Home(MANAGEMENT, "eu-west-1"))
    yield opened
    await opened.close()


async def create(store: Store, email: str = "plant@example.org") -> Record[CreationRequest]:
    async with store.transaction() as tx:
        wanted = {"AccountName": "Plant", "Email": email}
        return await made.create_account(tx, MANAGEMENT, wanted, NOW)


async def close(store: Store, account: str) -> None:
    async with store.transaction() as tx:
        await made.close_account(tx, MANAGEMENT, account)


async def test_a_new_organization_has_its_management_account_only(store: Store) -> None:
    assert await active_accounts(store, MANAGEMENT) == (MANAGEMENT,)


async def test_an_account_joins_under_a_number_of_its_own(store: Store) -> None:
    request = (await create(store)).document
    assert request.state == "SUCCEEDED"
    assert request.account_id is not None
    assert len(request.account_id) == 12
    assert await active_accounts(store, MANAGEMENT) == (MANAGEMENT, request.account_id)


async def test_an_address_is_used_once_whatever_its_case(store: Store) -> None:
    await create(store)
    request = (await create(store, "PLANT@example.org")).document
    assert (request.state, request.failure_reason) == ("FAILED", "EMAIL_ALREADY_EXISTS")
    assert request.account_id is None
    assert len(await active_accounts(store, MANAGEMENT)) == 2


async def test_an_organization_has_a_limit_which_closed_accounts_count_for(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(made, "MAX_ACCOUNTS", 2)
    first = (await create(store)).document.account_id
    assert first is not None
    await close(store, first)
    request = (await create(store, "second@example.org")).document
    assert request.failure_reason == "ACCOUNT_LIMIT_EXCEEDED"


async def test_a_new_account_is_entered_by_a_role_that_trusts_the_management_account(
    store: Store,
) -> None:
    account = (await create(store)).document.account_id
    assert account is not None
    async with store.transaction() as tx:
        await made.let_in(tx, MANAGEMENT, account, None)
    (role,) = await store.all(ROLE)
    assert (role.account, role.document.name) == (account, DEFAULT_ROLE)
    assert role.document.attached == (ADMINISTRATOR_ACCESS,)
    (statement,) = json.loads(role.document.trust)["Statement"]
    assert statement["Principal"] == {"AWS": f"arn:aws:iam::{MANAGEMENT}:root"}


async def test_a_closed_account_stays_listed_and_is_not_active(store: Store) -> None:
    account = (await create(store)).document.account_id
    assert account is not None
    await close(store, account)
    assert await active_accounts(store, MANAGEMENT) == (MANAGEMENT,)
    record = await store.get(MEMBER_ACCOUNT, MANAGEMENT, account)
    assert record is not None
    assert record.document.status == "SUSPENDED"
    with pytest.raises(AwsError) as refused:
        await close(store, account)
    assert refused.value.code == "AccountAlreadyClosedException"


@pytest.mark.parametrize(
    ("account", "code"),
    [
        (MANAGEMENT, "ConstraintViolationException"),
        ("999999999999", "AccountNotFoundException"),
    ],
)
async def test_what_cannot_be_closed_is_refused(store: Store, account: str, code: str) -> None:
    with pytest.raises(AwsError) as refused:
        await close(store, account)
    assert refused.value.code == code
