"""The loop: one job after another, each reported."""

import asyncio
from collections.abc import Mapping

from structlog.typing import FilteringBoundLogger

from hedgerow.core.link import Backoff
from hedgerow.core.updates.jobs import JobSource, UpdateJob
from hedgerow.core.updates.journal import Outcome
from hedgerow.core.updates.log_level import AgentLevel
from hedgerow.core.updates.updater import Ended, Replaced, Updater
from hedgerow.kernel import CallerError, DeniedError, HedgerowError


class UpdateAgent:
    """Takes jobs until it is cancelled, or has replaced itself."""

    def __init__(
        self,
        source: JobSource,
        updater: Updater,
        *,
        retry: Backoff,
        log: FilteringBoundLogger,
        level: AgentLevel | None = None,
    ) -> None:
        self._source = source
        self._updater = updater
        self._retry = retry
        self._log = log
        self._level = level or AgentLevel()

    async def run(self) -> Replaced:
        """Return only when the agent itself was updated, to go on as the new one."""
        self._updater.adopt_host()
        while True:
            replaced = await self._once()
            if replaced is not None:
                return replaced

    async def _once(self) -> Replaced | None:
        """End what was left open, or take a job if there is one, or wait until there may be."""
        try:
            left = await self._updater.recover()
            if left is not None:
                return await self._ended(*left)
            job = await self._source.next()
            if job is None:
                self._retry.reset()
                await self._source.wait()
                return None
            with self._level.of(job.update.log_level):
                return await self._take(job)
        except (HedgerowError, OSError) as error:
            self._log.warning("updates cannot be taken now", reason=str(error))
            await asyncio.sleep(self._retry.next_delay())
            return None

    async def _take(self, job: UpdateJob) -> Replaced | None:
        update = job.update
        asked = {"software": update.software, "version": update.version}
        log = self._log.bind(job=job.job_id, **asked)
        await self._source.report(job.job_id, "IN_PROGRESS", asked)
        log.info("an update begins")
        return await self._ended(job.job_id, await self._updater.carry_out(job), asked)

    async def _ended(
        self, job_id: str, ended: Ended, details: Mapping[str, str] | None = None
    ) -> Replaced | None:
        """Tell an outcome, or return what takes over and will tell it."""
        if isinstance(ended, Replaced):
            self._log.info("the agent goes on as its new version", job=job_id)
            return ended
        await self._tell(job_id, ended, details)
        return None

    async def _tell(
        self, job_id: str, outcome: Outcome, details: Mapping[str, str] | None = None
    ) -> None:
        """Tell the outcome until the cloud has taken it, or wants to hear of it no more."""
        log = self._log.bind(job=job_id)
        said = {**(details or {}), "reason": outcome.reason}
        write = log.info if outcome.status == "SUCCEEDED" else log.error
        write("an update ended", status=outcome.status, reason=outcome.reason)
        while True:
            try:
                await self._source.report(job_id, outcome.status, said)
                break
            except DeniedError as error:
                log.warning("the outcome may not be told", reason=error.message)
            except CallerError as error:
                log.warning("nobody wants to hear the outcome", reason=error.message)
                break
            except HedgerowError as error:
                log.warning("the outcome cannot be told now", reason=error.message)
            await asyncio.sleep(self._retry.next_delay())
        self._retry.reset()
        self._updater.reported()
