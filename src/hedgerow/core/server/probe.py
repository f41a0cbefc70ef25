"""Look at what a context shows to a client, without a connection: the handshake is in memory."""

import ssl
from typing import Final

from hedgerow.kernel import UnavailableError

_TURNS: Final = 4
"""A client of TLS 1.3 knows the server's certificate after one turn, one of 1.2 after two."""


def shown_certificate(context: ssl.SSLContext) -> bytes:
    """Return the certificate (DER) that a server of this context proves itself with.

    The client has no certificate and goes no further than that, so that nobody is refused. Raises
    `ssl.SSLError` if there is no handshake, `UnavailableError` if it shows none.
    """
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    asking.check_hostname, asking.verify_mode = False, ssl.CERT_NONE
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = asking.wrap_bio(to_client, to_server)
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(_TURNS):
        if _is_done(client):
            break
        _is_done(server)
    shown = client.getpeercert(binary_form=True)
    if shown is None:
        raise UnavailableError("the server shows no certificate")
    return shown


def _is_done(side: ssl.SSLObject) -> bool:
    """Let one side say what it has to say, and return whether its handshake is over."""
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True
