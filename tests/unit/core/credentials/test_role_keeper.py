"""When the core asks the cloud for credentials of the group's role, and when it does not."""

import asyncio
import re
from datetime import timedelta

import pytest
from tests.support.clock import ManualClock
from tests.support.core import until
from tests.support.core_role import GROUP, KEY, TOKEN, RoleServiceDouble, quiet_log

from hedgerow.contract import GroupCredentials
from hedgerow.core.credentials import NoGroupError, RoleCredentials, RoleKeeper
from hedgerow.kernel import CallerError, DeniedError, PeerError, UnavailableError


def problem(keeper: RoleKeeper) -> str | None:
    return keeper.problem


def held(keeper: RoleKeeper) -> RoleCredentials | None:
    return keeper.held


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def cloud(clock: ManualClock) -> RoleServiceDouble:
    return RoleServiceDouble(clock)


@pytest.fixture
def keeper(clock: ManualClock, cloud: RoleServiceDouble) -> RoleKeeper:
    keeper = RoleKeeper(cloud, clock=clock, log=quiet_log(), spread=lambda: 0.0)
    keeper.serve_group(GROUP)
    return keeper


@pytest.mark.spec("D04")
async def test_the_cloud_is_asked_only_for_what_is_not_held(
    keeper: RoleKeeper, cloud: RoleServiceDouble
) -> None:
    await keeper.check()
    assert cloud.asked == []
    first = await keeper.current()
    assert await keeper.current() is first
    assert cloud.asked == [GROUP]


async def test_many_that_ask_at_once_are_answered_with_one_question(
    keeper: RoleKeeper, cloud: RoleServiceDouble
) -> None:
    got = await asyncio.gather(*(keeper.current() for _ in range(10)))
    assert len(set(map(id, got))) == 1
    assert len(cloud.asked) == 1


async def test_they_are_renewed_at_half_their_life_if_they_were_used(
    keeper: RoleKeeper, cloud: RoleServiceDouble, clock: ManualClock
) -> None:
    first = await keeper.current()
    clock.advance(timedelta(minutes=29))
    await keeper.check()
    assert held(keeper) is first
    clock.advance(timedelta(minutes=1))
    await keeper.check()
    assert held(keeper) is not first
    clock.advance(timedelta(minutes=31))
    await keeper.check()
    assert len(cloud.asked) == 2


async def test_what_is_used_is_renewed_over_and_over(
    keeper: RoleKeeper, cloud: RoleServiceDouble, clock: ManualClock
) -> None:
    for times in range(1, 5):
        used = await keeper.current()
        await keeper.check()
        assert held(keeper) is used
        assert len(cloud.asked) == times
        clock.advance(timedelta(minutes=30))
        await keeper.check()


def test_chance_renews_earlier_never_later(clock: ManualClock) -> None:
    moments = [
        RoleCredentials.of(_answer(clock), now=clock.now(), spread=spread).renew_at - clock.now()
        for spread in (0.0, 1.0)
    ]
    assert moments == [timedelta(minutes=30), timedelta(minutes=24)]


async def test_without_a_cloud_the_last_ones_serve_until_they_end(
    keeper: RoleKeeper, cloud: RoleServiceDouble, clock: ManualClock
) -> None:
    first = await keeper.current()
    cloud.failure = UnavailableError("no route")
    for _ in range(59):
        clock.advance(timedelta(minutes=1))
        await keeper.check()
        assert await keeper.current() is first
    assert problem(keeper) is None
    clock.advance(timedelta(minutes=1))
    with pytest.raises(UnavailableError, match="no route"):
        await keeper.current()
    assert problem(keeper) == "no route"
    cloud.failure = None
    clock.advance(timedelta(minutes=1))
    await keeper.check()
    assert held(keeper) is not None
    assert keeper.problem is None


async def test_a_cloud_that_fails_is_not_asked_again_at_once(
    keeper: RoleKeeper, cloud: RoleServiceDouble, clock: ManualClock
) -> None:
    cloud.failure = UnavailableError("no route")
    pauses = [5, 10, 20, 40, 60, 60]
    for times, pause in enumerate(pauses, start=1):
        for _ in range(5):
            with pytest.raises(UnavailableError):
                await keeper.current()
            await keeper.check()
        clock.advance(timedelta(seconds=pause - 1))
        with pytest.raises(UnavailableError):
            await keeper.current()
        assert len(cloud.asked) == times
        clock.advance(timedelta(seconds=1))
    with pytest.raises(UnavailableError):
        await keeper.current()
    cloud.failure = None
    keeper.cloud_is_back()
    await keeper.current()


async def test_word_that_the_cloud_is_back_undoes_no_refusal(
    keeper: RoleKeeper, cloud: RoleServiceDouble
) -> None:
    cloud.failure = DeniedError("no")
    for _ in range(3):
        with pytest.raises(DeniedError):
            await keeper.current()
        keeper.cloud_is_back()
    assert len(cloud.asked) == 1


@pytest.mark.parametrize(
    "refusal", [DeniedError("greengrass:AssumeRoleForGroup on * is refused"), CallerError("none")]
)
async def test_what_the_cloud_takes_back_is_forgotten_at_once(
    keeper: RoleKeeper, cloud: RoleServiceDouble, clock: ManualClock, refusal: DeniedError
) -> None:
    await keeper.current()
    cloud.failure = refusal
    clock.advance(timedelta(minutes=30))
    await keeper.current()
    await keeper.check()
    assert held(keeper) is None
    with pytest.raises(type(refusal), match=re.escape(refusal.message)):
        await keeper.current()


async def test_a_group_without_a_role_is_no_problem_of_the_core(
    keeper: RoleKeeper, cloud: RoleServiceDouble, clock: ManualClock
) -> None:
    cloud.failure = CallerError("You need to attach an IAM role to this deployment group.")
    with pytest.raises(CallerError):
        await keeper.current()
    assert keeper.problem is None
    clock.advance(timedelta(hours=1))
    await keeper.check()
    assert len(cloud.asked) == 1


async def test_a_refusal_is_a_problem_that_names_the_action(
    keeper: RoleKeeper, cloud: RoleServiceDouble
) -> None:
    cloud.failure = DeniedError("greengrass:AssumeRoleForGroup on * is refused")
    with pytest.raises(DeniedError):
        await keeper.current()
    assert keeper.problem == "greengrass:AssumeRoleForGroup on * is refused"


async def test_credentials_of_another_group_are_never_given(
    keeper: RoleKeeper, cloud: RoleServiceDouble
) -> None:
    first = await keeper.current()
    keeper.serve_group(GROUP)
    assert held(keeper) is first
    keeper.serve_group("another")
    assert held(keeper) is None
    await keeper.current()
    assert cloud.asked == [GROUP, "another"]
    keeper.reset()
    with pytest.raises(NoGroupError):
        await keeper.current()


@pytest.mark.spec("L17")
async def test_another_role_is_asked_for_as_soon_as_the_core_hears_of_it(
    keeper: RoleKeeper, cloud: RoleServiceDouble
) -> None:
    keeper.role_is(GROUP, "1")
    first = await keeper.current()
    keeper.role_is(GROUP, "1")
    assert held(keeper) is first
    cloud.role_arn = "arn:aws:iam::123456789012:role/other"
    keeper.role_is(GROUP, "2")
    assert held(keeper) is None
    await keeper.check()
    assert (await keeper.current()).role_arn == cloud.role_arn
    assert len(cloud.asked) == 2


async def test_word_of_another_groups_role_changes_nothing(keeper: RoleKeeper) -> None:
    first = await keeper.current()
    keeper.role_is("another", "1")
    assert held(keeper) is first


async def test_what_was_asked_before_the_role_changed_is_not_kept(
    keeper: RoleKeeper, cloud: RoleServiceDouble
) -> None:
    cloud.while_asked = lambda: keeper.role_is(GROUP, "2")
    with pytest.raises(UnavailableError, match="changed meanwhile"):
        await keeper.current()
    assert held(keeper) is None


async def test_credentials_that_have_ended_by_the_cores_clock_are_no_credentials(
    keeper: RoleKeeper, cloud: RoleServiceDouble
) -> None:
    cloud.life = timedelta(seconds=59)
    with pytest.raises(PeerError, match="check this machine's clock"):
        await keeper.current()


async def test_keys_are_not_shown(keeper: RoleKeeper, clock: ManualClock) -> None:
    for shown in (repr(await keeper.current()), repr(_answer(clock))):
        assert KEY not in shown
        assert TOKEN not in shown


async def test_it_runs_by_itself(clock: ManualClock, cloud: RoleServiceDouble) -> None:
    keeper = RoleKeeper(cloud, clock=clock, log=quiet_log())
    keeper.serve_group(GROUP)
    running = asyncio.get_running_loop().create_task(keeper.run())
    first = await keeper.current()
    clock.advance(timedelta(minutes=31))
    assert await keeper.current() is first
    await until(lambda: held(keeper) is not first)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def _answer(clock: ManualClock) -> GroupCredentials:
    return GroupCredentials(
        access_key_id="ASIA",
        secret_access_key=KEY,
        session_token=TOKEN,
        expires_at=clock.now() + timedelta(hours=1),
        role_arn="arn:aws:iam::123456789012:role/line",
    )
