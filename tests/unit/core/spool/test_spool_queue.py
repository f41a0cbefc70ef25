import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest
import structlog
from tests.support.core import until

from hedgerow.core.spool import CloudQueue, Published, SpoolSettings
from hedgerow.kernel import UnavailableError

FILES = SpoolSettings(storage="FileSystem", max_size_bytes=400_000)


class Cloud:
    """Takes publications one by one; the test answers each."""

    def __init__(self) -> None:
        self.connected = asyncio.Event()
        self.connected.set()
        self.tried: asyncio.Queue[tuple[bytes, asyncio.Future[Published]]] = asyncio.Queue()
        self.in_flight = 0

    async def wait_connected(self) -> None:
        await self.connected.wait()

    async def publish(self, topic: str, payload: bytes) -> Published:
        assert topic == "t"
        assert self.in_flight == 0, "one message is in flight at a time"
        self.in_flight += 1
        answer: asyncio.Future[Published] = asyncio.get_running_loop().create_future()
        await self.tried.put((payload, answer))
        try:
            return await answer
        finally:
            self.in_flight -= 1

    async def accept(self) -> bytes:
        payload, answer = await self.tried.get()
        answer.set_result(Published(accepted=True))
        return payload


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture
async def queue(tmp_path: Path, cloud: Cloud) -> AsyncIterator[CloudQueue]:
    queue = CloudQueue(tmp_path / "spool", structlog.get_logger())
    task = asyncio.get_running_loop().create_task(queue.run(cloud))
    yield queue
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    queue.close()


@pytest.mark.spec("H01")
async def test_a_message_leaves_only_after_the_cloud_acknowledged_it(
    queue: CloudQueue, cloud: Cloud
) -> None:
    queue.put("t", b"one")
    queue.put("t", b"two")
    payload, answer = await cloud.tried.get()
    assert payload == b"one"
    assert queue.counters.waiting == 2
    answer.set_exception(UnavailableError("the connection was lost"))
    payload, answer = await cloud.tried.get()
    assert payload == b"one", "it is tried again, before what came later"
    answer.set_result(Published(accepted=True))
    assert await cloud.accept() == b"two"
    await until(lambda: queue.counters.sent == 2)
    assert queue.counters.waiting == 0


async def test_without_a_connection_messages_wait(queue: CloudQueue, cloud: Cloud) -> None:
    cloud.connected.clear()
    for number in range(3):
        queue.put("t", b"%d" % number)
    await asyncio.sleep(0)
    assert cloud.tried.empty()
    cloud.connected.set()
    assert [await cloud.accept() for _ in range(3)] == [b"0", b"1", b"2"]


async def test_a_refused_message_is_counted_and_does_not_hold_up_the_others(
    queue: CloudQueue, cloud: Cloud
) -> None:
    queue.put("t", b"forbidden")
    queue.put("t", b"allowed")
    _, answer = await cloud.tried.get()
    answer.set_result(Published(accepted=False, reason="no policy allows iot:Publish on …"))
    assert await cloud.accept() == b"allowed"
    await until(lambda: queue.counters.sent == 1)
    assert queue.counters.refused == 1


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (SpoolSettings(), FILES),
        (FILES, SpoolSettings()),
        (FILES, SpoolSettings(storage="FileSystem", max_size_bytes=300_000)),
    ],
)
async def test_a_deployment_that_changes_the_queue_loses_and_doubles_nothing(
    queue: CloudQueue, cloud: Cloud, before: SpoolSettings, after: SpoolSettings
) -> None:
    queue.configure(before)
    for number in range(3):
        queue.put("t", b"%d" % number)
    payload, answer = await cloud.tried.get()
    queue.configure(after)
    queue.put("t", b"3")
    answer.set_result(Published(accepted=True))
    assert [payload, *[await cloud.accept() for _ in range(3)]] == [b"0", b"1", b"2", b"3"]
    await until(lambda: queue.counters.sent == 4)
    assert queue.counters.waiting == 0


@pytest.mark.spec("H03")
async def test_a_queue_in_files_is_sent_after_the_next_start(tmp_path: Path, cloud: Cloud) -> None:
    first = CloudQueue(tmp_path, structlog.get_logger())
    first.open(FILES)
    first.put("t", b"kept")
    first.close()
    second = CloudQueue(tmp_path, structlog.get_logger())
    second.open(FILES)
    task = asyncio.get_running_loop().create_task(second.run(cloud))
    assert await cloud.accept() == b"kept"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    second.close()


@pytest.mark.parametrize(("storage", "told"), [("Memory", [2]), ("FileSystem", [])])
def test_what_is_lost_at_a_stop_is_told(
    tmp_path: Path, storage: Literal["Memory", "FileSystem"], told: list[int]
) -> None:
    with structlog.testing.capture_logs() as logged:
        queue = CloudQueue(tmp_path, structlog.get_logger())
        queue.open(SpoolSettings(storage=storage))
        queue.put("t", b"1")
        queue.put("t", b"2")
        queue.close()
    assert [event["messages"] for event in logged if "messages" in event] == told
