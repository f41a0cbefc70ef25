"""From a finished handshake of a device to the account whose rooms serve the connection."""

import asyncio

from hedgerow.cloud.app.accounts import Accounts
from hedgerow.cloud.app.doors import HTTPS_ALPN, MQTT_ALPN
from hedgerow.pki import TlsPeer

AnyProtocol = asyncio.Protocol | asyncio.BufferedProtocol


class DeviceFront:
    """The protocol factories of the device listeners, which all accounts share."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def https(self, peer: TlsPeer) -> AnyProtocol:
        """Serve the data plane of the account that the certificate is registered in."""
        newcomers = self._accounts.expecting(peer)
        if newcomers is not None:
            return newcomers.protocol(peer)
        return self._accounts.of_certificate(peer.certificate_id).dataplane.protocol(peer)

    def mqtt(self, peer: TlsPeer) -> AnyProtocol:
        """Serve the broker of the account that the certificate is registered in."""
        newcomers = self._accounts.expecting(peer)
        if newcomers is not None:
            return newcomers.protocol(peer)
        return self._accounts.of_certificate(peer.certificate_id).broker.protocol_factory(peer)

    def combined(self, peer: TlsPeer) -> AnyProtocol:
        """Serve either of them, by ALPN."""
        if peer.alpn == HTTPS_ALPN:
            return self.https(peer)
        if peer.alpn == MQTT_ALPN:
            return self.mqtt(peer)
        return _Closed()


class _Closed(asyncio.Protocol):
    """Ends a connection on the combined port that did not say what it wants to speak."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
