"""Ids of access keys, with the account inside: `AKIA…` for lasting, `ASIA…` for temporary ones.

The 16 characters after the prefix are 80 bits in Base32: 40 of the account's number and 40 random.
So a key is looked up in its own account without asking all of them, and `GetAccessKeyInfo` can
tell whose it is. Source: IAM User Guide, "IAM identifiers" (prefixes).
"""

import base64
import binascii
from typing import Final, Literal

from hedgerow.kernel import random_bytes

KeyPrefix = Literal["AKIA", "ASIA"]

LASTING: Final[KeyPrefix] = "AKIA"
TEMPORARY: Final[KeyPrefix] = "ASIA"

_PREFIX_CHARACTERS: Final = 4
_BODY_CHARACTERS: Final = 16
_ACCOUNT_BYTES: Final = 5
_RANDOM_BYTES: Final = 5
_ACCOUNT_DIGITS: Final = 12
_FIRST_NO_ACCOUNT: Final = 10**_ACCOUNT_DIGITS


def new_key_id(prefix: KeyPrefix, account: str) -> str:
    """Return a new id for a key of this account (12 digits)."""
    number = int(account).to_bytes(_ACCOUNT_BYTES, "big")
    return prefix + base64.b32encode(number + random_bytes(_RANDOM_BYTES)).decode()


def account_of(key_id: str) -> str | None:
    """Return the account (12 digits) that a key's id names, or None if it is no id of ours."""
    body = key_id[_PREFIX_CHARACTERS:]
    if not key_id.startswith((LASTING, TEMPORARY)) or len(body) != _BODY_CHARACTERS:
        return None
    try:
        number = int.from_bytes(base64.b32decode(body)[:_ACCOUNT_BYTES], "big")
    except (binascii.Error, ValueError):
        return None
    return f"{number:0{_ACCOUNT_DIGITS}}" if number < _FIRST_NO_ACCOUNT else None


def is_temporary(key_id: str) -> bool:
    """Whether an id is that of temporary credentials."""
    return key_id.startswith(TEMPORARY)
