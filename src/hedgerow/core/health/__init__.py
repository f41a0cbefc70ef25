"""The local health API: a snapshot of the core's parts over HTTP on the loopback interface.

In come requests from this host and a function that takes the snapshot; out goes the documented
list of workers, and a short status. It imports `kernel`. What must never happen here: listening
on another interface, answering a web page of another origin, or showing a payload or a key. Its
tests are in `tests/unit/core/health`.
"""

from hedgerow.core.health.server import STATUS_PATH, HealthServer
from hedgerow.core.health.workers import (
    SYSTEM_FUNCTIONS,
    BadWorkersRequestError,
    Worker,
    WorkerState,
    select_workers,
)

__all__ = [
    "STATUS_PATH",
    "SYSTEM_FUNCTIONS",
    "BadWorkersRequestError",
    "HealthServer",
    "Worker",
    "WorkerState",
    "select_workers",
]
