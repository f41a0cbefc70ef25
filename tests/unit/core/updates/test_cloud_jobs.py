"""Which of the cloud's jobs are taken, and what is asked for their files."""

import asyncio
import json
from dataclasses import dataclass, field

import pytest
from tests.support.update_agent import quiet_log, update_of

from hedgerow.contract import encode
from hedgerow.core.link import HttpAnswer
from hedgerow.core.updates import CloudJobs, RepositoryFiles, UpdateJob
from hedgerow.kernel import PeerError, UnavailableError

_UPDATE = encode(update_of("1.1.0")).decode()


@dataclass
class Jobs:
    """Answers of the cloud about jobs: documents by id, in the order in which they were queued."""

    queued: dict[str, str]
    begun: tuple[str, ...] = ()
    nonsense: bytes = b""
    called: list[tuple[str, str]] = field(default_factory=list)
    reports: list[dict[str, object]] = field(default_factory=list)

    async def thing_jobs(self, method: str, rest: str, body: bytes | None = None) -> bytes:
        self.called.append((method, rest))
        if self.nonsense:
            return self.nonsense
        if method == "POST":
            self.reports.append(json.loads(body or b""))
            return b"{}"
        if not rest:
            ids = list(self.queued)
            queued = [{"jobId": name, "queuedAt": ids.index(name)} for name in reversed(ids)]
            begun = [{"jobId": name} for name in self.begun]
            return json.dumps({"inProgressJobs": begun, "queuedJobs": queued}).encode()
        job_id = rest[1:].partition("?")[0]
        document = self.queued.get(job_id, _UPDATE)
        return json.dumps({"execution": {"jobId": job_id, "jobDocument": document}}).encode()


def _source(jobs: Jobs) -> CloudJobs:
    return CloudJobs(jobs, quiet_log(), 60.0)


async def test_what_was_begun_comes_first_then_the_oldest() -> None:
    jobs = Jobs({"old": _UPDATE, "new": _UPDATE}, begun=("begun",))
    assert await _source(jobs).next() == UpdateJob("begun", update_of("1.1.0"))
    jobs.begun = ()
    assert await _source(jobs).next() == UpdateJob("old", update_of("1.1.0"))


@pytest.mark.spec("T01")
@pytest.mark.parametrize(
    "document", ['{"operation": "reboot"}', "{}", "[1]", "not json", '{"operation": 7}']
)
async def test_jobs_of_other_types_are_looked_at_once_and_never_touched(document: str) -> None:
    jobs = Jobs({"other": document})
    source = _source(jobs)
    assert await source.next() is None
    assert await source.next() is None
    assert [method for method, _ in jobs.called] == ["GET"] * 3
    jobs.queued["ours"] = _UPDATE
    assert await source.next() == UpdateJob("ours", update_of("1.1.0"))


async def test_an_update_that_is_asked_for_badly_is_rejected_with_the_reason() -> None:
    jobs = Jobs({"bad": _UPDATE.replace("core", "kernel", 1)})
    assert await _source(jobs).next() is None
    (report,) = jobs.reports
    assert report["status"] == "REJECTED"
    assert "$.software" in str(report["statusDetails"])


async def test_an_answer_that_cannot_be_read_is_the_clouds_fault() -> None:
    with pytest.raises(PeerError, match="cannot be read"):
        await _source(Jobs({}, nonsense=b"<html>")).next()


async def test_a_call_ends_the_wait() -> None:
    source = _source(Jobs({}))
    source.call()
    async with asyncio.timeout(5):
        await source.wait()


@dataclass
class Files:
    """Answers to requests for a file of 10 bytes."""

    longer: int = 0
    status: int = 206
    cuts: int = 0
    asked: list[str | None] = field(default_factory=list)

    async def update_file(self, _path: str, byte_range: str | None = None) -> HttpAnswer:
        if self.cuts:
            self.cuts -= 1
            raise UnavailableError("the link is cut")
        self.asked.append(byte_range)
        if len(self.asked) > 1:
            return HttpAnswer(416, b"")
        return HttpAnswer(self.status, bytes(10 + self.longer))


async def _fetched(files: Files) -> bytes:
    source = RepositoryFiles(files, asyncio.get_running_loop(), (0, 0))
    return await asyncio.to_thread(lambda: b"".join(source.pieces("targets", "core/x")))


async def test_a_file_comes_in_pieces_until_there_is_no_more() -> None:
    files = Files()
    assert await _fetched(files) == bytes(10)
    assert files.asked == ["bytes=0-1048575", "bytes=10-1048585"]


async def test_a_link_that_is_cut_for_a_while_does_not_end_an_update() -> None:
    assert await _fetched(Files(cuts=2)) == bytes(10)
    with pytest.raises(UnavailableError):
        await _fetched(Files(cuts=3))


async def test_a_piece_that_is_longer_than_was_asked_for_is_not_taken() -> None:
    with pytest.raises(PeerError, match="longer than"):
        await _fetched(Files(longer=1_048_576))
    with pytest.raises(PeerError, match="in pieces"):
        await _fetched(Files(status=200))


async def test_a_file_that_is_not_there_is_told_as_that() -> None:
    with pytest.raises(FileNotFoundError):
        await _fetched(Files(status=404))
