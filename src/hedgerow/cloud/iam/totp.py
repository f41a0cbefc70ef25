"""Time-based one-time codes (RFC 6238), as authenticator apps show them: six digits, 30 seconds.

Pure: the time comes in, and which step a code is of goes out.
"""

from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor import InvalidToken
from cryptography.hazmat.primitives.twofactor.totp import TOTP

STEP_SECONDS: Final = 30
DIGITS: Final = 6
SKEW_STEPS: Final = 1
"""How far the clocks of device and server may be apart."""

RESYNC_STEPS: Final = 20
"""How far apart they may be when a device is enabled or put right with two codes (10 minutes)."""


def step_at(moment: datetime) -> int:
    """Return the number of the step that a moment is in."""
    return int(moment.timestamp()) // STEP_SECONDS


def matching_step(seed: bytes, code: str, around: int, after: int, skew: int) -> int | None:
    """Return the step whose code this is, close enough to `around` and later than `after`."""
    totp = _totp(seed)
    matches = [
        step
        for step in range(max(around - skew, after + 1), around + skew + 1)
        if _is_code(totp, code, step)
    ]
    return matches[0] if matches else None


def consecutive_steps(seed: bytes, first: str, second: str, around: int, after: int) -> int | None:
    """Return the step of the second of two codes that follow each other, or None."""
    totp = _totp(seed)
    for step in _nearest_first(around, RESYNC_STEPS):
        if step - 1 > after and _is_code(totp, second, step) and _is_code(totp, first, step - 1):
            return step
    return None


def provisioning_uri(seed: bytes, device: str, account: str) -> str:
    """Return what an authenticator app reads from the picture."""
    return _totp(seed).get_provisioning_uri(f"{device}@{account}", "Hedgerow")


def _totp(seed: bytes) -> TOTP:
    return TOTP(seed, DIGITS, SHA1(), STEP_SECONDS)  # noqa: S303 - what the apps can do; HMAC needs no more


def _is_code(totp: TOTP, code: str, step: int) -> bool:
    if step < 0:
        return False
    try:
        totp.verify(code.encode(), step * STEP_SECONDS)
    except InvalidToken:
        return False
    return True


def _nearest_first(around: int, distance: int) -> list[int]:
    return sorted(range(around - distance, around + distance + 1), key=lambda s: abs(s - around))
