"""The composition of the core: parts are made, joined, started and stopped here, and only here.

In comes a root folder; out goes a daemon that serves until it is told to stop. It imports every
other sub-room of `core`, and nothing imports it but the command line. What must never happen
here: work of the parts themselves, or a start that waits for the cloud. Its tests are in
`tests/unit/core/app`, `tests/security/test_core_*.py` and `tests/interop`.
"""

from hedgerow.core.app.core_app import CoreApp
from hedgerow.core.app.endpoints import CoreEndpoints, read_endpoints
from hedgerow.core.app.run import run_core

__all__ = ["CoreApp", "CoreEndpoints", "read_endpoints", "run_core"]
