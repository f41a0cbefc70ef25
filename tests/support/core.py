"""What tests of the core share."""

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Return once the condition holds; for states that no event tells of."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the parts under test have no such event
            await asyncio.sleep(0.005)
