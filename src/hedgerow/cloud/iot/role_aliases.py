"""Role aliases: names under which devices get credentials of a role, with their certificates alone.

Source: AWS IoT Core Developer Guide, "Authorizing direct calls to AWS services using AWS IoT Core
credential provider". That the role is this account's and may be used for so long is looked at when
the alias is made; whether it lets itself be assumed, each time.
"""

from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec

from hedgerow.cloud.home import Home
from hedgerow.cloud.iot.arns import role_alias_arn
from hedgerow.cloud.iot.documents import ROLE_ALIAS, RoleAlias
from hedgerow.cloud.iot.faults import (
    already_exists,
    invalid_request,
    refuse_tags,
    role_alias_not_found,
)
from hedgerow.kernel import quoted
from hedgerow.store import Record, Store, Transaction

Members = Mapping[str, Any]

DEFAULT_DURATION_S: Final = 3600


class RoleFacts(Protocol):
    """What is known of an IAM role (`cloud.iam`)."""

    @property
    def account(self) -> str:
        """The account it is of."""

    @property
    def max_session_s(self) -> int:
        """How long a session of it may last."""


class RoleDirectory(Protocol):
    """Where roles are looked up (`cloud.iam.IamDirectory`)."""

    async def role(self, role_arn: str) -> RoleFacts | None:
        """Return a role of any account, or None."""


async def create(tx: Transaction, home: Home, roles: RoleDirectory, request: Members) -> Members:
    """Make an alias of a role of this account."""
    refuse_tags(request)
    name = request["roleAlias"]
    alias = RoleAlias(
        role_arn=request["roleArn"],
        duration_s=request.get("credentialDurationSeconds", DEFAULT_DURATION_S),
    )
    await _require_usable(home, roles, alias)
    if await tx.get(ROLE_ALIAS, home.account, name) is not None:
        raise already_exists("Role alias", name, role_alias_arn(home, name))
    await tx.insert(ROLE_ALIAS, home.account, name, alias)
    return named(home, name)


async def update(tx: Transaction, home: Home, roles: RoleDirectory, request: Members) -> Members:
    """Change the role or the duration; devices notice nothing but other credentials."""
    record = await existing(tx, home, request["roleAlias"])
    alias = msgspec.structs.replace(
        record.document,
        role_arn=request.get("roleArn", record.document.role_arn),
        duration_s=request.get("credentialDurationSeconds", record.document.duration_s),
    )
    await _require_usable(home, roles, alias)
    await tx.update(record, alias)
    return named(home, record.id)


async def delete(tx: Transaction, home: Home, name: str) -> None:
    """Delete an alias; credentials that were given under it last as long as they last."""
    await tx.delete(await existing(tx, home, name))


def described(home: Home, record: Record[RoleAlias]) -> Members:
    """Return an alias as `DescribeRoleAlias` does."""
    return {
        **named(home, record.id),
        "roleArn": record.document.role_arn,
        "owner": home.account,
        "credentialDurationSeconds": record.document.duration_s,
        "creationDate": record.created_at,
        "lastModifiedDate": record.updated_at,
    }


def named(home: Home, name: str) -> Members:
    """Return an alias by its names."""
    return {"roleAlias": name, "roleAliasArn": role_alias_arn(home, name)}


async def existing(reader: Store | Transaction, home: Home, name: str) -> Record[RoleAlias]:
    """Return an alias, or raise `ResourceNotFoundException`."""
    record = await reader.get(ROLE_ALIAS, home.account, name)
    if record is None:
        raise role_alias_not_found(name)
    return record


async def _require_usable(home: Home, roles: RoleDirectory, alias: RoleAlias) -> None:
    role = await roles.role(alias.role_arn)
    if role is None or role.account != home.account:
        raise invalid_request(f"There is no role {quoted(alias.role_arn)} in this account.")
    if alias.duration_s > role.max_session_s:
        raise invalid_request(
            f"credentialDurationSeconds is {alias.duration_s}, but a session of the role lasts "
            f"{role.max_session_s} seconds at most; ask for less, or raise the role's "
            "MaxSessionDuration."
        )
