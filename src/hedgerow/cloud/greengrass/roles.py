"""The service role of the account in this region, and the group role of a group.

What is associated is an `AssociableRole`, which only `RoleDesk` makes. The texts for a role that
is not there are V1's (pages group-role, service-role).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from hedgerow.cloud.greengrass.documents import SERVICE_ROLE, ServiceRole
from hedgerow.cloud.greengrass.faults import role_missing
from hedgerow.cloud.greengrass.lookup import existing_group
from hedgerow.cloud.greengrass.role_desk import NO_GROUP_ROLE, AssociableRole
from hedgerow.cloud.home import Home
from hedgerow.kernel import iso_milliseconds
from hedgerow.store import Store, Transaction

Members = Mapping[str, Any]
NO_SERVICE_ROLE = "You need to attach an IAM role to your account in this region."


async def associate_service_role(
    tx: Transaction, home: Home, _request: Members, *, role: AssociableRole, now: datetime
) -> Members:
    """Make a role the account's service role in this region."""
    associated = ServiceRole(role_arn=role.arn, associated_at=now)
    current = await tx.get(SERVICE_ROLE, home.account, home.region)
    if current is None:
        await tx.insert(SERVICE_ROLE, home.account, home.region, associated)
    else:
        await tx.update(current, associated)
    return {"AssociatedAt": iso_milliseconds(now)}


async def service_role(store: Store, home: Home, _request: Members) -> Members:
    """Return the account's service role, or V1's 404."""
    record = await store.get(SERVICE_ROLE, home.account, home.region)
    if record is None:
        raise role_missing(NO_SERVICE_ROLE)
    return {
        "AssociatedAt": iso_milliseconds(record.document.associated_at),
        "RoleArn": record.document.role_arn,
    }


async def disassociate_service_role(
    tx: Transaction, home: Home, _request: Members, *, now: datetime
) -> Members:
    """Take the service role away; deployments fail from now on."""
    record = await tx.get(SERVICE_ROLE, home.account, home.region)
    if record is not None:
        await tx.delete(record)
    return {"DisassociatedAt": iso_milliseconds(now)}


async def associate_group_role(
    tx: Transaction, home: Home, request: Members, *, role: AssociableRole, now: datetime
) -> Members:
    """Give a group its role, in place of any it had."""
    record = await existing_group(tx, home, request["GroupId"])
    await tx.update(
        record,
        msgspec.structs.replace(record.document, role_arn=role.arn, role_associated_at=now),
    )
    return {"AssociatedAt": iso_milliseconds(now)}


async def group_role(store: Store, home: Home, request: Members) -> Members:
    """Return a group's role, or V1's 404."""
    record = await existing_group(store, home, request["GroupId"])
    group = record.document
    if group.role_arn is None or group.role_associated_at is None:
        raise role_missing(NO_GROUP_ROLE)
    return {"AssociatedAt": iso_milliseconds(group.role_associated_at), "RoleArn": group.role_arn}


async def disassociate_group_role(
    tx: Transaction, home: Home, request: Members, *, now: datetime
) -> Members:
    """Take a group's role away."""
    record = await existing_group(tx, home, request["GroupId"])
    await tx.update(
        record, msgspec.structs.replace(record.document, role_arn=None, role_associated_at=None)
    )
    return {"DisassociatedAt": iso_milliseconds(now)}
