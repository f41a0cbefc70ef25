"""Users: made, renamed, put into groups, deleted."""

from collections.abc import Mapping
from typing import Any

import msgspec

from hedgerow.cloud.iam import belongings, quotas
from hedgerow.cloud.iam.attachable import attachable_boundary
from hedgerow.cloud.iam.documents import USER, User
from hedgerow.cloud.iam.estate import Estate
from hedgerow.cloud.iam.faults import delete_conflict, quota_exceeded
from hedgerow.cloud.iam.holders import (
    USERS,
    existing_group,
    existing_user,
    require_free,
)
from hedgerow.cloud.iam.paths import entity_path
from hedgerow.cloud.iam.tags import tagged
from hedgerow.cloud.iam.unique_ids import USER_PREFIX, new_unique_id
from hedgerow.store import Record, Transaction

Members = Mapping[str, Any]


async def create(tx: Transaction, estate: Estate, request: Members) -> Record[User]:
    """Make a user, who may do nothing yet."""
    name = request["UserName"]
    await require_free(tx, USERS, estate.account, name)
    if len(estate.users) >= quotas.QUOTAS[quotas.USERS]:
        raise quota_exceeded(quotas.USERS)
    user = User(
        name=name,
        path=entity_path(request.get("Path", "/")),
        tags=tagged({}, request.get("Tags", ())),
        boundary=attachable_boundary(estate, request.get("PermissionsBoundary", "")),
    )
    return await tx.insert(
        USER, estate.account, new_unique_id(USER_PREFIX), user, name=name.lower()
    )


async def update(tx: Transaction, account: str, request: Members) -> None:
    """Give a user another name or path; it stays the same user, with all that it has."""
    record = await existing_user(tx, account, request["UserName"])
    name = request.get("NewUserName", record.document.name)
    await require_free(tx, USERS, account, name, but=record.id)
    path = entity_path(request.get("NewPath", record.document.path))
    changed = msgspec.structs.replace(record.document, name=name, path=path)
    await tx.update(record, changed, name=name.lower())


async def delete(tx: Transaction, account: str, name: str) -> None:
    """Delete a user that has no policies, no groups, and nothing to sign in with."""
    record = await existing_user(tx, account, name)
    user = record.document
    if user.groups:
        raise delete_conflict("Cannot delete entity, must remove users from group first.")
    if user.attached:
        raise delete_conflict("Cannot delete entity, must detach all policies first.")
    if user.inline:
        raise delete_conflict("Cannot delete entity, must delete policies first.")
    await belongings.require_none(tx, account, record.id)
    await tx.delete(record)


async def join(tx: Transaction, account: str, user_name: str, group_name: str) -> None:
    """Put a user into a group; doing it again changes nothing."""
    group = await existing_group(tx, account, group_name)
    record = await existing_user(tx, account, user_name)
    groups = record.document.groups
    if group.id in groups:
        return
    if len(groups) >= quotas.QUOTAS[quotas.GROUPS_OF_USER]:
        raise quota_exceeded(quotas.GROUPS_OF_USER)
    await tx.update(record, msgspec.structs.replace(record.document, groups=(*groups, group.id)))


async def leave(tx: Transaction, account: str, user_name: str, group_name: str) -> None:
    """Take a user out of a group; one that is not in it is no error."""
    group = await existing_group(tx, account, group_name)
    record = await existing_user(tx, account, user_name)
    groups = record.document.groups
    if group.id in groups:
        left = tuple(other for other in groups if other != group.id)
        await tx.update(record, msgspec.structs.replace(record.document, groups=left))
