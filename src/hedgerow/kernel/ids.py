"""Identifiers and randomness, from the operating system's generator only."""

import secrets
import uuid


def new_uuid() -> str:
    """Return a random UUID (122 random bits) in its usual 36-character form."""
    return str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))


def new_token(random_bits: int = 256) -> str:
    """Return an unguessable URL-safe token with at least so many random bits."""
    return secrets.token_urlsafe((random_bits + 7) // 8)


def random_bytes(count: int) -> bytes:
    """Return so many random bytes."""
    return secrets.token_bytes(count)
