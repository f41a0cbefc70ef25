"""The jobs of one account: what devices and administrators ask, each in one transaction.

Whether the asker may ask is decided before. What follows from a change is told in the step in
which it is committed, in the order of commits.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from hedgerow.cloud.home import Home
from hedgerow.cloud.iot.documents import THING
from hedgerow.cloud.jobs import control, executions
from hedgerow.cloud.jobs.documents import (
    JOB_EXECUTION,
    JOB_QUEUE,
    JOB_TEXT,
    OUR_KINDS,
    PENDING,
    JobQueue,
    execution_id,
)
from hedgerow.cloud.jobs.executions import Wanted
from hedgerow.cloud.jobs.faults import (
    JobError,
    invalid,
    no_such_execution,
    no_such_thing,
)
from hedgerow.cloud.jobs.index import JobIndex
from hedgerow.cloud.jobs.queues import in_order, next_of, summary
from hedgerow.cloud.jobs.requests import AskDescribe, AskStart, AskUpdate
from hedgerow.cloud.jobs.steps import STEPS
from hedgerow.cloud.jobs.told import Told, execution_shown, state_shown
from hedgerow.cloud.jobs.work import JobWork
from hedgerow.contract.job_topics import NEXT_JOB
from hedgerow.kernel import Clock
from hedgerow.store import Change, Store, Transaction

Members = Mapping[str, Any]
MessageListener = Callable[[str, bytes], None]
"""Takes a topic and a payload: every notice to a thing."""


class JobDesk:
    """Jobs and their executions.

    INVARIANT: a change of jobs is made by `working` only, so that its counts, lists and notices
    follow from it in the same transaction.
    """

    def __init__(
        self,
        store: Store,
        home: Home,
        clock: Clock,
        *,
        index: JobIndex,
    ) -> None:
        self._store = store
        self._home = home
        self._clock = clock
        self._index = index
        self._listeners: dict[object, MessageListener] = {}
        self._to_tell: Sequence[Told] = ()
        store.on_commit(self._committed)

    @property
    def store(self) -> Store:
        """Where jobs are kept, to be read."""
        return self._store

    @property
    def home(self) -> Home:
        """Whose jobs these are."""
        return self._home

    def on_message(self, listener: MessageListener) -> Callable[[], None]:
        """Tell `listener` what is to be published after each change; return what ends that."""
        ticket = object()
        self._listeners[ticket] = listener

        def stop() -> None:
            self._listeners.pop(ticket, None)

        return stop

    @asynccontextmanager
    async def working(self, tx: Transaction | None = None) -> AsyncIterator[JobWork]:
        """Give work on jobs, in a transaction of its own or in one that goes on after it."""
        if tx is not None:
            work = JobWork(tx, self._home, self._clock.now())
            yield work
            self._to_tell = await work.settle()
            return
        async with self._store.transaction() as own, self.working(own) as work:
            yield work

    # ---- what administrators ask

    async def create(self, request: Members, tx: Transaction | None = None) -> Members:
        """Make a job; raises `JobError`."""
        self._index.require_room()
        async with self.working(tx) as work:
            return await control.create(work, self._home, request)

    async def step(self, job_id: str) -> bool:
        """Do a batch of what a job's phase asks for; return whether there is more to do now."""
        async with self.working() as work:
            try:
                job = await work.job(job_id)
            except JobError:
                return False
            act = STEPS.get(job.phase)
            return act is not None and await act(work, self._home, job_id)

    async def time_out(self, thing_name: str, job_id: str) -> None:
        """End an execution whose time is up; one that is not due any more is left alone."""
        async with self.working() as work:
            record = await work.execution(job_id, thing_name)
            moment = None if record is None else executions.due(record.document.latest)
            if record is not None and moment is not None and moment <= work.now:
                late = executions.ended(record.document.latest, "TIMED_OUT", work.now)
                await work.change(record, late)

    # ---- what devices ask

    async def pending(self, thing_name: str) -> Members:
        """Return what is pending for a thing (GetPendingJobExecutions)."""
        queue = await self._queue(thing_name)
        rows = [(one.status, summary(one)) for one in in_order(queue)]
        return {
            "inProgressJobs": [row for status, row in rows if status == "IN_PROGRESS"],
            "queuedJobs": [row for status, row in rows if status == "QUEUED"],
        }

    async def start_next(self, thing_name: str, asked: AskStart) -> Members:
        """Start what is next for a thing, or give what is in progress."""
        await self._require_thing(thing_name)
        async with self.working() as work:
            record = await work.tx.get(JOB_QUEUE, self._home.account, thing_name)
            first = None if record is None else next_of(record.document)
            execution = None if first is None else await work.execution(first.job_id, thing_name)
            if first is None or execution is None:
                return {}
            attempt = execution.document.latest
            if attempt.status == "QUEUED":
                wanted = Wanted(
                    status="IN_PROGRESS",
                    details=asked.status_details,
                    step_minutes=asked.step_timeout_in_minutes,
                )
                job = await work.job(first.job_id)
                attempt = executions.by_device(attempt, wanted, job, work.now)
                await work.change(execution, attempt)
            text = await work.text_of(first.job_id)
            return {"execution": execution_shown(execution.document, attempt, text, work.now)}

    async def describe(self, thing_name: str, job_id: str, asked: AskDescribe) -> Members:
        """Return an execution that has not ended, `$next` for the next one if there is any."""
        await self._require_thing(thing_name)
        if job_id == NEXT_JOB:
            first = next_of(await self._queue(thing_name))
            if first is None:
                return {}
            job_id = first.job_id
        account = self._home.account
        record = await self._store.get(JOB_EXECUTION, account, execution_id(job_id, thing_name))
        attempt = None if record is None else record.document.attempt(asked.execution_number)
        if record is None or attempt is None:
            raise no_such_execution(job_id, thing_name)
        if attempt.status not in PENDING:
            raise JobError(
                "TerminalStateReached", f"The execution has ended: it is {attempt.status}."
            )
        text = None
        if asked.include_job_document:
            document = await self._store.get(JOB_TEXT, account, job_id)
            text = None if document is None else document.document.text
        return {"execution": execution_shown(record.document, attempt, text, self._clock.now())}

    async def update(self, thing_name: str, job_id: str, asked: AskUpdate) -> Members:
        """Take a device's report on an execution."""
        await self._require_thing(thing_name)
        if job_id == NEXT_JOB:
            raise invalid("Name the job to update; $next is for describing and starting.")
        wanted = Wanted(
            status=asked.status,
            details=asked.status_details,
            expected_version=asked.expected_version,
            step_minutes=asked.step_timeout_in_minutes,
        )
        async with self.working() as work:
            record = await control.existing_execution(work, job_id, thing_name)
            number = asked.execution_number
            if number is not None and number != record.document.latest.number:
                raise no_such_execution(job_id, thing_name)
            job = await work.job(job_id)
            attempt = executions.by_device(record.document.latest, wanted, job, work.now)
            await work.change(record, attempt)
            answer: dict[str, Any] = {}
            if asked.include_job_execution_state:
                answer["executionState"] = state_shown(attempt)
            text = await work.text_of(job_id) if asked.include_job_document else None
            return answer if text is None else {**answer, "jobDocument": text}

    def now(self) -> datetime:
        """Return the time by which answers are given."""
        return self._clock.now()

    async def _queue(self, thing_name: str) -> JobQueue:
        await self._require_thing(thing_name)
        record = await self._store.get(JOB_QUEUE, self._home.account, thing_name)
        return JobQueue() if record is None else record.document

    async def _require_thing(self, thing_name: str) -> None:
        if await self._store.get(THING, self._home.account, thing_name) is None:
            raise no_such_thing(thing_name)

    def _committed(self, changes: Sequence[Change]) -> None:
        """Tell of what was changed here; the store has one writer at a time."""
        if not any(c.account == self._home.account and c.kind in OUR_KINDS for c in changes):
            return
        messages, self._to_tell = self._to_tell, ()
        for message in messages:
            for listener in tuple(self._listeners.values()):
                listener(message.topic, message.payload)
