"""A server's handshake that tells a refused client why, with a TLS alert.

Event loops drop the connection at a failed handshake before OpenSSL's alert is on the wire, and
the client sees nothing but a lost connection. Here the failure is held back for one step, in which
the loop sends what OpenSSL has to say; it ends the handshake when the client answers or goes.

INVARIANT: a handshake that is complete has checked the client's certificate itself. One that
resumed an earlier session, whose certificate may have expired since, is refused.
"""

import ssl
from collections.abc import Callable
from contextvars import ContextVar


class HandshakeRefusal:
    """Tells, once, why a handshake was refused, in OpenSSL's words."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self.told = False

    def tell(self, error: ssl.SSLError) -> None:
        """Pass on the reason."""
        if not self.told:
            self.told = True
            self._tell(error.reason or "TLS error")


refusal_of_this_handshake: ContextVar[HandshakeRefusal] = ContextVar("refusal_of_this_handshake")
"""Set by the listener in the task of a handshake; the loop's callbacks inherit it."""


class AlertingHandshake(ssl.SSLObject):
    """An SSL object whose failed handshake first sends its alert, then fails."""

    _failure: ssl.SSLError | None = None

    def do_handshake(self) -> None:
        """Go on with the handshake; raise its failure one call after the alert was made."""
        if self._failure is not None:
            raise self._failure
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            self._failure = error
            refusal = refusal_of_this_handshake.get(None)
            if refusal is not None:
                refusal.tell(error)
            # The loop reads this as 'send what there is, then wait for the peer'.
            raise ssl.SSLWantReadError from error
        if self.session_reused:
            # Contexts remember no session; this is for a Python that hides its OpenSSL from us.
            raise self._refuse_resumption()

    def _refuse_resumption(self) -> ssl.SSLError:
        error = ssl.SSLError(ssl.SSL_ERROR_SSL, "sessions are not resumed")
        error.reason = "SESSION_RESUMED"
        refusal = refusal_of_this_handshake.get(None)
        if refusal is not None:
            refusal.tell(error)
        return error
