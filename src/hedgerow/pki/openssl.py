"""What OpenSSL can do and Python's `ssl` has no words for: the one place that reaches beneath it.

INVARIANT: OpenSSL is called through the very library that Python's `ssl` is linked to, and only if
that library has confirmed that what we take for its context is one.
"""

import _ssl
import ctypes
import ssl
import sys
from functools import cache
from typing import Final

SESSION_ID_CONTEXT_BYTES: Final = 32  # SSL_MAX_SID_CTX_LENGTH
TICKET_KEY_BYTES: Final = 80  # a name, an HMAC key and an AES-256 key

_SET_MODE: Final = 33  # SSL_CTRL_MODE
_RELEASE_BUFFERS: Final = 0x10  # SSL_MODE_RELEASE_BUFFERS
_SET_SESSION_CACHE_MODE: Final = 44  # SSL_CTRL_SET_SESS_CACHE_MODE
_CACHE_OFF: Final = 0  # SSL_SESS_CACHE_OFF
_SET_TICKET_KEYS: Final = 59  # SSL_CTRL_SET_TLSEXT_TICKET_KEYS
_POINTER, _INT, _LONG, _BYTES = ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p

VerifyCallback = ctypes.CFUNCTYPE(_INT, _POINTER, _POINTER)
"""`int (*)(X509_STORE_CTX *, void *)`, called in the middle of a handshake."""
MakeTicketCallback = ctypes.CFUNCTYPE(_INT, _POINTER, _POINTER)
"""`SSL_CTX_generate_session_ticket_fn`, called before a ticket is made."""
ReadTicketCallback = ctypes.CFUNCTYPE(
    _INT, _POINTER, _POINTER, _POINTER, ctypes.c_size_t, _INT, _POINTER
)
"""`SSL_CTX_decrypt_session_ticket_fn`, called when a ticket was read."""

_FUNCTIONS: Final = {
    "SSL_CTX_ctrl": (_LONG, (_POINTER, _INT, _LONG, _POINTER)),
    "SSL_CTX_get_options": (ctypes.c_uint64, (_POINTER,)),
    "SSL_CTX_set_timeout": (_LONG, (_POINTER, _LONG)),
    "SSL_CTX_set_session_id_context": (_INT, (_POINTER, _BYTES, ctypes.c_uint)),
    "SSL_CTX_set_cert_verify_callback": (None, (_POINTER, VerifyCallback, _POINTER)),
    "SSL_CTX_set_session_ticket_cb": (
        _INT,
        (_POINTER, MakeTicketCallback, ReadTicketCallback, _POINTER),
    ),
    "SSL_SESSION_get0_peer": (_POINTER, (_POINTER,)),
    "X509_STORE_CTX_get0_cert": (_POINTER, (_POINTER,)),
    "X509_STORE_CTX_get_error": (_INT, (_POINTER,)),
    "X509_STORE_CTX_set_error": (None, (_POINTER, _INT)),
    "i2d_X509": (_INT, (_POINTER, _POINTER)),
    "X509_verify_cert": (_INT, (_POINTER,)),
    "X509_digest": (_INT, (_POINTER, _POINTER, _BYTES, _POINTER)),
    "X509_check_ca": (_INT, (_POINTER,)),
    "X509_check_purpose": (_INT, (_POINTER, _INT, _INT)),
    "X509_get_extension_flags": (ctypes.c_uint32, (_POINTER,)),
    "X509_get0_notBefore": (_POINTER, (_POINTER,)),
    "X509_get0_notAfter": (_POINTER, (_POINTER,)),
    "X509_cmp_current_time": (_INT, (_POINTER,)),
    "X509_get0_pubkey": (_POINTER, (_POINTER,)),
    "EVP_PKEY_get_security_bits": (_INT, (_POINTER,)),
    "EVP_sha256": (_POINTER, ()),
    "ERR_clear_error": (None, ()),
}


def keep_no_sessions(context: ssl.SSLContext) -> bool:
    """Make a server's context remember no session; return whether this Python lets us.

    Without tickets, a TLS 1.2 client could still resume a session that the context remembers.
    """
    library = reachable_library()
    if library is None:
        return False
    library.SSL_CTX_ctrl(context_pointer(context), _SET_SESSION_CACHE_MODE, _CACHE_OFF, None)
    return True


def release_buffers(context: ssl.SSLContext) -> bool:
    """Let idle connections hold no buffers of records, which are 34 KiB each, if Python lets us."""
    library = reachable_library()
    if library is None:
        return False
    library.SSL_CTX_ctrl(context_pointer(context), _SET_MODE, _RELEASE_BUFFERS, None)
    return True


def set_ticket_keys(library: ctypes.CDLL, context: int, keys: bytes) -> None:
    """Encrypt tickets with other keys; those made with the old ones are passed over."""
    library.SSL_CTX_ctrl(context, _SET_TICKET_KEYS, TICKET_KEY_BYTES, keys)


def context_pointer(context: ssl.SSLContext) -> int:
    """Return OpenSSL's `SSL_CTX *`, the first field of Python's object; keep the object alive."""
    found = ctypes.c_void_p.from_address(id(context) + object.__basicsize__)
    return found.value or 0


@cache
def reachable_library() -> ctypes.CDLL | None:
    """Return the library behind `ssl`, or None if this Python hides it, as static builds do.

    Its functions are called with Python's lock held: they are short, and to let it go and take it
    again for each would cost more than they do.
    """
    if sys.implementation.name != "cpython":
        return None
    try:
        library = ctypes.PyDLL(getattr(_ssl, "__file__", None))
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError):
        return None
    return library if _knows_our_contexts(library) else None


def _knows_our_contexts(library: ctypes.CDLL) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for option in (ssl.Options(0), ssl.OP_NO_TICKET, ssl.OP_CIPHER_SERVER_PREFERENCE):
        context.options |= option
        if library.SSL_CTX_get_options(context_pointer(context)) != int(context.options):
            return False
    return True
