"""Trial, health check, going back, start and reset; and a disk that fails at every step of each."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.support.deployed_core import FIRST, OTHER_GROUP, SECOND, DeployedCore
from tests.support.failing_disk import PowerCut, failing_disk
from tests.support.local_server import verified

from hedgerow.core.deployment import Mode, UnhealthyError
from hedgerow.kernel import CallerError, HedgerowError

_MANY_STEPS = 200
"""More than any of the stories below has."""


@pytest.fixture
async def core(tmp_path: Path) -> DeployedCore:
    core = DeployedCore(tmp_path / "deployment")
    await core.deploy(FIRST)
    return core


@pytest.mark.spec("P06")
async def test_an_unhealthy_deployment_is_undone_and_the_last_good_one_runs(
    core: DeployedCore,
) -> None:
    core.active.ails = {SECOND}
    with pytest.raises(UnhealthyError, match=f"health check failed.*runs deployment {FIRST} again"):
        await core.deploy(SECOND)
    assert core.runs == FIRST
    assert core.mode == "running"
    assert core.folder.running_id() == FIRST
    assert "lets nobody in" in core.folder.ledger.failed[SECOND]
    core.restart()
    core.switcher.begin()
    assert core.runs == FIRST
    assert core.mode == "running"


async def test_a_healthy_deployment_stays(core: DeployedCore) -> None:
    await core.deploy(SECOND)
    assert core.runs == SECOND
    assert core.folder.ledger.trial is None
    assert core.mode == "running"


async def test_without_a_good_one_before_it_an_unhealthy_deployment_leaves_none(
    tmp_path: Path,
) -> None:
    core = DeployedCore(tmp_path)
    core.active.ails = {FIRST}
    with pytest.raises(UnhealthyError, match="the core runs no group again"):
        await core.deploy(FIRST)
    assert core.runs is None
    assert core.folder.running_id() is None
    assert core.mode == "none"


async def test_whatever_the_change_raises_the_last_good_one_runs(core: DeployedCore) -> None:
    core.active.crash = ZeroDivisionError("a bug")
    with pytest.raises(UnhealthyError, match="a fault of the core"):
        await core.deploy(SECOND)
    core.active.crash = None
    assert core.runs == FIRST


async def test_a_third_deployment_after_one_was_undone_is_run(core: DeployedCore) -> None:
    core.active.ails = {SECOND}
    with pytest.raises(UnhealthyError):
        await core.deploy(SECOND)
    await core.deploy("44444444-bbbb-4000-8000-000000000004")
    assert core.runs == "44444444-bbbb-4000-8000-000000000004"
    core.restart()
    core.switcher.begin()
    assert core.mode == "running"


async def test_what_runs_is_what_is_gone_back_to_though_the_disk_has_lost_it(
    core: DeployedCore,
) -> None:
    """It is still in memory, and is written anew."""
    core.active.ails = {SECOND}
    for file in (core.path / "group").iterdir():
        file.write_bytes(b"damaged")
    with pytest.raises(UnhealthyError, match=f"runs deployment {FIRST} again"):
        await core.deploy(SECOND)
    assert core.runs == FIRST
    core.restart()
    core.switcher.begin()
    assert core.runs == FIRST


async def test_a_core_behind_goes_back_to_what_it_ran_and_not_to_what_is_damaged(
    core: DeployedCore,
) -> None:
    await core.deploy(SECOND)
    (core.path / "group" / "group.json").write_bytes(b"damaged")
    core.restart()
    core.switcher.begin()
    assert (core.runs, core.mode) == (FIRST, "previous")
    third = "44444444-bbbb-4000-8000-000000000004"
    core.active.ails = {third}
    with pytest.raises(UnhealthyError, match=f"runs deployment {FIRST} again"):
        await core.deploy(third)
    assert (core.runs, core.mode) == (FIRST, "previous")
    core.restart()
    core.switcher.begin()
    assert core.runs == FIRST


@pytest.mark.promise(4)
async def test_who_was_revoked_by_what_was_undone_stays_out(core: DeployedCore) -> None:
    revoked = core.double.devices[0]
    core.double.revoke(revoked)
    core.active.ails = {SECOND}
    with pytest.raises(UnhealthyError):
        await core.deploy(SECOND)
    assert core.runs == FIRST
    assert core.active.membership is not None
    assert revoked.certificate_id not in core.active.membership.certificate_ids


# ---- a stop between the switch and the health check


async def stopped_on_trial(core: DeployedCore) -> None:
    """Stop the core after the change, before it was found healthy."""
    core.active.crash = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        await core.deploy(SECOND)
    core.restart()


async def test_a_stop_before_the_health_check_puts_it_off(core: DeployedCore) -> None:
    await stopped_on_trial(core)
    core.switcher.begin()
    assert core.runs == SECOND
    assert core.mode == "trial"
    assert await core.switcher.check_begun() is True
    assert core.mode == "running"
    assert core.folder.ledger.trial is None


async def test_what_is_unhealthy_after_a_stop_is_undone_then(core: DeployedCore) -> None:
    await stopped_on_trial(core)
    core.switcher.begin()
    core.active.ails = {SECOND}
    assert await core.switcher.check_begun() is False
    assert core.runs == FIRST
    assert core.switcher.unfit is not None
    assert core.switcher.unfit.deployment_id == SECOND


async def test_what_brings_the_core_down_again_and_again_is_undone(core: DeployedCore) -> None:
    await stopped_on_trial(core)
    for _ in range(2):
        core.switcher.begin()
        assert core.runs == SECOND
        core.restart()
    core.switcher.begin()
    assert core.runs == FIRST
    assert core.switcher.unfit is not None
    assert "stopped 2 times" in core.switcher.unfit.reason
    assert core.mode == "previous"
    assert core.switcher.problem is not None


async def test_what_cannot_be_put_in_force_at_a_start_is_undone(core: DeployedCore) -> None:
    await stopped_on_trial(core)
    core.active.unable = {SECOND}
    core.switcher.begin()
    assert core.runs == FIRST
    assert core.switcher.unfit is not None


async def test_an_old_deployment_that_brings_the_core_down_gives_way_and_gets_another_try(
    core: DeployedCore,
) -> None:
    """It was healthy once: power cuts in a row must not take it away for ever."""
    await core.deploy(SECOND)
    for _ in range(5):
        core.restart()
        core.switcher.begin()
        assert core.runs == SECOND
    core.restart()
    core.switcher.begin()
    assert core.runs == FIRST
    assert core.mode == "previous"
    assert await core.switcher.check_begun() is False
    assert core.mode == "previous"
    core.restart()
    core.switcher.begin()
    assert core.runs == SECOND


async def test_stops_on_purpose_do_not_count(core: DeployedCore) -> None:
    await core.deploy(SECOND)
    for _ in range(10):
        core.restart()
        core.switcher.begin()
        assert core.runs == SECOND
        core.switcher.stopped()


async def test_a_good_start_forgets_the_bad_ones(core: DeployedCore) -> None:
    for _ in range(4):
        core.restart()
        core.switcher.begin()
    await core.switcher.check_begun()
    assert core.folder.ledger.starts == {}


async def test_an_unhealthy_start_of_an_old_deployment_is_a_problem_and_no_reason_to_go_back(
    core: DeployedCore,
) -> None:
    await core.deploy(SECOND)
    core.restart()
    core.switcher.begin()
    core.active.ails = {SECOND}
    assert await core.switcher.check_begun() is False
    assert core.runs == SECOND
    assert "not healthy" in (core.switcher.problem or "")


async def test_a_core_that_keeps_nothing_it_can_run_waits_for_the_next_deployment(
    core: DeployedCore,
) -> None:
    await core.deploy(SECOND)
    for version in (core.path / "versions").iterdir():
        (version / "group.json").write_bytes(b"damaged")
    core.restart()
    core.switcher.begin()
    assert core.runs is None
    assert core.mode == "rescue"
    assert "until the next deployment" in (core.switcher.problem or "")
    await core.deploy("44444444-bbbb-4000-8000-000000000004")
    assert core.mode == "running"
    assert core.switcher.problem is None


async def test_the_very_deployment_that_was_damaged_rescues_the_core(core: DeployedCore) -> None:
    (core.path / "group" / "group.json").write_bytes(b"damaged")
    core.restart()
    core.switcher.begin()
    assert core.mode == "rescue"
    await core.deploy(FIRST)
    assert core.runs == FIRST


# ---- resets, and groups that take each other's place


@pytest.mark.spec("P10")
async def test_a_reset_that_was_interrupted_is_finished_before_anything_is_served(
    core: DeployedCore,
) -> None:
    core.double.new_deployment(SECOND, "ResetDeployment")
    core.folder.begin_wiping(verified(core.double)[0].manifest)
    core.restart()
    core.switcher.begin()
    assert core.runs is None
    assert core.active.wiped == 1
    assert core.folder.ledger.wiping is None
    assert not (core.path / "versions").exists()
    assert core.mode == "none"


async def test_a_reset_that_leaves_something_fails_and_is_tried_again_at_the_next_start(
    core: DeployedCore,
) -> None:
    core.active.wipe_fault = CallerError("ggc/var/log/user cannot be removed")
    with pytest.raises(CallerError, match="not everything of the group is wiped"):
        core.reset()
    assert core.runs is None
    assert core.folder.load().group is None
    core.restart()
    core.switcher.begin()
    assert core.active.wiped == 1
    assert core.folder.ledger.wiping is None


async def test_a_core_that_comes_back_to_another_group_forgets_the_old_one(
    core: DeployedCore,
) -> None:
    await core.deploy(SECOND)
    assert core.active.forgotten == 0
    await core.deploy("44444444-bbbb-4000-8000-000000000004", OTHER_GROUP)
    assert core.active.forgotten == 1
    await core.deploy("55555555-bbbb-4000-8000-000000000005", OTHER_GROUP)
    assert core.active.forgotten == 1


@pytest.mark.promise(2)
async def test_the_group_that_was_left_never_comes_back_by_itself(core: DeployedCore) -> None:
    """Damage to the new one must not bring the old group's devices in again."""
    first_group = core.double.group_id
    await core.deploy(SECOND, OTHER_GROUP)
    (core.path / "group" / "group.json").write_bytes(b"damaged")
    core.restart()
    core.switcher.begin()
    assert core.runs is None
    assert core.mode == "rescue"
    assert [path.stem for path in (core.path / "membership").iterdir()] == [OTHER_GROUP]
    assert core.folder.serial_floor(first_group) == 1


async def test_a_health_check_that_breaks_takes_no_core_down(core: DeployedCore) -> None:
    core.restart()
    core.switcher.begin()
    core.active.check_fault = ZeroDivisionError("a bug")
    assert await core.switcher.check_begun() is False
    assert core.runs == FIRST
    assert "a fault of the core" in (core.switcher.problem or "")


async def test_what_is_mended_while_the_core_runs_is_no_problem_any_more(
    core: DeployedCore,
) -> None:
    core.restart()
    core.switcher.begin()
    core.active.ails = {FIRST}
    await core.switcher.check_begun()
    await core.switcher.look_again()
    assert "not healthy" in (core.switcher.problem or "")
    core.active.ails = set()
    await core.switcher.look_again()
    assert core.switcher.problem is None


async def test_an_unhealthy_deployment_of_another_group_forgets_nothing(
    core: DeployedCore,
) -> None:
    core.active.ails = {SECOND}
    with pytest.raises(UnhealthyError):
        await core.deploy(SECOND, OTHER_GROUP)
    assert core.runs == FIRST
    assert core.active.forgotten == 0


# ---- a disk that fails at every step

Story = Callable[[DeployedCore], Awaitable[None]]


async def _deploys(core: DeployedCore) -> None:
    await core.deploy(SECOND)


async def _deploys_in_vain(core: DeployedCore) -> None:
    core.active.ails = {SECOND}
    with pytest.raises(UnhealthyError):
        await core.deploy(SECOND)


async def _revokes(core: DeployedCore) -> None:
    core.double.revoke(core.double.devices[0])
    core.switcher.take_membership(verified(core.double)[1])


async def _resets(core: DeployedCore) -> None:
    core.reset()


async def _cut_at_every_step(
    tmp_path: Path, story: Story, check: Callable[[DeployedCore], Awaitable[None]]
) -> int:
    """Cut the power before each step of a story; the check is of the core that comes up then."""
    before = DeployedCore(tmp_path / "before")
    await before.deploy(FIRST)
    for step in range(1, _MANY_STEPS):
        core = before.copied_to(tmp_path / str(step))
        with failing_disk(core.path, "power", step) as disk, contextlib.suppress(PowerCut):
            await story(core)
        core.restart()
        core.switcher.begin()
        await check(core)
        if not disk.has_failed:
            return step
    raise AssertionError("the story has no end")


async def test_power_that_goes_at_any_step_of_a_deployment_leaves_the_old_or_the_new(
    tmp_path: Path,
) -> None:
    seen: list[str] = []

    async def check(core: DeployedCore) -> None:
        assert core.runs in {FIRST, SECOND}
        assert core.active.membership is not None
        assert core.switcher.mode in {Mode.RUNNING, Mode.TRIAL}
        seen.append(core.runs)
        await core.switcher.check_begun()
        assert core.folder.ledger.trial is None or core.runs == FIRST
        await core.deploy(SECOND) if core.runs == FIRST else None
        assert core.runs == SECOND

    steps = await _cut_at_every_step(tmp_path, _deploys, check)
    assert steps > 10
    assert seen == sorted(seen)
    assert set(seen) == {FIRST, SECOND}


async def test_power_that_goes_at_any_step_of_going_back_leaves_the_good_one_in_the_end(
    tmp_path: Path,
) -> None:
    async def check(core: DeployedCore) -> None:
        assert core.runs in {FIRST, SECOND}
        core.active.ails = {SECOND}
        await core.switcher.check_begun()
        assert core.runs == FIRST

    assert await _cut_at_every_step(tmp_path, _deploys_in_vain, check) > 10


@pytest.mark.promise(4)
async def test_power_that_goes_while_a_list_of_certificates_is_renewed_leaves_a_whole_one(
    tmp_path: Path,
) -> None:
    async def check(core: DeployedCore) -> None:
        assert core.runs == FIRST
        assert core.active.membership is not None
        assert core.active.membership.membership.serial in {1, 2}

    assert await _cut_at_every_step(tmp_path, _revokes, check) > 3


@pytest.mark.spec("P10")
async def test_power_that_goes_at_any_step_of_a_reset_leaves_the_group_or_nothing_of_it(
    tmp_path: Path,
) -> None:
    async def check(core: DeployedCore) -> None:
        if core.runs is None:
            assert core.active.wiped <= 1
            assert not (core.path / "versions").exists()
            assert not (core.path / "membership").exists()
            assert core.folder.load().group is None
            assert core.mode == "none"
        else:
            assert core.runs == FIRST
            core.reset()
            assert core.runs is None

    assert await _cut_at_every_step(tmp_path, _resets, check) > 3


@pytest.mark.parametrize("story", [_deploys, _deploys_in_vain, _revokes, _resets])
async def test_a_disk_that_is_full_from_any_step_on_leaves_a_core_that_goes_on(
    tmp_path: Path, story: Story
) -> None:
    at_first = DeployedCore(tmp_path / "before")
    await at_first.deploy(FIRST)
    for step in range(1, _MANY_STEPS):
        core = at_first.copied_to(tmp_path / str(step))
        with failing_disk(core.path, "full", step) as disk:
            with contextlib.suppress(HedgerowError, OSError):
                await story(core)
            before = core.runs
            core.restart()
            core.switcher.begin()
            await core.switcher.check_begun()
        wanted = {FIRST, SECOND, None} if story is _resets else {FIRST, SECOND}
        assert before in wanted
        assert core.runs in wanted
        if story is _deploys_in_vain:
            assert before == FIRST
        if not disk.has_failed:
            return
    raise AssertionError("the story has no end")
