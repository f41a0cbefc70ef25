"""Where accounts' MQTT sessions are kept: a folder each, encrypted under a key of its own.

The key of an account's sessions lies beside them, wrapped by the master key of the store. Every
file has a key derived from that and the file's salt, so that random nonces never run out.
"""

import hmac
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hedgerow.kernel import Clock, Secret, random_bytes
from hedgerow.mqtt.keeping import BrokenSealError, FileKeeper
from hedgerow.pki import read_private, write_private
from hedgerow.store import MasterKey

_KEY_FILE: Final = "sessions.key"
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class SessionVault:
    """The folder of all accounts' sessions."""

    folder: Path
    master_key: MasterKey

    def keeper(self, account: str, clock: Clock) -> FileKeeper:
        """Return the keeper of an account's sessions, not opened yet.

        Makes the key if there is none. Raises `ConfigurationError` if the key's file is loose or
        wrong.
        """
        folder = self.folder / account
        return FileKeeper(folder, seal=SessionSealer(self._key(folder, account)), clock=clock)

    def _key(self, folder: Path, account: str) -> Secret[bytes]:
        path, purpose = folder / _KEY_FILE, f"mqtt sessions {account}"
        if path.exists():
            return self.master_key.unwrap(read_private(path), purpose)
        key = Secret(random_bytes(_KEY_BYTES))
        write_private(path, self.master_key.wrap(key, purpose))
        return key


class SessionSealer:
    """Makes the ciphers of an account's session files."""

    __slots__ = ("_key",)

    def __init__(self, key: Secret[bytes]) -> None:
        self._key = key

    def for_file(self, salt: bytes) -> "SessionCipher":
        """Return the cipher of the file with this salt."""
        return SessionCipher(
            AESGCM(hmac.digest(self._key.reveal(), b"session file" + salt, "sha256"))
        )


class SessionCipher:
    """AES-256-GCM for one file, with random nonces: at most 2**32 frames, far beyond its size."""

    __slots__ = ("_cipher",)

    def __init__(self, cipher: AESGCM) -> None:
        self._cipher = cipher

    def seal(self, plain: bytes, associated: bytes) -> bytes:
        """Return the bytes encrypted and bound to the associated data."""
        nonce = random_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, associated)

    def open(self, sealed: bytes, associated: bytes) -> bytes:
        """Return what was sealed, or raise `BrokenSealError`."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], associated)
        except (InvalidTag, ValueError):
            raise BrokenSealError("sealed sessions are not what was written") from None
