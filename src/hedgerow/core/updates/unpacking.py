"""Unpack a verified package into a fresh folder, and nowhere else.

A package holds plain files and folders. Anything else in it (links, devices, names that lead out
of the folder, the same name twice, more than the limits) and the whole package is refused: whoever
signs packages may be deceived too.
"""

import hashlib
import os
import shutil
import stat
import tarfile
from concurrent.futures import ThreadPoolExecutor
from io import BufferedReader
from pathlib import Path
from typing import Final

import msgspec

from hedgerow.contract.updates import ENTRIES, PACKAGE_FACTS, PackageFacts
from hedgerow.core.updates.repository_client import VerifiedPackage
from hedgerow.kernel import PeerError, quoted
from hedgerow.pki import flush

MEMBERS_LIMIT: Final = 50_000
UNPACKED_BYTES_LIMIT: Final = 2 * 1024 * 1_048_576
NAME_LIMIT: Final = 240
DEPTH_LIMIT: Final = 32
_FOLDER_MODE: Final = 0o755
_CHUNK: Final = 1_048_576
_FLUSHED_AT_ONCE: Final = 16


def unpack(package: VerifiedPackage, folder: Path) -> None:
    """Unpack a package into a folder, which is made and must not be there yet.

    `PeerError` if it is not as it must be; then the folder is not there afterwards.
    """
    folder.mkdir(mode=_FOLDER_MODE, parents=True)
    try:
        with package.path.open("rb") as file:
            _require_same(package, file)
            with tarfile.open(fileobj=file, mode="r:gz") as archive:
                _unpack_all(archive, folder)
        _require_program(package, folder)
        _flush_all(folder)
    except (tarfile.TarError, EOFError, ValueError, OSError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError) and not isinstance(error, tarfile.TarError | FileExistsError):
            raise
        raise PeerError(f"the package cannot be unpacked: {error}") from error
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _require_same(package: VerifiedPackage, file: BufferedReader) -> None:
    """Check the digest of what is about to be unpacked, not of what once had its name."""
    found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != package.sha256:
        raise PeerError("the package changed on this disk after it was verified")
    file.seek(0)


def _unpack_all(archive: tarfile.TarFile, folder: Path) -> None:
    seen: set[tuple[str, ...]] = set()
    total = 0
    for member in archive:
        parts = _parts(member)
        if parts in seen:
            raise PeerError(f"the package holds {quoted(member.name)} twice")
        seen.add(parts)
        total += member.size
        if len(seen) > MEMBERS_LIMIT or total > UNPACKED_BYTES_LIMIT:
            raise PeerError(
                f"the package has over {MEMBERS_LIMIT} files or {UNPACKED_BYTES_LIMIT} bytes"
            )
        path = folder.joinpath(*parts)
        if member.isdir():
            path.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        else:
            _write(archive, member, path)


def _parts(member: tarfile.TarInfo) -> tuple[str, ...]:
    """Return the parts of a member's name if it is a plain file or folder below the folder."""
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise PeerError(f"{quoted(member.name)} in the package is no plain file or folder")
    parts = tuple(member.name.removesuffix("/").split("/"))
    is_plain = all(part not in {"", ".", ".."} and part.isprintable() for part in parts)
    if not is_plain or len(member.name) > NAME_LIMIT or len(parts) > DEPTH_LIMIT:
        raise PeerError(f"the package holds a file by the name of {quoted(member.name)}")
    return parts


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    mode = 0o755 if member.mode & stat.S_IXUSR else 0o644
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    source = archive.extractfile(member)
    if source is None:
        raise PeerError(f"{quoted(member.name)} in the package cannot be read")
    with os.fdopen(os.open(path, flags, mode), "wb") as file:
        shutil.copyfileobj(source, file, _CHUNK)
        os.fchmod(file.fileno(), mode)


def _require_program(package: VerifiedPackage, folder: Path) -> None:
    """Check that the package is, inside too, what was signed about it, and has its program."""
    try:
        inside = msgspec.json.decode((folder / PACKAGE_FACTS).read_bytes(), type=PackageFacts)
    except (FileNotFoundError, msgspec.DecodeError) as error:
        raise PeerError(f"the package says nothing of itself: {error}") from error
    if inside != package.facts:
        raise PeerError("the package says something else of itself than what was signed about it")
    program = folder / ENTRIES[inside.software]
    if not program.is_file() or not os.access(program, os.X_OK):
        raise PeerError(f"the package has no program {program.name}")


def _flush_all(folder: Path) -> None:
    """Bring everything to the disk; several at a time, which the file system puts together."""
    with ThreadPoolExecutor(_FLUSHED_AT_ONCE) as pool:
        for _ in pool.map(flush, folder.rglob("*")):
            pass
    flush(folder)
