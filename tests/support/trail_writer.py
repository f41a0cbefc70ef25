"""A process that records calls until it is killed; it prints the number of each one it answered.

Run as a program: FOLDER [LIMIT]. With a limit, no file of its may grow beyond so many bytes.
"""

import asyncio
import resource
import sys
from pathlib import Path

from tests.support.trail import call, running_trail

from hedgerow.kernel import UnavailableError


async def record(folder: Path) -> None:
    """Record calls for ever; each number is printed when its record is kept."""
    async with running_trail(folder) as trail:
        number = 0
        while True:
            try:
                trail.record_call(call(input={"GroupId": f"group-{number}"}))
            except UnavailableError as error:
                sys.stdout.write(f"refused: {error.message}\n")
                sys.stdout.flush()
                return
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()
            number += 1
            await asyncio.sleep(0)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        limit = int(sys.argv[2])
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    asyncio.run(record(Path(sys.argv[1])))
