"""Named shadows on a core: as plain calls, bounded, and synchronised only if that is asked for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.clock import ManualClock
from tests.support.core import until
from tests.support.core_shadows import CloudDouble, OpenLink, Shadows, group_of, shadows_in, sync_of

from hedgerow.contract import ShadowId
from hedgerow.core.shadow import ShadowSync, local, sync
from hedgerow.shadow import ShadowError

GROUP = group_of("A", "B", synced=("A",))
UPDATE = b'{"state":{"reported":{"x":1}}}'


@asynccontextmanager
async def pair(
    folder: Path, cloud: CloudDouble, *, named: bool = True
) -> AsyncIterator[tuple[Shadows, ShadowSync]]:
    with shadows_in(folder, GROUP, cloud.clock) as here:
        made = sync_of(here, cloud, GROUP, named=named)
        task = asyncio.get_running_loop().create_task(made.run(OpenLink()))
        try:
            yield here, made
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def read(payload: bytes) -> Any:
    return msgspec.json.decode(payload)


def test_plain_calls_change_the_shadow_tell_of_it_and_answer(tmp_path: Path) -> None:
    with shadows_in(tmp_path, GROUP) as here:
        answer = read(here.local.update("A", "n", b'{"state":{"desired":{"x":1}}}'))
        assert (answer["version"], answer["state"]) == (1, {"desired": {"x": 1}})
        assert [topic for topic, _ in here.published] == [
            f"$aws/things/A/shadow/name/n/update/{event}"
            for event in ("accepted", "delta", "documents")
        ]
        here.published.clear()
        assert read(here.local.get("A", "n"))["state"]["delta"] == {"x": 1}
        assert here.published == []
        assert read(here.local.delete("A", "n"))["version"] == 1
        assert [topic for topic, _ in here.published] == [
            "$aws/things/A/shadow/name/n/delete/accepted"
        ]


@pytest.mark.parametrize(
    ("thing", "name", "status"),
    [("A", "n", 404), ("A", "", 404), ("A", "a/b", 400), ("A", "x" * 65, 400), ("C", "", 404)],
)
def test_plain_calls_are_refused_in_awss_words(
    tmp_path: Path, thing: str, name: str, status: int
) -> None:
    with shadows_in(tmp_path, GROUP) as here:
        for ask in (here.local.get, here.local.delete):
            with pytest.raises(ShadowError) as refused:
                ask(thing, name)
            assert refused.value.status == status
        assert here.published == []


def test_a_thing_has_so_many_named_shadows_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "MAX_NAMED_PER_THING", 2)
    with shadows_in(tmp_path, GROUP) as here:
        for name in ("one", "two", ""):
            here.local.update("A", name, UPDATE)
        here.local.delete("A", "one")
        with pytest.raises(ShadowError, match="at most 2 named shadows") as refused:
            here.local.update("A", "three", UPDATE)
        assert refused.value.status == 400
        here.local.update("A", "one", UPDATE)
        here.local.update("B", "three", UPDATE)


def test_a_reset_forgets_named_shadows_too(tmp_path: Path) -> None:
    with shadows_in(tmp_path, GROUP) as here:
        here.local.update("A", "n", UPDATE)
        here.local.reset()
        here.local.serve(GROUP)
        with pytest.raises(ShadowError, match="No shadow exists"):
            here.local.get("A", "n")


async def test_named_shadows_stay_on_the_core_unless_asked_for(tmp_path: Path) -> None:
    cloud = CloudDouble(ManualClock())
    cloud.update("A/there", reported={"x": 1})
    async with pair(tmp_path, cloud, named=False) as (here, made):
        here.update("A/n", reported={"x": 1})
        here.update("A", reported={"x": 1})
        made.hear(cloud.update("A/there", reported={"x": 2}))
        await until(lambda: made.waiting == 0)
        assert {name for _, name in cloud.calls} == {"A"}
        assert made.filters == ("$aws/things/A/shadow/+/accepted",)
        assert here.state("A/there") is None


async def test_if_asked_for_they_are_learnt_heard_of_and_kept_alike(tmp_path: Path) -> None:
    cloud = CloudDouble(ManualClock())
    cloud.update("A/there", reported={"x": 1})
    cloud.update("B/other", reported={"x": 1})
    async with pair(tmp_path, cloud) as (here, made):
        here.update("A/here", reported={"x": 2})
        here.update("B/mine", reported={"x": 2})
        await until(lambda: made.waiting == 0)
        assert here.state("A/there") == {"reported": {"x": 1}}
        assert cloud.state("A/here") == {"reported": {"x": 2}}
        made.hear(cloud.update("A/new", desired={"y": 1}))
        made.hear(cloud.delete("A/there"))
        await until(lambda: made.waiting == 0)
        assert here.state("A/new") == {"desired": {"y": 1}}
        assert here.state("A/there") is None
        assert here.state("B/other") is None
        assert cloud.state("B/mine") is None
        assert made.filters == (
            "$aws/things/A/shadow/+/accepted",
            "$aws/things/A/shadow/name/+/+/accepted",
        )


async def test_names_are_learnt_again_when_they_are_heard_anew(tmp_path: Path) -> None:
    cloud = CloudDouble(ManualClock())
    async with pair(tmp_path, cloud) as (here, made):
        await until(lambda: made.waiting == 0)
        cloud.update("A/missed", reported={"x": 1})
        made.heard_from_now_on(made.filters[:1])
        await until(lambda: made.waiting == 0)
        assert here.state("A/missed") is None
        made.heard_from_now_on(made.filters[1:])
        await until(lambda: made.waiting == 0)
        assert here.state("A/missed") == {"reported": {"x": 1}}


async def test_what_the_policy_lacks_for_one_of_them_is_named_and_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "RETRY_SECONDS", 0.01)
    cloud = CloudDouble(ManualClock(), denied={("LIST", "A"), ("POST", "A/bad")})
    async with pair(tmp_path, cloud) as (here, made):
        here.update("A/bad", reported={"x": 1})
        here.update("A/good", reported={"x": 1})
        await until(lambda: cloud.state("A/good") is not None)
        await until(lambda: "stops 1 more" in (made.problem or ""))
        assert made.waiting == 2
        cloud.denied = {("POST", "A/bad")}
        await until(lambda: made.waiting == 1)
        assert made.problem == (
            "the shadow bad of A is not synchronised: POST on thing/A/bad is not allowed"
        )
        cloud.denied = {("LIST", "A")}
        made.look_again()
        await until(lambda: made.waiting == 1 and made.problem is not None)
        assert made.problem == (
            "what only the cloud holds of named shadows of A is not synchronised: "
            "LIST on thing/A is not allowed"
        )
        assert cloud.state("A/bad") == {"reported": {"x": 1}}
        assert here.local.kept(ShadowId("A", "good")).agreed is not None
