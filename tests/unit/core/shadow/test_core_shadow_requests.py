"""The queue of requests: in order, bounded, and along rows of a real local server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from tests.support.core import until
from tests.support.core_shadows import group_of, shadows_in
from tests.support.local_server import Local, local_server
from tests.support.mqtt_client import MqttClient

from hedgerow.contract import CLOUD, SHADOW_SERVICE, ShadowId
from hedgerow.core.shadow import LocalShadows, ShadowRequests
from hedgerow.core.shadow.requests import MAX_WAITING_PER_THING
from hedgerow.mqtt import Message

UPDATE = "$aws/things/A/shadow/update"
ROWS = [
    ("B", UPDATE, SHADOW_SERVICE),
    ("B", "$aws/things/stranger/shadow/update", SHADOW_SERVICE),
    (SHADOW_SERVICE, f"{UPDATE}/#", "A"),
    (SHADOW_SERVICE, f"{UPDATE}/documents", CLOUD),
    (CLOUD, UPDATE, SHADOW_SERVICE),
    ("A", f"{UPDATE}/accepted", "B"),
    ("A", UPDATE, "B"),
    ("B", "$aws/things/B/shadow/#", SHADOW_SERVICE),
    (SHADOW_SERVICE, "$aws/things/B/shadow/#", "B"),
]


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[tuple[Local, LocalShadows]]:
    """Serve a group with B allowed to change A's shadow, and A to hear of it."""
    with shadows_in(folder, group_of("A", "B")) as shadows:
        requests = ShadowRequests(shadows.local)
        async with local_server("A", "B", rows=ROWS, to_shadows=requests.take) as local:
            shadows.local._publish = local.server.publish_from_shadows
            task = asyncio.get_running_loop().create_task(requests.run())
            try:
                yield local, shadows.local
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


async def next_of(client: MqttClient) -> tuple[str, dict[str, object]]:
    received = await client.message()
    return received.topic, msgspec.json.decode(received.payload)


@pytest.mark.spec("Q03")
async def test_one_device_changes_the_shadow_of_another_along_rows(tmp_path: Path) -> None:
    async with (
        served(tmp_path) as (local, shadows),
        await local.connected(local.double.devices[0]) as a,
        await local.connected(local.double.devices[1]) as b,
    ):
        await a.subscribe(f"{UPDATE}/#")
        await b.subscribe(f"{UPDATE}/accepted")
        await a.publish(UPDATE, b'{"state":{"desired":{"by":"A"}}}', qos=1)
        await b.publish(UPDATE, b'{"state":{"desired":{"by":"B"}}}', qos=1)
        topics = [await next_of(a) for _ in range(3)]
        assert [topic for topic, _ in topics] == [
            f"{UPDATE}/accepted",
            f"{UPDATE}/delta",
            f"{UPDATE}/documents",
        ]
        assert topics[0][1]["version"] == 1
        assert [topic for topic, _ in local.to_cloud] == [f"{UPDATE}/documents"]
        local.server.publish_from_cloud(UPDATE, b'{"state":{"desired":{"by":"cloud"}}}')
        assert (await next_of(a))[1]["state"] == {"desired": {"by": "cloud"}}
        assert shadows.kept(ShadowId("A")).shadow.version == 2
        await a.publish(f"{UPDATE}/accepted", b'{"by":"A"}')
        assert await next_of(b) == (f"{UPDATE}/accepted", {"by": "A"})


@pytest.mark.spec("Q01")
async def test_every_member_has_the_unnamed_shadow_and_named_ones_apart_from_it(
    tmp_path: Path,
) -> None:
    own = "$aws/things/B/shadow"
    async with (
        served(tmp_path) as (local, shadows),
        await local.connected(local.double.devices[1]) as b,
    ):
        await b.subscribe(f"{own}/#")
        await b.publish(f"{own}/name/other/update", b'{"state":{"desired":{"x":1}}}')
        told = [await next_of(b) for _ in range(3)]
        assert [topic for topic, _ in told] == [
            f"{own}/name/other/update/{event}" for event in ("accepted", "delta", "documents")
        ]
        await b.publish(f"{own}/get")
        topic, answer = await next_of(b)
        assert (topic, answer["code"]) == (f"{own}/get/rejected", 404)
        assert answer["message"] == "No shadow exists with name: 'B'"
        await b.publish(f"{own}/name/none/get")
        topic, answer = await next_of(b)
        assert (topic, answer["code"]) == (f"{own}/name/none/get/rejected", 404)
        assert answer["message"] == "No shadow exists with name: 'none'"
        await b.publish(f"{own}/update", b'{"state":{"reported":{"y":1}}}')
        assert (await next_of(b))[0] == f"{own}/update/accepted"
        assert shadows.kept(ShadowId("B", "other")).shadow.desired == {"x": 1}
        assert shadows.kept(ShadowId("B")).shadow.desired is None
        assert {shadows.kept(ShadowId(name)).shadow.version for name in ("A", "core-1")} == {0}


async def test_a_row_to_the_shadow_of_a_stranger_changes_nothing(tmp_path: Path) -> None:
    async with (
        served(tmp_path) as (local, shadows),
        await local.connected(local.double.devices[0]) as a,
        await local.connected(local.double.devices[1]) as b,
    ):
        await a.subscribe(f"{UPDATE}/#")
        await b.publish("$aws/things/stranger/shadow/update", b'{"state":{}}', qos=1)
        await b.publish(UPDATE, b'{"state":{"desired":{"by":"B"}}}', qos=1)
        assert (await next_of(a))[0] == f"{UPDATE}/accepted"
        assert shadows.kept(ShadowId("stranger")).shadow.deleted


async def test_requests_are_answered_in_order_and_too_many_at_once_are_refused(
    tmp_path: Path,
) -> None:
    with shadows_in(tmp_path, group_of("A")) as shadows:
        requests = ShadowRequests(shadows.local)
        count = MAX_WAITING_PER_THING + 3
        for number in range(count):
            body = msgspec.json.encode({"state": {"reported": {"n": number}}})
            requests.take(Message(UPDATE, body, 0, "somebody"))
        requests.take(Message(f"{UPDATE}/accepted", b"", 0, "somebody"))
        requests.take(Message(UPDATE, b"{}", 0, "somebody", is_will=True))
        task = asyncio.get_running_loop().create_task(requests.run())
        await until(lambda: len(shadows.published) == 2 * MAX_WAITING_PER_THING + 3)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        accepted = [body["state"]["reported"]["n"] for topic, body in shadows.published
                    if topic == f"{UPDATE}/accepted"]  # fmt: skip
        assert accepted == list(range(MAX_WAITING_PER_THING))
        refused = [body["code"] for topic, body in shadows.published
                   if topic == f"{UPDATE}/rejected"]  # fmt: skip
        assert refused == [429] * 3
