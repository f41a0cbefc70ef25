"""What of jobs is kept in memory: which have work left, when timers end, whom they concern.

It follows the change feed, so it knows of a change as soon as that is committed.
"""

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hedgerow.cloud.home import Home
from hedgerow.cloud.iot.documents import THING, THING_GROUP_MEMBER
from hedgerow.cloud.jobs.documents import JOB, JOB_QUEUE, Job, JobQueue, Phase
from hedgerow.cloud.jobs.faults import too_much
from hedgerow.cloud.jobs.targets import groups_of
from hedgerow.store import Change, Store

MAX_ACTIVE_JOBS: Final = 1000
"""Jobs of an account that have not ended; one more is refused."""
_SPARE_ENDS: Final = 1000
"""So many timers that were set anew since, beside as many as there are, are remembered."""


@dataclass(frozen=True, slots=True)
class Moved:
    """That a thing came into a group, went out of it, or (without a group) was deleted."""

    thing_name: str
    group: str = ""
    joined: bool = False


class JobIndex:
    """Follows the jobs of one account."""

    def __init__(self, store: Store, home: Home) -> None:
        self._store = store
        self._home = home
        self._active: set[str] = set()
        self._unsettled: dict[str, Phase] = {}
        self._continuous: dict[str, frozenset[str]] = {}
        self._timers: dict[str, Mapping[str, datetime]] = {}
        self._running = 0
        self._ends: list[tuple[datetime, str, str]] = []
        self._with_jobs: set[str] = set()
        self._moved: list[Moved] = []
        self._stop: Callable[[], None] | None = None
        self._wake: Callable[[], None] = lambda: None

    async def start(self, wake: Callable[[], None]) -> None:
        """Read everything, then follow; `wake` is called when there is something to do."""
        self._stop = self._store.on_commit(self._committed)
        account = self._home.account
        for job in await self._store.all(JOB, account):
            self._put_job(job.id, job.document)
        for queue in await self._store.all(JOB_QUEUE, account):
            self._put_queue(queue.id, queue.document)
        self._wake = wake

    def stop(self) -> None:
        """Follow no more."""
        if self._stop is not None:
            self._stop()
            self._stop = None

    def require_room(self) -> None:
        """Raise `LimitExceededException` if no more jobs may be active."""
        if len(self._active) >= MAX_ACTIVE_JOBS:
            raise too_much(
                f"At most {MAX_ACTIVE_JOBS} jobs are active at a time; cancel some first."
            )

    @property
    def unsettled(self) -> Sequence[str]:
        """The jobs that the cloud has something to do with, oldest first."""
        return tuple(self._unsettled)

    @property
    def continuous(self) -> Sequence[str]:
        """The continuous jobs that are in progress."""
        return tuple(self._continuous)

    @property
    def things(self) -> Sequence[str]:
        """The things for which something is pending."""
        return tuple(self._with_jobs)

    def groups_of(self, job_id: str) -> frozenset[str]:
        """Return the groups that are targets of a continuous job."""
        return self._continuous.get(job_id, frozenset())

    def of_group(self, group: str) -> Sequence[str]:
        """Return the continuous jobs that a group is a target of."""
        return tuple(job for job, groups in self._continuous.items() if group in groups)

    def due(self, now: datetime) -> Sequence[tuple[str, str]]:
        """Return the (thing, job) of every execution whose time is up."""
        found: dict[tuple[str, str], None] = {}
        while self._ends and self._ends[0][0] <= now:
            moment, thing, job = heapq.heappop(self._ends)
            if self._timers.get(thing, {}).get(job) == moment:
                found[thing, job] = None
        return tuple(found)

    def next_due(self) -> datetime | None:
        """Return when the next timer ends, or one did that was set anew since."""
        return self._ends[0][0] if self._ends else None

    def rewind(self) -> None:
        """Have every timer that runs told of again, and forget those that were set anew since."""
        self._ends = [
            (moment, thing, job)
            for thing, timers in self._timers.items()
            for job, moment in timers.items()
        ]
        heapq.heapify(self._ends)

    def take_moved(self) -> Sequence[Moved]:
        """Return what happened to things since this was asked last."""
        moved, self._moved = self._moved, []
        return moved

    def _committed(self, changes: Sequence[Change]) -> None:
        before, phases = self.next_due(), dict(self._unsettled)
        for change in changes:
            if change.account == self._home.account:
                self._hear(change)
        after = self.next_due()
        is_sooner = after is not None and (before is None or after < before)
        begins = any(phases.get(job) != phase for job, phase in self._unsettled.items())
        if self._moved or is_sooner or begins:
            self._wake()

    def _hear(self, change: Change) -> None:
        document = change.document
        if change.kind == JOB.name:
            self._put_job(change.id, document if isinstance(document, Job) else None)
        elif change.kind == JOB_QUEUE.name:
            self._put_queue(change.id, document if isinstance(document, JobQueue) else None)
        elif change.kind == THING_GROUP_MEMBER.name and change.operation != "update":
            group, _, thing = change.id.partition("/")
            if self.of_group(group):
                self._moved.append(Moved(thing, group, joined=change.operation == "insert"))
        elif (change.kind, change.operation) == (THING.name, "delete") and (
            change.id in self._with_jobs
        ):
            self._moved.append(Moved(change.id))

    def _put_job(self, job_id: str, job: Job | None) -> None:
        is_active = job is not None and job.status == "IN_PROGRESS"
        if is_active:
            self._active.add(job_id)
        else:
            self._active.discard(job_id)
        if job is not None and job.phase != "settled":
            self._unsettled[job_id] = job.phase
        else:
            self._unsettled.pop(job_id, None)
        if job is not None and is_active and job.selection == "CONTINUOUS":
            self._continuous[job_id] = groups_of(self._home, job.targets)
        else:
            self._continuous.pop(job_id, None)

    def _put_queue(self, thing: str, queue: JobQueue | None) -> None:
        pending = () if queue is None else queue.pending
        if pending:
            self._with_jobs.add(thing)
        else:
            self._with_jobs.discard(thing)
        before = self._timers.pop(thing, {})
        timers = {one.job_id: one.due for one in pending if one.due is not None}
        self._running += len(timers) - len(before)
        if timers:
            self._timers[thing] = timers
        for job, moment in timers.items():
            if before.get(job) != moment:
                heapq.heappush(self._ends, (moment, thing, job))
        if len(self._ends) > 2 * self._running + _SPARE_ENDS:
            self.rewind()  # a device may set its own timer anew without end
