"""Roles: made with a trust policy that says who may assume them, changed, deleted."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec

from hedgerow.cloud.iam import quotas
from hedgerow.cloud.iam.attachable import attachable_boundary
from hedgerow.cloud.iam.documents import DEFAULT_SESSION_S, ROLE, Role
from hedgerow.cloud.iam.estate import Estate
from hedgerow.cloud.iam.faults import delete_conflict, invalid_input, quota_exceeded
from hedgerow.cloud.iam.holders import ROLES, existing_role, require_free
from hedgerow.cloud.iam.paths import entity_path
from hedgerow.cloud.iam.policy_text import trust_text
from hedgerow.cloud.iam.role_use import forget_role_use
from hedgerow.cloud.iam.tags import tagged
from hedgerow.cloud.iam.trust import held_principals
from hedgerow.cloud.iam.unique_ids import ROLE_PREFIX, new_unique_id
from hedgerow.store import Record, Transaction

Members = Mapping[str, Any]

_SERVICE_LINKED_PATH: Final = "/aws-service-role/"


UniqueIds = Callable[[str], Awaitable[str | None]]
"""Finds the unique id of a user or role by its ARN, in any account."""


async def create(
    tx: Transaction, estate: Estate, unique_ids: UniqueIds, request: Members
) -> Record[Role]:
    """Make a role that its trust policy's principals may assume, and that may do nothing yet."""
    name, path = request["RoleName"], entity_path(request.get("Path", "/"))
    if path.startswith(_SERVICE_LINKED_PATH):
        raise invalid_input(
            f"Paths under {_SERVICE_LINKED_PATH} are kept for service-linked roles."
        )
    await require_free(tx, ROLES, estate.account, name)
    if len(estate.roles) >= quotas.QUOTAS[quotas.ROLES]:
        raise quota_exceeded(quotas.ROLES)
    trust = trust_text(request["AssumeRolePolicyDocument"], role=name)
    role = Role(
        name=name,
        path=path,
        trust=trust,
        held=await held_principals(unique_ids, estate.account, trust),
        description=request.get("Description", ""),
        max_session_s=request.get("MaxSessionDuration", DEFAULT_SESSION_S),
        tags=tagged({}, request.get("Tags", ())),
        boundary=attachable_boundary(estate, request.get("PermissionsBoundary", "")),
    )
    return await tx.insert(
        ROLE, estate.account, new_unique_id(ROLE_PREFIX), role, name=name.lower()
    )


async def update(tx: Transaction, account: str, request: Members) -> Record[Role]:
    """Change a role's description or longest session; what is not given stays."""
    record = await existing_role(tx, account, request["RoleName"])
    role = record.document
    changed = msgspec.structs.replace(
        role,
        description=request.get("Description", role.description),
        max_session_s=request.get("MaxSessionDuration", role.max_session_s),
    )
    return await tx.update(record, changed)


async def update_trust(
    tx: Transaction, account: str, unique_ids: UniqueIds, request: Members
) -> None:
    """Replace the policy that says who may assume a role."""
    record = await existing_role(tx, account, request["RoleName"])
    trust = trust_text(request["PolicyDocument"], role=request["RoleName"])
    held = await held_principals(unique_ids, account, trust)
    await tx.update(record, msgspec.structs.replace(record.document, trust=trust, held=held))


async def delete(tx: Transaction, account: str, name: str) -> None:
    """Delete a role that has no policies; its sessions may do nothing from then on."""
    record = await existing_role(tx, account, name)
    if record.document.attached:
        raise delete_conflict("Cannot delete entity, must detach all policies first.")
    if record.document.inline:
        raise delete_conflict("Cannot delete entity, must delete policies first.")
    await tx.delete(record)
    await forget_role_use(tx, account, record.id)
