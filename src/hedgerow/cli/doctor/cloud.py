"""Findings about what a core reaches of its cloud: both endpoints, and how far the clocks differ.

INVARIANT: nothing that is asked here is refused to a core that is sound, so that looking leaves no
refusals in the cloud's trail.
"""

import base64
import http.client
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from hedgerow.cli.doctor.finding import Finding
from hedgerow.core.config import CoreConfig
from hedgerow.core.link import LinkIdentity
from hedgerow.core.link.https import HTTPS_PROTOCOL
from hedgerow.core.link.mqtt import MQTT_PROTOCOL
from hedgerow.kernel import Clock, ConfigurationError

_CLOCK_LIMIT_SECONDS = 15 * 60
_NETWORK_SECONDS = 5
_MQTT_PATH: Final = "/mqtt"
_MQTT_OVER_WEBSOCKET: Final = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
    "Sec-WebSocket-Protocol": "mqtt",
}
"""Every device with an ACTIVE certificate is granted this, and the answer carries a `Date`."""


def cloud_findings(config: CoreConfig, clock: Clock) -> Iterator[Finding]:
    """Yield whether the core's two endpoints answer, and whether the clocks agree."""
    try:
        identity = LinkIdentity.load(config)
    except ConfigurationError as error:
        yield Finding("cloud", ok=False, found="not asked", advice=error.message)
        return
    yield from _greengrass(config, identity, clock)
    yield _messages(config, identity)


def _greengrass(config: CoreConfig, identity: LinkIdentity, clock: Clock) -> Iterator[Finding]:
    """Look at ggHost; its answer carries its clock."""
    address = f"{config.gg_host}:{config.gg_http_port}"
    try:
        date = _ask(config, identity)
    except (OSError, UnicodeError, http.client.HTTPException) as error:
        advice = f"check that the cloud runs and {address} is reachable: {error}"
        yield Finding("cloud", ok=False, found=f"{address} does not answer", advice=advice)
        return
    yield Finding("cloud", ok=True, found=f"{address} answers")
    if date is not None:
        off = abs((clock.now() - date).total_seconds())
        advice = "set this machine's clock; more than 15 minutes off, certificates look invalid"
        yield Finding(
            "clock",
            ok=off <= _CLOCK_LIMIT_SECONDS,
            found=f"{off:.0f} s from the cloud's",
            advice=advice,
        )


def _ask(config: CoreConfig, identity: LinkIdentity) -> datetime | None:
    context = identity.tls_context(config.gg_http_port, HTTPS_PROTOCOL)
    connection = http.client.HTTPSConnection(
        config.gg_host, config.gg_http_port, context=context, timeout=_NETWORK_SECONDS
    )
    try:
        connection.request("GET", _MQTT_PATH, headers=_MQTT_OVER_WEBSOCKET)
        date = connection.getresponse().getheader("Date")
    finally:
        connection.close()
    return None if date is None else parsedate_to_datetime(date).astimezone(UTC)


def _messages(config: CoreConfig, identity: LinkIdentity) -> Finding:
    """Look at iotHost, where messages go: its name, its port, and TLS with the core's certificate.

    Nothing is said there once TLS stands.
    """
    subject = "cloud for messages"
    host, port = config.iot_host, config.iot_mqtt_port
    address = f"{host}:{port}"
    if identity.way(config.proxy).leads_through_proxy(host):
        found = f"{address} is behind the proxy {config.proxy}, and was not looked at"
        return Finding(subject, ok=True, found=found)
    context = identity.tls_context(port, MQTT_PROTOCOL)
    try:
        with (
            socket.create_connection((host, port), timeout=_NETWORK_SECONDS) as raw,
            context.wrap_socket(raw, server_hostname=host),
        ):
            return Finding(subject, ok=True, found=f"{address} answers")
    except (socket.gaierror, UnicodeError) as error:
        found = f"the name {host} is not known"
        advice = f"correct coreThing.iotHost in config.json: {error}"
    except ssl.SSLCertVerificationError as error:
        found = f"{address} is not to be trusted"
        advice = f"check coreThing.iotHost, and that the root certificate is this cloud's: {error}"
    except OSError as error:
        found = f"{address} does not answer"
        advice = (
            f"check coreThing.iotHost and coreThing.iotMqttPort, and that the cloud runs: {error}"
        )
    return Finding(subject, ok=False, found=found, advice=advice)
