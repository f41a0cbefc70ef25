"""The TLS side of a door for devices: its context always has the newest trust and certificate."""

import ssl
from collections.abc import Callable, Sequence

from hedgerow.cloud.iot.directory import DeviceDirectory, DirectoryChange
from hedgerow.pki import PrivateKey, TlsSlot, server_context


class DeviceDoor:
    """Keeps the `slot` of a listener for devices current.

    INVARIANT: when the directory has told of a change of its trust anchors, new handshakes get
    the new ones. Connections that are already open are not touched here: doors judge them by the
    certificate's id.
    """

    def __init__(
        self,
        directory: DeviceDirectory,
        key: PrivateKey,
        chain_pem: str,
        *,
        alpn: Sequence[str] = (),
    ) -> None:
        """Prove the server with `key` and `chain_pem` (leaf first). The directory is started."""
        self._directory = directory
        self._key = key
        self._chain_pem = chain_pem
        self._alpn = tuple(alpn)
        self.slot = TlsSlot(self._context())
        self._stop_listening: Callable[[], None] = directory.on_change(self._directory_changed)

    def renew(self, key: PrivateKey, chain_pem: str) -> None:
        """Prove the server with another key and certificate from the next handshake on."""
        self._key, self._chain_pem = key, chain_pem
        self.slot.replace(self._context())

    def close(self) -> None:
        """Stop following the directory."""
        self._stop_listening()

    def _directory_changed(self, change: DirectoryChange) -> None:
        if change.anchors_changed:
            self.slot.replace(self._context())

    def _context(self) -> ssl.SSLContext:
        return server_context(
            self._key, self._chain_pem, self._directory.trust_anchors(), alpn=self._alpn
        )
