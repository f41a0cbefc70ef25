"""Programs that an update runs, each of which has to end in time."""

import asyncio
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

from hedgerow.kernel import UnavailableError


async def run_program(
    program: Path,
    *words: str,
    seconds: float,
    folder: Path = Path("/"),
    is_heard: bool = False,
) -> tuple[int, bytes]:
    """Run a program to its end, and return its exit code and, if it is heard, what it complained.

    It has a session of its own, so that what it starts lives on. `UnavailableError` if it cannot be
    run, or has not ended in time: then it is killed.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            *words,
            cwd=folder,
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=PIPE if is_heard else DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise UnavailableError(f"{program} cannot be run: {error.strerror}") from error
    try:
        async with asyncio.timeout(seconds):
            _, said = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        called = " ".join((str(program), *words))
        raise UnavailableError(f"{called} was stopped: it took over {seconds:.0f} s") from None
    return process.returncode or 0, said or b""
