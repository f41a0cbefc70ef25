"""The cloud's TLS: one server certificate, proven at every door and renewed ahead of expiry.

Doors for devices demand a certificate that the accounts' anchors cover; the door for programs
asks for none (their signature says who they are). Contexts are replaced while the doors are open:
new connections get the newest, old ones go on.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Sequence
from datetime import timedelta

import structlog
from cryptography import x509

from hedgerow.cloud.app.layout import Layout, Settings
from hedgerow.cloud.iot import AnchorSource, DeviceDoor
from hedgerow.kernel import Clock
from hedgerow.pki import (
    CertificateAuthority,
    PrivateKey,
    TlsSlot,
    Trust,
    load_certificate,
    server_certificate,
    server_context,
    write_public,
)
from hedgerow.pki.profiles import general_names

HTTPS_ALPN = "x-amzn-http-ca"
MQTT_ALPN = "x-amzn-mqtt-ca"
RENEW_AT_REMAINING = 1 / 3
"""A certificate is renewed when less than this part of its life is left."""
CHECK_EVERY_S = 3600.0
_LOG = structlog.get_logger("hedgerow.cloud.app")


class Doors:
    """Holds what listeners take their contexts from. The source of anchors is started before."""

    def __init__(
        self,
        layout: Layout,
        settings: Settings,
        anchors: AnchorSource,
        *,
        root: CertificateAuthority,
        server_key: PrivateKey,
        clock: Clock,
        further_names: Sequence[str] = (),
    ) -> None:
        """Prove the cloud by the settings' names, and by further ones that doors listen on."""
        self._certificate_path = layout.server_certificate
        self._names = tuple(dict.fromkeys((*settings.host_names, *further_names)))
        self._root = root
        self._clock = clock
        self._key = server_key
        self._chain = layout.server_certificate.read_text()
        self._renewal: asyncio.Task[None] | None = None
        self.api = TlsSlot(self._api_context())
        self._devices = {
            name: DeviceDoor(anchors, self._key, self._chain, alpn=alpn)
            for name, alpn in _DEVICE_DOORS.items()
        }

    @property
    def https(self) -> TlsSlot:
        """For the data plane."""
        return self._devices["https"].slot

    @property
    def mqtt(self) -> TlsSlot:
        """For the broker."""
        return self._devices["mqtt"].slot

    @property
    def combined(self) -> TlsSlot:
        """For both of them, told apart by ALPN."""
        return self._devices["combined"].slot

    async def start(self) -> None:
        """Renew if it is time, and look again every hour."""
        await self.renew_if_due()
        loop = asyncio.get_running_loop()
        self._renewal = loop.create_task(self._keep_renewed(), name="server-certificate")

    async def stop(self) -> None:
        """Look no more, and follow the anchors no more."""
        if self._renewal is not None:
            self._renewal.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._renewal
            self._renewal = None
        for door in self._devices.values():
            door.close()

    async def renew_if_due(self) -> bool:
        """Issue a new server certificate if it is time or a name is missing; say whether it did."""
        certificate = load_certificate(self._chain)
        life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        left = certificate.not_valid_after_utc - self._clock.now()
        if left > life * RENEW_AT_REMAINING and _has_names(certificate, self._names):
            return False
        profile = server_certificate(self._names)
        chain = await asyncio.to_thread(self._root.issue, profile, self._key.public_key)
        await asyncio.to_thread(write_public, self._certificate_path, chain.encode())
        self._chain = chain
        self.api.replace(self._api_context())
        for door in self._devices.values():
            door.renew(self._key, chain)
        _LOG.info("server certificate renewed", days_left=max(left, timedelta(0)).days)
        return True

    async def _keep_renewed(self) -> None:
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            try:
                await self.renew_if_due()
            except Exception:  # noqa: BLE001 - it is tried again, long before the end
                _LOG.exception("server certificate not renewed; it is tried again in an hour")

    def _api_context(self) -> ssl.SSLContext:
        return server_context(
            self._key, self._chain, Trust(), alpn=("http/1.1",), require_client_certificate=False
        )


def _has_names(certificate: x509.Certificate, names: Sequence[str]) -> bool:
    held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(general_names(names)) <= set(held)


_DEVICE_DOORS = {
    "https": (HTTPS_ALPN, "http/1.1"),
    "mqtt": (MQTT_ALPN, "mqtt"),
    "combined": (HTTPS_ALPN, MQTT_ALPN),
}
