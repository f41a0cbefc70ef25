"""OpenSSL's `pkcs11` engine: computing with a private key that stays in its token.

The engine comes from the package libp11 (Debian: libengine-pkcs11-openssl). It serves one PKCS#11
library per process, as one Greengrass core has one token.

INVARIANT: no call here asks for a private key itself; the token signs and decrypts. OpenSSL's
queue of errors is empty when a function returns, since Python's `ssl` reads the same queue.
"""

import ctypes
import ssl
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import quote

from hedgerow.kernel import CallerError, ConfigurationError, Secret, UnavailableError, quoted
from hedgerow.pki.openssl import context_pointer, reachable_library

_ENGINES_FOLDER: Final = 1002  # OPENSSL_INFO_ENGINES_DIR
_PKCS1_PADDING: Final = 1  # RSA_PKCS1_PADDING
_ERROR_CHARACTERS: Final = 256
_POINTER, _TEXT, _INT, _SIZE = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_size_t

_FUNCTIONS: Final = {
    "OPENSSL_info": (_TEXT, (_INT,)),
    "ENGINE_by_id": (_POINTER, (_TEXT,)),
    "ENGINE_ctrl_cmd_string": (_INT, (_POINTER, _TEXT, _TEXT, _INT)),
    "ENGINE_init": (_INT, (_POINTER,)),
    "ENGINE_load_private_key": (_POINTER, (_POINTER, _TEXT, _POINTER, _POINTER)),
    "ERR_get_error": (ctypes.c_ulong, ()),
    "ERR_error_string_n": (None, (ctypes.c_ulong, _TEXT, _SIZE)),
    "i2d_PUBKEY": (_INT, (_POINTER, _POINTER)),
    "EVP_sha256": (_POINTER, ()),
    "EVP_MD_CTX_new": (_POINTER, ()),
    "EVP_MD_CTX_free": (None, (_POINTER,)),
    "EVP_DigestSignInit": (_INT, (_POINTER, _POINTER, _POINTER, _POINTER, _POINTER)),
    "EVP_DigestSign": (_INT, (_POINTER, _TEXT, ctypes.POINTER(_SIZE), _TEXT, _SIZE)),
    "EVP_PKEY_CTX_new": (_POINTER, (_POINTER, _POINTER)),
    "EVP_PKEY_CTX_free": (None, (_POINTER,)),
    "EVP_PKEY_decrypt_init": (_INT, (_POINTER,)),
    "EVP_PKEY_CTX_set_rsa_padding": (_INT, (_POINTER, _INT)),
    "EVP_PKEY_decrypt": (_INT, (_POINTER, _TEXT, ctypes.POINTER(_SIZE), _TEXT, _SIZE)),
    "SSL_CTX_use_certificate_chain_file": (_INT, (_POINTER, _TEXT)),
    "SSL_CTX_use_PrivateKey": (_INT, (_POINTER, _POINTER)),
    "SSL_CTX_check_private_key": (_INT, (_POINTER,)),
}


@dataclass(frozen=True, slots=True)
class Token:
    """A PKCS#11 token: the library that speaks to it, its label, and its user's PIN."""

    provider: Path
    label: str
    user_pin: Secret[str]
    engine: Path | None = None
    """The file of OpenSSL's engine; by default the one among OpenSSL's own."""


class TokenKeyHandle:
    """OpenSSL's handle of one private key in a token. It lives as long as the process."""

    def __init__(self, token: Token, object_label: str) -> None:
        self._library = _library()
        engine = _engine(token.provider, token.engine)
        self._require_done("PIN", _control(engine, "PIN", token.user_pin.reveal()))
        uri = f"pkcs11:token={quote(token.label, safe='')};object={quote(object_label, safe='')}"
        found = self._library.ENGINE_load_private_key(
            engine, f"{uri};type=private".encode(), None, None
        )
        if not found:
            raise _not_loaded(token, object_label, _take_errors(self._library))
        self._key: int = found

    def public_der(self) -> bytes:
        """Return the public half as SubjectPublicKeyInfo."""
        size = self._library.i2d_PUBKEY(self._key, None)
        self._require_done("read the public key", size)
        buffer = ctypes.create_string_buffer(size)
        position = ctypes.c_void_p(ctypes.addressof(buffer))
        self._library.i2d_PUBKEY(self._key, ctypes.byref(position))
        return buffer.raw

    def sign(self, data: bytes) -> bytes:
        """Sign with SHA-256: RSA with PKCS#1 v1.5, or ECDSA in DER form."""
        work = self._library.EVP_MD_CTX_new()
        try:
            begun = self._library.EVP_DigestSignInit(
                work, None, self._library.EVP_sha256(), None, self._key
            )
            self._require_done("sign", begun)
            size = ctypes.c_size_t()
            call = self._library.EVP_DigestSign
            self._require_done("sign", call(work, None, ctypes.byref(size), data, len(data)))
            buffer = ctypes.create_string_buffer(size.value)
            self._require_done("sign", call(work, buffer, ctypes.byref(size), data, len(data)))
            return buffer.raw[: size.value]
        finally:
            self._library.EVP_MD_CTX_free(work)

    def decrypt(self, ciphertext: bytes) -> Secret[bytes]:
        """Decrypt RSA PKCS#1 v1.5; `CallerError` for a foreign ciphertext."""
        work = self._library.EVP_PKEY_CTX_new(self._key, None)
        try:
            self._require_done("decrypt", self._library.EVP_PKEY_decrypt_init(work))
            self._require_done(
                "decrypt", self._library.EVP_PKEY_CTX_set_rsa_padding(work, _PKCS1_PADDING)
            )
            size = ctypes.c_size_t(max(len(ciphertext), 512))
            buffer = ctypes.create_string_buffer(size.value)
            done = self._library.EVP_PKEY_decrypt(
                work, buffer, ctypes.byref(size), ciphertext, len(ciphertext)
            )
            if done != 1:
                _take_errors(self._library)
                raise CallerError("the data was not encrypted for this key")
            return Secret(buffer.raw[: size.value])
        finally:
            self._library.EVP_PKEY_CTX_free(work)

    def attach(self, context: ssl.SSLContext, chain_path: str) -> None:
        """Make the context prove itself with this key and the chain (PEM, leaf first) at a path."""
        pointer, library = context_pointer(context), self._library
        if not (
            library.SSL_CTX_use_certificate_chain_file(pointer, chain_path.encode()) == 1
            and library.SSL_CTX_use_PrivateKey(pointer, self._key) == 1
            and library.SSL_CTX_check_private_key(pointer) == 1
        ):
            reasons = "; ".join(_take_errors(library)) or "no reason given"
            raise ConfigurationError(
                f"the certificate does not belong to the key in the token, or is damaged: {reasons}"
            )

    def _require_done(self, what: str, result: int) -> None:
        if result < 1:
            reasons = "; ".join(_take_errors(self._library)) or "no reason given"
            raise UnavailableError(f"the PKCS#11 token could not do this: {what} ({reasons})")


def _not_loaded(token: Token, object_label: str, reasons: list[str]) -> ConfigurationError:
    where = f"the PKCS#11 token {quoted(token.label)}"
    told = "; ".join(reasons)
    if "PIN incorrect" in told:
        return ConfigurationError(
            f"{where} refuses the user PIN; correct it before the token locks"
        )
    if "load PKCS#11 module" in told:
        return ConfigurationError(f"the PKCS#11 library {token.provider} cannot be loaded")
    return ConfigurationError(
        f"{where} was not found, or holds no private key {quoted(object_label)} ({told})"
    )


@cache
def _engine(provider: Path, engine: Path | None) -> int:
    library = _library()
    folder = Path(library.OPENSSL_info(_ENGINES_FOLDER).decode())
    file = engine or folder / "pkcs11.so"
    if not file.is_file():
        raise ConfigurationError(
            f"OpenSSL's PKCS#11 engine is not at {file}; install it (Debian: "
            "libengine-pkcs11-openssl) or name its file"
        )
    if not provider.is_file():
        raise ConfigurationError(f"the PKCS#11 library {provider} is not there; install it")
    made: int = library.ENGINE_by_id(b"dynamic")
    commands = (("SO_PATH", str(file)), ("ID", "pkcs11"), ("LOAD", None))
    more = (("MODULE_PATH", str(provider)), ("QUIET", None))
    done = all(_control(made, name, value) == 1 for name, value in (*commands, *more))
    if not done or library.ENGINE_init(made) != 1:
        reasons = "; ".join(_take_errors(library))
        raise ConfigurationError(
            f"OpenSSL's PKCS#11 engine {file} does not start ({reasons}); a process can use one "
            "PKCS#11 library only"
        )
    return made


def _control(engine: int, name: str, value: str | None) -> int:
    told = None if value is None else value.encode()
    result: int = _library().ENGINE_ctrl_cmd_string(engine, name.encode(), told, 0)
    return result


@cache
def _library() -> ctypes.CDLL:
    library = reachable_library()
    if library is None or not all(hasattr(library, name) for name in _FUNCTIONS):
        raise ConfigurationError(
            "this Python's OpenSSL is not an OpenSSL 3 with engines, so keys in a PKCS#11 token "
            "cannot be used; use a Python that is linked to the system's OpenSSL"
        )
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def _take_errors(library: ctypes.CDLL) -> list[str]:
    reasons = []
    while code := library.ERR_get_error():
        buffer = ctypes.create_string_buffer(_ERROR_CHARACTERS)
        library.ERR_error_string_n(code, buffer, _ERROR_CHARACTERS)
        reasons.append(buffer.value.decode(errors="replace").rpartition(":")[2])
    return reasons
