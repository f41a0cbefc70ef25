"""Runs bulk deployments in the background: one record of the input after the other, to the end.

How far a bulk deployment has come is committed together with what it did, so one that was cut off
goes on at the next start with the record that follows. The groups are built by the deployer, one
at a time: the next record is begun when the one before is on its way to its core.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta

import structlog

from hedgerow.aws import AwsError
from hedgerow.cloud.greengrass import bulk_deployments
from hedgerow.cloud.greengrass.arns import bulk_arn
from hedgerow.cloud.greengrass.bulk_attempts import BulkAttempts, RecordBulkCall
from hedgerow.cloud.greengrass.bulk_buckets import InputObject, NoInputFileError
from hedgerow.cloud.greengrass.bulk_documents import (
    BULK_DEPLOYMENT,
    BULK_DESK,
    DESK_ID,
    BulkDeployment,
)
from hedgerow.cloud.greengrass.bulk_input import check_input
from hedgerow.cloud.greengrass.bulk_progress import RETRY_DELAYS, Done, Wait, next_step
from hedgerow.cloud.greengrass.bulk_role import ExecutionRole, ExecutionRoles
from hedgerow.cloud.greengrass.bulk_sources import InputSources
from hedgerow.cloud.greengrass.bulk_states import UNFINISHED, BulkEvent
from hedgerow.cloud.greengrass.deployer import Deployer
from hedgerow.cloud.greengrass.documents import ErrorDetail
from hedgerow.cloud.home import Home
from hedgerow.kernel import CallerError, Clock, DeniedError, HedgerowError, UnavailableError
from hedgerow.store import Record, Store

MAX_FAILURES = 5
"""After so many errors of ours in a row a bulk deployment is given up."""

PAUSE_SECONDS = 1.0
"""How long after an error of ours it goes on."""

_CHANGED = "The input file was changed after it had been checked. Start another bulk deployment."
_INTERNAL = ErrorDetail(
    code="500",
    message="The bulk deployment could not go on: an internal error; see the cloud's log.",
)
_LOG = structlog.get_logger(__name__)


class BulkRunner:
    """Owns the task that runs the bulk deployments of one account."""

    def __init__(
        self,
        store: Store,
        home: Home,
        *,
        deployer: Deployer,
        roles: ExecutionRoles,
        buckets: InputSources,
        record: RecordBulkCall,
        clock: Clock,
        delays: Sequence[timedelta] = RETRY_DELAYS,
    ) -> None:
        self._store = store
        self._home = home
        self._deployer = deployer
        self._roles = roles
        self._buckets = buckets
        self._clock = clock
        self._attempts = BulkAttempts(store, home, record=record, clock=clock, delays=delays)
        self._begun: asyncio.Queue[str] = asyncio.Queue()
        self._told_to_stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Go on with what was cut off, then work until `stop`."""
        desk = await self._store.get(BULK_DESK, self._home.account, DESK_ID)
        if desk is not None and desk.document.running is not None:
            self._begun.put_nowait(desk.document.running)
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._run_forever(), name="greengrass-bulk")

    async def stop(self) -> None:
        """End the task; what is half done goes on at the next start."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def run_soon(self, bulk_id: str) -> None:
        """Run a bulk deployment whose beginning was committed."""
        self._begun.put_nowait(bulk_id)

    def stop_soon(self) -> None:
        """Look now whether the one that runs is to stop."""
        self._told_to_stop.set()

    async def run(self, bulk_id: str) -> None:
        """Bring a bulk deployment from wherever it is to an end."""
        record = await self._unless_halted(bulk_id)
        if record is None:
            return
        async with AsyncExitStack() as closing:
            arn, role_arn = bulk_arn(self._home, bulk_id), record.document.execution_role_arn
            try:
                role = await closing.enter_async_context(self._roles.assumed(role_arn, arn))
                content = await self._input(record, role)
            except (DeniedError, AwsError, CallerError) as error:
                await self._end(bulk_id, "cannot-go-on", _reason(error))
                return
            await self._process(bulk_id, content, role)

    async def _run_forever(self) -> None:
        while True:
            await self._run_to_its_end(await self._begun.get())

    async def _run_to_its_end(self, bulk_id: str) -> None:
        failures, reason = 0, _INTERNAL
        while True:
            try:
                if failures < MAX_FAILURES:
                    await self.run(bulk_id)
                else:
                    await self._end(bulk_id, "cannot-go-on", reason)
            except UnavailableError as error:
                _LOG.warning("a bulk deployment waits", id=bulk_id, reason=error.message)
                failures, reason = failures + 1, ErrorDetail(code="500", message=error.message)
                await asyncio.sleep(PAUSE_SECONDS)
            except Exception:  # noqa: BLE001 - whatever it was, others must be run after it
                _LOG.exception("a bulk deployment was cut off; it goes on soon", id=bulk_id)
                failures += 1
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return

    async def _input(self, record: Record[BulkDeployment], role: ExecutionRole) -> bytes:
        """Return the input file: checked line by line the first time, the very same ever after."""
        bulk, wanted = record.document, InputObject.of(record.document.input_uri)
        await role.require_input(wanted.arn)
        content = await self._buckets.read(wanted)
        digest = await asyncio.to_thread(lambda: hashlib.sha256(content).hexdigest())
        if bulk.input_sha256 and bulk.input_sha256 != digest:
            raise CallerError(_CHANGED)
        if not bulk.input_sha256:
            await asyncio.to_thread(check_input, content)
            await self._checked(record.id, digest)
        return content

    async def _checked(self, bulk_id: str, digest: str) -> None:
        async with self._store.transaction() as tx:
            current = await tx.get(BULK_DEPLOYMENT, self._home.account, bulk_id)
            if current is not None and current.document.state == "Initializing":
                await bulk_deployments.move(
                    tx, self._home, current, "input-checked", input_sha256=digest
                )

    async def _process(self, bulk_id: str, content: bytes, role: ExecutionRole) -> None:
        while True:
            self._told_to_stop.clear()
            record = await self._unless_halted(bulk_id)
            if record is None:
                return
            step = next_step(record.document, len(content), self._clock.now())
            if isinstance(step, Done):
                await self._end(bulk_id, "all-processed")
            elif isinstance(step, Wait):
                await self._wait(step)
            else:
                outcome = await self._attempts.make(record, step, content, role)
                if outcome.deployment_id:
                    await self._deployer.build_now(outcome.deployment_id)

    async def _wait(self, step: Wait) -> None:
        """Wait until the step is due, or until it is to be looked whether to stop."""
        seconds = max((step.until - self._clock.now()).total_seconds(), 0)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._told_to_stop.wait()

    async def _unless_halted(self, bulk_id: str) -> Record[BulkDeployment] | None:
        """Return the bulk deployment if it is to go on; one that is to stop is stopped here."""
        record = await self._store.get(BULK_DEPLOYMENT, self._home.account, bulk_id)
        if record is None or record.document.state not in UNFINISHED:
            return None
        if record.document.state == "Stopping":
            await self._end(bulk_id, "halted")
            return None
        return record

    async def _end(self, bulk_id: str, event: BulkEvent, error: ErrorDetail | None = None) -> None:
        async with self._store.transaction() as tx:
            record = await tx.get(BULK_DEPLOYMENT, self._home.account, bulk_id)
            if record is not None and record.document.state in UNFINISHED:
                stopping = record.document.state == "Stopping"
                await bulk_deployments.move(
                    tx, self._home, record, "halted" if stopping else event, error
                )


def _reason(error: HedgerowError) -> ErrorDetail:
    """Return why a bulk deployment failed, with a status of the 400 series as V1 has it."""
    if isinstance(error, DeniedError):
        return ErrorDetail(code="403", message=error.message)
    code = "404" if isinstance(error, NoInputFileError) else "400"
    return ErrorDetail(code=code, message=error.message)
