"""Files that only their owner may read, written so that they are never anything else.

INVARIANT: a private file has mode 0600 from its first moment, lies in a folder of mode 0700 if we
made the folder, and is complete or absent: it is written under another name, flushed to disk and
renamed.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hedgerow.kernel import ConfigurationError, new_token

_PRIVATE = 0o600
_PUBLIC = 0o644
_PRIVATE_FOLDER = 0o700
_OTHERS = 0o077
_OTHERS_WRITE = 0o022


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only this user can read, in one step."""
    _make_private_folder(path.parent)
    _write(path, data, _PRIVATE)


def write_public(path: Path, data: bytes) -> None:
    """Write a file that everybody may read and this user may write, in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, data, _PUBLIC)


def read_private(path: Path) -> bytes:
    """Return the content of a file that only this user (or root) can read or replace.

    `ConfigurationError` if others can. What is judged is what is read, even if the name is given
    to another file meanwhile.
    """
    try:
        # Without O_NONBLOCK, a pipe would be waited for before it could be judged.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigurationError(f"cannot read the key file {path}: {error.strerror}") from error
    try:
        _require_private(path, os.fstat(descriptor), path.parent.stat())
        with os.fdopen(os.dup(descriptor), "rb") as file:
            return file.read()
    finally:
        os.close(descriptor)


def flush(path: Path) -> None:
    """Bring a file, or what a folder lists, to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def memory_file(name: str, data: bytes) -> Iterator[str]:
    """Give a path to an anonymous file in memory: `ssl` takes keys from paths only."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC)
    try:
        os.write(descriptor, data)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _require_private(path: Path, found: os.stat_result, folder: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ConfigurationError(f"the key file {path} is not a regular file")
    if found.st_mode & _OTHERS:
        raise ConfigurationError(
            f"the key file {path} can be used by others (mode {stat.S_IMODE(found.st_mode):04o}); "
            f"run: chmod 600 {path}"
        )
    if found.st_uid not in (os.geteuid(), 0):
        raise ConfigurationError(f"the key file {path} belongs to another user; chown it")
    if folder.st_mode & _OTHERS_WRITE and not folder.st_mode & stat.S_ISVTX:
        raise ConfigurationError(
            f"the folder of the key file {path} can be written by others "
            f"(mode {stat.S_IMODE(folder.st_mode):04o}); run: chmod go-w {path.parent}"
        )


def _make_private_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_private_folder(folder.parent)
    # The umask can only take rights away from this mode.
    folder.mkdir(mode=_PRIVATE_FOLDER, exist_ok=True)
    flush(folder.parent)


def _write(path: Path, data: bytes, mode: int) -> None:
    pending = path.with_name(f".{path.name}.{new_token(64)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(pending, flags, _PRIVATE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        pending.replace(path)
    except BaseException:
        pending.unlink(missing_ok=True)
        raise
    flush(path.parent)
