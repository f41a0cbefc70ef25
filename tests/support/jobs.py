"""Jobs in a real store under a clock that tests set: an administrator and devices without doors."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from tests.support.clock import ManualClock
from tests.support.registry import HOME

from hedgerow.cloud.events import EVENT, Event
from hedgerow.cloud.iot import registry_events, thing_groups, things
from hedgerow.cloud.iot.arns import thing_arn, thing_group_arn
from hedgerow.cloud.jobs import (
    AskDescribe,
    AskStart,
    AskUpdate,
    JobDesk,
    JobIndex,
    JobRunner,
    control,
)
from hedgerow.cloud.jobs.documents import JOB, Job
from hedgerow.store import MasterKey, Store

DOCUMENT = '{"operation":"test"}'
ON = {"JOB": True, "JOB_EXECUTION": True}


@dataclass
class JobStage:
    """The jobs of one account. The runner's task does not run: tests call `settle`."""

    store: Store
    clock: ManualClock
    desk: JobDesk
    index: JobIndex
    runner: JobRunner
    told: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    async def things(self, *names: str, group: str = "") -> None:
        """Register things, in a group if one is named."""
        async with self.store.transaction() as tx:
            if group:
                await thing_groups.create(tx, HOME, {"thingGroupName": group})
            for name in names:
                await things.create(tx, HOME, {"thingName": name})
                if group:
                    await thing_groups.add(tx, HOME, group, name)

    async def create(self, job_id: str, *targets: str, group: str = "", **more: Any) -> None:
        """Make a job for things, or for a group."""
        arns = [thing_arn(HOME, name) for name in targets]
        if group:
            arns.append(thing_group_arn(HOME, group))
        await self.desk.create({"jobId": job_id, "targets": arns, "document": DOCUMENT, **more})

    async def act(self, what: str, job_id: str, **more: Any) -> None:
        """Do what an administrator does to a job: `cancel`, `delete`, `update` and so on."""
        request = {"jobId": job_id, **more}
        async with self.desk.working() as work:
            match what:
                case "cancel":
                    await control.cancel(work, HOME, request)
                case "delete":
                    await control.delete(work, request)
                case "associate":
                    await control.associate(work, HOME, request)
                case "update":
                    await control.update(work, request)
                case "cancel-execution":
                    await control.cancel_execution(work, request)
                case "delete-execution":
                    await control.delete_execution(work, request)

    async def start(self, thing: str, **more: Any) -> Mapping[str, Any]:
        """Start what is next on a thing; return the execution, empty if there is none."""
        answer = await self.desk.start_next(thing, AskStart(**more))
        execution: Mapping[str, Any] = answer.get("execution", {})
        return execution

    async def report(self, thing: str, job_id: str, status: str, **more: Any) -> Mapping[str, Any]:
        """Report on an execution as its device."""
        return await self.desk.update(thing, job_id, AskUpdate(status=status, **more))

    async def describe(self, thing: str, job_id: str, **more: Any) -> Mapping[str, Any]:
        """Describe an execution as its device."""
        answer = await self.desk.describe(thing, job_id, AskDescribe(**more))
        execution: Mapping[str, Any] = answer.get("execution", {})
        return execution

    async def job(self, job_id: str) -> Job:
        """Return a job as it is kept."""
        record = await self.store.get(JOB, HOME.account, job_id)
        assert record is not None
        return record.document

    async def counts(self, job_id: str) -> dict[str, int]:
        """Return how many things are in which status, without zeros."""
        return {status: n for status, n in (await self.job(job_id)).counts.items() if n}

    async def settle(self) -> None:
        """Let the cloud do everything that there is to do now."""
        while await self.runner.look():
            pass

    async def events(self) -> list[Event]:
        """Return the events that wait to be told, oldest first."""
        return [record.document for record in await self.store.all(EVENT, HOME.account)]

    def heard(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Return the notices since this was asked last: the topics' ends, and the contents."""
        heard, self.told[:] = list(self.told), []
        return heard


@asynccontextmanager
async def job_stage(folder: Path) -> AsyncIterator[JobStage]:
    """Give an empty account with events of jobs turned on."""
    clock = ManualClock()
    key_file = folder / "master.key"
    key = MasterKey.from_file(key_file) if key_file.exists() else MasterKey.create_file(key_file)
    store = await Store.open(folder / "state.db", key, clock)
    try:
        index = JobIndex(store, HOME)
        desk = JobDesk(store, HOME, clock, index=index)
        runner = JobRunner(store, HOME, desk=desk, index=index, clock=clock)
        stage = JobStage(store, clock, desk, index, runner)
        await index.start(lambda: None)
        async with store.transaction() as tx:
            await registry_events.configure(tx, HOME, ON)

        def hear(topic: str, payload: bytes) -> None:
            stage.told.append((topic.removeprefix("$aws/things/"), msgspec.json.decode(payload)))

        desk.on_message(hear)
        yield stage
        index.stop()
    finally:
        await store.close()
