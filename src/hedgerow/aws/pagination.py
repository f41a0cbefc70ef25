"""Page tokens: opaque to the caller, authenticated, and good only for the list they came from."""

import base64
import binascii

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hedgerow.aws.errors import InvalidPageTokenError
from hedgerow.kernel import Secret, random_bytes

KEY_BYTES = 32
MAX_TOKEN_CHARACTERS = 4096
_NONCE_BYTES = 12


def encode_token(key: Secret[bytes], scope: str, position: str) -> str:
    """Return the token that `decode_token` turns back into `position` for the same scope.

    `scope` names what is listed, for whom and how filtered (`iot/ListThings/123456789012`), so
    that a token of one list or account is no good for another.
    """
    nonce = random_bytes(_NONCE_BYTES)
    sealed = AESGCM(key.reveal()).encrypt(nonce, position.encode(), scope.encode())
    return base64.urlsafe_b64encode(nonce + sealed).decode().rstrip("=")


def decode_token(key: Secret[bytes], scope: str, token: str) -> str:
    """Return the position inside a token, or raise `InvalidPageTokenError`."""
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise InvalidPageTokenError("The next token is not valid: it is too long.")
    try:
        data = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        position = AESGCM(key.reveal()).decrypt(
            data[:_NONCE_BYTES], data[_NONCE_BYTES:], scope.encode()
        )
        return position.decode()
    except (binascii.Error, ValueError, InvalidTag) as wrong:
        raise InvalidPageTokenError(
            "The next token is not valid: use the one that the previous page gave, unchanged."
        ) from wrong
