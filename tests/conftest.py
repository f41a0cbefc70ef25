"""What every test can ask for: the event loop of production, or both loops."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

_LOOPS: Mapping[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "uvloop": uvloop.new_event_loop,
    "asyncio": asyncio.new_event_loop,
}


def pytest_asyncio_loop_factories(
    config: pytest.Config,  # noqa: ARG001 - the hook's own form
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run tests on uvloop, as production does; `@pytest.mark.both_loops` adds Python's own loop."""
    if item.get_closest_marker("both_loops"):
        return _LOOPS
    return {"uvloop": uvloop.new_event_loop}
