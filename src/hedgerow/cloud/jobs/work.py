"""One transaction's work on jobs: executions come and go, and what follows is settled once.

The counts of a job, the lists of things, the end of a job and everything that is to be told follow
from the changes of executions; `settle` sees to all of that, so no change can forget a part.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from hedgerow.cloud.events import Event, note
from hedgerow.cloud.home import Home
from hedgerow.cloud.iot.registry_events import is_told
from hedgerow.cloud.jobs import progress
from hedgerow.cloud.jobs.documents import (
    JOB,
    JOB_EXECUTION,
    JOB_QUEUE,
    JOB_TEXT,
    PENDING,
    THING_JOB,
    Attempt,
    Job,
    JobExecution,
    JobQueue,
    ThingJob,
    execution_id,
    thing_job_id,
)
from hedgerow.cloud.jobs.executions import may_be_retried, queued, retried
from hedgerow.cloud.jobs.faults import no_such_job
from hedgerow.cloud.jobs.queues import (
    change_between,
    list_notice,
    next_of,
    with_attempt,
)
from hedgerow.cloud.jobs.told import (
    JobEventKind,
    Told,
    execution_event,
    execution_shown,
    job_event,
    next_notice,
)
from hedgerow.contract.job_topics import jobs_notice_topic
from hedgerow.store import Record, Transaction


class JobWork:
    """Changes jobs and executions inside one transaction; end it with `settle`."""

    def __init__(self, tx: Transaction, home: Home, now: datetime) -> None:
        self.tx = tx
        self.now = now
        self._home = home
        self._jobs: dict[str, Job] = {}
        self._queues: dict[str, tuple[Record[JobQueue] | None, JobQueue]] = {}

    async def job(self, job_id: str) -> Job:
        """Return a job as it is in this work; raises `JobError`."""
        if job_id not in self._jobs:
            self._jobs[job_id] = (await self.job_record(job_id)).document
        return self._jobs[job_id]

    async def job_record(self, job_id: str) -> Record[Job]:
        """Return a job's record as it is stored; raises `JobError`."""
        record = await self.tx.get(JOB, self._home.account, job_id)
        if record is None:
            raise no_such_job(job_id)
        return record

    async def execution(self, job_id: str, thing_name: str) -> Record[JobExecution] | None:
        """Return a job's execution on a thing, or None."""
        account = self._home.account
        return await self.tx.get(JOB_EXECUTION, account, execution_id(job_id, thing_name))

    def put_job(self, job_id: str, job: Job) -> None:
        """Replace a job, by `settle`."""
        self._jobs[job_id] = job

    async def enqueue(self, job_id: str, thing_name: str) -> None:
        """Have a thing execute a job; one that has the job already keeps what it has.

        An execution that was removed is begun anew, as of a thing that is back in its group.
        """
        record = await self.execution(job_id, thing_name)
        if record is None:
            await self._insert(job_id, thing_name)
        elif record.document.latest.status == "REMOVED":
            old = record.document
            latest = queued(self.now, number=old.latest.number + 1)
            fresh = msgspec.structs.replace(old, latest=latest, earlier=(*old.earlier, old.latest))
            await self._put(record, fresh)

    async def change(self, record: Record[JobExecution], attempt: Attempt) -> None:
        """Bring an execution's latest attempt to another state; it may be tried again."""
        after = msgspec.structs.replace(record.document, latest=attempt)
        if attempt.status not in PENDING:
            await self._note(execution_event(self._home, after, self.now))
            job = await self.job(after.job_id)
            if job.status == "IN_PROGRESS" and may_be_retried(after, job):
                after = retried(after, self.now)
        await self._put(record, after)

    async def drop(self, record: Record[JobExecution]) -> None:
        """Delete an execution with all its attempts."""
        gone = record.document
        await self.tx.delete(record)
        link = await self.tx.get(
            THING_JOB, self._home.account, thing_job_id(gone.thing_name, gone.job_id)
        )
        if link is not None:
            await self.tx.delete(link)
        await self._list(gone.job_id, gone.thing_name, None)
        await self._count(gone.job_id, gone.latest, None)
        await self._note(execution_event(self._home, gone, self.now, "deleted"))

    async def tell_of_job(self, job_id: str, kind: JobEventKind) -> None:
        """Have the event of a job told."""
        job, record = await self.job(job_id), await self.job_record(job_id)
        event = job_event(job_id, job, kind, created=record.created_at, now=self.now)
        await self._note(event)

    async def delete_job(self, record: Record[Job]) -> None:
        """Delete a job that has no executions any more, with its document."""
        await self.tell_of_job(record.id, "deleted")
        self._jobs.pop(record.id, None)
        text = await self.tx.get(JOB_TEXT, self._home.account, record.id)
        if text is not None:
            await self.tx.delete(text)
        await self.tx.delete(record)

    async def settle(self) -> Sequence[Told]:
        """Write what follows from the changes, and return what is to be told when committed."""
        for job_id in tuple(self._jobs):
            await self._settle_job(job_id)
        notices: list[Told] = []
        for thing_name in self._queues:
            notices += await self._settle_queue(thing_name)
        return notices

    async def _note(self, event: Event) -> None:
        """Have an event told, if its kind is turned on in the registry."""
        if await is_told(self.tx, self._home, str(event.detail["eventType"])):
            await note(self.tx, self._home, event)

    async def text_of(self, job_id: str) -> str | None:
        """Return a job's document."""
        record = await self.tx.get(JOB_TEXT, self._home.account, job_id)
        return None if record is None else record.document.text

    async def _insert(self, job_id: str, thing_name: str) -> None:
        account = self._home.account
        document = JobExecution(job_id=job_id, thing_name=thing_name, latest=queued(self.now))
        identifier = execution_id(job_id, thing_name)
        await self.tx.insert(JOB_EXECUTION, account, identifier, document, parent=job_id)
        link = thing_job_id(thing_name, job_id)
        await self.tx.insert(THING_JOB, account, link, ThingJob(job_id=job_id), parent=thing_name)
        await self._list(job_id, thing_name, document.latest)
        await self._count(job_id, None, document.latest)

    async def _put(self, record: Record[JobExecution], after: JobExecution) -> None:
        before = record.document
        await self.tx.update(record, after)
        await self._list(after.job_id, after.thing_name, after.latest)
        await self._count(after.job_id, before.latest, after.latest)

    async def _list(self, job_id: str, thing_name: str, attempt: Attempt | None) -> None:
        if thing_name not in self._queues:
            record = await self.tx.get(JOB_QUEUE, self._home.account, thing_name)
            self._queues[thing_name] = (record, JobQueue() if record is None else record.document)
        record, queue = self._queues[thing_name]
        self._queues[thing_name] = (record, with_attempt(queue, job_id, attempt))

    async def _count(self, job_id: str, before: Attempt | None, after: Attempt | None) -> None:
        job = await self.job(job_id)
        counts = dict(job.counts)
        for attempt, step in ((before, -1), (after, 1)):
            if attempt is not None:
                counts[attempt.status] = counts.get(attempt.status, 0) + step
        self._jobs[job_id] = msgspec.structs.replace(job, counts=counts)

    async def _settle_job(self, job_id: str) -> None:
        record = await self.job_record(job_id)
        job = progress.settled(self._jobs[job_id], self.now)
        if job == record.document:
            return
        self._jobs[job_id] = job
        await self.tx.update(record, job)
        for kind in _kinds(record.document, job):
            await self.tell_of_job(job_id, kind)

    async def _settle_queue(self, thing_name: str) -> Sequence[Told]:
        record, after = self._queues[thing_name]
        before = JobQueue() if record is None else record.document
        if before == after:
            return ()
        if record is None:
            await self.tx.insert(JOB_QUEUE, self._home.account, thing_name, after)
        elif after.pending:
            await self.tx.update(record, after)
        else:
            await self.tx.delete(record)
        change, told = change_between(before, after), []
        if change.list_changed:
            notice = msgspec.json.encode(list_notice(after, self.now))
            told.append(Told(jobs_notice_topic(thing_name), notice))
        if change.next_changed:
            shown = await self._next_shown(thing_name, after)
            told.append(next_notice(thing_name, shown, self.now))
        return told

    async def _next_shown(self, thing_name: str, queue: JobQueue) -> dict[str, object] | None:
        """Return the next execution of a list with its document, or None if it is empty."""
        first = next_of(queue)
        if first is None:
            return None
        record = await self.execution(first.job_id, thing_name)
        if record is None:
            return None
        text = await self.text_of(first.job_id)
        return execution_shown(record.document, record.document.latest, text, self.now)


def _kinds(before: Job, after: Job) -> Sequence[JobEventKind]:
    """Return the events of a job that has come from one state to another."""
    kinds: list[JobEventKind] = []
    if after.status == "COMPLETED" != before.status:
        kinds.append("completed")
    if after.phase == "canceling" != before.phase:
        kinds.append("cancellation_in_progress")
    if before.phase == "canceling" and after.phase == "settled":
        kinds.append("canceled")
    if after.phase == "deleting" != before.phase:
        kinds.append("deletion_in_progress")
    return kinds
