"""Access keys: at most two for a user, and two for the root; their secrets shown once.

A key stands under its id, with its owner's unique id as the parent: a user's `AIDA…`, or the
account's number for the root. Source: IAM User Guide, "Manage access keys for IAM users".
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import msgspec

from hedgerow.aws import AwsError
from hedgerow.cloud.iam.key_ids import LASTING, new_key_id
from hedgerow.cloud.iam.owners import require_there
from hedgerow.kernel import Secret, new_token, quoted
from hedgerow.store import Kind, Record, Store, Transaction

KeyStatus = Literal["Active", "Inactive"]

MAX_ACCESS_KEYS: Final = 2
"""Keys that one owner can have, so that one can replace the other without a gap."""

_SECRET_BITS: Final = 240  # 40 characters, as AWS's are


class AccessKey(msgspec.Struct, frozen=True, kw_only=True):
    """A lasting access key. Its owner is the record's parent."""

    secret: str
    status: KeyStatus = "Active"

    def __repr__(self) -> str:
        """Show no secret."""
        return f"AccessKey(status={self.status!r})"


class KeyUse(msgspec.Struct, frozen=True, kw_only=True):
    """When, and for which service and region, a key last signed; under the key's id."""

    at: datetime
    service: str
    region: str


ACCESS_KEY: Final = Kind("iam-access-key", AccessKey)
KEY_USE: Final = Kind("iam-access-key-use", KeyUse)


@dataclass(frozen=True, slots=True)
class NewAccessKey:
    """A key just made: the one time that its secret is given out."""

    access_key_id: str
    secret_access_key: Secret[str]
    created_at: datetime


async def create_access_key(tx: Transaction, account: str, owner_id: str) -> NewAccessKey:
    """Make an active key for a user (its unique id) or the root (the account's number).

    Raises LimitExceeded for a third one.
    """
    await require_there(tx, account, owner_id)
    if len(await keys_of(tx, account, owner_id)) >= MAX_ACCESS_KEYS:
        raise AwsError(
            "LimitExceeded", f"Cannot exceed quota for AccessKeysPerUser: {MAX_ACCESS_KEYS}"
        )
    secret = new_token(_SECRET_BITS)
    record = await tx.insert(
        ACCESS_KEY,
        account,
        new_key_id(LASTING, account),
        AccessKey(secret=secret),
        parent=owner_id,
    )
    return NewAccessKey(record.id, Secret(secret), record.created_at)


async def set_key_status(
    tx: Transaction, account: str, owner_id: str, key_id: str, status: KeyStatus
) -> None:
    """Switch an owner's key on or off; one that is off proves nobody's calls."""
    record = await existing_key(tx, account, owner_id, key_id)
    if record.document.status != status:
        await tx.update(record, msgspec.structs.replace(record.document, status=status))


async def delete_access_key(tx: Transaction, account: str, owner_id: str, key_id: str) -> None:
    """Delete an owner's key and what is known of its use."""
    await tx.delete(await existing_key(tx, account, owner_id, key_id))
    use = await tx.get(KEY_USE, account, key_id)
    if use is not None:
        await tx.delete(use)


async def keys_of(
    reader: Store | Transaction, account: str, owner_id: str
) -> tuple[Record[AccessKey], ...]:
    """Return the keys of a user or the root, oldest first."""
    return await reader.all(ACCESS_KEY, account, parent=owner_id)


async def existing_key(
    reader: Store | Transaction, account: str, owner_id: str, key_id: str
) -> Record[AccessKey]:
    """Return an owner's key, or raise NoSuchEntity, also where the key is somebody else's."""
    record = await reader.get(ACCESS_KEY, account, key_id)
    if record is None or record.parent != owner_id:
        raise key_not_found(key_id)
    return record


def key_not_found(key_id: str) -> AwsError:
    """Return the error for an access key that does not exist, or not for this owner."""
    return AwsError(
        "NoSuchEntity", f"The Access Key with id {quoted(key_id)[1:-1]} cannot be found."
    )


async def note_use(tx: Transaction, account: str, key_id: str, use: KeyUse) -> None:
    """Keep when a key was last used; a key that is gone meanwhile has no use to keep."""
    if await tx.get(ACCESS_KEY, account, key_id) is None:
        return
    record = await tx.get(KEY_USE, account, key_id)
    if record is None:
        await tx.insert(KEY_USE, account, key_id, use)
    elif record.document.at < use.at:
        await tx.update(record, use)
