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

_SET_SESSION_CACHE_MODE: Final = 44  # SSL_CTRL_SET_SESS_CACHE_MODE
_CACHE_OFF: Final = 0  # SSL_SESS_CACHE_OFF


def keep_no_sessions(context: ssl.SSLContext) -> bool:
    """Make a server's context remember no session; return whether this Python lets us.

    Without tickets, a TLS 1.2 client could still resume a session that the context remembers.
    """
    library = reachable_library()
    if library is None:
        return False
    library.SSL_CTX_ctrl(context_pointer(context), _SET_SESSION_CACHE_MODE, _CACHE_OFF, None)
    return True


def context_pointer(context: ssl.SSLContext) -> int:
    """Return OpenSSL's `SSL_CTX *`, the first field of Python's object; keep the object alive."""
    found = ctypes.c_void_p.from_address(id(context) + object.__basicsize__)
    return found.value or 0


@cache
def reachable_library() -> ctypes.CDLL | None:
    """Return the library behind `ssl`, or None if this Python hides it, as static builds do."""
    if sys.implementation.name != "cpython":
        return None
    try:
        library = ctypes.CDLL(getattr(_ssl, "__file__", None))
        library.SSL_CTX_ctrl.argtypes = (
            ctypes.c_void_p,
            ctypes.c_int,
            ctypes.c_long,
            ctypes.c_void_p,
        )
        library.SSL_CTX_ctrl.restype = ctypes.c_long
        library.SSL_CTX_get_options.argtypes = (ctypes.c_void_p,)
        library.SSL_CTX_get_options.restype = ctypes.c_uint64
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
