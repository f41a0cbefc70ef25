"""Inline policies: a text under a name inside one user, group or role, and gone with it."""

import msgspec

from hedgerow.cloud.iam.documents import PolicyHolder
from hedgerow.cloud.iam.faults import limit_exceeded, no_such_entity
from hedgerow.cloud.iam.holders import HolderKind, existing_holder
from hedgerow.cloud.iam.policy_text import require_sound
from hedgerow.cloud.iam.quotas import INLINE_SIZES
from hedgerow.policy import Dialect, document_size
from hedgerow.store import Transaction


async def put(
    tx: Transaction, account: str, holder: HolderKind, name: str, policy_name: str, text: str
) -> None:
    """Write a policy into a holder, in place of one of the same name."""
    record = await existing_holder(tx, holder, account, name)
    label = f"{holder.word.lower()}/{name}#{policy_name}"
    sound = require_sound(text, Dialect.IDENTITY, name=label)
    inline = {**record.document.inline, policy_name: sound}
    limit = INLINE_SIZES[holder.word]
    if sum(document_size(one) for one in inline.values()) > limit:
        raise limit_exceeded(
            f"Maximum policy size of {limit} bytes exceeded for {holder.word.lower()} "
            f"{record.document.name}"
        )
    await tx.update(record, msgspec.structs.replace(record.document, inline=inline))


async def delete(
    tx: Transaction, account: str, holder: HolderKind, name: str, policy_name: str
) -> None:
    """Delete a policy from a holder."""
    record = await existing_holder(tx, holder, account, name)
    existing_text(holder, record.document, policy_name)
    inline = {key: text for key, text in record.document.inline.items() if key != policy_name}
    await tx.update(record, msgspec.structs.replace(record.document, inline=inline))


def existing_text(holder: HolderKind, document: PolicyHolder, policy_name: str) -> str:
    """Return the text of an inline policy, or raise NoSuchEntity."""
    text = document.inline.get(policy_name)
    if text is None:
        raise no_such_entity(f"{holder.word.lower()} policy", policy_name)
    return text
