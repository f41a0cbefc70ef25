"""What the cloud's broker offers: AWS IoT Core's documented limits, as data, each with its source.

`OFFERED` is the table; `cloud_limits` makes the engine's `Limits` of it. What AWS IoT Core enforces
for the sake of a service that many share (account-wide rates, throughput) is not in it: a cloud of
one's own is bounded by the machine, and by the engine's own limits on memory.
"""

from dataclasses import dataclass
from typing import Any, Final

from hedgerow.mqtt import Limits

_QUOTAS: Final = "AWS General Reference, AWS IoT Core quotas: "
_GUIDE: Final = "AWS IoT Core Developer Guide, "


@dataclass(frozen=True, slots=True)
class Offered:
    """One row: a field of the engine's `Limits`, the value offered, and where it is written."""

    field: str
    value: int | bool | None
    source: str


def _row(field: str, source: str, *, value: int | bool | None) -> Offered:
    return Offered(field, value, source)


OFFERED: Final = (
    _row("maximum_qos", _GUIDE + "MQTT, quality of service options", value=1),
    _row("payload_bytes", _QUOTAS + "message size", value=128 * 1024),
    _row("topic_bytes", _QUOTAS + "topic size", value=256),
    _row("topic_slashes", _QUOTAS + "slashes in topic and topic filter", value=7),
    _row("client_id_bytes", _QUOTAS + "client ID size", value=128),
    _row("subscriptions", _QUOTAS + "subscriptions per connection", value=50),
    _row("filters_per_subscribe", _QUOTAS + "subscriptions per subscribe request", value=8),
    _row("minimum_keep_alive_s", _QUOTAS + "connection inactivity", value=30),
    _row("keep_alive_s", _QUOTAS + "connection inactivity", value=1200),
    _row("in_flight", _QUOTAS + "outbound unacknowledged QoS 1 publish requests", value=100),
    _row("receive_maximum", _QUOTAS + "inbound unacknowledged QoS 1 publish requests", value=100),
    _row("topic_aliases", _GUIDE + "MQTT 5 supported features, topic aliases", value=8),
    _row("session_expiry_s", _QUOTAS + "persistent session expiry period", value=3600),
    _row("replayed_per_second", _GUIDE + "MQTT, traffic after reconnection", value=10),
    _row("retain_available", _GUIDE + "MQTT, retained messages", value=True),
    _row("retained_for_wildcards", _GUIDE + "MQTT, retained messages", value=False),
    _row("shared_subscriptions", _GUIDE + "MQTT, shared subscriptions", value=True),
    _row("assign_client_ids", _GUIDE + "MQTT 5, assigned client identifier", value=True),
)

WAITING_MESSAGES: Final = 20_000
WAITING_BYTES: Final = 16 * 1024 * 1024
"""What is kept for one client that is away. AWS IoT Core bounds the account, not the client."""

LONGEST_SESSION_EXPIRY_S: Final = 7 * 24 * 3600
"""What the session expiry may be raised to (the quota is adjustable up to seven days)."""


def cloud_limits(
    *, session_expiry_s: int | None = None, replayed_per_second: int | None = -1, **changes: Any
) -> Limits:
    """Return the limits, with what an owner changed.

    `session_expiry_s` raises the documented hour to at most seven days; `replayed_per_second`
    None switches the documented ten a second off. Raises `ValueError` beyond that.
    """
    values: dict[str, Any] = {row.field: row.value for row in OFFERED}
    values |= {"waiting_messages": WAITING_MESSAGES, "waiting_bytes": WAITING_BYTES}
    if session_expiry_s is not None:
        if not 0 <= session_expiry_s <= LONGEST_SESSION_EXPIRY_S:
            raise ValueError(f"a session may be kept for 0 to {LONGEST_SESSION_EXPIRY_S} s")
        values["session_expiry_s"] = session_expiry_s
    if replayed_per_second != -1:
        values["replayed_per_second"] = replayed_per_second
    return Limits(**{**values, **changes})
