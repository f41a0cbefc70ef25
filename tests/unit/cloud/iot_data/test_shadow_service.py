"""Shadows in a real store: they last, they are apart, and listeners hear of each change."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.clock import ManualClock

from hedgerow.cloud.home import Home
from hedgerow.cloud.iot_data import ShadowService
from hedgerow.cloud.iot_data.shadow_service import MAX_IN_FLIGHT_PER_THING
from hedgerow.shadow import ShadowError
from hedgerow.store import InvalidPageTokenError, MasterKey, Store

HOME = Home(account="123456789012", region="eu-west-1")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    key = MasterKey.create_file(tmp_path / "keys" / "master.key")
    opened = await Store.open(tmp_path / "cloud.db", key, ManualClock())
    yield opened
    await opened.close()


@pytest.fixture
def shadows(store: Store) -> ShadowService:
    return ShadowService(store, HOME, ManualClock())


def read(payload: bytes) -> Any:
    return msgspec.json.decode(payload)


async def test_a_shadow_lasts_and_belongs_to_one_thing(
    shadows: ShadowService, store: Store
) -> None:
    await shadows.update("lamp", b'{"state":{"desired":{"on":true}}}')
    await shadows.update("fan", b'{"state":{"desired":{"speed":3}}}')
    other_eyes = ShadowService(store, HOME, ManualClock())
    assert read(await other_eyes.get("lamp"))["state"]["desired"] == {"on": True}
    assert read(await other_eyes.get("fan"))["state"]["desired"] == {"speed": 3}
    await shadows.delete("lamp")
    with pytest.raises(ShadowError, match="No shadow exists"):
        await other_eyes.get("lamp")
    assert read(await other_eyes.get("fan"))["version"] == 1


async def test_listeners_hear_what_belongs_on_which_topic(shadows: ShadowService) -> None:
    heard: list[tuple[str, Any]] = []
    stop = shadows.on_message(lambda topic, payload: heard.append((topic, read(payload))))
    await shadows.set_desired("core-gda", {"DeploymentId": "d1"})
    assert [topic for topic, _ in heard] == [
        "$aws/things/core-gda/shadow/update/accepted",
        "$aws/things/core-gda/shadow/update/delta",
        "$aws/things/core-gda/shadow/update/documents",
    ]
    assert heard[1][1]["state"] == {"DeploymentId": "d1"}
    heard.clear()
    await shadows.update("core-gda", b'{"state":{"reported":{"DeploymentId":"d1"}}}')
    assert [topic.rpartition("/")[2] for topic, _ in heard] == ["accepted", "documents"]
    heard.clear()
    await shadows.delete("core-gda")
    assert [topic for topic, _ in heard] == ["$aws/things/core-gda/shadow/delete/accepted"]
    stop()
    await shadows.set_desired("core-gda", {"DeploymentId": "d2"})
    assert len(heard) == 1


async def test_a_refused_update_changes_nothing_and_tells_nobody(shadows: ShadowService) -> None:
    await shadows.update("lamp", b'{"state":{"desired":{"on":true}}}')
    heard: list[str] = []
    shadows.on_message(lambda topic, _: heard.append(topic))
    with pytest.raises(ShadowError, match="Version conflict"):
        await shadows.update("lamp", b'{"state":{"desired":{"on":false}},"version":7}')
    assert heard == []
    assert read(await shadows.get("lamp"))["version"] == 1


@pytest.mark.parametrize("name", ["", "a/b", "a b", "x" * 129, "../x", "a#"])
async def test_a_name_that_no_thing_can_have_is_refused(shadows: ShadowService, name: str) -> None:
    with pytest.raises(ShadowError, match="Invalid thing name"):
        await shadows.update(name, b'{"state":{}}')
    with pytest.raises(ShadowError, match="Invalid thing name"):
        await shadows.get(name)


async def _make(shadows: ShadowService, thing: str, *names: str) -> None:
    for name in names:
        await shadows.update(thing, b'{"state":{"reported":{"x":1}}}', shadow_name=name)


async def test_named_shadows_are_apart_from_the_classic_one_and_from_each_other(
    shadows: ShadowService,
) -> None:
    await shadows.update("lamp", b'{"state":{"reported":{"classic":1}}}')
    await _make(shadows, "lamp", "one", "two")
    await shadows.delete("lamp", shadow_name="one")
    assert read(await shadows.get("lamp"))["state"] == {"reported": {"classic": 1}}
    assert read(await shadows.get("lamp", shadow_name="two"))["version"] == 1
    with pytest.raises(ShadowError, match="No shadow exists with name: 'one'"):
        await shadows.get("lamp", shadow_name="one")


@pytest.mark.parametrize("name", ["/", "a/b", "a b", "x" * 65, "ä", "#", "*"])
async def test_a_name_that_no_named_shadow_can_have_is_refused(
    shadows: ShadowService, name: str
) -> None:
    with pytest.raises(ShadowError, match="Invalid shadow name") as refused:
        await shadows.update("lamp", b'{"state":{}}', shadow_name=name)
    assert refused.value.status == 400


async def test_names_are_listed_page_by_page_without_deleted_ones(shadows: ShadowService) -> None:
    await shadows.update("lamp", b'{"state":{}}')
    await _make(shadows, "lamp", *(f"n{number}" for number in range(7)))
    await _make(shadows, "lamps", "other")
    for gone in ("n0", "n2", "n3"):
        await shadows.delete("lamp", shadow_name=gone)
    pages, token = [], None
    while True:
        page = await shadows.names("lamp", limit=2, after=token)
        pages.append(page.results)
        token = page.next_token
        if token is None:
            break
    assert pages == [("n1", "n4"), ("n5", "n6")]
    assert (await shadows.names("fan")).results == ()
    with pytest.raises(InvalidPageTokenError):
        await shadows.names("lamps", after=(await shadows.names("lamp", limit=1)).next_token)


async def test_more_requests_at_once_than_a_thing_may_have_are_refused(
    shadows: ShadowService, store: Store
) -> None:
    """They wait for a writer here; the cloud's own changes are not held up by those of others."""
    update = b'{"state":{"reported":{"x":1}}}'
    async with asyncio.TaskGroup() as tasks, store.transaction():
        waiting = [
            tasks.create_task(shadows.update("lamp", update, shadow_name=f"n{number % 2}"))
            for number in range(MAX_IN_FLIGHT_PER_THING)
        ]
        own = tasks.create_task(shadows.set_desired("lamp", {"a": 1}))
        await asyncio.sleep(0)
        with pytest.raises(ShadowError, match="Too many requests") as refused:
            await shadows.get("lamp")
        assert refused.value.status == 429
        with pytest.raises(ShadowError, match="No shadow"):
            await shadows.get("fan")
    assert sorted(read(task.result())["version"] for task in waiting) == sorted([*range(1, 6)] * 2)
    assert read(own.result())["version"] == 1
    assert read(await shadows.get("lamp"))["version"] == 1


async def test_changes_at_once_are_all_made_and_told_in_the_order_of_versions(
    shadows: ShadowService,
) -> None:
    heard: list[int] = []

    def hear(topic: str, payload: bytes) -> None:
        if topic.endswith("/update/accepted"):
            heard.append(read(payload)["version"])

    shadows.on_message(hear)
    await asyncio.gather(
        *(
            shadows.update("lamp", msgspec.json.encode({"state": {"reported": {f"k{n}": n}}}))
            for n in range(MAX_IN_FLIGHT_PER_THING)
        )
    )
    assert heard == list(range(1, MAX_IN_FLIGHT_PER_THING + 1))
    state = read(await shadows.get("lamp"))["state"]["reported"]
    assert state == {f"k{n}": n for n in range(MAX_IN_FLIGHT_PER_THING)}


async def test_a_change_whose_asker_went_away_is_told_if_it_was_made(
    shadows: ShadowService,
) -> None:
    heard: list[str] = []
    shadows.on_message(lambda topic, _payload: heard.append(topic))
    for _ in range(20):
        change = shadows.update("lamp", b'{"state":{"desired":{"a":1}}}')
        asking = asyncio.get_running_loop().create_task(change)
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    await shadows.update("lamp", b'{"state":{"desired":{"a":1}}}')
    versions = read(await shadows.get("lamp"))["version"]
    assert len(heard) == 3 * versions


async def test_a_deletion_that_waits_behind_an_update_is_for_what_the_update_made(
    shadows: ShadowService,
) -> None:
    await shadows.update("lamp", b'{"state":{"reported":{"x":1}}}')
    update, stale, delete = await asyncio.gather(
        shadows.update("lamp", b'{"state":{"reported":{"x":2}}}'),
        shadows.delete("lamp", b'{"version":1}'),
        shadows.delete("lamp"),
        return_exceptions=True,
    )
    assert isinstance(update, bytes)
    assert isinstance(stale, ShadowError)
    assert stale.status == 409
    assert isinstance(delete, bytes)
    assert read(delete)["version"] == 2
