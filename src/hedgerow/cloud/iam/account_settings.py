"""What an account has but once: its password policy and its alias."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from hedgerow.aws import AwsError
from hedgerow.cloud.iam.passwords import PasswordPolicy
from hedgerow.kernel import quoted
from hedgerow.store import Kind, Record, Store, Transaction

_ONLY: Final = "account"


class AccountAlias(msgspec.Struct, frozen=True, kw_only=True):
    """A name for the account that no other account of this cloud has."""

    alias: str


PASSWORD_POLICY: Final = Kind("iam-password-policy", PasswordPolicy)
ACCOUNT_ALIAS: Final = Kind("iam-account-alias", AccountAlias)

MEMBERS: Final[Mapping[str, str]] = {
    "MinimumPasswordLength": "minimum_length",
    "RequireSymbols": "symbols",
    "RequireNumbers": "numbers",
    "RequireUppercaseCharacters": "uppercase",
    "RequireLowercaseCharacters": "lowercase",
    "AllowUsersToChangePassword": "users_may_change",
    "MaxPasswordAge": "max_age_days",
    "PasswordReusePrevention": "reuse_prevention",
    "HardExpiry": "hard_expiry",
}
"""The API's names of what a password policy says."""


async def password_policy(reader: Store | Transaction, account: str) -> PasswordPolicy | None:
    """Return the account's password policy, None if it has none of its own."""
    record = await reader.get(PASSWORD_POLICY, account, _ONLY)
    return None if record is None else record.document


async def put_password_policy(tx: Transaction, account: str, request: Mapping[str, Any]) -> None:
    """Replace the policy as a whole; what the request leaves out is as by default."""
    policy = PasswordPolicy(
        **{field: request[member] for member, field in MEMBERS.items() if member in request}
    )
    record = await tx.get(PASSWORD_POLICY, account, _ONLY)
    if record is None:
        await tx.insert(PASSWORD_POLICY, account, _ONLY, policy)
    else:
        await tx.update(record, policy)


async def delete_password_policy(tx: Transaction, account: str) -> None:
    """Go back to the policy by default."""
    record = await tx.get(PASSWORD_POLICY, account, _ONLY)
    if record is None:
        raise no_password_policy(account)
    await tx.delete(record)


async def alias_of(reader: Store | Transaction, account: str) -> Record[AccountAlias] | None:
    """Return the account's alias, or None."""
    return await reader.get(ACCOUNT_ALIAS, account, _ONLY)


async def put_alias(tx: Transaction, account: str, alias: str) -> None:
    """Give the account an alias in place of the one it has, if no other account has it."""
    if any(other.document.alias == alias for other in await tx.all(ACCOUNT_ALIAS)):
        raise AwsError("EntityAlreadyExists", f"The account alias {alias} already exists.")
    record = await alias_of(tx, account)
    if record is None:
        await tx.insert(ACCOUNT_ALIAS, account, _ONLY, AccountAlias(alias=alias))
    else:
        await tx.update(record, AccountAlias(alias=alias))


async def delete_alias(tx: Transaction, account: str, alias: str) -> None:
    """Take the account's alias away."""
    record = await alias_of(tx, account)
    if record is None or record.document.alias != alias:
        raise AwsError("NoSuchEntity", f"The account alias {quoted(alias)[1:-1]} cannot be found.")
    await tx.delete(record)


def no_password_policy(account: str) -> AwsError:
    """Return the error for an account without a password policy of its own."""
    return AwsError(
        "NoSuchEntity", f"The Password Policy with domain name {account} cannot be found."
    )
