"""Files of the repository of software updates, for cores whose policy lets them fetch any.

They are signed for everybody who fetches them, so there is nothing to hide in them; a name that
does not have the form of such a file is not looked for. Packages go out in pieces, so that many
cores that fetch a large one cost the cloud little memory.
"""

import asyncio
import os
import re
from pathlib import Path
from typing import Final

from hedgerow.aws import HttpAnswer
from hedgerow.cloud.dataplane.answers import MissingError, ok
from hedgerow.cloud.dataplane.authorized import Authorized
from hedgerow.kernel import CallerError, quoted

PIECE_BYTES: Final = 1_048_576
"""The longest piece of a package in one answer."""

_METADATA_BYTES_LIMIT: Final = 8 * 1_048_576
_METADATA = re.compile(r"timestamp\.json|[0-9]{1,9}\.(root|snapshot|targets)\.json", re.ASCII)
_TARGET = re.compile(
    r"(core|ota_agent)/[0-9]+(\.[0-9]+){1,3}/[0-9a-f]{64}\.[a-z_]+-[a-z0-9_]+\.tar\.gz", re.ASCII
)
_RANGE = re.compile(r"bytes=([0-9]{1,15})-([0-9]{1,15})", re.ASCII)
_PARTIAL: Final = 206
_NOT_SATISFIABLE: Final = 416


class UpdateCalls:
    """The two calls on the repository in a folder, which may not be there."""

    def __init__(self, repository: Path) -> None:
        self._repository = repository

    async def metadata(self, request: Authorized) -> HttpAnswer:
        """Return a file of signed metadata."""
        name = request.parameters["name"]
        if not _METADATA.fullmatch(name):
            raise _missing(name)
        return ok(await asyncio.to_thread(_whole, self._repository / "metadata" / name))

    async def target(self, request: Authorized) -> HttpAnswer:
        """Return a piece of a package: a range is asked for, of which at most 1 MiB comes."""
        path = request.parameters["path"]
        if not _TARGET.fullmatch(path):
            raise _missing(path)
        asked = _RANGE.fullmatch(request.headers.get("range", ""))
        if asked is None:
            raise CallerError("a package is fetched in pieces; ask for a range: bytes=FIRST-LAST")
        first, last = int(asked[1]), int(asked[2])
        if last < first:
            raise CallerError("the range ends before it begins")
        length = min(last - first + 1, PIECE_BYTES)
        return await asyncio.to_thread(_piece, self._repository / "targets" / path, first, length)


def _whole(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_METADATA_BYTES_LIMIT)
    except FileNotFoundError:
        raise _missing(path.name) from None


def _piece(path: Path, first: int, length: int) -> HttpAnswer:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise _missing(path.name) from None
    try:
        size = os.fstat(descriptor).st_size
        data = os.pread(descriptor, length, first)
    finally:
        os.close(descriptor)
    if not data:
        return HttpAnswer(_NOT_SATISFIABLE, {"content-range": f"bytes */{size}"})
    headers = {
        "content-type": "application/octet-stream",
        "content-range": f"bytes {first}-{first + len(data) - 1}/{size}",
    }
    return HttpAnswer(_PARTIAL, headers, data)


def _missing(name: str) -> MissingError:
    return MissingError(f"there is no file {quoted(name)} among the software updates")
