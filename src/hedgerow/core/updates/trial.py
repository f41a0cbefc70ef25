"""Try a new agent before it takes the place of the one that runs: nobody is left to take it back.

The trial is the new program's own: it reads the configuration, reaches the cloud under the core's
certificate, and ends.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from hedgerow.core.updates.programs import run_program
from hedgerow.kernel import UnavailableError, quoted

TRIAL_SECONDS: Final = 60.0
_SHOWN: Final = 300

Trial = Callable[[Path], Awaitable[None]]
"""Raises `UnavailableError` if the program is not fit to take over."""


async def try_agent(program: Path) -> None:
    """Let a new agent try itself."""
    code, said = await run_program(program, "--trial", seconds=TRIAL_SECONDS, is_heard=True)
    if code != 0:
        last = said.decode(errors="replace").strip()[-_SHOWN:]
        raise UnavailableError(f"the new agent fails its trial: {quoted(last)}")
