"""What the local server offers: the documented behaviour of V1, and what its owner added to it.

V1 delivered locally with QoS 0: one attempt, nothing stored, no acknowledgement (guide pages
gg-core and gg-troubleshooting). What devices publish with QoS 1 was acknowledged all the same, so
the unmodified SDKs go on. Everything beyond is an option, and off until it is asked for.
"""

from dataclasses import dataclass
from typing import Final

from hedgerow.mqtt import Limits


@dataclass(frozen=True, slots=True)
class LocalOffer:
    """What this server does beyond V1 (`docs/options.md`); as it stands here, nothing."""

    qos: int = 0
    """The best QoS of deliveries to devices."""
    sessions_s: int = 0
    """How long a session outlives its connection."""
    retained: bool = False
    """Whether messages are retained."""
    shared_subscriptions: bool = False
    """Whether devices may share a subscription."""


ALL_WAITING_BYTES: Final = 32 * 1024 * 1024
"""A core fits in 128 MB (statement G11), whatever its devices leave waiting."""
RETAINED_BYTES: Final = 32 * 1024 * 1024
"""The same for what they have retained."""
PROPERTIES_BYTES: Final = 8 * 1024 - 256
"""A cloud takes 8 KB, and ends the core's connection over more: what a core adds has to fit."""

AS_V1: Final = LocalOffer()


def local_limits(offer: LocalOffer = AS_V1) -> Limits:
    """Return the limits of the local server; sizes and topics are as documented (G07, G08)."""
    return Limits(
        maximum_qos=max(1, offer.qos),
        granted_qos=offer.qos,
        session_expiry_s=offer.sessions_s,
        retain_available=offer.retained,
        shared_subscriptions=offer.shared_subscriptions,
        all_waiting_bytes=ALL_WAITING_BYTES,
        owner_waiting_bytes=ALL_WAITING_BYTES // 8,
        retained_bytes=RETAINED_BYTES,
        properties_bytes=PROPERTIES_BYTES,
    )
