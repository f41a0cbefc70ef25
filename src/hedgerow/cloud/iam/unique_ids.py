"""Unique ids of entities, whose first four letters say of what kind they are.

Source: IAM User Guide, "IAM identifiers" (unique identifiers and their prefixes).
"""

import base64
import hashlib
from typing import Final

from hedgerow.kernel import random_bytes

USER_PREFIX: Final = "AIDA"
GROUP_PREFIX: Final = "AGPA"
ROLE_PREFIX: Final = "AROA"
POLICY_PREFIX: Final = "ANPA"
_CHARACTERS: Final = 17
_BYTES: Final = 11


def new_unique_id(prefix: str) -> str:
    """Return an id that nothing had before: the prefix and 17 random characters (85 bits)."""
    return prefix + base64.b32encode(random_bytes(_BYTES)).decode()[:_CHARACTERS]


def lasting_unique_id(prefix: str, name: str) -> str:
    """Return an id that is always the same for a name: for what comes with the service."""
    digest = hashlib.sha256(name.encode()).digest()
    return prefix + base64.b32encode(digest).decode()[:_CHARACTERS]
