"""What lies in a delivered folder: files by what they are, under names that digests know them by.

A digest names files from `AWSLogs/` on, after a prefix. A folder may have been copied from
anywhere, so files are known by the part from `AWSLogs/` on, within the folder that holds it.
"""

import os
import zlib
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hedgerow.cloud.cloudtrail.layout import (
    SIGNATURE_SUFFIX,
    FoundName,
    read_digest_name,
    read_log_name,
)
from hedgerow.kernel import ConfigurationError

MAX_CONTENT_BYTES: Final = 256 * 1024 * 1024
"""Of one file, decompressed; delivered ones are far smaller."""
_TOP: Final = "AWSLogs/"
_GZIP: Final = 31
_SALVAGED_AT_ONCE: Final = 64


@dataclass(slots=True)
class Root:
    """The files under one folder that holds `AWSLogs`."""

    path: Path
    shown: str
    """What comes before a name when it is shown."""
    digests: dict[str, FoundName] = field(default_factory=dict)
    logs: dict[str, FoundName] = field(default_factory=dict)

    def read(self, name: str) -> bytes:
        """Return a file's bytes. Raises `OSError`."""
        return (self.path / name).read_bytes()


def take_inventory(folder: Path, account: str | None) -> tuple[Root, ...]:
    """List what there is, of one account if it is given. Raises `ConfigurationError`."""
    if not folder.is_dir():
        raise ConfigurationError(f"{folder} is not a folder")
    roots: dict[str, Root] = {}
    for parent, folders, files in os.walk(folder):
        folders.sort()
        for file in sorted(files):
            relative = (Path(parent) / file).relative_to(folder).as_posix()
            before, found, _ = relative.partition(_TOP)
            if not found or (before and not before.endswith("/")):
                continue
            root = roots.setdefault(before, Root(folder / before, before))
            _enter(root, relative[len(before) :], account)
    return tuple(roots[before] for before in sorted(roots))


def named_from_top(key: str) -> str:
    """Return the part of a key by which its file is known."""
    return key[key.find(_TOP) :] if _TOP in key else key


def signature_name(name: str) -> str:
    """Return where a digest's signature lies."""
    return name + SIGNATURE_SUFFIX


def decompressed(packed: bytes) -> bytes:
    """Return the content of one gzip member that is the whole file. Raises `ValueError`."""
    unpack = zlib.decompressobj(_GZIP)
    try:
        content = unpack.decompress(packed, MAX_CONTENT_BYTES)
    except zlib.error as error:
        raise ValueError(f"its compression is damaged ({error})") from error
    if unpack.unconsumed_tail:
        raise ValueError("its content is too large to have been delivered")
    if not unpack.eof or unpack.unused_data:
        raise ValueError("it does not end where its content ends")
    return content


def salvaged(packed: bytes) -> bytes:
    """Return as much of a damaged file's content as can be decompressed."""
    unpack = zlib.decompressobj(_GZIP)
    content = bytearray()
    with suppress(zlib.error):  # what came before is all that can be had
        for start in range(0, len(packed), _SALVAGED_AT_ONCE):
            content += unpack.decompress(packed[start : start + _SALVAGED_AT_ONCE])
            if len(content) > MAX_CONTENT_BYTES:
                break
    return bytes(content)


def _enter(root: Root, name: str, account: str | None) -> None:
    digest = read_digest_name(name)
    log = read_log_name(name) if digest is None else None
    found = digest or log
    if found is None or (account is not None and found.account != account):
        return
    (root.logs if digest is None else root.digests)[name] = found
