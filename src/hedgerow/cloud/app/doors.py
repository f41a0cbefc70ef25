"""The cloud's TLS: one server certificate, renewed ahead of expiry, and whom each door trusts.

Doors for devices demand a certificate that the directory's anchors cover; the door for programs
asks for none (their signature says who they are). Contexts are replaced while the doors are open:
new connections get the newest, old ones go on.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Sequence
from datetime import timedelta

import structlog

from hedgerow.cloud.app.layout import Layout, Settings
from hedgerow.kernel import Clock
from hedgerow.pki import (
    CertificateAuthority,
    FileKey,
    TlsSlot,
    Trust,
    load_certificate,
    server_certificate,
    server_context,
    write_public,
)

HTTPS_ALPN = "x-amzn-http-ca"
MQTT_ALPN = "x-amzn-mqtt-ca"
RENEW_AT_REMAINING = 1 / 3
"""A certificate is renewed when less than this part of its life is left."""
CHECK_EVERY_S = 3600.0
_API_ALPN = ("http/1.1",)
_HTTPS_DOOR_ALPN = (HTTPS_ALPN, "http/1.1")
_MQTT_DOOR_ALPN = (MQTT_ALPN, "mqtt")
_COMBINED_DOOR_ALPN = (HTTPS_ALPN, MQTT_ALPN)
_LOG = structlog.get_logger(__name__)


class Doors:
    """Holds the slots that listeners take their contexts from, and keeps them current."""

    def __init__(
        self, layout: Layout, settings: Settings, root: CertificateAuthority, clock: Clock
    ) -> None:
        self._layout = layout
        self._settings = settings
        self._root = root
        self._clock = clock
        self._key = FileKey.load(layout.server_key)
        self._chain = layout.server_certificate.read_text()
        self._trust = Trust()
        self._renewal: asyncio.Task[None] | None = None
        self.api = TlsSlot(self._api_context())
        self.https = TlsSlot(self._device_context(_HTTPS_DOOR_ALPN))
        self.mqtt = TlsSlot(self._device_context(_MQTT_DOOR_ALPN))
        self.combined = TlsSlot(self._device_context(_COMBINED_DOOR_ALPN))

    async def start(self) -> None:
        """Renew if it is time, and look again every hour."""
        await self.renew_if_due()
        loop = asyncio.get_running_loop()
        self._renewal = loop.create_task(self._keep_renewed(), name="server-certificate")

    async def stop(self) -> None:
        """Look no more."""
        if self._renewal is not None:
            self._renewal.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._renewal
            self._renewal = None

    def trust(self, trust: Trust) -> None:
        """Trust these anchors from now on.

        Anchors that are new are added to the contexts in use, which costs next to nothing; only
        when one has gone are the contexts made again.
        """
        added = set(trust.anchors) - set(self._trust.anchors)
        gone = set(self._trust.anchors) - set(trust.anchors)
        self._trust = trust
        if gone:
            self._replace_device_contexts()
        elif added:
            for slot in (self.https, self.mqtt, self.combined):
                slot.current.load_verify_locations(cadata="".join(added))

    async def renew_if_due(self) -> bool:
        """Issue a new server certificate if the present one nears its end; say whether it was."""
        certificate = load_certificate(self._chain)
        life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        left = certificate.not_valid_after_utc - self._clock.now()
        if left > life * RENEW_AT_REMAINING:
            return False
        profile = server_certificate(self._settings.host_names)
        self._chain = await asyncio.to_thread(self._root.issue, profile, self._key.public_key)
        await asyncio.to_thread(write_public, self._layout.server_certificate, self._chain.encode())
        self.api.replace(self._api_context())
        self._replace_device_contexts()
        _LOG.info("the cloud's server certificate was renewed", left_before=str(max(left, _NONE)))
        return True

    async def _keep_renewed(self) -> None:
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            try:
                await self.renew_if_due()
            except Exception:  # noqa: BLE001 - it is tried again, long before the end
                _LOG.exception("renewing the cloud's server certificate failed")

    def _replace_device_contexts(self) -> None:
        self.https.replace(self._device_context(_HTTPS_DOOR_ALPN))
        self.mqtt.replace(self._device_context(_MQTT_DOOR_ALPN))
        self.combined.replace(self._device_context(_COMBINED_DOOR_ALPN))

    def _api_context(self) -> ssl.SSLContext:
        return server_context(
            self._key, self._chain, Trust(), alpn=_API_ALPN, require_client_certificate=False
        )

    def _device_context(self, alpn: Sequence[str]) -> ssl.SSLContext:
        return server_context(self._key, self._chain, self._trust, alpn=alpn)


_NONE = timedelta(0)
