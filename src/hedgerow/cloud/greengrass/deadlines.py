"""Looks after deployments that do not come to their end: built again, or given up in time."""

import asyncio
from datetime import datetime, timedelta
from typing import Final

import structlog

from hedgerow.cloud.greengrass import deployments
from hedgerow.cloud.greengrass.deployer import Deployer
from hedgerow.cloud.greengrass.documents import DEPLOYMENT, Deployment
from hedgerow.cloud.greengrass.index import GroupIndex
from hedgerow.cloud.home import Home
from hedgerow.kernel import Clock, HedgerowError
from hedgerow.store import Record, Store

LOOK_EVERY: Final = timedelta(seconds=30)
"""At least so often it is looked; a deadline that comes earlier is kept to the moment."""
_SHORTEST_PAUSE: Final = timedelta(milliseconds=100)
_LOG = structlog.get_logger(__name__)


class DeadlineKeeper:
    """Ends the wait for cores that do not report, and for builds that were cut off.

    INVARIANT: a deployment that is Building or InProgress leaves that state at its deadline at
    the latest, whatever happened to the core, to the network and to this process.
    """

    def __init__(
        self, store: Store, home: Home, *, index: GroupIndex, deployer: Deployer, clock: Clock
    ) -> None:
        self._store = store
        self._home = home
        self._index = index
        self._deployer = deployer
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look; what became overdue while nothing ran is given up at once."""
        name = f"deployment deadlines {self._home.account}"
        self._task = asyncio.get_running_loop().create_task(self._look_forever(), name=name)

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def look(self) -> datetime:
        """Do what is due now, and return when to look again."""
        now = self._clock.now()
        due = now + LOOK_EVERY
        for view in await self._index.all():
            if view.rollout.running is None:
                continue
            record = await self._store.get(DEPLOYMENT, self._home.account, view.rollout.running)
            if record is None:
                continue
            if deployments.deadline(record) <= now:
                await self._give_up(record.id, now)
                continue
            due = min(due, deployments.deadline(record))
            if _was_cut_off(record, now):
                self._deployer.build_soon(record.id)
        return due

    async def _give_up(self, deployment_id: str, now: datetime) -> None:
        async with self._store.transaction() as tx:
            record = await tx.get(DEPLOYMENT, self._home.account, deployment_id)
            if record is not None and await deployments.give_up(tx, self._home, record, now):
                _LOG.warning("a deployment is overdue", id=record.id, group_id=record.parent)

    async def _look_forever(self) -> None:
        while True:
            try:
                due = await self.look()
            except HedgerowError as error:
                _LOG.error("deadlines cannot be kept", reason=error.message)
                due = self._clock.now() + LOOK_EVERY
            except Exception:  # noqa: BLE001 - whatever it was, it is looked again
                _LOG.exception("deadlines cannot be kept")
                due = self._clock.now() + LOOK_EVERY
            pause = max(due - self._clock.now(), _SHORTEST_PAUSE)
            await asyncio.sleep(pause.total_seconds())


def _was_cut_off(record: Record[Deployment], now: datetime) -> bool:
    """Tell whether a deployment should have been built by now, as far as one can see."""
    return record.document.state == "Building" and now - record.updated_at >= LOOK_EVERY
