"""Promise 4 attacked at the cloud: what is taken away ends live connections within one second."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from tests.support.cloud_edge import CloudEdge, MqttDevice, cloud_edge, mqtt_device
from tests.support.pki import new_identity
from tests.support.registry import (
    HOME,
    Device,
    Registrar,
    allow,
    as_device,
    deny,
    foreign_authority,
    issued,
    our_authority,
    policy,
)

from hedgerow.cloud.iot import policies, things

pytestmark = pytest.mark.promise(4)

AT_MOST_S = 1.0

Change = Callable[[Registrar, Device], Awaitable[None]]


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[CloudEdge]:
    async with cloud_edge(tmp_path) as opened:
        yield opened


async def detach_and_delete_thing(registrar: Registrar, device: Device) -> None:
    await registrar.detach_thing("lamp", device)
    async with registrar.store.transaction() as tx:
        await things.delete(tx, HOME, {"thingName": "lamp"})


async def add_deny(registrar: Registrar, device: Device) -> None:
    await registrar.policy("no", policy(deny("iot:Connect", "client/lamp")))
    await registrar.attach_policy("no", device)


async def back_to_version_one(registrar: Registrar, _device: Device) -> None:
    """Roll a policy back to a version that did not allow the device to connect."""
    async with registrar.store.transaction() as tx:
        await policies.set_default_version(tx, HOME, "lamp-policy", "1")


CUTS: dict[str, Change] = {
    "revoked": lambda registrar, device: registrar.status(device, "REVOKED"),
    "deactivated": lambda registrar, device: registrar.status(device, "INACTIVE"),
    "thing detached": lambda registrar, device: registrar.detach_thing("lamp", device),
    "thing deleted": detach_and_delete_thing,
    "policy detached": lambda registrar, device: registrar.detach_policy("lamp-policy", device),
    "policy edited": lambda registrar, _device: registrar.edit_policy(
        "lamp-policy", policy(allow("iot:Connect", "client/fan"))
    ),
    "policy rolled back": back_to_version_one,
    "denied by a further policy": add_deny,
}


async def enrolled(edge: CloudEdge, identity: Device | None = None) -> Device:
    """Register a lamp whose policy allowed nothing in version 1 and everything in version 2."""
    device = identity or issued()
    await edge.registrar.enrol("lamp", device, policy(allow("iot:Publish", "topic/none")))
    await edge.registrar.edit_policy("lamp-policy", policy(allow("iot:*", "*")))
    return device


@pytest.mark.parametrize("cut", CUTS)
async def test_a_live_connection_is_cut_within_a_second(edge: CloudEdge, cut: str) -> None:
    device = await enrolled(edge)
    other = issued()
    await edge.registrar.enrol("fan", other)
    async with (
        mqtt_device(edge, other, "fan") as bystander,
        mqtt_device(edge, device, "lamp") as lamp,
    ):
        started = time.monotonic()
        await CUTS[cut](edge.registrar, device)
        goodbye = await lamp.ended()
        assert goodbye.at - started < AT_MOST_S
        assert goodbye.reason, "an MQTT 5 client is told why"
        assert edge.broker.client_ids == ("fan",)
        assert (await bystander.publish("still/here"))[0] < 0x80
    again = MqttDevice(edge.port, device, "lamp")
    assert (await again.connect())[0] == 0x87
    await again.close()


async def test_all_connections_of_a_core_are_cut(edge: CloudEdge) -> None:
    device = await enrolled(edge)
    async with (
        mqtt_device(edge, device, "lamp") as first,
        mqtt_device(edge, device, "lamp-c00") as second,
    ):
        started = time.monotonic()
        await edge.registrar.status(device, "REVOKED")
        for connection in (first, second):
            assert (await connection.ended()).at - started < AT_MOST_S


async def test_a_foreign_certificate_is_cut_and_then_stopped_by_tls(edge: CloudEdge) -> None:
    device = await enrolled(edge, as_device(new_identity(foreign_authority())))
    async with mqtt_device(edge, device, "lamp") as lamp:
        started = time.monotonic()
        await edge.registrar.status(device, "REVOKED")
        assert (await lamp.ended()).at - started < AT_MOST_S
    again = MqttDevice(edge.port, device, "lamp")
    with pytest.raises(OSError, match=r"(?i)alert|ended"):
        await again.connect()
    await again.close()


async def test_a_handshake_that_began_before_the_revocation_gets_no_further(
    edge: CloudEdge,
) -> None:
    """Between TLS and CONNECT a certificate can be revoked: it is looked up again at CONNECT."""
    device = await enrolled(edge)
    context = device.client_context(our_authority().certificate_pem)
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", edge.port, ssl=context, server_hostname="localhost"
    )
    await edge.registrar.status(device, "REVOKED")
    writer.write(bytes.fromhex("101000044d5154540402003c0004") + b"lamp")
    answer = await reader.read()
    assert answer == bytes([0x20, 2, 0, 5])
    writer.close()


async def test_a_will_of_a_revoked_device_stays_unsaid(edge: CloudEdge) -> None:
    device = await enrolled(edge)
    other = issued()
    await edge.registrar.enrol("fan", other)
    async with mqtt_device(edge, other, "fan") as fan:
        await fan.subscribe("#")
        async with mqtt_device(edge, device, "lamp", will=("lamp/will", b"w")) as lamp:
            await edge.registrar.status(device, "REVOKED")
            await lamp.ended()
        await edge.broker.publish("marker", b"")
        assert (await fan.received()).topic == "marker"


async def test_lost_permissions_are_judged_anew_on_a_live_connection(edge: CloudEdge) -> None:
    """The connection may stay; what it may say and hear changes with the next message."""
    device = await enrolled(edge)
    async with mqtt_device(edge, device, "lamp") as lamp:
        await lamp.subscribe("a")
        await lamp.subscribe("b")
        await edge.broker.publish("a", b"before")
        assert (await lamp.received()).payload == b"before"
        await lamp.publish("said")
        text = policy(
            allow("iot:Connect", "client/lamp"),
            allow("iot:Subscribe", "topicfilter/*"),
            allow("iot:Receive", "topic/b"),
        )
        await edge.registrar.edit_policy("lamp-policy", text)
        await edge.broker.publish("a", b"after")
        await edge.broker.publish("b", b"after")
        assert (await lamp.received()).topic == "b"
        await lamp.publish("said", qos=0)
        assert (await lamp.ended()).code == 0x87


async def test_a_subscription_that_is_no_longer_allowed_brings_nothing(edge: CloudEdge) -> None:
    device = await enrolled(edge)
    async with mqtt_device(edge, device, "lamp") as lamp:
        await lamp.subscribe("a")
        await lamp.subscribe("b")
        text = policy(
            allow("iot:Connect", "client/lamp"),
            allow("iot:Subscribe", "topicfilter/b"),
            allow("iot:Receive", "topic/*"),
        )
        await edge.registrar.edit_policy("lamp-policy", text)
        await edge.broker.publish("a", b"x")
        await edge.broker.publish("b", b"x")
        assert (await lamp.received()).topic == "b"


async def test_a_change_that_takes_nothing_away_cuts_nobody(edge: CloudEdge) -> None:
    device = await enrolled(edge)
    async with mqtt_device(edge, device, "lamp") as lamp:
        await edge.registrar.policy("more", policy(allow("iot:Publish", "topic/more")))
        await edge.registrar.attach_policy("more", device)
        await edge.registrar.edit_policy("lamp-policy", policy(allow("iot:*", "*", "client/x")))
        second = issued()
        await edge.registrar.certificate(second)
        await edge.registrar.attach_thing("lamp", second)
        assert (await lamp.publish("still/here"))[0] < 0x80
        assert not lamp.goodbye.done()
