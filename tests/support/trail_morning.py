"""Four hours of deliveries, made once for all tests that attack copies of them."""

import asyncio
import atexit
import shutil
import tempfile
import threading
from functools import cache
from pathlib import Path

from tests.support.trail import ACCOUNT, deliver_a_morning


@cache
def a_morning() -> Path:
    """Return the bucket's folder; copy it before changing anything."""
    folder = Path(tempfile.mkdtemp(prefix="hedgerow-test-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    thread = threading.Thread(target=lambda: asyncio.run(deliver_a_morning(folder)))
    thread.start()
    thread.join()
    return folder / "deliveries" / ACCOUNT / "audit"
