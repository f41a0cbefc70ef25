"""Private keys as objects that do things with the key, and do not hand it out.

What a room needs of a key is to sign, to decrypt, to sign requests and certificates, and to serve
TLS. A key in a file and a key in a token do the same four things; no caller sees which it is.
"""

import ssl
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Literal, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from hedgerow.kernel import CallerError, ConfigurationError, Secret
from hedgerow.pki.files import memory_file, read_private, write_private

Algorithm = Literal["RSA", "EC"]
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
SigningKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

MIN_RSA_BITS = 2048
CURVES: dict[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1()}
_CURVE_NAMES = frozenset(curve.name for curve in CURVES.values())


class PrivateKey(ABC):
    """A private key that stays where it is."""

    is_in_token: ClassVar[bool] = False
    """Whether every use of it is a call of a hardware token."""

    @property
    @abstractmethod
    def public_key(self) -> PublicKey:
        """The public half."""

    @abstractmethod
    def sign(self, data: bytes) -> bytes:
        """Sign with SHA-256: RSA with PKCS#1 v1.5, or ECDSA in DER form."""

    @abstractmethod
    def decrypt(self, ciphertext: bytes) -> Secret[bytes]:
        """Decrypt RSA PKCS#1 v1.5, as hardware keys can; `CallerError` for a key that cannot."""

    @abstractmethod
    def signing_key(self) -> SigningKey:
        """Return a key that the X.509 builders accept; its operations may happen in a token."""

    @abstractmethod
    def attach(self, context: ssl.SSLContext, chain_pem: str) -> None:
        """Make the context prove itself with this key and the certificate chain over it."""

    @property
    def algorithm(self) -> Algorithm:
        """RSA or EC."""
        return "RSA" if isinstance(self.public_key, rsa.RSAPublicKey) else "EC"

    def public_pem(self) -> str:
        """Return the public half in PEM."""
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.public_key.public_bytes(serialization.Encoding.PEM, form).decode()

    def __repr__(self) -> str:
        return f"<{self.algorithm} private key ***>"


class FileKey(PrivateKey):
    """A key in a file of mode 0600, or in memory if it came out of an encrypted store."""

    def __init__(self, key: SigningKey) -> None:
        self._key = key

    @classmethod
    def generate_rsa(cls, path: Path, bits: int = MIN_RSA_BITS) -> Self:
        """Make an RSA key and its file. It takes a noticeable part of a second."""
        return cls._keep(path, rsa.generate_private_key(public_exponent=65537, key_size=bits))

    @classmethod
    def generate_ec(cls, path: Path, curve: str = "P-256") -> Self:
        """Make an EC key on P-256 or P-384 and its file."""
        return cls._keep(path, ec.generate_private_key(CURVES[curve]))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a key file. `ConfigurationError` if others can read it or it is not a good key."""
        content = Secret(read_private(path))
        try:
            return cls.from_pem(content)
        except CallerError as error:
            raise ConfigurationError(f"the key file {path}: {error.message}") from error

    @classmethod
    def from_pem(cls, pem: Secret[bytes] | Secret[str]) -> Self:
        """Read an unencrypted PEM key, RSA from 2048 bits or EC on P-256 or P-384."""
        return cls._read(pem, made_here=False)

    @classmethod
    def from_own_store(cls, pem: Secret[bytes] | Secret[str]) -> Self:
        """Read a key that was made here and came whole out of an encrypted store.

        That the numbers of an RSA key fit each other is not proven once more: the proof takes
        longer than ten signatures, and nobody else can have written what the store decrypts.
        """
        return cls._read(pem, made_here=True)

    @classmethod
    def _read(cls, pem: Secret[bytes] | Secret[str], *, made_here: bool) -> Self:
        value = pem.reveal()
        try:
            key = serialization.load_pem_private_key(
                value.encode() if isinstance(value, str) else value,
                password=None,
                unsafe_skip_rsa_key_validation=made_here,
            )
        except (ValueError, TypeError, UnsupportedAlgorithm):
            # The cause is left out: it could quote the key.
            raise CallerError("not an unencrypted private key in PEM form") from None
        require_strong(key.public_key())
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise CallerError("the key is neither RSA nor EC")
        return cls(key)

    @classmethod
    def generate_rsa_in_memory(cls, bits: int = MIN_RSA_BITS) -> Self:
        """Make an RSA key that an encrypted store will keep."""
        return cls(rsa.generate_private_key(public_exponent=65537, key_size=bits))

    @property
    def public_key(self) -> PublicKey:
        """The public half."""
        return self._key.public_key()

    def sign(self, data: bytes) -> bytes:
        """Sign with SHA-256: RSA with PKCS#1 v1.5, or ECDSA in DER form."""
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(data, padding.PKCS1v15(), hashes.SHA256())
        return self._key.sign(data, ec.ECDSA(hashes.SHA256()))

    def decrypt(self, ciphertext: bytes) -> Secret[bytes]:
        """Decrypt RSA PKCS#1 v1.5; `CallerError` for an EC key or a foreign ciphertext."""
        if not isinstance(self._key, rsa.RSAPrivateKey):
            raise CallerError("an EC key cannot decrypt; configure an RSA key for this purpose")
        try:
            return Secret(self._key.decrypt(ciphertext, padding.PKCS1v15()))
        except ValueError:
            raise CallerError("the data was not encrypted for this key") from None

    def signing_key(self) -> SigningKey:
        """Return the key for the X.509 builders."""
        return self._key

    def attach(self, context: ssl.SSLContext, chain_pem: str) -> None:
        """Make the context prove itself with this key and the certificate chain over it."""
        with (
            memory_file("chain", chain_pem.encode()) as chain,
            memory_file("key", self.pem().reveal()) as key,
        ):
            try:
                context.load_cert_chain(chain, key)
            except ssl.SSLError as error:
                raise ConfigurationError(
                    f"the certificate does not belong to the key, or is damaged: {error.reason}"
                ) from error

    def pem(self) -> Secret[bytes]:
        """Return the key itself, for an encrypted store or the one file that holds it."""
        return Secret(
            self._key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )

    @classmethod
    def _keep(cls, path: Path, key: SigningKey) -> Self:
        made = cls(key)
        write_private(path, made.pem().reveal())
        return made


def require_strong(key: object) -> PublicKey:
    """Return the public key if it is RSA from 2048 bits or EC on P-256 or P-384, else raise."""
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size >= MIN_RSA_BITS:
            return key
        raise CallerError(f"the RSA key has {key.key_size} bits; {MIN_RSA_BITS} are the least")
    if isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name in _CURVE_NAMES:
            return key
        raise CallerError(f"the EC key is on {key.curve.name}; use P-256 or P-384")
    raise CallerError("the key is neither RSA nor EC")
