"""Page tokens: where a list goes on, encrypted, and good only for the list that gave them."""

import base64

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hedgerow.kernel import CallerError, Secret, random_bytes

_NONCE_BYTES = 12
_SEQUENCE_BYTES = 8
_TAG_BYTES = 16
_TOKEN_LENGTH = (_NONCE_BYTES + _SEQUENCE_BYTES + _TAG_BYTES) * 4 // 3


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
            raw = _unpack(token)
            position = self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], listing)
        except (InvalidTag, ValueError):
            raise InvalidPageTokenError(
                "the page token is not one that this list gave; ask for the first page again"
            ) from None
        return int.from_bytes(position)


def _unpack(token: str) -> bytes:
    if len(token) != _TOKEN_LENGTH:
        raise ValueError
    return base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
