"""The anchor: how far a journal has certainly reached the disk, beside the journal.

It is written after every flush. A journal that ends before its anchor has lost records that no
power loss can have taken: somebody cut it.
"""

import hmac
import os
from pathlib import Path
from typing import Final

from hedgerow.cloud.cloudtrail.chain import HEAD_BYTES, Head
from hedgerow.kernel import Secret

_NAME: Final = "flushed"
_SEQUENCE_BYTES: Final = 8
_DIGEST: Final = "sha256"
_MODE: Final = 0o600


def write_anchor(folder: Path, journal_key: Secret[bytes], head: Head) -> None:
    """Say that everything up to this head is on disk."""
    fields = head.sequence.to_bytes(_SEQUENCE_BYTES) + head.hash
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(folder / _NAME, flags, _MODE)
    try:
        os.pwrite(descriptor, fields + _mac(journal_key, fields), 0)
    finally:
        os.close(descriptor)


def read_anchor(folder: Path, journal_key: Secret[bytes]) -> Head | None:
    """Return the head that was certainly on disk; None if there is no anchor, or a foreign one."""
    try:
        content = (folder / _NAME).read_bytes()
    except FileNotFoundError:
        return None
    size = _SEQUENCE_BYTES + HEAD_BYTES
    fields = content[:size]
    if not hmac.compare_digest(content[size:], _mac(journal_key, fields)):
        return None
    return Head(int.from_bytes(fields[:_SEQUENCE_BYTES]), fields[_SEQUENCE_BYTES:])


def _mac(journal_key: Secret[bytes], fields: bytes) -> bytes:
    return hmac.digest(journal_key.reveal(), b"anchor" + fields, _DIGEST)
