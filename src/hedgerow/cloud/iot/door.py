"""The TLS side of a door for devices: its context always has the newest trust and certificate."""

from collections.abc import Callable, Sequence
from typing import Protocol

from hedgerow.cloud.iot.directory import DirectoryChange
from hedgerow.pki import PrivateKey, ServerProof, TlsSlot, Trust, doorway


class AnchorSource(Protocol):
    """What a door follows: one account's `DeviceDirectory`, or all accounts' together."""

    def trust_anchors(self) -> Trust:
        """Return what TLS has to trust."""

    def on_change(self, listener: Callable[[DirectoryChange], None]) -> Callable[[], None]:
        """Call `listener` after every change; return what ends that."""


class DeviceDoor:
    """Keeps the `slot` of a listener for devices current.

    INVARIANT: when the source has told of new trust anchors, the next handshake knows them.
    Connections that are already open are not touched here: doors judge them by the certificate.
    Sessions are not resumed, and modern suites alone are offered.
    """

    def __init__(
        self,
        source: AnchorSource,
        key: PrivateKey,
        chain_pem: str,
        *,
        alpn: Sequence[str] = (),
    ) -> None:
        """Prove the server with `key` and `chain_pem` (leaf first). The source is started."""
        self._source = source
        self._alpn = tuple(alpn)
        self._doorway = doorway()
        self.renew(key, chain_pem)
        self._stop_listening: Callable[[], None] = source.on_change(self._anchors_changed)

    @property
    def slot(self) -> TlsSlot:
        """What the listener takes contexts from."""
        return self._doorway.slot

    def renew(self, key: PrivateKey, chain_pem: str) -> None:
        """Prove the server with another key and certificate from the next handshake on."""
        self._proof = ServerProof(key, chain_pem, self._alpn)
        self._doorway.open(self._proof, self._source.trust_anchors())

    def close(self) -> None:
        """Stop following the source."""
        self._stop_listening()

    def _anchors_changed(self, change: DirectoryChange) -> None:
        if change.anchors_changed:
            self._doorway.open(self._proof, self._source.trust_anchors())
