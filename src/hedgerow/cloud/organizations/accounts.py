"""The accounts of an organization: how it is founded, and how accounts join and leave it."""

import json
import random
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from hedgerow.cloud.home import Home
from hedgerow.cloud.iam import ADMINISTRATOR_ACCESS, put_role, root_arn
from hedgerow.cloud.organizations.documents import (
    CREATION_REQUEST,
    MEMBER_ACCOUNT,
    ORGANIZATION,
    ORGANIZATION_ID,
    CreationRequest,
    MemberAccount,
    Organization,
)
from hedgerow.cloud.organizations.faults import (
    account_already_closed,
    account_not_found,
    constraint_violation,
)
from hedgerow.store import AlreadyExistsError, Record, Store, Transaction

MAX_ACCOUNTS: Final = 50
"""Accounts of an organization, closed ones included; one more is answered with
`ACCOUNT_LIMIT_EXCEEDED`. Each costs memory, since its broker and directory always run."""
MANAGEMENT_NAME: Final = "Management"
MANAGEMENT_EMAIL: Final = "root@hedgerow.invalid"
DEFAULT_ROLE: Final = "OrganizationAccountAccessRole"
"""The role by which the management account's users enter a new account."""
_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
_ORGANIZATION_ID_LENGTH: Final = 10
_REQUEST_ID_LENGTH: Final = 32
_RANDOM: Final = random.SystemRandom()


async def found_organization(tx: Transaction, home: Home) -> None:
    """Make the organization of a new cloud, with `home`'s account as its management account."""
    organization = Organization(id=f"o-{_random_text(_ORGANIZATION_ID_LENGTH)}")
    await tx.insert(ORGANIZATION, home.account, ORGANIZATION_ID, organization)
    management = MemberAccount(
        name=MANAGEMENT_NAME, email=MANAGEMENT_EMAIL, joined_method="INVITED"
    )
    await tx.insert(MEMBER_ACCOUNT, home.account, home.account, management, name=MANAGEMENT_EMAIL)


async def is_founded(store: Store, management: str) -> bool:
    """Say whether the account has founded its organization."""
    return await store.get(ORGANIZATION, management, ORGANIZATION_ID) is not None


async def active_accounts(store: Store, management: str) -> tuple[str, ...]:
    """Return the numbers of the accounts that are open, in the order in which they were made."""
    records = await store.all(MEMBER_ACCOUNT, management)
    return tuple(record.id for record in records if record.document.status == "ACTIVE")


async def create_account(
    tx: Transaction, management: str, wanted: Mapping[str, Any], now: datetime
) -> Record[CreationRequest]:
    """Make an account and return the request, which says whether that succeeded.

    As at AWS, an e-mail address that is taken and too many accounts fail the request, not the call.
    """
    name, email = wanted["AccountName"], wanted["Email"]
    account_id, failure = None, None
    if len(await tx.all(MEMBER_ACCOUNT, management)) >= MAX_ACCOUNTS:
        failure = "ACCOUNT_LIMIT_EXCEEDED"
    else:
        account_id = await _join(tx, management, MemberAccount(name=name, email=email))
        failure = None if account_id else "EMAIL_ALREADY_EXISTS"
    request = CreationRequest(
        account_name=name,
        state="FAILED" if failure else "SUCCEEDED",
        requested_at=now,
        completed_at=now,
        account_id=account_id,
        failure_reason=failure,
    )
    request_id = f"car-{_random_text(_REQUEST_ID_LENGTH)}"
    return await tx.insert(CREATION_REQUEST, management, request_id, request)


async def let_in(tx: Transaction, management: str, account_id: str, role_name: str | None) -> None:
    """Make the administrator role of a new account, which the management account may assume.

    Who of the management account may is for that account's own policies to say: the trust is in
    the account as a whole.
    """
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": root_arn(management)},
        "Action": "sts:AssumeRole",
    }
    await put_role(
        tx,
        account_id,
        role_name or DEFAULT_ROLE,
        trust=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        attached=(ADMINISTRATOR_ACCESS,),
    )


async def close_account(tx: Transaction, management: str, account_id: str) -> None:
    """Close an account for good, or raise the service's errors."""
    if account_id == management:
        raise constraint_violation("The management account of an organization cannot be closed.")
    record = await tx.get(MEMBER_ACCOUNT, management, account_id)
    if record is None:
        raise account_not_found(account_id)
    if record.document.status == "SUSPENDED":
        raise account_already_closed(account_id)
    closed = MemberAccount(
        name=record.document.name,
        email=record.document.email,
        status="SUSPENDED",
        joined_method=record.document.joined_method,
    )
    await tx.update(record, closed)


async def _join(tx: Transaction, management: str, member: MemberAccount) -> str | None:
    """Give the account a number that no other has; return None if its address is taken."""
    email = member.email.lower()
    if await tx.find(MEMBER_ACCOUNT, management, name=email) is not None:
        return None
    while True:
        account_id = new_account_id()
        try:
            await tx.insert(MEMBER_ACCOUNT, management, account_id, member, name=email)
        except AlreadyExistsError:
            continue  # one number in 10^12 is taken
        return account_id


def new_account_id() -> str:
    """Return twelve random digits, the first of them not 0."""
    return str(_RANDOM.randrange(10**11, 10**12))


def _random_text(length: int) -> str:
    return "".join(_RANDOM.choices(_ALPHABET, k=length))
