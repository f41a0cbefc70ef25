"""The trail's keys: what encrypts each account's journal, and what signs digests.

The key of a journal lies beside it, wrapped by the master key of the store. The signing key is one
for the whole cloud: an RSA key in a file of mode 0600, since AWS's digests are signed with
SHA256withRSA; its public half lies beside it, for whoever verifies.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization

from hedgerow.kernel import Secret, random_bytes
from hedgerow.pki import FileKey, PrivateKey, read_private, write_private, write_public
from hedgerow.pki.keys import PublicKey
from hedgerow.store import MasterKey

SIGNING_KEY_FILE: Final = "signing.key"
PUBLIC_KEY_FILE: Final = "signing.pub.pem"
_JOURNAL_KEY_FILE: Final = "journal.key"
_JOURNAL_KEY_BYTES: Final = 32
_FINGERPRINT_HEX: Final = 32


@dataclass(frozen=True, slots=True)
class TrailKeys:
    """The keys under a cloud's trail folder."""

    folder: Path
    signing: PrivateKey
    _master_key: MasterKey

    @classmethod
    def open(cls, folder: Path, master_key: MasterKey) -> "TrailKeys":
        """Read the signing key, making it if there is none; this can take part of a second.

        Raises `ConfigurationError` if the key's file is loose or wrong.
        """
        path = folder / SIGNING_KEY_FILE
        signing = FileKey.load(path) if path.exists() else FileKey.generate_rsa(path)
        public = folder / PUBLIC_KEY_FILE
        if not public.exists():
            write_public(public, signing.public_pem().encode())
        return cls(folder, signing, master_key)

    def journal_folder(self, account: str) -> Path:
        """Return where an account's journal lies."""
        return self.folder / account

    def journal_key(self, account: str) -> Secret[bytes]:
        """Return the key of an account's journal, making it if there is none."""
        path = self.journal_folder(account) / _JOURNAL_KEY_FILE
        purpose = f"trail journal {account}"
        if path.exists():
            return self._master_key.unwrap(read_private(path), purpose)
        key = Secret(random_bytes(_JOURNAL_KEY_BYTES))
        write_private(path, self._master_key.wrap(key, purpose))
        return key


def public_key_der(key: PublicKey) -> bytes:
    """Return a public key as `ListPublicKeys` gives it: PKCS#1 in DER form."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)


def fingerprint(key: PublicKey) -> str:
    """Return what digests name the key by."""
    return hashlib.sha256(public_key_der(key)).hexdigest()[:_FINGERPRINT_HEX]
