"""What must be gone before a user can be deleted, beside its groups and policies.

Every such record has the user's unique id as its parent.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from hedgerow.cloud.iam.access_keys import ACCESS_KEY
from hedgerow.cloud.iam.faults import delete_conflict
from hedgerow.cloud.iam.login_profiles import LOGIN_PROFILE
from hedgerow.cloud.iam.mfa import MFA_ASSIGNMENT
from hedgerow.store import Kind, Transaction

BELONGINGS: Final[Mapping[Kind[Any], str]] = MappingProxyType(
    {
        ACCESS_KEY: "access keys",
        LOGIN_PROFILE: "login profile",
        MFA_ASSIGNMENT: "MFA device",
    }
)
"""The kinds of record, and how the refusal calls them (`access keys`)."""


async def require_none(tx: Transaction, account: str, user_id: str) -> None:
    """Raise DeleteConflict if anything still belongs to the user."""
    for kind, word in BELONGINGS.items():
        if (await tx.list(kind, account, parent=user_id, limit=1)).records:
            raise delete_conflict(f"Cannot delete entity, must delete {word} first.")
