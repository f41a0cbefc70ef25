"""The queue for the cloud: bounded, first in first out, in memory or in files.

In come messages that a row sends to `cloud`; out they go in order, several under way at a time,
each leaving the queue only when the cloud has answered it. It imports `kernel` and `contract`,
knows no MQTT (a `Publisher` is passed in), and must never block a local sender, reorder, or grow
past its size. What is promised over kill and power cut stands in `files.py`, why the order holds in
`sender.py`. Its tests are in `tests/unit/core/spool` and `tests/property`.
"""

from hedgerow.core.spool.files import FileSpool
from hedgerow.core.spool.full import QueueFullError, QueueFullPolicy
from hedgerow.core.spool.memory import MemorySpool
from hedgerow.core.spool.outlet import (
    BusyError,
    EndedOverThisError,
    Outlet,
    Publication,
    Published,
    Publisher,
    Retry,
)
from hedgerow.core.spool.queue import DEFAULT_WINDOW, CloudQueue, QueueCounters
from hedgerow.core.spool.settings import (
    DEFAULT_SIZE_BYTES,
    MINIMUM_SIZE_BYTES,
    SPOOLER_ARN,
    SpoolSettings,
    StorageType,
)
from hedgerow.core.spool.spool import NO_EXTRAS, Extras, QueuedMessage, Spool, size_in_queue

__all__ = [
    "DEFAULT_SIZE_BYTES",
    "DEFAULT_WINDOW",
    "MINIMUM_SIZE_BYTES",
    "NO_EXTRAS",
    "SPOOLER_ARN",
    "BusyError",
    "CloudQueue",
    "EndedOverThisError",
    "Extras",
    "FileSpool",
    "MemorySpool",
    "Outlet",
    "Publication",
    "Published",
    "Publisher",
    "QueueCounters",
    "QueueFullError",
    "QueueFullPolicy",
    "QueuedMessage",
    "Retry",
    "Spool",
    "SpoolSettings",
    "StorageType",
    "size_in_queue",
]
