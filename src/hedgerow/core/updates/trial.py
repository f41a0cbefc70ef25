"""Try a new agent before it takes the place of the one that runs: nobody is left to take it back.

The trial is the new program's own: it reads the configuration, reaches the cloud under the core's
certificate, and ends.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from hedgerow.kernel import UnavailableError, quoted

TRIAL_SECONDS: Final = 60.0
_SHOWN: Final = 300

Trial = Callable[[Path], Awaitable[None]]
"""Raises `UnavailableError` if the program is not fit to take over."""


async def try_agent(program: Path) -> None:
    """Let a new agent try itself."""
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            "--trial",
            cwd="/",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise UnavailableError(f"the new agent cannot be run: {error.strerror}") from error
    try:
        async with asyncio.timeout(TRIAL_SECONDS):
            _, said = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise UnavailableError(
            f"the new agent did not end its trial in {TRIAL_SECONDS:.0f} s"
        ) from None
    if process.returncode != 0:
        last = said.decode(errors="replace").strip()[-_SHOWN:]
        raise UnavailableError(f"the new agent fails its trial: {quoted(last)}")
