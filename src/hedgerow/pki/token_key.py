"""A private key in a PKCS#11 token, to the rest of the system a key like any other."""

import ssl
from typing import Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from hedgerow.kernel import CallerError, ConfigurationError, Secret, quoted
from hedgerow.pki.files import memory_file
from hedgerow.pki.keys import PrivateKey, PublicKey, SigningKey, require_strong
from hedgerow.pki.token_engine import Token, TokenKeyHandle
from hedgerow.pki.token_signing import TokenEcKey, TokenRsaKey


class Pkcs11Key(PrivateKey):
    """A key found by its label in a token. Every use is a call of the token, and takes its time."""

    is_in_token = True

    def __init__(self, handle: TokenKeyHandle, public_key: PublicKey) -> None:
        self._handle = handle
        self._public_key = public_key

    @classmethod
    def open(cls, token: Token, object_label: str) -> Self:
        """Find a private key; `ConfigurationError` says what of the configuration is wrong."""
        handle = TokenKeyHandle(token, object_label)
        try:
            public_key = require_strong(serialization.load_der_public_key(handle.public_der()))
        except CallerError as error:
            raise ConfigurationError(
                f"the key {quoted(object_label)} in the token: {error.message}"
            ) from error
        return cls(handle, public_key)

    @property
    def public_key(self) -> PublicKey:
        """The public half."""
        return self._public_key

    def sign(self, data: bytes) -> bytes:
        """Sign with SHA-256: RSA with PKCS#1 v1.5, or ECDSA in DER form."""
        return self._handle.sign(data)

    def decrypt(self, ciphertext: bytes) -> Secret[bytes]:
        """Decrypt RSA PKCS#1 v1.5; `CallerError` for an EC key or a foreign ciphertext."""
        public = self._public_key
        if not isinstance(public, rsa.RSAPublicKey):
            raise CallerError("an EC key cannot decrypt; configure an RSA key for this purpose")
        # Some tokens do not end an operation that fails for its length: the next use of the key
        # would find it still going on. So what cannot be a ciphertext never gets there.
        right_length = len(ciphertext) == (public.key_size + 7) // 8
        if not right_length or int.from_bytes(ciphertext) >= public.public_numbers().n:
            raise CallerError("the data was not encrypted for this key")
        return self._handle.decrypt(ciphertext)

    def signing_key(self) -> SigningKey:
        """Return a key for the X.509 builders whose signatures the token makes."""
        if isinstance(self._public_key, rsa.RSAPublicKey):
            return TokenRsaKey(self.sign, self._public_key)
        return TokenEcKey(self.sign, self._public_key)

    def attach(self, context: ssl.SSLContext, chain_pem: str) -> None:
        """Make the context prove itself with this key and the certificate chain over it."""
        with memory_file("chain", chain_pem.encode()) as chain:
            self._handle.attach(context, chain)
