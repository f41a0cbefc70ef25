"""Attacks on the cloud broker's door: who gets in, and where the others are stopped."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from tests.support.cloud_edge import CloudEdge, MqttDevice, cloud_edge, mqtt_device
from tests.support.pki import (
    Identity,
    authority_as_device,
    expired,
    new_identity,
    not_yet_valid,
    self_signed,
)
from tests.support.registry import (
    allow,
    as_device,
    deny,
    foreign_authority,
    issued,
    policy,
)

pytestmark = pytest.mark.promise(1)

NOT_AUTHORIZED = 0x87


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[CloudEdge]:
    async with cloud_edge(tmp_path) as opened:
        yield opened


async def assert_stopped_by_tls(edge: CloudEdge, identity: Identity | None) -> None:
    """Fail unless the handshake fails, or, with TLS 1.3, an alert comes before any answer."""
    before = sum(edge.listener.refusals.values())
    device = MqttDevice(edge.port, identity, "lamp")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await device.connect()
    await device.close()
    assert sum(edge.listener.refusals.values()) == before + 1
    assert edge.broker.client_ids == ()


@pytest.mark.parametrize(
    "make",
    [
        lambda: None,
        self_signed,
        expired,
        not_yet_valid,
        authority_as_device,
        lambda: new_identity(foreign_authority()),
    ],
    ids=["none", "self-signed", "expired", "not yet valid", "an authority", "another CA"],
)
async def test_who_has_no_certificate_of_ours_gets_a_tls_alert(
    edge: CloudEdge, make: Callable[[], Identity | None]
) -> None:
    await assert_stopped_by_tls(edge, make())


@pytest.mark.spec("B07")
async def test_plain_mqtt_gets_no_byte(edge: CloudEdge) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    writer.write(bytes.fromhex("101000044d5154540402003c0004") + b"lamp")
    await writer.drain()
    answer = await reader.read()
    assert not answer.startswith(b"\x20")
    writer.close()
    assert edge.broker.client_ids == ()


async def test_a_certificate_of_our_authority_that_is_not_registered_is_refused(
    edge: CloudEdge,
) -> None:
    """Being signed by us is not enough: identity is the exact certificate in the registry."""
    await edge.registrar.enrol("lamp", issued())
    stranger = MqttDevice(edge.port, issued(), "lamp")
    code, reason = await stranger.connect()
    assert code == NOT_AUTHORIZED
    assert "not registered" in reason
    await stranger.close()
    assert edge.broker.client_ids == ()
    assert edge.refusals[-1].code == "connect-denied"


@pytest.mark.spec("A02")
@pytest.mark.parametrize("missing", ["thing", "active certificate", "policy"])
async def test_each_of_the_three_conditions_is_needed(edge: CloudEdge, missing: str) -> None:
    device = issued()
    registrar = edge.registrar
    await registrar.thing("lamp")
    await registrar.policy("p")
    await registrar.certificate(device, "INACTIVE" if missing == "active certificate" else "ACTIVE")
    if missing != "thing":
        await registrar.attach_thing("lamp", device)
    if missing != "policy":
        await registrar.attach_policy("p", device)
    client = MqttDevice(edge.port, device, "lamp")
    code, reason = await client.connect()
    assert code == NOT_AUTHORIZED
    assert {"thing": "no thing", "active certificate": "INACTIVE", "policy": "no policy"}[
        missing
    ] in reason
    await client.close()


@pytest.mark.parametrize("make", [self_signed, lambda: new_identity(foreign_authority())])
async def test_exactly_the_registered_foreign_certificate_gets_in(
    edge: CloudEdge, make: Callable[[], Identity]
) -> None:
    """A stranded fleet keeps its certificates; its authority gets no say."""
    mine = as_device(make())
    await assert_stopped_by_tls(edge, mine)
    await edge.registrar.enrol("lamp", mine)
    async with mqtt_device(edge, mine, "lamp"):
        assert edge.broker.client_ids == ("lamp",)
    twin = as_device(make())
    device = MqttDevice(edge.port, twin, "lamp")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await device.connect()
    await device.close()
    await edge.registrar.status(mine, "INACTIVE")
    device = MqttDevice(edge.port, mine, "lamp")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await device.connect()
    await device.close()


async def test_what_a_registered_authority_like_certificate_signs_stays_out(
    edge: CloudEdge,
) -> None:
    """A certificate registered without its authority stands for itself alone, or for nobody."""
    as_authority = foreign_authority()
    own = as_device(Identity(as_authority.key, as_authority.certificate_pem))  # type: ignore[arg-type]  # a FileKey here
    await edge.registrar.enrol("lamp", own)
    for device in (own, issued(as_authority)):
        client = MqttDevice(edge.port, device, "lamp")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await client.connect()
        await client.close()


async def test_the_client_id_is_what_the_policy_says(edge: CloudEdge) -> None:
    device = issued()
    text = policy(allow("iot:Connect", "client/lamp", "client/lamp-c0?"))
    await edge.registrar.enrol("lamp", device, text)
    for client_id in ("fan", "lamp2", "Lamp", "lamp-c1", "lamp-*"):
        client = MqttDevice(edge.port, device, client_id)
        code, reason = await client.connect()
        assert code == NOT_AUTHORIZED, client_id
        assert "iot:Connect" in reason
        assert f"client/{client_id}" in reason
        await client.close()
    for client_id in ("lamp", "lamp-c00"):
        async with mqtt_device(edge, device, client_id):
            assert edge.broker.client_ids == (client_id,)


async def test_a_device_cannot_come_in_as_a_thing_that_is_not_its_own(edge: CloudEdge) -> None:
    """The usual fleet policy names the thing by variable; it has no value for a foreign name."""
    text = policy(allow("iot:Connect", "client/${iot:Connection.Thing.ThingName}"))
    lamp, fan = issued(), issued()
    await edge.registrar.enrol("lamp", lamp, text)
    await edge.registrar.enrol("fan", fan, text)
    impostor = MqttDevice(edge.port, fan, "lamp")
    assert (await impostor.connect())[0] == NOT_AUTHORIZED
    await impostor.close()
    async with mqtt_device(edge, fan, "fan"):
        pass


async def test_an_impostor_does_not_throw_the_owner_of_a_client_id_out(edge: CloudEdge) -> None:
    lamp, fan = issued(), issued()
    await edge.registrar.enrol("lamp", lamp)
    await edge.registrar.enrol("fan", fan, policy(allow("iot:Connect", "client/fan")))
    async with mqtt_device(edge, lamp, "lamp") as owner:
        impostor = MqttDevice(edge.port, fan, "lamp")
        assert (await impostor.connect())[0] == NOT_AUTHORIZED
        await impostor.close()
        assert (await owner.publish("still/here"))[0] < 0x80


async def test_an_explicit_deny_beats_every_allow(edge: CloudEdge) -> None:
    device = issued()
    await edge.registrar.enrol("lamp", device)
    await edge.registrar.policy("no", policy(deny("iot:Connect", "client/*")))
    await edge.registrar.attach_policy("no", device)
    client = MqttDevice(edge.port, device, "lamp")
    code, reason = await client.connect()
    assert (code, "deny" in reason) == (NOT_AUTHORIZED, True)
    await client.close()


@pytest.mark.promise(8)
async def test_every_refusal_leaves_a_record_of_who_and_why(edge: CloudEdge) -> None:
    device = issued()
    await edge.registrar.enrol("lamp", device, policy(allow("iot:Connect", "client/lamp")))
    client = MqttDevice(edge.port, device, "fan")
    await client.connect()
    await client.close()
    event = edge.refusals[-1]
    assert (event.action, event.client_id, event.identity) == ("connect", "fan", device.id)
    assert event.address == "127.0.0.1"
    assert "client/fan" in event.reason
