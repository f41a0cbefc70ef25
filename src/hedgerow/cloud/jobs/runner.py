"""The task that sees to jobs: rolls out, cancels, deletes, times out, and follows thing groups."""

import asyncio
import contextlib
from datetime import timedelta
from typing import Final

import structlog

from hedgerow.cloud.home import Home
from hedgerow.cloud.iot.documents import THING, THING_GROUP_MEMBER
from hedgerow.cloud.jobs import control
from hedgerow.cloud.jobs.desk import JobDesk
from hedgerow.cloud.jobs.documents import JOB, JOB_EXECUTION, JOB_QUEUE
from hedgerow.cloud.jobs.faults import JobError
from hedgerow.cloud.jobs.index import JobIndex, Moved
from hedgerow.cloud.jobs.targets import still_meant
from hedgerow.kernel import Clock, HedgerowError
from hedgerow.store import Store

LOOK_EVERY: Final = timedelta(seconds=20)
"""At least so often timers and rates are looked at; AWS takes up to 60 s more for a timeout."""
_SHORTEST_PAUSE: Final = timedelta(milliseconds=50)
_LOG = structlog.get_logger("hedgerow.cloud.jobs")


class JobRunner:
    """Owns the task. What was cut off is gone on with at the next start."""

    def __init__(
        self, store: Store, home: Home, *, desk: JobDesk, index: JobIndex, clock: Clock
    ) -> None:
        self._store = store
        self._home = home
        self._desk = desk
        self._index = index
        self._clock = clock
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take up what was left, then work until `stop`."""
        await self._index.start(self._woken.set)
        name = f"jobs {self._home.account}"
        self._task = asyncio.get_running_loop().create_task(self._run(), name=name)

    async def stop(self) -> None:
        """End the task."""
        self._index.stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def look(self) -> bool:
        """Do what there is to do now; return whether there is more to do at once."""
        for moved in self._index.take_moved():
            await self._follow(moved)
        for thing, job_id in self._index.due(self._clock.now()):
            await self._desk.time_out(thing, job_id)
        more = False
        for job_id in self._index.unsettled:
            more = await self._desk.step(job_id) or more
            await asyncio.sleep(0)  # let others write between two batches
        return more

    async def catch_up(self) -> None:
        """Find out what happened to things and groups while nothing followed them, or not well."""
        self._index.rewind()
        for thing in self._index.things:
            if await self._store.get(THING, self._home.account, thing) is None:
                await self._follow(Moved(thing))
        for job_id in self._index.continuous:
            await self._compare(job_id)

    async def _run(self) -> None:
        caught_up = False
        while True:
            self._woken.clear()
            pause = LOOK_EVERY
            try:
                if not caught_up:
                    await self.catch_up()
                    caught_up = True
                if await self.look():
                    continue
                pause = self._pause()
            except HedgerowError as error:
                _LOG.error("jobs cannot be seen to now", reason=error.message)
                caught_up = False
            except Exception:  # noqa: BLE001 - whatever it was, jobs are seen to again
                _LOG.exception("jobs cannot be seen to now")
                caught_up = False
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause.total_seconds()):
                    await self._woken.wait()

    def _pause(self) -> timedelta:
        due = self._index.next_due()
        if due is None:
            return LOOK_EVERY
        return min(LOOK_EVERY, max(_SHORTEST_PAUSE, due - self._clock.now()))

    async def _follow(self, moved: Moved) -> None:
        """Bring jobs to a thing that has come into their group, or take them from one that left."""
        if not moved.group:
            record = await self._store.get(JOB_QUEUE, self._home.account, moved.thing_name)
            for one in () if record is None else record.document.pending:
                await self._remove(one.job_id, moved.thing_name)
            return
        for job_id in self._index.of_group(moved.group):
            if moved.joined:
                await self._enqueue(job_id, moved.thing_name)
            else:
                await self._remove(job_id, moved.thing_name)

    async def _compare(self, job_id: str) -> None:
        """Hold the executions of a continuous job against who is in its groups now."""
        job = await self._store.get(JOB, self._home.account, job_id)
        if job is None or job.document.phase != "settled":
            return
        for group in self._index.groups_of(job_id):
            members = await self._store.all(THING_GROUP_MEMBER, self._home.account, parent=group)
            for member in members:
                await self._enqueue(job_id, member.document.thing_name)
        for execution in await self._store.all(JOB_EXECUTION, self._home.account, parent=job_id):
            await self._remove(job_id, execution.document.thing_name)

    async def _enqueue(self, job_id: str, thing: str) -> None:
        async with self._desk.working() as work:
            with contextlib.suppress(JobError):
                job = await work.job(job_id)
                is_meant = await still_meant(work.tx, self._home, job, thing)
                if job.status == "IN_PROGRESS" and is_meant:
                    await work.enqueue(job_id, thing)

    async def _remove(self, job_id: str, thing: str) -> None:
        """Take a job from a thing unless the thing is meant by it still."""
        async with self._desk.working() as work:
            with contextlib.suppress(JobError):
                job = await work.job(job_id)
                if not await still_meant(work.tx, self._home, job, thing):
                    await control.remove(work, job_id, thing)
