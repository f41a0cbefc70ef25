"""Identifiers and randomness, from the operating system's generator only."""

import secrets


def new_uuid() -> str:
    """Return a random UUID (122 random bits) in its usual 36-character form."""
    raw = bytearray(secrets.token_bytes(16))
    raw[6] = raw[6] & 0x0F | 0x40  # version 4, RFC 9562, section 5.4
    raw[8] = raw[8] & 0x3F | 0x80  # its variant
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def new_token(random_bits: int = 256) -> str:
    """Return an unguessable URL-safe token with at least so many random bits."""
    return secrets.token_urlsafe((random_bits + 7) // 8)


def random_bytes(count: int) -> bytes:
    """Return so many random bytes."""
    return secrets.token_bytes(count)
