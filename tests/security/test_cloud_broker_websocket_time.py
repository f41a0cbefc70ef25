"""A program's WebSocket ends with its time: that of its session, and that of any WebSocket."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.clock import ManualClock
from tests.support.cloud import ACCOUNT, RunningCloud, running_cloud
from tests.support.websockets import Keys, iam_policy, iam_user, may, mqtt_program

from hedgerow.cloud.broker import Programs
from hedgerow.kernel import SystemClock

pytestmark = pytest.mark.promise(4)

EVERYTHING = iam_policy(may("iot:*", "*"))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(SystemClock().now())


@pytest.fixture
async def cloud(tmp_path: Path, clock: ManualClock) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path, clock=clock) as running:
        yield running


def programs_of(cloud: RunningCloud) -> Programs:
    programs = cloud.app._rooms.accounts.of(ACCOUNT).broker._programs
    assert programs is not None
    return programs


async def test_it_ends_when_the_session_of_its_credentials_expires(
    cloud: RunningCloud, clock: ManualClock
) -> None:
    made = await cloud.call("sts", "get_session_token", DurationSeconds=900)
    keys = Keys.of(made["Credentials"])
    async with mqtt_program(cloud, keys, "watcher") as program:
        clock.advance(timedelta(seconds=60))
        await programs_of(cloud).look_up_all()
        assert (await program.publish("still/here"))[0] < 0x80
        clock.advance(timedelta(seconds=841))
        await programs_of(cloud).look_up_all()
        ended = await program.ended()
    assert ended.code == 0x98
    assert "expired" in ended.reason


async def test_it_ends_when_a_condition_about_time_is_no_longer_met(
    cloud: RunningCloud, clock: ManualClock
) -> None:
    until = clock.now() + timedelta(seconds=30)
    condition = {"DateLessThan": {"aws:CurrentTime": f"{until:%Y-%m-%dT%H:%M:%SZ}"}}
    text = iam_policy({**may("iot:*", "*"), "Condition": condition})
    keys = await iam_user(cloud, "watcher", text)
    async with mqtt_program(cloud, keys, "watcher") as program:
        clock.advance(timedelta(seconds=31))
        await programs_of(cloud).look_up_all()
        assert (await program.ended()).code == 0x98


async def test_it_ends_after_a_day(cloud: RunningCloud, clock: ManualClock) -> None:
    keys = await iam_user(cloud, "watcher", EVERYTHING)
    async with mqtt_program(cloud, keys, "watcher") as program:
        clock.advance(timedelta(hours=24))
        await programs_of(cloud).look_up_all()
        ended = await program.ended()
    assert ended.code == 0x98
    assert "as long as one may be" in ended.reason
