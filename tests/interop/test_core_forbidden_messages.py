"""A row that the core's policy does not go with, and what that costs the others: little."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.core import running_core, until
from tests.support.core_estate import Estate, core_estate, message, row, watcher, watching

from hedgerow.contract import CLOUD


@pytest.fixture
async def estate(tmp_path: Path) -> AsyncIterator[Estate]:
    async with core_estate(tmp_path) as made:
        yield made


async def test_messages_that_the_policy_forbids_do_not_hold_up_those_it_allows(
    estate: Estate,
) -> None:
    """The cloud ends the connection over a forbidden publication, and answers it in no other way.

    It used to be sent again over the next one, and the next, with everything waiting behind it.
    """
    a = estate.a
    rows = (row(a, "t/up", CLOUD), row(a, "t/forbidden", CLOUD))
    await estate.group.new_version(a, estate.b, estate.c, rows=rows)
    async with running_core(estate.root) as core:
        await estate.deploy(core)
        async with (
            watching(estate.cloud, await watcher(estate), "t/up") as cloud,
            estate.device(core, a) as device,
        ):
            for number in range(5):
                await device.publish("t/up", b"%d" % number, qos=1)
                await device.publish("t/forbidden", b"x", qos=1)
            async with asyncio.timeout(20):
                received = [(await message(cloud))[1] for _ in range(5)]
            assert list(dict.fromkeys(received)) == [b"%d" % number for number in range(5)]
            await until(lambda: not core.queue.counters.waiting)
            assert (core.queue.counters.sent, core.queue.counters.refused) == (5, 5)
    log = (estate.root / "ggc/var/log/system/runtime.log").read_text()
    assert "no policy allows iot:Publish on" in log
