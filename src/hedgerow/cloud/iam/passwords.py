"""Passwords: what an account asks of them, and how they are kept. Pure, and slow on purpose.

Sources: IAM User Guide, "Set an account password policy for IAM users"; RFC 7914 (scrypt).
"""

import hmac
from collections.abc import Callable
from typing import Final

import msgspec
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from hedgerow.kernel import Secret, random_bytes

SYMBOLS: Final = frozenset("!@#$%^&*()_+-=[]{}|'")
MAX_CHARACTERS: Final = 128

_SALT_BYTES: Final = 16
_HASH_BYTES: Final = 32
_LOG2_N: Final = 15
_BLOCK_SIZE: Final = 8
_PARALLEL: Final = 1
_KINDS_BY_DEFAULT: Final = 3


class PasswordPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What an account asks of passwords, once it has a policy of its own."""

    minimum_length: int = 6
    symbols: bool = False
    numbers: bool = False
    uppercase: bool = False
    lowercase: bool = False
    users_may_change: bool = False
    max_age_days: int | None = None
    reuse_prevention: int | None = None
    hard_expiry: bool = False


class PasswordHash(msgspec.Struct, frozen=True, kw_only=True):
    """A password as it is kept: a salt of its own, the cost, and what scrypt makes of them."""

    salt: bytes
    digest: bytes
    log2_n: int = _LOG2_N

    def __repr__(self) -> str:
        """Show nothing of it."""
        return "PasswordHash(***)"


_CHECKS: Final[tuple[tuple[str, str, Callable[[str], bool]], ...]] = (
    ("symbols", "symbol", lambda text: not SYMBOLS.isdisjoint(text)),
    ("numbers", "number", lambda text: any("0" <= each <= "9" for each in text)),
    ("uppercase", "uppercase letter", lambda text: any("A" <= each <= "Z" for each in text)),
    ("lowercase", "lowercase letter", lambda text: any("a" <= each <= "z" for each in text)),
)
"""The kinds of characters: the policy's member, the word for it, and whether a text has one."""

_DEFAULT_LENGTH: Final = 8


def objection(password: str, policy: PasswordPolicy | None) -> str | None:
    """Return what a password lacks, by the account's policy or the one by default; None if good."""
    length = _DEFAULT_LENGTH if policy is None else policy.minimum_length
    if not length <= len(password) <= MAX_CHARACTERS:
        return f"Password should have a minimum length of {length}"
    if policy is None:
        kinds = sum(1 for _, _, has in _CHECKS if has(password))
        if kinds < _KINDS_BY_DEFAULT:
            return (
                f"Password should have at least {_KINDS_BY_DEFAULT} of: uppercase letters, "
                "lowercase letters, numbers, symbols"
            )
        return None
    for member, word, has in _CHECKS:
        if getattr(policy, member) and not has(password):
            return f"Password should have at least one {word}"
    return None


def hashed(password: Secret[str]) -> PasswordHash:
    """Return a password as it is kept. It takes some hundredths of a second and 32 MiB."""
    salt = random_bytes(_SALT_BYTES)
    return PasswordHash(salt=salt, digest=_digest(password, salt, _LOG2_N))


def is_password(password: Secret[str], kept: PasswordHash) -> bool:
    """Whether this is the password that was kept; as slow as `hashed`."""
    return hmac.compare_digest(_digest(password, kept.salt, kept.log2_n), kept.digest)


def _digest(password: Secret[str], salt: bytes, log2_n: int) -> bytes:
    scrypt = Scrypt(salt=salt, length=_HASH_BYTES, n=2**log2_n, r=_BLOCK_SIZE, p=_PARALLEL)
    return scrypt.derive(password.reveal().encode())
