"""Page tokens: where a list goes on, encrypted, and good only for the list that gave them."""

import base64
import binascii

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hedgerow.kernel import CallerError, Secret, random_bytes

_NONCE_BYTES = 12
_SEQUENCE_BYTES = 8
_TOKEN_LIMIT = 128


class InvalidPageTokenError(CallerError):
    """The token was made by another list, was changed, or was never one."""

    code = "InvalidPageToken"


class PageTokens:
    """Makes and reads tokens; `listing` is bytes that identify the list."""

    def __init__(self, key: Secret[bytes]) -> None:
        self._cipher = AESGCM(key.reveal())

    def encode(self, sequence: int, listing: bytes) -> str:
        """Return a token for 'after the record with this sequence number'."""
        nonce = random_bytes(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, sequence.to_bytes(_SEQUENCE_BYTES), listing)
        return base64.urlsafe_b64encode(nonce + sealed).decode()

    def decode(self, token: str, listing: bytes) -> int:
        """Return the sequence number, or raise `InvalidPageTokenError`."""
        try:
            short = token[:_TOKEN_LIMIT].encode("ascii")
            raw = base64.b64decode(short, altchars=b"-_", validate=True)
            position = self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], listing)
        except (InvalidTag, ValueError, binascii.Error):
            raise InvalidPageTokenError(
                "the page token is not one that this list gave; ask for the first page again"
            ) from None
        return int.from_bytes(position)
