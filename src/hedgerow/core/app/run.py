"""Run a core until it is told to stop."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import IO

from hedgerow.core.app.core_app import CoreApp
from hedgerow.kernel import Clock, SystemClock


async def run_core(
    root: Path,
    *,
    insecure_skip_link_protection: bool = False,
    clock: Clock | None = None,
    echo: IO[str] | None = sys.stderr,
) -> None:
    """Serve until SIGTERM or SIGINT, then stop cleanly and return.

    Raises `ConfigurationError` if the core cannot start, and whatever ends it by a fault.
    """
    core = CoreApp(
        root,
        clock=clock or SystemClock(),
        insecure_skip_link_protection=insecure_skip_link_protection,
        echo=echo,
    )
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    try:
        await core.start()
        await _first_of(core, told)
    finally:
        await core.stop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def _first_of(core: CoreApp, told: asyncio.Event) -> None:
    """Wait for the signal or for a fault, whichever comes first; a fault is raised."""
    loop = asyncio.get_running_loop()
    stopping = loop.create_task(told.wait(), name="signal")
    failing = loop.create_task(core.wait(), name="core")
    await asyncio.wait({stopping, failing}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if failing.done():
        failing.result()
    failing.cancel()
    await asyncio.gather(stopping, failing, return_exceptions=True)
