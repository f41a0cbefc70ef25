"""The three kinds of what can have policies, as one table, and how they are looked up."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from hedgerow.cloud.iam.arns import group_arn, role_arn, user_arn
from hedgerow.cloud.iam.documents import GROUP, ROLE, USER, Group, PolicyHolder, Role, User
from hedgerow.cloud.iam.faults import already_exists, no_such_entity
from hedgerow.cloud.iam.unique_ids import GROUP_PREFIX, ROLE_PREFIX, USER_PREFIX
from hedgerow.store import Kind, Record, Store, Transaction

H = TypeVar("H", bound=PolicyHolder)


@dataclass(frozen=True, slots=True)
class HolderKind:
    """One kind: its word in the API's names (`User` in `AttachUserPolicy`), and its records'."""

    word: str
    kind: Kind[Any]
    id_prefix: str
    arn: Callable[[str, str, str], str]


USERS: Final = HolderKind("User", USER, USER_PREFIX, user_arn)
GROUPS: Final = HolderKind("Group", GROUP, GROUP_PREFIX, group_arn)
ROLES: Final = HolderKind("Role", ROLE, ROLE_PREFIX, role_arn)
HOLDERS: Final = (USERS, GROUPS, ROLES)


async def existing_user(reader: Store | Transaction, account: str, name: str) -> Record[User]:
    """Return the user of exactly this name, or raise NoSuchEntity."""
    return await _existing(reader, USER, account, name, "user")


async def existing_group(reader: Store | Transaction, account: str, name: str) -> Record[Group]:
    """Return the group of exactly this name, or raise NoSuchEntity."""
    return await _existing(reader, GROUP, account, name, "group")


async def existing_role(reader: Store | Transaction, account: str, name: str) -> Record[Role]:
    """Return the role of exactly this name, or raise NoSuchEntity."""
    return await _existing(reader, ROLE, account, name, "role")


async def existing_holder(
    reader: Store | Transaction, holder: HolderKind, account: str, name: str
) -> Record[Any]:
    """Return the user, group or role of exactly this name, or raise NoSuchEntity."""
    return await _existing(reader, holder.kind, account, name, holder.word.lower())


async def require_free(
    tx: Transaction, holder: HolderKind, account: str, name: str, *, but: str = ""
) -> None:
    """Raise EntityAlreadyExists if another than `but` (a unique id) has the name, in any case."""
    record = await tx.find(holder.kind, account, name=name.lower())
    if record is not None and record.id != but:
        raise already_exists(holder.word, name)


async def _existing(
    reader: Store | Transaction, kind: Kind[H], account: str, name: str, word: str
) -> Record[H]:
    """Return the record of this name.

    Names are unique whatever their case, yet here the case counts: policies are judged on the
    name as it was asked for, and a deny on `user/alice` must hold for whatever reaches alice.
    """
    record = await reader.find(kind, account, name=name.lower())
    if record is None or record.document.name != name:
        raise no_such_entity(word, name)
    return record
