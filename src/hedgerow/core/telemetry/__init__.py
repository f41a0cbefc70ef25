"""Telemetry of a core: measured every hour, told to the cloud once a day, or not at all.

In come readings of the host and of the core's parts, and the setting in the shadow of
`<core>-gcm`; out goes a message a day. It imports `kernel`, `contract`, `pki` (for files) and the
form of `link`'s answers; the connection and the calls to the cloud are passed in. What must never
happen here: anything measured while telemetry is off, a total that shrinks, a payload or a client's
name in a message. Its tests are in `tests/unit/core/telemetry`.
"""

from hedgerow.core.telemetry.agent import TelemetryAgent
from hedgerow.core.telemetry.configuration import RuntimeConfiguration
from hedgerow.core.telemetry.ledger import (
    AGGREGATION_INTERVAL,
    PUBLICATION_INTERVAL,
    Measurement,
    TelemetryRecord,
)
from hedgerow.core.telemetry.meters import DropMeter, HostMeter

__all__ = [
    "AGGREGATION_INTERVAL",
    "PUBLICATION_INTERVAL",
    "DropMeter",
    "HostMeter",
    "Measurement",
    "RuntimeConfiguration",
    "TelemetryAgent",
    "TelemetryRecord",
]
