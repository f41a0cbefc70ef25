import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest
import structlog
from tests.support.clock import ManualClock
from tests.support.core import until

from hedgerow.core.link import Backoff
from hedgerow.core.spool import (
    BusyError,
    CloudQueue,
    EndedOverThisError,
    Outlet,
    Publication,
    Published,
    QueueFullError,
    QueueFullPolicy,
    SpoolSettings,
)
from hedgerow.kernel import Clock, SystemClock, UnavailableError

FILES = SpoolSettings(storage="FileSystem", max_size_bytes=400_000)


class Cloud:
    """Takes publications in order; the test answers each. It is one connection after another."""

    def __init__(self, receive_maximum: int = 100) -> None:
        self.connected = asyncio.Event()
        self.connected.set()
        self.tried: asyncio.Queue[tuple[bytes, asyncio.Future[Published]]] = asyncio.Queue()
        self.publications: list[Publication] = []
        self.receive_maximum = receive_maximum
        self._unanswered: list[asyncio.Future[Published]] = []

    async def outlet(self) -> Outlet:
        await self.connected.wait()
        return self

    def publish(self, publication: Publication) -> asyncio.Future[Published]:
        if not self.connected.is_set():
            raise UnavailableError("there is no connection")
        answer: asyncio.Future[Published] = asyncio.get_running_loop().create_future()
        self.publications.append(publication)
        self._unanswered.append(answer)
        self.tried.put_nowait((publication.payload, answer))
        return answer

    @property
    def in_flight(self) -> int:
        return len([answer for answer in self._unanswered if not answer.done()])

    def lose_connection(self) -> None:
        """End the connection; the next one stands at once."""
        unanswered = [answer for answer in self._unanswered if not answer.done()]
        self._unanswered = []
        self.tried = asyncio.Queue()
        for answer in unanswered:
            answer.set_exception(UnavailableError("the connection was lost"))

    async def end_over(self, answered: int) -> None:
        """Accept so many messages, then end the connection over the next one."""
        for _ in range(answered):
            await self.accept()
        _, guilty = await self.tried.get()
        guilty.set_exception(EndedOverThisError("no policy allows iot:Publish on …"))
        self.lose_connection()
        await asyncio.sleep(0)

    async def accept(self) -> bytes:
        payload, answer = await self.tried.get()
        answer.set_result(Published(accepted=True))
        return payload


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


@asynccontextmanager
async def running(queue: CloudQueue, cloud: Cloud) -> AsyncIterator[CloudQueue]:
    task = asyncio.get_running_loop().create_task(queue.run(cloud))
    try:
        yield queue
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        queue.close()


def queue_in(folder: Path, *, window: int = 20, clock: Clock | None = None) -> CloudQueue:
    log = structlog.get_logger()
    return CloudQueue(
        folder / "spool", clock=clock or SystemClock(), log=log, retry=Backoff(0.0), window=window
    )


@pytest.fixture
async def queue(tmp_path: Path, cloud: Cloud) -> AsyncIterator[CloudQueue]:
    async with running(queue_in(tmp_path), cloud) as made:
        yield made


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hedgerow.core.spool.sender._RETRY_SECONDS", 0.0)


@pytest.mark.spec("H01")
async def test_a_message_leaves_only_after_the_cloud_acknowledged_it(
    queue: CloudQueue, cloud: Cloud
) -> None:
    queue.put("t", b"one")
    queue.put("t", b"two")
    payload, _ = await cloud.tried.get()
    assert payload == b"one"
    assert queue.counters.waiting == 2
    cloud.lose_connection()
    assert await cloud.accept() == b"one", "it is tried again, before what came later"
    assert await cloud.accept() == b"two"
    await until(lambda: queue.counters.sent == 2)
    assert queue.counters.waiting == 0


@pytest.mark.spec("H01")
async def test_with_a_window_of_one_each_waits_for_the_one_before(
    tmp_path: Path, cloud: Cloud
) -> None:
    async with running(queue_in(tmp_path, window=1), cloud) as queue:
        for number in range(3):
            queue.put("t", b"%d" % number)
        for number in range(3):
            payload, answer = await cloud.tried.get()
            assert payload == b"%d" % number
            assert (cloud.in_flight, queue.counters.in_flight) == (1, 1)
            answer.set_result(Published(accepted=True))
        await until(lambda: queue.counters.sent == 3)


@pytest.mark.spec("H02")
async def test_a_window_of_messages_is_under_way_at_once_and_no_more(
    queue: CloudQueue, cloud: Cloud
) -> None:
    for number in range(50):
        queue.put("t", b"%d" % number)
    sent = [await cloud.tried.get() for _ in range(20)]
    await asyncio.sleep(0)
    assert cloud.tried.empty()
    assert [payload for payload, _ in sent] == [b"%d" % number for number in range(20)]
    sent[0][1].set_result(Published(accepted=True))
    assert (await cloud.tried.get())[0] == b"20"


async def test_the_cloud_gets_no_more_at_once_than_it_takes(tmp_path: Path) -> None:
    cloud = Cloud(receive_maximum=3)
    async with running(queue_in(tmp_path), cloud) as queue:
        for number in range(10):
            queue.put("t", b"%d" % number)
        for _ in range(10):
            _, answer = await cloud.tried.get()
            assert cloud.in_flight <= 3
            answer.set_result(Published(accepted=True))
        await until(lambda: queue.counters.sent == 10)


@pytest.mark.spec("H01", "H08")
async def test_after_a_lost_connection_all_that_was_not_answered_is_sent_again_in_order(
    queue: CloudQueue, cloud: Cloud
) -> None:
    """What was answered out of turn stays behind the older ones, and is not sent again."""
    for number in range(6):
        queue.put("t", b"%d" % number)
    sent = [await cloud.tried.get() for _ in range(6)]
    for number in (0, 2, 5):
        sent[number][1].set_result(Published(accepted=True))
    await until(lambda: queue.counters.sent == 3)
    assert queue.counters.waiting == 5
    cloud.lose_connection()
    assert [await cloud.accept() for _ in range(3)] == [b"1", b"3", b"4"]
    await until(lambda: queue.counters.waiting == 0)
    assert queue.counters.sent == 6


@pytest.mark.spec("H05")
async def test_the_oldest_is_replaced_while_it_is_in_flight_and_counted_once(
    queue: CloudQueue, cloud: Cloud
) -> None:
    queue.configure(SpoolSettings(max_size_bytes=262_144))
    for number in range(5):
        queue.put("t", bytes([number]) * 50_000)
    sent = [await cloud.tried.get() for _ in range(5)]
    queue.put("t", bytes([5]) * 50_000)
    assert queue.counters.dropped == 1
    for _, answer in sent:
        answer.set_result(Published(accepted=True))
    assert (await cloud.accept())[0] == 5
    await until(lambda: queue.counters.waiting == 0)
    counters = queue.counters
    assert (counters.dropped, counters.sent, counters.refused) == (1, 5, 0)


async def test_a_publisher_that_wants_all_or_an_error_gets_an_error_when_the_queue_is_full(
    tmp_path: Path,
) -> None:
    queue = queue_in(tmp_path)
    queue.configure(SpoolSettings(max_size_bytes=262_144))
    policy = QueueFullPolicy.of("AllOrException")
    for number in range(5):
        queue.put("t", bytes([number]) * 50_000, policy=policy)
    with pytest.raises(QueueFullError, match="queue for the cloud is full"):
        queue.put("t", b"x" * 50_000, policy=policy)
    assert (queue.counters.waiting, queue.counters.dropped) == (5, 0)
    queue.put("t", b"x" * 50_000, policy=QueueFullPolicy.of(""))
    assert (queue.counters.waiting, queue.counters.dropped) == (5, 1)
    queue.close()


def test_the_policies_for_a_full_queue_are_two_and_another_is_a_value_error() -> None:
    assert QueueFullPolicy.of(None) is QueueFullPolicy.of("") is QueueFullPolicy.BEST_EFFORT
    assert QueueFullPolicy.of("BestEffort") is QueueFullPolicy.BEST_EFFORT
    assert QueueFullPolicy.of("AllOrException") is QueueFullPolicy.ALL_OR_EXCEPTION
    for text in ("allOrException", "Always", " "):
        with pytest.raises(ValueError, match="BestEffort or AllOrException"):
            QueueFullPolicy.of(text)


@pytest.mark.parametrize("storage", ["Memory", "FileSystem"])
async def test_the_expiry_of_a_message_is_counted_down_while_it_waits(
    tmp_path: Path, cloud: Cloud, storage: Literal["Memory", "FileSystem"]
) -> None:
    clock = ManualClock()
    queue = queue_in(tmp_path, clock=clock)
    queue.configure(SpoolSettings(storage=storage))
    queue.put("t", b"never")
    queue.put("t", b"short", expires_in_s=5, properties=b"p")
    queue.put("t", b"long", expires_in_s=60, properties=b"p")
    clock.advance(timedelta(seconds=10))
    async with running(queue, cloud):
        assert [await cloud.accept() for _ in range(2)] == [b"never", b"long"]
        assert [p.expires_in_s for p in cloud.publications] == [None, 50]
        assert [p.properties for p in cloud.publications] == [b"", b"p"]
        await until(lambda: queue.counters.waiting == 0)
        assert (queue.counters.sent, queue.counters.expired) == (2, 1)


async def test_a_cloud_that_wants_less_gets_the_message_again_and_one_at_a_time(
    queue: CloudQueue, cloud: Cloud
) -> None:
    for number in range(4):
        queue.put("t", b"%d" % number)
    sent = [await cloud.tried.get() for _ in range(4)]
    sent[1][1].set_exception(BusyError("quota"))
    for number in (0, 2, 3):
        sent[number][1].set_result(Published(accepted=True))
    queue.put("t", b"4")
    payload, answer = await cloud.tried.get()
    assert (payload, cloud.in_flight) == (b"1", 1)
    answer.set_result(Published(accepted=True))
    assert await cloud.accept() == b"4"
    await until(lambda: queue.counters.sent == 5)


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
    sent = [await cloud.tried.get() for _ in range(3)]
    queue.configure(after)
    queue.put("t", b"3")
    sent[2][1].set_result(Published(accepted=True))
    sent[0][1].set_result(Published(accepted=True))
    await until(lambda: queue.counters.in_flight == 1)
    assert cloud.tried.empty(), "what is in flight is answered first"
    sent[1][1].set_result(Published(accepted=True))
    assert await cloud.accept() == b"3"
    await until(lambda: queue.counters.sent == 4)
    assert queue.counters.waiting == 0


@pytest.mark.spec("H03")
async def test_a_queue_in_files_is_sent_after_the_next_start(tmp_path: Path, cloud: Cloud) -> None:
    first = queue_in(tmp_path)
    first.open(FILES)
    first.put("t", b"kept")
    first.close()
    second = queue_in(tmp_path)
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
        queue = queue_in(tmp_path)
        queue.open(SpoolSettings(storage=storage))
        queue.put("t", b"1")
        queue.put("t", b"2")
        queue.close()
    assert [event["messages"] for event in logged if "messages" in event] == told


async def test_a_message_over_which_the_cloud_ends_the_connection_twice_is_refused(
    tmp_path: Path, cloud: Cloud
) -> None:
    """Otherwise it would end every connection for ever, and nothing behind it would arrive."""
    clock = ManualClock()
    async with running(queue_in(tmp_path, clock=clock), cloud) as queue:
        for topic in ("t", "forbidden", "t"):
            queue.put(topic, topic.encode())
        await cloud.end_over(1)
        assert queue.counters.refused == 0, "the end may have had another cause"
        await until(lambda: cloud.in_flight == 1)
        await cloud.end_over(0)
        assert await cloud.accept() == b"t"
        await until(lambda: queue.counters.waiting == 0)
        assert (queue.counters.sent, queue.counters.refused) == (2, 1)
        queue.put("forbidden", b"again")
        await until(lambda: queue.counters.refused == 2)
        assert cloud.tried.empty(), "its topic is not tried for a minute"
        clock.advance(timedelta(minutes=1))
        queue.put("forbidden", b"now allowed")
        assert await cloud.accept() == b"now allowed"


async def test_a_message_that_was_suspected_once_and_taken_then_is_sent(
    queue: CloudQueue, cloud: Cloud
) -> None:
    """A revoked certificate, for one, ends connections with the same words."""
    for number in range(30):
        queue.put("t", b"%d" % number)
    await cloud.end_over(0)
    for number in range(30):
        assert await cloud.accept() == b"%d" % number
    await until(lambda: queue.counters.waiting == 0)
    assert (queue.counters.sent, queue.counters.refused) == (30, 0)


async def test_after_a_hundred_messages_one_at_a_time_the_window_is_back(
    queue: CloudQueue, cloud: Cloud
) -> None:
    for number in range(150):
        queue.put("t", b"%d" % number)
    await cloud.end_over(0)
    for _ in range(100):
        await cloud.accept()
        assert cloud.in_flight <= 1
    await until(lambda: cloud.in_flight == 20)


class Pauses:
    """Counts what the queue asks for, and lets it wait for nothing."""

    def __init__(self) -> None:
        self.steps: list[int] = []

    def next_delay(self) -> float:
        self.steps.append(1)
        return 0.0

    def ease(self) -> None:
        self.steps.append(-1)


async def test_the_queue_takes_growing_pauses_only_where_the_cloud_ends_connections_over_it(
    tmp_path: Path, cloud: Cloud
) -> None:
    """They shrink with what is accepted; a lost connection is no reason for one."""
    pauses = Pauses()
    log = structlog.get_logger()
    queue = CloudQueue(tmp_path / "spool", clock=SystemClock(), log=log, retry=pauses)
    async with running(queue, cloud):
        queue.put("forbidden", b"no")
        queue.put("t", b"yes")
        await until(lambda: cloud.in_flight == 2)
        cloud.lose_connection()
        await cloud.end_over(0)
        await until(lambda: cloud.in_flight == 1)
        await cloud.end_over(0)
        assert await cloud.accept() == b"yes"
        await until(lambda: queue.counters.sent == 1)
    assert pauses.steps == [1, 1, -1]


async def test_a_refused_subject_is_a_problem_with_action_and_resource(
    tmp_path: Path, cloud: Cloud
) -> None:
    queue = CloudQueue(
        tmp_path / "spool",
        clock=SystemClock(),
        log=structlog.get_logger(),
        retry=Backoff(0.0),
        topics_arn="arn:aws:iot:us-east-1:123456789012:topic/",
    )
    queue.serve(lambda topic: ["free/+/#"] if topic.startswith("free/") else [])
    async with running(queue, cloud):
        for number in range(9):
            queue.put(f"free/{number}/x", b"x")
        for count in (9, 1, 1):
            await until(lambda count=count: cloud.in_flight == count)  # type: ignore[misc]
            await cloud.end_over(0)
        await until(lambda: queue.counters.waiting == 0)
        assert queue.counters.refused == 9
        resource = "arn:aws:iot:us-east-1:123456789012:topic/free/*/*"
        assert f"iot:Publish on {resource}" in str(queue.problem)
        queue.serve(lambda _topic: [])
        assert queue.problem is None
