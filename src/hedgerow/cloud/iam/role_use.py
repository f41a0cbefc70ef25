"""When a role's sessions last did something: what an unused role is known by."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from hedgerow.cloud.iam.documents import ROLE
from hedgerow.store import Kind, Store, Transaction


class RoleUse(msgspec.Struct, frozen=True, kw_only=True):
    """When, and in which region, a session of a role last made a call; under the role's id."""

    at: datetime
    region: str


ROLE_USE: Final = Kind("iam-role-use", RoleUse)


async def note_role_use(tx: Transaction, account: str, role_id: str, use: RoleUse) -> None:
    """Keep when a role was last used; a role that is gone meanwhile has no use to keep."""
    if await tx.get(ROLE, account, role_id) is None:
        return
    record = await tx.get(ROLE_USE, account, role_id)
    if record is None:
        await tx.insert(ROLE_USE, account, role_id, use)
    elif record.document.at < use.at:
        await tx.update(record, use)


async def forget_role_use(tx: Transaction, account: str, role_id: str) -> None:
    """Forget what is known of a deleted role's use."""
    record = await tx.get(ROLE_USE, account, role_id)
    if record is not None:
        await tx.delete(record)


async def role_use(store: Store, account: str, role_id: str) -> RoleUse | None:
    """Return when a role was last used, None if it never was."""
    record = await store.get(ROLE_USE, account, role_id)
    return record.document if record is not None else None


async def role_uses(store: Store, account: str) -> Mapping[str, RoleUse]:
    """Return when each role of an account was last used, by their ids."""
    return {record.id: record.document for record in await store.all(ROLE_USE, account)}


def last_used(use: RoleUse | None) -> dict[str, Any]:
    """Return a use as the API shows it: empty if there was none."""
    return {} if use is None else {"LastUsedDate": use.at, "Region": use.region}
