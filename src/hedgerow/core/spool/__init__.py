"""The queue for the cloud: bounded, first in first out, in memory or in files.

In come messages that a row sends to `cloud`; out they go one after another, each leaving the
queue only when the cloud has acknowledged it. It imports `kernel` and `contract`, knows no MQTT
(a `Publisher` is passed in), and must never block a local sender, reorder, or grow past its size.
Its tests are in `tests/unit/core/spool` and `tests/property`.
"""

from hedgerow.core.spool.files import FileSpool
from hedgerow.core.spool.memory import MemorySpool
from hedgerow.core.spool.queue import CloudQueue, Published, Publisher, QueueCounters
from hedgerow.core.spool.settings import (
    DEFAULT_SIZE_BYTES,
    MINIMUM_SIZE_BYTES,
    SPOOLER_ARN,
    SpoolSettings,
)
from hedgerow.core.spool.spool import QueuedMessage, Spool

__all__ = [
    "DEFAULT_SIZE_BYTES",
    "MINIMUM_SIZE_BYTES",
    "SPOOLER_ARN",
    "CloudQueue",
    "FileSpool",
    "MemorySpool",
    "Published",
    "Publisher",
    "QueueCounters",
    "QueuedMessage",
    "Spool",
    "SpoolSettings",
]
