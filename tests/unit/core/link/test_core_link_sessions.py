"""Sessions that the cloud keeps, and the work queue behind which a message is acknowledged."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.cloud_double import CloudDouble, cloud_double
from tests.support.core import until
from tests.support.core_link import LinkedCore, client_ids

from hedgerow.core.link.sessions import HeldSubscriptions
from hedgerow.core.link.work import WorkQueue
from hedgerow.mqtt import Limits
from hedgerow.mqtt.codec import Connect

NUMBERED = "core-1-c00"


@pytest.fixture
async def cloud() -> AsyncIterator[CloudDouble]:
    async with cloud_double(limits=Limits(session_expiry_s=3600)) as made:
        yield made


def last_connect(cloud: CloudDouble, client_id: str) -> Connect:
    return [c for c in cloud.authority.connects if c.client_id == client_id][-1]


def payloads(core: LinkedCore) -> list[bytes]:
    return [message.payload for message in core.messages]


async def subscribed(cloud: CloudDouble, *filters: str, client_id: str = NUMBERED) -> None:
    await until(lambda: sorted(cloud.broker.subscriptions_of(client_id)) == sorted(filters))


@pytest.mark.spec("H09", "H10")
async def test_in_a_persistent_session_the_core_gets_what_was_published_while_it_was_away(
    cloud: CloudDouble, tmp_path: Path
) -> None:
    core = LinkedCore(cloud, tmp_path)
    async with core.running() as link:
        link.listen_to(["t/+"], persistent=True)
        await subscribed(cloud, "t/+")
        connect = last_connect(cloud, NUMBERED)
        assert (connect.clean_start, connect.properties.session_expiry_interval) == (False, 3600)
    await until(lambda: client_ids(cloud) == [])
    for number in range(3):
        cloud.broker.publish("x", "t/1", b"%d" % number, qos=1)
    again = LinkedCore(cloud, tmp_path)
    async with again.running() as link:
        link.listen_to(["t/+"], persistent=True)
        await until(lambda: payloads(again) == [b"0", b"1", b"2"])


@pytest.mark.spec("H09")
async def test_by_default_sessions_end_with_their_connection_and_what_comes_is_qos_0(
    cloud: CloudDouble, tmp_path: Path
) -> None:
    async with LinkedCore(cloud, tmp_path).running() as link:
        link.listen_to(["t/+"])
        await subscribed(cloud, "t/+")
        connect = last_connect(cloud, NUMBERED)
        assert (connect.clean_start, connect.properties.session_expiry_interval) == (True, None)
        [asked] = cloud.broker._engine.sessions[NUMBERED].subscriptions.values()
        assert asked.item.qos == 0
    await until(lambda: cloud.broker.subscriptions_of(NUMBERED) == ())


@pytest.mark.spec("H12")
async def test_shadows_and_notices_are_never_part_of_a_persistent_session(
    cloud: CloudDouble, tmp_path: Path
) -> None:
    async with LinkedCore(cloud, tmp_path).running() as link:
        link.listen_to(["t/1"], persistent=True)
        link.listen_to_shadows(["$aws/things/A/shadow/+/accepted"])
        await until(lambda: client_ids(cloud) == ["core-1", NUMBERED, "core-1-c01"])
        await subscribed(cloud, "$aws/things/A/shadow/+/accepted", client_id="core-1-c01")
        clean = {c.client_id: c.clean_start for c in cloud.authority.connects}
        assert clean == {"core-1": True, NUMBERED: False, "core-1-c01": True}
        link.listen_to(["t/1"])
        await until(lambda: client_ids(cloud) == ["core-1", NUMBERED])


async def test_what_a_kept_session_holds_too_much_is_taken_back(
    cloud: CloudDouble, tmp_path: Path
) -> None:
    """The cloud does not say what it holds; the core remembers, also over its end."""
    async with LinkedCore(cloud, tmp_path).running() as link:
        link.listen_to(["t/old", "t/both"], persistent=True)
        await subscribed(cloud, "t/old", "t/both")
    async with LinkedCore(cloud, tmp_path).running() as link:
        link.listen_to(["t/both", "t/new"], persistent=True)
        await subscribed(cloud, "t/both", "t/new")
        link.listen_to(["t/newest"], persistent=True)
        await subscribed(cloud, "t/newest")
        connects = len(cloud.authority.connects)
        link.listen_to(["t/newest", "t/2"], persistent=True)
        await subscribed(cloud, "t/newest", "t/2")
        assert len(cloud.authority.connects) == connects, "subscriptions change on the connection"


async def test_a_session_that_is_not_wanted_any_more_ends(
    cloud: CloudDouble, tmp_path: Path
) -> None:
    """The cloud would keep messages for it for an hour, and nobody would fetch them."""
    core = LinkedCore(cloud, tmp_path)
    async with core.running() as link:
        link.listen_to(["t/1"], persistent=True)
        await subscribed(cloud, "t/1")
        link.listen_to((), persistent=True)
        await until(lambda: NUMBERED not in cloud.broker._engine.sessions)
        await until(lambda: not HeldSubscriptions(core.config.folders.sessions).of(NUMBERED))


@pytest.mark.spec("H11")
async def test_a_message_is_acknowledged_once_it_is_in_the_queue_of_work_and_not_before(
    cloud: CloudDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two are above the limit: they are not lost, and come again when the core has gone down."""
    monkeypatch.setattr(WorkQueue, "run", _never)
    core = LinkedCore(cloud, tmp_path)
    core.link.work._limit = 1
    async with core.running() as link:
        link.listen_to(["t/1"], persistent=True)
        await subscribed(cloud, "t/1")
        for number in range(3):
            cloud.broker.publish("x", "t/1", b"%d" % number, qos=1)
        await until(lambda: link.work.waiting == 3)
        assert link.work.ignored == 0
    await until(lambda: client_ids(cloud) == [])
    monkeypatch.undo()
    again = LinkedCore(cloud, tmp_path)
    async with again.running() as link:
        link.listen_to(["t/1"], persistent=True)
        await until(lambda: payloads(again) == [b"1", b"2"])


async def _never(_self: WorkQueue) -> None:
    await asyncio.get_running_loop().create_future()


@pytest.mark.spec("H21")
async def test_messages_of_qos_0_above_the_limit_are_ignored_and_counted(
    cloud: CloudDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WorkQueue, "run", _never)
    assert LinkedCore(cloud, tmp_path).link.work._limit == 1024, "the documented default"
    limit = {"runtime": {"maxWorkItemCount": 2}}
    core = LinkedCore(cloud, tmp_path, beside=limit)
    async with core.running() as link:
        link.listen_to(["t/1"])
        await subscribed(cloud, "t/1")
        for number in range(5):
            cloud.broker.publish("x", "t/1", b"%d" % number)
        await until(lambda: link.work.ignored == 3)
        assert link.work.waiting == 2


@pytest.mark.spec("H21")
@pytest.mark.parametrize("first", ["topic", "shadow", "notice"])
async def test_topics_shadows_and_notices_share_one_limit(
    cloud: CloudDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    monkeypatch.setattr(WorkQueue, "run", _never)
    core = LinkedCore(cloud, tmp_path, beside={"runtime": {"maxWorkItemCount": 1}})
    places = {
        "topic": "t/1",
        "shadow": "$aws/things/A/shadow/update/accepted",
        "notice": "$aws/things/core-1-gda/shadow/update/delta",
    }
    async with core.running() as link:
        link.listen_to(["t/1"])
        link.listen_to_shadows(["$aws/things/A/shadow/+/accepted"])
        await subscribed(cloud, "t/1", "$aws/things/A/shadow/+/accepted")
        await link.wait_connected()
        cloud.broker.publish("x", places.pop(first), b"{}")
        await until(lambda: link.work.waiting == 1)
        for place in places.values():
            cloud.broker.publish("x", place, b"{}")
        await until(lambda: link.work.ignored == 2)
        assert link.work.waiting == 1


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b'{"core-1-c00": 1}', b"{"])
def test_a_damaged_memory_of_sessions_is_an_empty_one(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "sessions.json"
    path.write_bytes(content)
    held = HeldSubscriptions(path)
    assert held.of(NUMBERED) == frozenset()
    held.set(NUMBERED, ["a"])
    assert HeldSubscriptions(path).of(NUMBERED) == {"a"}
    held.set(NUMBERED, [])
    assert HeldSubscriptions(path).of(NUMBERED) == frozenset()
    assert path.stat().st_mode & 0o777 == 0o600
