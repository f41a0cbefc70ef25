"""Which managed policies hold for whom: attached to users, groups and roles, or as boundaries."""

import msgspec

from hedgerow.cloud.iam.attachable import attachable_policy, require_policy_arn
from hedgerow.cloud.iam.documents import Identity
from hedgerow.cloud.iam.estate import Estate
from hedgerow.cloud.iam.faults import no_such_entity, no_such_policy, quota_exceeded
from hedgerow.cloud.iam.holders import HolderKind, existing_holder
from hedgerow.cloud.iam.quotas import QUOTAS
from hedgerow.store import Transaction


async def attach(tx: Transaction, estate: Estate, holder: HolderKind, name: str, arn: str) -> None:
    """Attach a managed policy to a holder; doing it again changes nothing."""
    attachable_policy(estate, arn)
    record = await existing_holder(tx, holder, estate.account, name)
    attached = record.document.attached
    if arn in attached:
        return
    quota = f"PoliciesPer{holder.word}"
    if len(attached) >= QUOTAS[quota]:
        raise quota_exceeded(quota)
    changed = msgspec.structs.replace(record.document, attached=(*attached, arn))
    await tx.update(record, changed)


async def detach(tx: Transaction, account: str, holder: HolderKind, name: str, arn: str) -> None:
    """Detach a managed policy from a holder; one that is not attached is an error."""
    require_policy_arn(arn)
    record = await existing_holder(tx, holder, account, name)
    attached = record.document.attached
    if arn not in attached:
        raise no_such_policy(arn)
    left = tuple(other for other in attached if other != arn)
    await tx.update(record, msgspec.structs.replace(record.document, attached=left))


async def put_boundary(
    tx: Transaction, estate: Estate, holder: HolderKind, name: str, arn: str
) -> None:
    """Hold a user or role within a managed policy, in place of the boundary before."""
    attachable_policy(estate, arn)
    record = await existing_holder(tx, holder, estate.account, name)
    await tx.update(record, msgspec.structs.replace(record.document, boundary=arn))


async def delete_boundary(tx: Transaction, account: str, holder: HolderKind, name: str) -> None:
    """Take a user's or role's boundary away; one that has none is an error."""
    record = await existing_holder(tx, holder, account, name)
    document: Identity = record.document
    if not document.boundary:
        raise no_such_entity(f"permissions boundary of the {holder.word.lower()}", name)
    await tx.update(record, msgspec.structs.replace(document, boundary=""))
