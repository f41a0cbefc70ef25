"""Keys of a token in the form that `cryptography` signs requests and certificates with.

They sign with SHA-256 and do nothing else; `Pkcs11Key` is the key itself.
"""

from collections.abc import Callable
from typing import Any, NoReturn

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

Sign = Callable[[bytes], bytes]


class TokenRsaKey(rsa.RSAPrivateKey):
    """An RSA key whose signatures (PKCS#1 v1.5) are made elsewhere."""

    def __init__(self, sign: Sign, public_key: rsa.RSAPublicKey) -> None:
        self._sign = sign
        self._public_key = public_key

    @property
    def key_size(self) -> int:
        """The bits of the modulus."""
        return self._public_key.key_size

    def public_key(self) -> rsa.RSAPublicKey:
        """Return the public half."""
        return self._public_key

    def sign(self, data: Any, scheme: Any, algorithm: Any) -> bytes:
        """Sign, if PKCS#1 v1.5 with SHA-256 is asked for."""
        if not isinstance(scheme, padding.PKCS1v15) or not isinstance(algorithm, hashes.SHA256):
            raise UnsupportedAlgorithm("keys of a token sign with PKCS#1 v1.5 and SHA-256")
        return self._sign(bytes(data))

    def decrypt(self, _ciphertext: Any, _scheme: Any) -> NoReturn:
        """Refuse: this is a key for signing."""
        _refuse()

    def private_numbers(self) -> NoReturn:
        """Refuse."""
        _refuse()

    def private_bytes(self, *_form: Any, **_more: Any) -> NoReturn:
        """Refuse."""
        _refuse()

    def __copy__(self) -> "TokenRsaKey":
        return self

    def __deepcopy__(self, _memo: object) -> "TokenRsaKey":
        return self


class TokenEcKey(ec.EllipticCurvePrivateKey):
    """An EC key whose signatures (ECDSA) are made elsewhere."""

    def __init__(self, sign: Sign, public_key: ec.EllipticCurvePublicKey) -> None:
        self._sign = sign
        self._public_key = public_key

    @property
    def curve(self) -> ec.EllipticCurve:
        """The curve."""
        return self._public_key.curve

    @property
    def key_size(self) -> int:
        """The bits of a secret on the curve."""
        return self._public_key.key_size

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """Return the public half."""
        return self._public_key

    def sign(self, data: Any, scheme: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """Sign, if ECDSA with SHA-256 is asked for."""
        if not isinstance(scheme, ec.ECDSA) or not isinstance(scheme.algorithm, hashes.SHA256):
            raise UnsupportedAlgorithm("keys of a token sign with ECDSA and SHA-256")
        return self._sign(bytes(data))

    def exchange(self, _algorithm: Any, _peer_public_key: Any) -> NoReturn:
        """Refuse: this is a key for signing."""
        _refuse()

    def private_numbers(self) -> NoReturn:
        """Refuse."""
        _refuse()

    def private_bytes(self, *_form: Any, **_more: Any) -> NoReturn:
        """Refuse."""
        _refuse()

    def __copy__(self) -> "TokenEcKey":
        return self

    def __deepcopy__(self, _memo: object) -> "TokenEcKey":
        return self


def _refuse() -> NoReturn:
    raise UnsupportedAlgorithm("the private key stays in its token and only signs here")
