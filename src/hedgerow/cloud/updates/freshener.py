"""Keeps the repository's online metadata fresh while the cloud serves.

A core believes `timestamp.json` for a few days only, so that who holds updates back from it is
noticed. The cloud signs it anew, in time.
"""

import asyncio
from typing import Final

import structlog

from hedgerow.cloud.updates.repository import UpdateRepository
from hedgerow.kernel import HedgerowError

_INTERVAL_SECONDS: Final = 3600.0
_LOG = structlog.get_logger("hedgerow.cloud.updates")


class Freshener:
    """Looks once an hour whether something has to be signed anew. Start it, stop it."""

    def __init__(self, repository: UpdateRepository) -> None:
        self._repository = repository
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin; the first look is before it returns."""
        await self._look()
        self._task = asyncio.get_running_loop().create_task(self._run(), name="updates freshener")

    async def stop(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_INTERVAL_SECONDS)
            await self._look()

    async def _look(self) -> None:
        if not self._repository.is_there:
            return
        try:
            if await asyncio.to_thread(self._repository.refresh):
                _LOG.info("the metadata of software updates is signed anew")
        except (HedgerowError, OSError) as error:
            _LOG.error("the metadata of software updates cannot be signed anew", reason=str(error))
