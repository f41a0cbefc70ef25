"""What the health check finds, each part broken once in a core that runs."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.cloud_documents import GroupDouble
from tests.support.core import running_core
from tests.support.core_offline import offline_root
from tests.support.local_server import certificate_for

from hedgerow.core.app import CoreApp
from hedgerow.core.deployment import UnhealthyError


async def _stop_listening(core: CoreApp) -> None:
    await core.server._listener.stop()


async def _show_another_certificate(core: CoreApp) -> None:
    double = GroupDouble()
    core.server._door.open(certificate_for(double, timedelta(days=1)), (), double.created_at)


async def _show_none(core: CoreApp) -> None:
    core.server._door.shut()


async def _lose_the_api(core: CoreApp) -> None:
    await core._health.stop()


async def _break_the_shadows(core: CoreApp) -> None:
    core.shadows._database.close()


async def _change_the_disk(core: CoreApp) -> None:
    path = core.agent._folder.running_group_file
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("fault", "names"),
    [
        (_stop_listening, "the local MQTT server: it does not listen"),
        (_show_another_certificate, "the local MQTT server: it does not prove itself"),
        (_show_none, "the local MQTT server: "),
        (_lose_the_api, "the health API: "),
        (_break_the_shadows, "the local shadows: "),
        (_change_the_disk, "the stored deployment: "),
    ],
)
async def test_the_health_check_names_the_part_that_does_not_work(
    tmp_path: Path, fault: Callable[[CoreApp], Awaitable[None]], names: str
) -> None:
    async with running_core(offline_root(tmp_path, GroupDouble())) as core:
        group = core.agent._switcher.group
        assert group is not None
        await core.activation.check(group)
        await fault(core)
        with pytest.raises(UnhealthyError) as raised:
            await core.activation.check(group)
        assert raised.value.message.startswith(names), raised.value.message


async def test_a_check_that_gets_no_answer_ends_and_says_where(tmp_path: Path) -> None:
    async with running_core(offline_root(tmp_path, GroupDouble())) as core:
        group = core.agent._switcher.group
        assert group is not None
        core._health_check._deadline = timedelta(0)
        with pytest.raises(UnhealthyError, match="the health API: no answer within 0 s"):
            await core.activation.check(group)


async def test_looking_at_the_server_refuses_nobody_and_leaves_no_trace(tmp_path: Path) -> None:
    async with running_core(offline_root(tmp_path, GroupDouble())) as core:
        group = core.agent._switcher.group
        assert group is not None
        for _ in range(3):
            await core.activation.check(group)
        assert core.server.refusals.counters == {}
