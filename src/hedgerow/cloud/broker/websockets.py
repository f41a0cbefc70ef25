"""MQTT over WebSocket as this cloud speaks it: where, by which names, and in which frames.

Source: AWS IoT Core Developer Guide, "Device communication protocols"; MQTT 5.0, section 6.
"""

import asyncio
from typing import Final

from hedgerow.aws import Upgrade
from hedgerow.mqtt.codec import packet_bounds

MQTT_PATH: Final = "/mqtt"
OLD_NAME: Final = "mqttv3.1"
"""What the first AWS IoT Device SDK for Python offers; it reads one packet a frame and no more."""
SUBPROTOCOLS: Final = ("mqtt", OLD_NAME)
_ANY_SIZE: Final = 1 << 28


def mqtt_upgrade(
    protocol: asyncio.Protocol | asyncio.BufferedProtocol, duration_s: float | None = None
) -> Upgrade:
    """Return the decision to speak MQTT on a WebSocket."""
    return Upgrade(protocol, SUBPROTOCOLS, duration_s, {OLD_NAME: packets_of})


def packets_of(data: bytes) -> list[bytes]:
    """Return the packets in bytes of whole packets, each by itself."""
    found, start, end = [], 0, len(data)
    while start < end:
        _, stop = packet_bounds(data, start, end, _ANY_SIZE, strict=False)
        found.append(data[start:stop])
        start = stop
    return found
