"""The trust anchors of all accounts as one: what the doors for devices follow.

A handshake proves only that a certificate is registered, or was issued, by some account; which
account that is, and whether it admits the device, is decided after it by the certificate.
"""

from collections.abc import Callable

from hedgerow.cloud.iot import AnchorSource, DirectoryChange
from hedgerow.pki import Trust

_EVERYTHING_MAY_DIFFER = DirectoryChange(frozenset(), frozenset(), anchors_changed=True)
Listener = Callable[[DirectoryChange], None]


class AllAnchors:
    """Follows any number of sources, which come and go with their accounts."""

    def __init__(self) -> None:
        self._sources: dict[str, tuple[AnchorSource, Callable[[], None]]] = {}
        self._listeners: dict[object, Listener] = {}

    def add(self, account: str, source: AnchorSource) -> None:
        """Follow an account's source, which is started."""
        self._sources[account] = (source, source.on_change(self._tell))
        self._tell(_EVERYTHING_MAY_DIFFER)

    def remove(self, account: str) -> None:
        """Forget an account's anchors."""
        _, stop_listening = self._sources.pop(account)
        stop_listening()
        self._tell(_EVERYTHING_MAY_DIFFER)

    def trust_anchors(self) -> Trust:
        """Return the anchors of all accounts."""
        every = [source.trust_anchors() for source, _ in self._sources.values()]
        return Trust(
            authorities=tuple(dict.fromkeys(pem for one in every for pem in one.authorities)),
            exact=tuple(dict.fromkeys(pem for one in every for pem in one.exact)),
        )

    def on_change(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` after every change of any account; return what ends that."""
        ticket = object()
        self._listeners[ticket] = listener

        def stop() -> None:
            self._listeners.pop(ticket, None)

        return stop

    def _tell(self, change: DirectoryChange) -> None:
        for listener in tuple(self._listeners.values()):
            listener(change)
