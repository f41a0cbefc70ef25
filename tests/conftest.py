"""What holds for every test: which event loop it runs on, and that it leaves it as it was found."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
import uvloop
from xdist.remote import Producer  # type: ignore[import-untyped]
from xdist.scheduler import LoadGroupScheduling  # type: ignore[import-untyped]

_LOOPS: Mapping[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}
_GRACE_SECONDS = 2.0
_LOST_ERROR = "Task exception was never retrieved"


def pytest_asyncio_loop_factories(
    config: pytest.Config,  # noqa: ARG001 - the hook's own form
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run a test on Python's own loop, and with `both_loops` on that of production as well."""
    if item.get_closest_marker("both_loops"):
        return _LOOPS
    return {"asyncio": asyncio.new_event_loop}


class _FilesOfCommands(LoadGroupScheduling):  # type: ignore[misc]  # it has no types
    """Keeps each file of `tests/e2e` on one worker, as what it starts is slow to start.

    The marks `xdist_group` say the same, but xdist 3.8 cannot tell pytest 9.2's workers of them.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if file.startswith("tests/e2e/") else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadGroupScheduling:
    """Divide the tests over workers, whatever `--dist` says."""
    return _FilesOfCommands(config, log)


@pytest.fixture(autouse=True)
def clean_loop(request: pytest.FixtureRequest) -> None:
    """Apply `loop_is_left_clean` to asynchronous tests only."""
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("loop_is_left_clean")


@pytest.fixture
async def loop_is_left_clean() -> AsyncIterator[None]:
    """Fail a test that leaves a task running, or loses a task's error."""
    loop = asyncio.get_running_loop()
    before = asyncio.all_tasks()
    lost: list[BaseException] = []

    def note(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if context.get("message") == _LOST_ERROR and context.get("exception"):
            lost.append(context["exception"])
        else:
            loop.default_exception_handler(context)

    loop.set_exception_handler(note)
    yield
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    if left:
        _, left = await asyncio.wait(left, timeout=_GRACE_SECONDS)
    loop.set_exception_handler(None)
    assert not left, f"tasks left running: {[task.get_name() for task in left]}: {left}"
    assert not lost, f"errors that no one saw: {lost}"
