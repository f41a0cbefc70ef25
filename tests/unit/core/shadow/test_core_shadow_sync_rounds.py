"""Synchronisation against a cloud in memory: what is asked, what races do, what is refused."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from tests.support.clock import ManualClock
from tests.support.core import until
from tests.support.core_shadows import CloudDouble, OpenLink, Shadows, group_of, shadows_in, sync_of

from hedgerow.contract import GroupDeployment, ShadowId
from hedgerow.core.link import Backoff, CloudMessage, HttpAnswer
from hedgerow.core.shadow import CloudCopies, ShadowSync, sync
from hedgerow.kernel import UnavailableError

GROUP = group_of("A", "B", synced=("A",))


@dataclass
class Pair:
    """Both sides, and what keeps them alike."""

    here: Shadows
    cloud: CloudDouble
    sync: ShadowSync
    group: GroupDeployment

    async def settled(self) -> None:
        """Return once nothing waits."""
        await until(lambda: self.sync.waiting == 0)

    def states(self, thing_name: str = "A") -> tuple[Any, Any]:
        """Return the local state and the cloud's."""
        return self.here.state(thing_name), self.cloud.state(thing_name)

    def later(self, seconds: int = 10) -> None:
        """Let time pass, for both clocks alike."""
        self.here.clock.advance(timedelta(seconds=seconds))


@asynccontextmanager
async def pair(
    folder: Path, group: GroupDeployment = GROUP, cloud: CloudDouble | None = None
) -> AsyncIterator[Pair]:
    """Keep a group's shadows alike in a folder and in a cloud."""
    clock = cloud.clock if cloud is not None else ManualClock()
    cloud = cloud or CloudDouble(clock)
    with shadows_in(folder, group, clock) as here:
        made = sync_of(here, cloud, group)
        task = asyncio.get_running_loop().create_task(made.run(OpenLink()))
        try:
            yield Pair(here, cloud, made, group)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_what_each_side_has_at_first_is_united(tmp_path: Path) -> None:
    cloud = CloudDouble(ManualClock())
    cloud.update("A", desired={"on": True})
    with shadows_in(tmp_path, GROUP, cloud.clock) as here:
        here.update("A", reported={"on": False})
    async with pair(tmp_path, cloud=cloud) as both:
        await both.settled()
        united = {"desired": {"on": True}, "reported": {"on": False}}
        assert both.states() == (united, united)


async def test_a_change_of_either_side_reaches_the_other(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        both.here.update("A", reported={"x": 1}, desired={"y": {"z": 1}})
        await both.settled()
        assert both.cloud.state("A") == {"reported": {"x": 1}, "desired": {"y": {"z": 1}}}
        both.here.published.clear()
        both.sync.hear(both.cloud.update("A", desired={"y": {"z": None, "w": 2}}, reported=None))
        await both.settled()
        assert both.here.state("A") == {"desired": {"y": {"w": 2}}}
        topics = [topic for topic, _ in both.here.published]
        assert "$aws/things/A/shadow/update/delta" in topics


async def test_a_deletion_reaches_the_other_side_unless_something_was_set_there(
    tmp_path: Path,
) -> None:
    async with pair(tmp_path) as both:
        both.here.update("A", reported={"x": 1})
        await both.settled()
        both.sync.hear(both.cloud.delete("A"))
        await both.settled()
        assert both.states() == (None, None)
        both.here.update("A", reported={"x": 2})
        await both.settled()
        both.here.ask("$aws/things/A/shadow/delete")
        await both.settled()
        assert both.states() == (None, None)
        both.here.update("A", reported={"x": 3})
        await both.settled()
        both.cloud.update("A", reported={"y": 1})
        both.here.ask("$aws/things/A/shadow/delete")
        await both.settled()
        assert both.states() == ({"reported": {"x": 3, "y": 1}},) * 2


async def test_the_newer_of_two_values_stands_and_the_clouds_in_the_same_second(
    tmp_path: Path,
) -> None:
    cloud = CloudDouble(ManualClock())
    with shadows_in(tmp_path, GROUP, cloud.clock) as here:
        here.update("A", reported={"older": "here", "same": "here"})
        cloud.update("A", reported={"newer": "cloud", "same": "cloud"})
        cloud.clock.advance(timedelta(seconds=1))
        here.update("A", reported={"newer": "here"})
        cloud.update("A", reported={"older": "cloud"})
    async with pair(tmp_path, cloud=cloud) as both:
        await both.settled()
        expected = {"reported": {"older": "cloud", "same": "cloud", "newer": "here"}}
        assert both.states() == (expected, expected)


async def test_its_own_change_that_comes_back_is_no_news(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        both.here.update("A", reported={"x": 1})
        await both.settled()
        both.cloud.calls.clear()
        version = both.cloud.shadows["A"].version
        echo = json.dumps({"version": version, "state": {}}).encode()
        both.sync.hear(CloudMessage("$aws/things/A/shadow/update/accepted", echo))
        both.sync.hear(CloudMessage("$aws/things/A/shadow/get/accepted", b"{}"))
        both.sync.hear(CloudMessage("$aws/things/B/shadow/update/accepted", b"{}"))
        both.sync.hear(CloudMessage("$aws/things/A/shadow/name/n/update/accepted", b"{}"))
        assert both.sync.waiting == 0
        both.sync.hear(CloudMessage("$aws/things/A/shadow/update/accepted", b"no json"))
        await both.settled()
        assert both.cloud.calls == [("GET", "A")]


async def test_a_shadow_that_is_not_asked_for_never_leaves_the_core(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        both.here.update("B", reported={"x": 1})
        both.here.update("core-1", reported={"x": 1})
        both.here.update("A", reported={"x": 1})
        await both.settled()
        assert {name for _, name in both.cloud.calls} == {"A"}


async def test_a_change_in_the_cloud_between_reading_and_writing_is_not_overwritten(
    tmp_path: Path,
) -> None:
    async with pair(tmp_path) as both:
        both.cloud.update("A", reported={"x": 0})
        both.sync.look_again()
        await both.settled()

        async def meddle(method: str, _thing: str) -> None:
            if method == "POST":
                both.cloud.before_answer = None
                both.later()
                both.cloud.update("A", reported={"x": "cloud", "more": 1})

        both.cloud.before_answer = meddle
        both.here.update("A", reported={"x": "here"})
        await both.settled()
        assert both.states() == ({"reported": {"x": "cloud", "more": 1}},) * 2


async def test_a_local_change_while_the_cloud_is_asked_stays_and_follows(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:

        async def meddle(method: str, _thing: str) -> None:
            if method == "POST":
                both.cloud.before_answer = None
                both.here.update("A", reported={"x": 2})

        both.cloud.before_answer = meddle
        both.cloud.update("A", desired={"y": 1})
        both.here.update("A", reported={"x": 1})
        await both.settled()
        assert both.states() == ({"reported": {"x": 2}, "desired": {"y": 1}},) * 2


async def test_a_refused_shadow_is_named_tried_again_later_and_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "RETRY_SECONDS", 0.01)
    group = group_of("A", "B", synced=("A", "B"))
    cloud = CloudDouble(ManualClock(), denied={("POST", "A")})
    async with pair(tmp_path, group, cloud) as both:
        both.here.update("A", reported={"x": 1})
        both.here.update("B", reported={"x": 1})
        await until(lambda: both.cloud.state("B") == {"reported": {"x": 1}})
        await until(lambda: both.sync.problem is not None)
        assert both.sync.problem == (
            "the shadow of A is not synchronised: POST on thing/A is not allowed"
        )
        assert both.here.update("A", reported={"x": 2})[0][0].endswith("update/accepted")
        cloud.denied.clear()
        await both.settled()
        assert not both.sync.problem
        assert cloud.state("A") == {"reported": {"x": 2}}


async def test_many_refused_shadows_are_one_problem(tmp_path: Path) -> None:
    group = group_of("A", "B", "C", synced=("A", "B", "C"))
    cloud = CloudDouble(ManualClock(), denied={("GET", name) for name in "ABC"})
    async with pair(tmp_path, group, cloud) as both:
        await until(lambda: "stops 2 more" in (both.sync.problem or ""))
        assert both.sync.waiting == 3


async def test_a_refused_shadow_does_not_ask_the_cloud_for_every_local_change(
    tmp_path: Path,
) -> None:
    cloud = CloudDouble(ManualClock(), denied={("GET", "A")})
    async with pair(tmp_path, cloud=cloud) as both:
        await until(lambda: both.sync.problem is not None)
        cloud.calls.clear()
        for number in range(5):
            both.here.update("A", reported={"x": number})
            await asyncio.sleep(0)
        assert cloud.calls == []


async def test_what_does_not_fit_when_united_is_a_problem_and_changes_neither_side(
    tmp_path: Path,
) -> None:
    cloud = CloudDouble(ManualClock())
    cloud.update("A", desired={"text": "c" * 5000})
    with shadows_in(tmp_path, GROUP, cloud.clock) as here:
        here.update("A", reported={"text": "l" * 5000})
    async with pair(tmp_path, cloud=cloud) as both:
        await until(lambda: both.sync.problem is not None)
        assert "413" in (both.sync.problem or "")
        assert both.here.state("A") == {"reported": {"text": "l" * 5000}}
        assert cloud.state("A") == {"desired": {"text": "c" * 5000}}


async def test_a_member_that_is_no_longer_synchronised_is_left_as_it_is(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:

        async def leave(_method: str, _thing: str) -> None:
            both.sync.serve(group_of("A", "B"))

        both.cloud.before_answer = leave
        both.here.update("A", reported={"x": 1})
        await until(lambda: both.cloud.calls == [("GET", "A")])
        await both.settled()
        assert both.cloud.state("A") is None
        assert both.sync.filters == ()
        assert not both.sync.is_on


async def test_a_cloud_that_does_not_answer_in_time_is_asked_again(tmp_path: Path) -> None:
    class Slow(CloudDouble):
        slow = True

        async def shadow(
            self, method: str, shadow: ShadowId, body: bytes | None = None
        ) -> HttpAnswer:
            if self.slow:
                self.slow = False
                await asyncio.Event().wait()
            return await super().shadow(method, shadow, body)

    cloud = Slow(ManualClock())
    with shadows_in(tmp_path, GROUP, cloud.clock) as here:
        copies = CloudCopies(cloud, timedelta(seconds=0.01))
        with pytest.raises(UnavailableError, match=r"canceled after 0\.01 s .*shadowSyncTimeout"):
            await copies.read(ShadowId("A"))
        cloud.slow = True
        made = ShadowSync(here.local, copies, backoff=Backoff(0.001), log=structlog.get_logger())
        made.serve(GROUP)
        task = asyncio.get_running_loop().create_task(made.run(OpenLink()))
        here.update("A", reported={"x": 1})
        await until(lambda: made.waiting == 0)
        assert cloud.state("A") == {"reported": {"x": 1}}
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_was_agreed_outlives_a_stop(tmp_path: Path) -> None:
    """A value removed here while the core was cut off is removed there, not brought back."""
    cloud = CloudDouble(ManualClock())
    async with pair(tmp_path, cloud=cloud) as both:
        both.here.update("A", reported={"x": 1, "y": 1})
        await both.settled()
    with shadows_in(tmp_path, GROUP, cloud.clock) as here:
        here.update("A", reported={"x": None})
    async with pair(tmp_path, cloud=cloud) as both:
        await both.settled()
        assert both.states() == ({"reported": {"y": 1}},) * 2


async def test_a_shadow_that_waits_for_its_answer_holds_up_no_other(tmp_path: Path) -> None:
    group = group_of("A", "B", "C", synced=("A", "B", "C"))
    cloud = CloudDouble(ManualClock())
    answered = asyncio.Event()

    async def wait(_method: str, thing_name: str) -> None:
        if thing_name == "A":
            await answered.wait()

    cloud.before_answer = wait
    async with pair(tmp_path, group, cloud) as both:
        for name in ("A", "B", "C"):
            both.here.update(name, reported={"x": 1})
        await until(lambda: both.sync.waiting == 1)
        both.here.update("A", reported={"x": 2})
        assert cloud.state("C") == {"reported": {"x": 1}}
        answered.set()
        await both.settled()
        assert cloud.state("A") == {"reported": {"x": 2}}
        assert [call for call in cloud.calls if call == ("POST", "A")] == [("POST", "A")] * 2


async def test_only_the_shadows_that_are_heard_anew_are_compared(tmp_path: Path) -> None:
    group = group_of("A", "B", synced=("A", "B"))
    async with pair(tmp_path, group) as both:
        await both.settled()
        both.cloud.calls.clear()
        both.sync.heard_from_now_on([both.sync.filters[1], "$aws/things/X/shadow/+/accepted"])
        await both.settled()
        assert both.cloud.calls == [("GET", "B")]
