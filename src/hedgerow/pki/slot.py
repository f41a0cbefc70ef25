"""The context that new connections get."""

import ssl


class TlsSlot:
    """Holds the context that new connections get."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._current = context

    @property
    def current(self) -> ssl.SSLContext:
        """The context in force."""
        return self._current

    def replace(self, context: ssl.SSLContext) -> None:
        """Give this context to every connection from now on."""
        self._current = context


def refusing_context() -> ssl.SSLContext:
    """Return a context without a certificate: every handshake ends with an alert."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
