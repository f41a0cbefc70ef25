"""Groups: made, renamed, deleted. Who is in one stands with the users."""

from collections.abc import Mapping
from typing import Any

import msgspec

from hedgerow.cloud.iam import quotas
from hedgerow.cloud.iam.documents import GROUP, Group
from hedgerow.cloud.iam.estate import Estate
from hedgerow.cloud.iam.faults import delete_conflict, quota_exceeded
from hedgerow.cloud.iam.holders import GROUPS, existing_group, require_free
from hedgerow.cloud.iam.paths import entity_path
from hedgerow.cloud.iam.unique_ids import GROUP_PREFIX, new_unique_id
from hedgerow.store import Record, Transaction

Members = Mapping[str, Any]


async def create(tx: Transaction, estate: Estate, request: Members) -> Record[Group]:
    """Make a group, empty and without policies."""
    name = request["GroupName"]
    await require_free(tx, GROUPS, estate.account, name)
    if len(estate.groups) >= quotas.QUOTAS[quotas.GROUPS]:
        raise quota_exceeded(quotas.GROUPS)
    group = Group(name=name, path=entity_path(request.get("Path", "/")))
    return await tx.insert(
        GROUP, estate.account, new_unique_id(GROUP_PREFIX), group, name=name.lower()
    )


async def update(tx: Transaction, account: str, request: Members) -> None:
    """Give a group another name or path; its users and policies stay."""
    record = await existing_group(tx, account, request["GroupName"])
    name = request.get("NewGroupName", record.document.name)
    await require_free(tx, GROUPS, account, name, but=record.id)
    path = entity_path(request.get("NewPath", record.document.path))
    changed = msgspec.structs.replace(record.document, name=name, path=path)
    await tx.update(record, changed, name=name.lower())


async def delete(tx: Transaction, estate: Estate, name: str) -> None:
    """Delete a group that has neither users nor policies."""
    record = await existing_group(tx, estate.account, name)
    if estate.members(record.id):
        raise delete_conflict("Cannot delete entity, must remove users from group first.")
    if record.document.attached:
        raise delete_conflict("Cannot delete entity, must detach all policies first.")
    if record.document.inline:
        raise delete_conflict("Cannot delete entity, must delete policies first.")
    await tx.delete(record)
