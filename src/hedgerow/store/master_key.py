"""The master key: 32 bytes in a file that only its owner may read; it wraps the data keys."""

import os
import stat
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hedgerow.kernel import ConfigurationError, Secret, new_token, random_bytes

KEY_BYTES = 32
"""Length of the master key and of every data key: AES-256."""

_NONCE_BYTES = 12
_LOOSE_FILE = stat.S_IRWXG | stat.S_IRWXO
_LOOSE_FOLDER = stat.S_IWGRP | stat.S_IWOTH
_FILE_MODE = 0o600
_FOLDER_MODE = 0o700


class MasterKey:
    """Wraps and unwraps data keys with AES-256-GCM. INVARIANT: the key itself never leaves."""

    __slots__ = ("_key", "_origin")

    def __init__(self, key: Secret[bytes], origin: str = "memory") -> None:
        if len(key.reveal()) != KEY_BYTES:
            raise ConfigurationError(f"a master key has {KEY_BYTES} bytes; check {origin}")
        self._key = key
        self._origin = origin

    @classmethod
    def create_file(cls, path: Path | str) -> Self:
        """Make a new key and keep it at `path`, readable by its owner only from the first moment.

        A file that is already there stays as it is: it may be the only key to a store.
        Raises `ConfigurationError` if so, or if others could replace the file.
        """
        path = Path(path)
        path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        _require_safe_folder(path.parent)
        key = random_bytes(KEY_BYTES)
        _create_complete(path, key)
        return cls(Secret(key), origin=str(path))

    @classmethod
    def from_file(cls, path: Path | str) -> Self:
        """Read the key, or raise `ConfigurationError` if the file is missing, loose or wrong."""
        path = Path(path)
        _require_safe_folder(path.parent)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise ConfigurationError(
                f"the master key {path} cannot be opened: {error.strerror}"
            ) from error
        try:
            _require_private_file(path, os.fstat(descriptor))
            key = os.read(descriptor, KEY_BYTES + 1)
        finally:
            os.close(descriptor)
        return cls(Secret(key), origin=str(path))

    def wrap(self, data_key: Secret[bytes], purpose: str) -> bytes:
        """Return the data key encrypted; `purpose` must be given again to unwrap it."""
        nonce = random_bytes(_NONCE_BYTES)
        return nonce + AESGCM(self._key.reveal()).encrypt(
            nonce, data_key.reveal(), purpose.encode()
        )

    def unwrap(self, wrapped: bytes, purpose: str) -> Secret[bytes]:
        """Return the data key, or raise `ConfigurationError` if another master key wrapped it."""
        nonce, sealed = wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:]
        try:
            return Secret(AESGCM(self._key.reveal()).decrypt(nonce, sealed, purpose.encode()))
        except (InvalidTag, ValueError):
            raise ConfigurationError(
                f"the master key ({self._origin}) does not open this store: it belongs to another "
                "one, or the store's key table was changed; restore the key or the store"
            ) from None

    def __repr__(self) -> str:
        return f"MasterKey({self._origin!r}, ***)"


def _require_safe_folder(folder: Path) -> None:
    try:
        mode = folder.stat().st_mode
    except OSError as error:
        raise ConfigurationError(
            f"the folder {folder} cannot be looked at: {error.strerror}"
        ) from error
    if mode & _LOOSE_FOLDER:
        raise ConfigurationError(
            f"others may write to {folder}, where the master key is; run: chmod 700 {folder}"
        )


def _require_private_file(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ConfigurationError(f"the master key {path} is not a file")
    if status.st_mode & _LOOSE_FILE:
        raise ConfigurationError(
            f"the master key {path} has mode {stat.S_IMODE(status.st_mode):04o}, so others may "
            f"read it; run: chmod 600 {path}"
        )
    if status.st_uid != os.geteuid():
        raise ConfigurationError(f"the master key {path} belongs to another user of this machine")


def _create_complete(path: Path, content: bytes) -> None:
    """Make the file appear at once, whole and on disk; never replace one that is there."""
    draft = path.with_name(f".{path.name}.{new_token(64)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(draft)
    except FileExistsError:
        raise ConfigurationError(
            f"{path} exists already; it may be the only key to a store, so move it away first"
        ) from None
    finally:
        draft.unlink()
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
