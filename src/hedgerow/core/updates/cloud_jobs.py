"""Jobs from the cloud, over HTTPS under the core's certificate.

Source: API reference of the AWS IoT jobs data plane. The agent looks at a job before it begins it,
so that jobs of other types stay as they are, for whom they are meant.
"""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Final, Protocol, TypeVar
from urllib.parse import quote

import msgspec
from structlog.typing import FilteringBoundLogger

from hedgerow.contract.updates import UPDATE_OPERATION, SoftwareUpdate
from hedgerow.core.updates.jobs import JobStatus, UpdateJob
from hedgerow.kernel import PeerError

_IGNORED_LIMIT: Final = 10_000
_DETAIL_LIMIT: Final = 1024
"""AWS IoT takes so many characters in a value of `statusDetails`."""


class _Document(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    pass


class _Summary(_Document, frozen=True):
    job_id: str
    queued_at: float = 0


class _Pending(_Document, frozen=True):
    in_progress_jobs: tuple[_Summary, ...] = ()
    queued_jobs: tuple[_Summary, ...] = ()

    def ids(self) -> Iterator[str]:
        """Give what was begun first, then what waits, the oldest first."""
        for jobs in (self.in_progress_jobs, self.queued_jobs):
            for summary in sorted(jobs, key=lambda job: job.queued_at):
                yield summary.job_id


class _Execution(_Document, frozen=True):
    job_document: str = "{}"


class _Description(_Document, frozen=True):
    execution: _Execution


_D = TypeVar("_D", bound=_Document)


class _Operation(msgspec.Struct, frozen=True):
    operation: str = ""


class ThingJobs(Protocol):
    """The calls about the jobs of the core's thing; `link.CloudHttp` has them."""

    async def thing_jobs(self, method: str, rest: str, body: bytes | None = None) -> bytes:
        """Call what is behind `/things/<thing>/jobs`."""


class CloudJobs:
    """The jobs of the core's thing; keeps the promises of `JobSource`."""

    def __init__(self, http: ThingJobs, log: FilteringBoundLogger, poll_seconds: float) -> None:
        self._http = http
        self._log = log
        self._poll_seconds = poll_seconds
        self._of_others: set[str] = set()
        self._called = asyncio.Event()

    async def next(self) -> UpdateJob | None:
        """Return the next update, or None."""
        pending = _read(await self._http.thing_jobs("GET", ""), _Pending)
        for job_id in pending.ids():
            if job_id in self._of_others:
                continue
            found = await self._look(job_id)
            if found is not None:
                return found
        return None

    async def report(self, job_id: str, status: JobStatus, details: Mapping[str, str]) -> None:
        """Say how a job goes."""
        shown = {name: text[:_DETAIL_LIMIT] for name, text in details.items() if text}
        body = msgspec.json.encode({"status": status, "statusDetails": shown})
        await self._http.thing_jobs("POST", f"/{quote(job_id, safe='')}", body)

    async def wait(self) -> None:
        """Return when the cloud called, or it is time to look."""
        try:
            async with asyncio.timeout(self._poll_seconds):
                await self._called.wait()
        except TimeoutError:
            return
        finally:
            self._called.clear()

    def call(self) -> None:
        """Say that there may be a job."""
        self._called.set()

    async def _look(self, job_id: str) -> UpdateJob | None:
        """Return a job if it asks for an update; one that asks for it badly is rejected."""
        path = f"/{quote(job_id, safe='')}?includeJobDocument=true"
        document = _read(await self._http.thing_jobs("GET", path), _Description).execution
        if not _is_update(document.job_document):
            self._pass_over(job_id)
            return None
        try:
            return UpdateJob(
                job_id, msgspec.json.decode(document.job_document, type=SoftwareUpdate)
            )
        except msgspec.DecodeError as error:
            reason = f"the job document is not one of an update: {error}"
            self._log.warning("a job is rejected", job=job_id, reason=reason)
            await self.report(job_id, "REJECTED", {"reason": reason})
            return None

    def _pass_over(self, job_id: str) -> None:
        if len(self._of_others) >= _IGNORED_LIMIT:
            self._of_others.clear()
        self._of_others.add(job_id)
        self._log.info("a job of another type is passed over", job=job_id)


def _is_update(document: str) -> bool:
    try:
        return msgspec.json.decode(document, type=_Operation).operation == UPDATE_OPERATION
    except msgspec.DecodeError:
        return False


def _read(data: bytes, kind: type[_D]) -> _D:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.DecodeError as error:
        raise PeerError(f"the cloud's answer about jobs cannot be read: {error}") from error
