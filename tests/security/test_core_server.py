"""Attacks on a core's local MQTT server: get in, speak as another, reach past the table."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable

import pytest
from tests.support.cloud_documents import Device, cloud_keys
from tests.support.local_server import Local, local_server
from tests.support.mqtt_client import ConnectionEndedError, MqttClient
from tests.support.pki import (
    Identity,
    authority_as_device,
    expired,
    new_authority,
    new_identity,
    not_yet_valid,
    self_signed,
)

from hedgerow.contract import CLOUD
from hedgerow.mqtt import ProtocolVersion, ReasonCode
from hedgerow.mqtt.codec import Disconnect, Will
from hedgerow.pki import certificate_id

REFUSED = (ssl.SSLError, ConnectionEndedError, ConnectionError)


@pytest.fixture
async def local() -> AsyncIterator[Local]:
    """Rows: A -> B on t/ab, A -> cloud on t/up, cloud -> B on t/down."""
    rows = [("A", "t/ab", "B"), ("A", "t/up", CLOUD), (CLOUD, "t/down", "B")]
    async with local_server("A", "B", "C", rows=rows) as made:
        yield made


def device(local: Local, name: str) -> Device:
    return next(d for d in local.double.devices if d.name == name)


async def attempt(local: Local, identity: Device | Identity | None, client_id: str) -> None:
    """Try to get in; raises one of `REFUSED` if that ends before an answer."""
    async with await local.transport(identity) as client:
        await client.connect(client_id)


def an_unregistered_device() -> Identity:
    """Return a certificate like the group's own: same authority, same subject, not in the list."""
    stranger = cloud_keys().device("A")
    return Identity(stranger.key, stranger.certificate_pem)


def a_registered_subject_from_another_ca() -> Identity:
    return new_identity(new_authority("cloud devices"))


@pytest.mark.promise(1)
@pytest.mark.promise(2)
@pytest.mark.spec("A04", "B08")
@pytest.mark.parametrize(
    "attacker",
    [
        an_unregistered_device,
        a_registered_subject_from_another_ca,
        self_signed,
        expired,
        not_yet_valid,
        authority_as_device,
        lambda: None,
    ],
    ids=[
        "unregistered", "another-ca", "self-signed", "expired", "not-yet-valid", "authority", "none"
    ],
)  # fmt: skip
async def test_only_exactly_the_listed_certificates_finish_the_handshake(
    local: Local, attacker: Callable[[], Identity | None]
) -> None:
    with pytest.raises(REFUSED):
        await attempt(local, attacker(), "A")
    assert local.server.broker.counters.connections == 0
    async with await local.connected(device(local, "A")) as a:
        await a.sync()


@pytest.mark.promise(2)
async def test_a_listed_certificate_that_has_expired_is_refused(local: Local) -> None:
    old = expired()
    local.double.devices.append(Device("A", old.key, old.certificate_pem))
    local.serve()
    with pytest.raises(REFUSED):
        await attempt(local, old, "A")


@pytest.mark.promise(1)
@pytest.mark.spec("B08")
async def test_plain_tcp_gets_no_answer(local: Local) -> None:
    async with await MqttClient.open("127.0.0.1", local.server.port) as client:
        with pytest.raises((ConnectionEndedError, ConnectionError)):
            await client.connect("A")
    assert local.server.broker.counters.connections == 0


@pytest.mark.promise(2)
@pytest.mark.spec("A04")
@pytest.mark.parametrize("version", [ProtocolVersion.V311, ProtocolVersion.V5])
@pytest.mark.parametrize("client_id", ["B", "a", "A ", "A/", "", "*", "core-1"])
async def test_a_right_certificate_with_another_client_id_is_refused_and_closed(
    local: Local, client_id: str, version: ProtocolVersion
) -> None:
    async with await local.transport(device(local, "A"), version) as client:
        answer = await client.connect(client_id)
        assert answer.reason != 0
        await client.expect_end()
    assert local.server.broker.sessions == ()


@pytest.mark.promise(2)
async def test_a_refused_client_is_told_which_id_its_certificate_has(local: Local) -> None:
    async with await local.transport(device(local, "A")) as client:
        answer = await client.connect("B")
        assert answer.reason is ReasonCode.CLIENT_IDENTIFIER_NOT_VALID
        assert "must be the thing name 'A'" in (answer.properties.reason_string or "")


@pytest.mark.promise(2)
async def test_a_device_cannot_throw_another_off_by_its_client_id(local: Local) -> None:
    async with await local.connected(device(local, "A")) as a:
        async with await local.transport(device(local, "B")) as b:
            assert (await b.connect("A")).reason != 0
        await a.sync()


@pytest.mark.promise(3)
@pytest.mark.spec("F01", "F02")
async def test_of_all_pairs_only_those_with_a_row_reach_each_other(local: Local) -> None:
    clients = {name: await local.connected(device(local, name)) for name in "ABC"}
    await clients["B"].subscribe("#", "t/ab", "t/down")
    for topic in ("t/ab", "t/up", "t/down", "t", "t/ab/x", "$SYS/x", "$aws/things/B/shadow/get"):
        for name in "ABC":
            await clients[name].publish(topic, name.encode())
    await clients["A"].publish("t/ab", b"last")
    received = []
    while (message := await clients["B"].message()).payload != b"last":
        received.append((message.topic, message.payload))
    assert received == [("t/ab", b"A")]
    assert local.to_cloud == [("t/up", b"A")]
    for name in "AC":
        await clients[name].sync()
    for client in clients.values():
        await client.close()


@pytest.mark.promise(3)
async def test_a_subscription_that_no_row_serves_is_refused(local: Local) -> None:
    async with await local.connected(device(local, "C")) as c:
        answer = await c.subscribe("t/ab", "#", "+/+", "$SYS/#", "$share/g/t/ab")
        assert all(code >= 0x80 for code in answer.reasons)


@pytest.mark.promise(3)
async def test_a_will_passes_only_along_a_row(local: Local) -> None:
    async with await local.connected(device(local, "B")) as b:
        await b.subscribe("t/ab")
        for topic in ("t/down", "t/ab"):
            client = await local.transport(device(local, "A"))
            await client.connect("A", will=Will(topic=topic, payload=topic.encode()))
            client.abort()
            await client.close()
        assert (await b.message()).payload == b"t/ab"


@pytest.mark.promise(3)
async def test_a_message_of_the_cloud_goes_to_targets_of_its_rows_only(local: Local) -> None:
    async with (
        await local.connected(device(local, "B")) as b,
        await local.connected(device(local, "C")) as c,
    ):
        await b.subscribe("#")
        local.server.publish_from_cloud("t/ab", b"not a row of the cloud's")
        local.server.publish_from_cloud("t/#", b"not a topic")
        local.server.publish_from_cloud("t/down", b"down")
        assert (await b.message()).payload == b"down"
        await c.sync()
    assert local.to_cloud == []


@pytest.mark.promise(4)
async def test_a_revoked_certificate_is_cut_at_once_and_shut_out(local: Local) -> None:
    a, b = device(local, "A"), device(local, "B")
    async with await local.connected(a) as client, await local.connected(b) as other:
        local.double.revoke(a)
        begun = time.monotonic()
        local.serve()
        [goodbye] = await client.expect_end()
        assert time.monotonic() - begun < 1
        assert isinstance(goodbye, Disconnect)
        assert "no longer" in (goodbye.properties.reason_string or "")
        await other.sync()
    with pytest.raises(REFUSED):
        await attempt(local, a, "A")


@pytest.mark.promise(4)
async def test_a_certificate_revoked_between_handshake_and_connect_is_refused(
    local: Local,
) -> None:
    """In TLS 1.2 the server has the last word of a handshake, so that it is over here."""
    a = device(local, "A")
    async with await local.transport(a, suite="ECDHE-ECDSA-AES128-GCM-SHA256") as client:
        local.double.revoke(a)
        local.serve()
        assert (await client.connect("A")).reason is ReasonCode.NOT_AUTHORIZED


@pytest.mark.promise(4)
async def test_a_device_that_left_the_group_is_cut_even_if_its_certificate_is_listed(
    local: Local,
) -> None:
    a = device(local, "A")
    async with await local.connected(a) as client:
        local.double.departed.add("A")
        local.serve()
        await client.expect_end()
    with pytest.raises(REFUSED):
        await attempt(local, a, "A")


@pytest.mark.promise(4)
async def test_a_row_that_is_gone_delivers_nothing_more_to_a_live_subscription(
    local: Local,
) -> None:
    async with (
        await local.connected(device(local, "A")) as a,
        await local.connected(device(local, "B")) as b,
    ):
        await b.subscribe("t/ab")
        await a.publish("t/ab", b"before", qos=1)
        assert (await b.message()).payload == b"before"
        local.double.rows = [row for row in local.double.rows if row[1] != "t/ab"]
        local.serve()
        answer = await a.publish("t/ab", b"after", qos=1)
        assert answer is not None
        assert answer.reason is ReasonCode.NOT_AUTHORIZED
        assert "t/ab" in (answer.properties.reason_string or "")
        local.server.publish_from_cloud("t/down", b"other rows go on")
        await b.sync()


@pytest.mark.promise(5)
@pytest.mark.spec("C05")
async def test_a_new_server_certificate_disconnects_nobody_and_greets_the_next(
    local: Local,
) -> None:
    async with await local.connected(device(local, "A")) as a:
        for _ in range(3):
            renewed = local.renew_certificate()
            await a.sync()
        async with await local.connected(device(local, "B")) as b:
            connection = b.transport.get_extra_info("ssl_object")
            presented = connection.getpeercert(binary_form=True)
    assert certificate_id(presented) == certificate_id(renewed.pem)
    assert local.server.broker.counters.connections == 2


@pytest.mark.promise(5)
@pytest.mark.spec("C06")
async def test_after_the_certificate_ended_new_connections_are_refused_and_old_ones_stay(
    local: Local,
) -> None:
    async with (
        await local.connected(device(local, "A")) as a,
        await local.connected(device(local, "B")) as b,
        await local.transport(device(local, "C")) as late,
    ):
        await b.subscribe("t/ab")
        local.server.serve_certificate(None)
        with pytest.raises(REFUSED):
            await attempt(local, device(local, "C"), "C")
        assert (await late.connect("C")).reason is ReasonCode.SERVER_UNAVAILABLE
        await a.publish("t/ab", b"still here")
        assert (await b.message()).payload == b"still here"
        local.renew_certificate()
        async with await local.connected(device(local, "C")) as c:
            await c.sync()


@pytest.mark.promise(2)
async def test_before_a_deployment_and_after_a_reset_nobody_gets_in(local: Local) -> None:
    a = device(local, "A")
    async with await local.connected(a) as client:
        local.server.stop_serving()
        await client.expect_end()
    with pytest.raises(REFUSED):
        await attempt(local, a, "A")


async def test_many_strangers_at_once_do_not_keep_a_device_out(local: Local) -> None:
    async def knock() -> None:
        with pytest.raises(REFUSED):
            await attempt(local, an_unregistered_device(), "A")

    async with asyncio.TaskGroup() as tasks:
        for _ in range(30):
            tasks.create_task(knock())
        async with await local.connected(device(local, "A")) as a:
            await a.sync()


async def test_a_refusal_is_counted_with_its_reason(local: Local) -> None:
    async with await local.connected(device(local, "A")) as a:
        await a.publish("nowhere", b"x", qos=1)
    async with await local.transport(device(local, "A")) as client:
        await client.connect("B")
    refusals = local.server.refusals.counters
    assert refusals["publish: publish-denied"] == 1
    assert sum(count for name, count in refusals.items() if name.startswith("connect:")) == 1
