"""A server's handshake that tells a refused client why, with a TLS alert.

Event loops drop the connection at a failed handshake before OpenSSL's alert is on the wire, and
the client sees nothing but a lost connection. Here the failure is held back for one step, in which
the loop sends what OpenSSL has to say; it ends the handshake when the client answers or goes.

INVARIANT: a handshake that is complete has checked the client's certificate itself. One that
resumed an earlier session is refused, unless its context resumes sessions and the certificate of
the session is on its list now.
"""

import hashlib
import ssl
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from hedgerow.pki.exact_clients import ExactContext
from hedgerow.pki.waiting_room import Visitor


class HandshakeRefusal:
    """Tells, once, why a handshake was refused, in OpenSSL's words."""

    def __init__(self, tell: Callable[[Visitor, str], None], visitor: Visitor) -> None:
        self._tell = tell
        self._visitor = visitor
        self.told = False

    def goes_on(self) -> None:
        """Take note that the handshake waits for the client."""
        self._visitor.calls += 1

    def tell(self, error: ssl.SSLError) -> None:
        """Pass on the reason."""
        if not self.told:
            self.told = True
            self._tell(self._visitor, error.reason or "TLS error")


refusal_of_this_handshake: ContextVar[HandshakeRefusal] = ContextVar("refusal_of_this_handshake")
"""Set by the listener in the task of a handshake; the loop's callbacks inherit it."""


class AlertingHandshake(ssl.SSLObject):
    """An SSL object whose failed handshake first sends its alert, then fails."""

    _failure: ssl.SSLError | None = None

    def getpeercert(self, binary_form: bool = False) -> Any:  # noqa: FBT001, FBT002  # as `ssl` has it
        """Return the certificate in DER; not taken apart, as loops ask for and nobody looks at."""
        return super().getpeercert(binary_form=True) if binary_form else None

    def do_handshake(self) -> None:
        """Go on with the handshake; raise its failure one call after the alert was made."""
        if self._failure is not None:
            raise self._failure
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            refusal = refusal_of_this_handshake.get(None)
            if refusal is not None:
                refusal.goes_on()
            raise
        except ssl.SSLError as error:
            self._failure = error
            refusal = refusal_of_this_handshake.get(None)
            if refusal is not None:
                refusal.tell(error)
            # The loop reads this as 'send what there is, then wait for the peer'.
            raise ssl.SSLWantReadError from error
        if self.session_reused and not self._may_resume():
            # Contexts remember no session; this is for a Python that hides its OpenSSL from us.
            raise self._refuse_resumption()

    def _may_resume(self) -> bool:
        context = self.context
        if not isinstance(context, ExactContext) or not context.resumes or context.clients is None:
            return False
        der = self.getpeercert(binary_form=True)
        return der is not None and context.clients.lists(hashlib.sha256(der).digest())

    def _refuse_resumption(self) -> ssl.SSLError:
        error = ssl.SSLError(ssl.SSL_ERROR_SSL, "sessions are not resumed")
        error.reason = "SESSION_RESUMED"
        refusal = refusal_of_this_handshake.get(None)
        if refusal is not None:
            refusal.tell(error)
        return error
