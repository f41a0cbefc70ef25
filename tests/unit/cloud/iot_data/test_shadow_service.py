"""Shadows in a real store: they last, they are apart, and listeners hear of each change."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.clock import ManualClock

from hedgerow.cloud.home import Home
from hedgerow.cloud.iot_data import ShadowService
from hedgerow.shadow import ShadowError
from hedgerow.store import MasterKey, Store

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
