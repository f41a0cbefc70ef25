"""The four keys of a repository: root and targets are kept offline, the others beside the files.

Keys are Ed25519 in PKCS#8 PEM, mode 0600, the offline ones under a passphrase if one is given. What
the online key can do is bounded: it says which of the states that the offline keys signed is the
newest, and until when that is believed.
"""

from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner

from hedgerow.kernel import ConfigurationError, Secret
from hedgerow.pki import read_private, write_private

Passphrase = Secret[bytes] | None
"""What offline keys are closed with, if with anything."""

ROOT_KEY: Final = "root-{number}.key"
TARGETS_KEY: Final = "targets.key"
ONLINE_KEY: Final = "online.key"
NEXT_ONLINE_KEY: Final = "online.next.key"
"""There only while keys are rotated."""


def new_key(path: Path, passphrase: Passphrase = None) -> CryptoSigner:
    """Make a key and write it to a file that is not there yet."""
    if path.exists():
        raise ConfigurationError(f"{path} exists; a key is never written over")
    key = Ed25519PrivateKey.generate()
    closed = BestAvailableEncryption(passphrase.reveal()) if passphrase else NoEncryption()
    write_private(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, closed))
    return CryptoSigner(key)


def load_key(path: Path, passphrase: Passphrase = None) -> CryptoSigner:
    """Return the key of a file that only this user can read; `ConfigurationError` if it is none."""
    pem = read_private(path)
    try:
        key = load_pem_private_key(pem, passphrase.reveal() if passphrase else None)
    except TypeError as error:
        asked = "is closed with a passphrase" if passphrase is None else "has no passphrase"
        raise ConfigurationError(f"{path} {asked} (--passphrase-file)") from error
    except ValueError as error:
        raise ConfigurationError(
            f"{path} holds no private key in PEM, or not under this passphrase"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(f"{path} holds a key of another kind than Ed25519")
    return CryptoSigner(key)


def root_keys(folder: Path, passphrase: Passphrase = None) -> list[CryptoSigner]:
    """Return every root key in a folder; `ConfigurationError` without any."""
    paths = sorted(folder.glob(ROOT_KEY.format(number="*")))
    if not paths:
        raise ConfigurationError(f"{folder} holds no root key (root-1.key)")
    return [load_key(path, passphrase) for path in paths]
