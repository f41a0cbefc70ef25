import asyncio
from datetime import timedelta
from functools import partial

import pytest
import structlog
from tests.support.clock import ManualClock
from tests.support.core import until

from hedgerow.core.link.work import WorkQueue


@pytest.fixture
def done() -> list[int]:
    return []


def queue_of(limit: int, clock: ManualClock | None = None) -> WorkQueue:
    return WorkQueue(limit, clock=clock or ManualClock(), log=structlog.get_logger())


async def all_done(queue: WorkQueue) -> None:
    task = asyncio.get_running_loop().create_task(queue.run())
    await until(lambda: not queue.waiting)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.spec("H21")
async def test_items_above_the_limit_are_ignored_counted_and_told_once_a_minute(
    done: list[int],
) -> None:
    clock = ManualClock()
    queue = queue_of(2, clock)
    with structlog.testing.capture_logs() as logged:
        assert [queue.add(partial(done.append, n)) for n in range(4)] == [
            True,
            True,
            False,
            False,
        ]
        clock.advance(timedelta(minutes=1))
        assert not queue.add(lambda: done.append(4))
    assert queue.ignored == 3
    assert [event["ignored"] for event in logged] == [1, 3]
    assert "raise runtime.maxWorkItemCount" in logged[0]["event"]
    await all_done(queue)
    assert done == [0, 1]


@pytest.mark.spec("H11")
async def test_what_must_not_be_lost_waits_for_room_in_its_order(done: list[int]) -> None:
    queue = queue_of(2)
    let_in: list[int] = []
    for number in range(5):
        queue.add_kept(partial(done.append, number), partial(let_in.append, number))
    assert let_in == [0, 1]
    assert queue.waiting == 5
    await all_done(queue)
    assert let_in == done == [0, 1, 2, 3, 4]


async def test_a_fault_in_one_item_ends_only_that(done: list[int]) -> None:
    queue = queue_of(10)
    queue.add(lambda: done.append(1 // 0))
    queue.add(lambda: done.append(2))
    with structlog.testing.capture_logs() as logged:
        await all_done(queue)
    assert done == [2]
    assert logged[0]["log_level"] == "error"


async def test_much_work_leaves_the_loop_to_others(done: list[int]) -> None:
    """What came first of a thousand items is done before others have their turn, and no more."""
    queue = queue_of(1000)
    for number in range(1000):
        queue.add(partial(done.append, number))
    task = asyncio.get_running_loop().create_task(queue.run())
    await asyncio.sleep(0)
    assert 0 < len(done) < 100
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
