"""The context that new connections get, by the name that they ask for if that is known."""

import ssl
from typing import Self


class TlsSlot:
    """Holds the context that new connections get."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._current = context
        self._named: dict[str, Self] = {}

    @property
    def current(self) -> ssl.SSLContext:
        """The context in force."""
        return self._current

    def replace(self, context: ssl.SSLContext) -> None:
        """Give this context to every connection from now on."""
        if self._named:
            context.sni_callback = self._choose
        self._current = context

    def name(self, server_name: str, slot: Self) -> None:
        """Give whoever asks for this server (SNI) the context of another slot.

        Whoever asks for a name that is not known, or for none, gets this slot's own. The clients
        that get in are those of the context that is given.
        """
        self._named[server_name.lower()] = slot
        self._current.sni_callback = self._choose

    def _choose(
        self, connection: ssl.SSLObject | ssl.SSLSocket, server_name: str | None, _: ssl.SSLContext
    ) -> None:
        slot = self._named.get((server_name or "").lower())
        if slot is not None:
            connection.context = slot.current


def refusing_context() -> ssl.SSLContext:
    """Return a context without a certificate: every handshake ends with an alert."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
