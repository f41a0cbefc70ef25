"""An estate as bytes: JSON for people and files, compressed JSON for the API."""

import zlib
from typing import Final

import msgspec

from hedgerow.estate.values import Estate
from hedgerow.kernel import CallerError

MAX_ESTATE_BYTES: Final = 64 * 1024 * 1024
"""What an estate may take as JSON; ten groups of 2,500 devices and 10,000 rows fit."""


MAX_PACKED_BYTES: Final = 4 * 1024 * 1024
"""What a call may carry; 2,500 devices with 10,000 rows take a fifth of it."""

MAX_ESTATE_PARTS: Final = 3_000_000
"""The brackets and commas in that JSON: of the smallest values, 64 MiB would become gigabytes."""


def encoded(estate: Estate) -> bytes:
    """Return the estate as JSON; two estates with the same content give the same bytes."""
    return msgspec.json.encode(estate.in_order(), order="deterministic")


def decoded(data: bytes) -> Estate:
    """Return the estate in a JSON text, or raise `CallerError` that names the member at fault."""
    if len(data) > MAX_ESTATE_BYTES:
        raise CallerError(f"an estate has at most {MAX_ESTATE_BYTES} bytes; import it in parts")
    if sum(map(data.count, (b",", b"[", b"{"))) > MAX_ESTATE_PARTS:
        raise CallerError(
            f"an estate has at most {MAX_ESTATE_PARTS} brackets and commas; import it in parts"
        )
    try:
        return msgspec.json.decode(data, type=Estate)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CallerError(f"the estate cannot be read: {error}") from error


def packed(estate: Estate) -> bytes:
    """Return the estate as the API carries it, or raise `CallerError` if it is too large."""
    data = zlib.compress(encoded(estate), level=9)
    if len(data) > MAX_PACKED_BYTES:
        raise CallerError(
            f"the estate takes {len(data)} bytes, and a call has at most {MAX_PACKED_BYTES}; "
            "import it group by group"
        )
    return data


def unpacked(data: bytes) -> Estate:
    """Return the estate that the API carried; never more than `MAX_ESTATE_BYTES` are unpacked."""
    expander = zlib.decompressobj()
    try:
        plain = expander.decompress(data, MAX_ESTATE_BYTES + 1)
    except zlib.error as error:
        raise CallerError("the estate is not compressed JSON (RFC 1950)") from error
    if not expander.eof and len(plain) <= MAX_ESTATE_BYTES:
        raise CallerError("the estate ends before it is complete")
    return decoded(plain)
