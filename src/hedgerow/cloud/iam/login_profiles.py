"""Login profiles: a user's password, kept as a hash under the user's unique id."""

from datetime import datetime
from typing import Final

import msgspec

from hedgerow.aws import AwsError
from hedgerow.cloud.iam.faults import no_such_entity
from hedgerow.cloud.iam.owners import Owner, require_there
from hedgerow.cloud.iam.passwords import PasswordHash
from hedgerow.store import Kind, Record, Store, Transaction

MAX_PREVIOUS: Final = 24
"""Former passwords that are kept: the most a policy can forbid to use again."""


class LoginProfile(msgspec.Struct, frozen=True, kw_only=True):
    """A user's password now, and hashes of the ones before it, newest first."""

    password: PasswordHash
    previous: tuple[PasswordHash, ...] = ()
    reset_required: bool = False
    changed_at: datetime


LOGIN_PROFILE: Final = Kind("iam-login-profile", LoginProfile)


async def create(
    tx: Transaction, account: str, owner: Owner, profile: LoginProfile
) -> Record[LoginProfile]:
    """Give a user a password. Raises EntityAlreadyExists if it has one."""
    await require_there(tx, account, owner.id)
    if await tx.get(LOGIN_PROFILE, account, owner.id) is not None:
        raise AwsError(
            "EntityAlreadyExists", f"Login Profile for user {owner.name} already exists."
        )
    return await tx.insert(LOGIN_PROFILE, account, owner.id, profile, parent=owner.id)


async def existing(reader: Store | Transaction, account: str, owner: Owner) -> Record[LoginProfile]:
    """Return a user's login profile, or raise NoSuchEntity."""
    record = await reader.get(LOGIN_PROFILE, account, owner.id)
    if record is None:
        raise no_such_entity("Login Profile for User", owner.name)
    return record


def with_password(
    profile: LoginProfile, password: PasswordHash, *, reset_required: bool, now: datetime
) -> LoginProfile:
    """Return the profile with another password; the old one is remembered as such."""
    return LoginProfile(
        password=password,
        previous=(profile.password, *profile.previous)[:MAX_PREVIOUS],
        reset_required=reset_required,
        changed_at=now,
    )
