import ssl
from collections.abc import AsyncIterator

import pytest
from tests.support.cloud_documents import Device
from tests.support.core import until
from tests.support.local_server import Local, local_server
from tests.support.mqtt_client import ConnectionEndedError

from hedgerow.contract import CLOUD, SHADOW_SERVICE
from hedgerow.mqtt import ProtocolVersion, ReasonCode
from hedgerow.pki import FileKey, device_certificate


@pytest.fixture
async def local() -> AsyncIterator[Local]:
    async with local_server("A", "B", rows=[("A", "t/ab", "B"), ("A", "t/+", CLOUD)]) as made:
        yield made


@pytest.mark.spec("F01")
@pytest.mark.parametrize("version", [ProtocolVersion.V311, ProtocolVersion.V5])
async def test_a_message_reaches_a_device_and_the_cloud_by_their_rows(
    local: Local, version: ProtocolVersion
) -> None:
    a, b = local.double.devices
    async with await local.connected(a, version) as sender, await local.connected(b) as receiver:
        await receiver.subscribe("t/ab")
        await sender.publish("t/ab", b"both", qos=1)
        assert (await receiver.message()).payload == b"both"
        await sender.publish("t/cd", b"cloud only", qos=1)
    assert local.to_cloud == [("t/ab", b"both"), ("t/cd", b"cloud only")]


@pytest.mark.spec("F08")
async def test_a_message_without_a_row_is_dropped_counted_and_explained(local: Local) -> None:
    a, _ = local.double.devices
    async with await local.connected(a) as sender:
        answer = await sender.publish("nowhere", b"x", qos=1)
        assert answer is not None
        assert answer.reason is ReasonCode.NOT_AUTHORIZED
        assert a.arn in (answer.properties.reason_string or "")
        await sender.publish("nowhere", b"y", qos=0)
        await sender.sync()
    assert local.server.refusals.counters["publish: publish-denied"] == 2
    assert local.server.refusals.without_row == {"A": 2}


@pytest.mark.spec("F07")
@pytest.mark.parametrize("version", [ProtocolVersion.V311, ProtocolVersion.V5])
async def test_a_message_is_tried_once_without_an_answer_and_kept_for_nobody(
    local: Local, version: ProtocolVersion
) -> None:
    a, b = local.double.devices
    async with await local.connected(a) as sender:
        for clean_start in (True, False):
            async with await local.transport(b, version) as receiver:
                answer = await receiver.connect("B", clean_start=clean_start)
                assert not answer.session_present
                await receiver.sync()
                granted = await receiver.subscribe("t/ab", qos=1)
                assert granted.reasons == (ReasonCode.SUCCESS,)
                await receiver.sync()
                await sender.publish("t/ab", b"now", qos=1)
                message = await receiver.message()
                assert (message.qos, message.packet_id) == (0, 0)
            await until(lambda: len(local.server.broker.sessions) == 1)
            await sender.publish("t/ab", b"while B was away", qos=1)


@pytest.mark.spec("P07")
async def test_a_deployment_keeps_the_clients_that_stay(local: Local) -> None:
    a, b = local.double.devices
    async with await local.connected(a) as sender, await local.connected(b) as receiver:
        await receiver.subscribe("t/ab")
        local.double.new_deployment("22222222-bbbb-4000-8000-000000000002")
        local.serve()
        await sender.publish("t/ab", b"as before", qos=1)
        assert (await receiver.message()).payload == b"as before"


@pytest.mark.spec("F01")
@pytest.mark.parametrize("version", [ProtocolVersion.V311, ProtocolVersion.V5])
async def test_a_subscription_that_no_row_serves_fails_with_a_reason_and_lives_with_a_later_row(
    local: Local, version: ProtocolVersion
) -> None:
    a, b = local.double.devices
    async with await local.connected(a, version) as waiting, await local.connected(b) as sender:
        answer = await waiting.subscribe("t/ba")
        if version is ProtocolVersion.V5:
            assert answer.reasons == (ReasonCode.NOT_AUTHORIZED,)
            assert "no row" in (answer.properties.reason_string or "")
        else:
            assert answer.reasons == (ReasonCode.UNSPECIFIED_ERROR,)
        await sender.publish("t/ba", b"no row yet", qos=1)
        local.double.rows.append((b.arn, "t/ba", a.arn))
        local.serve()
        await sender.publish("t/ba", b"now", qos=1)
        assert (await waiting.message()).payload == b"now"
        local.double.rows.pop()
        local.serve()
        await sender.publish("t/ba", b"no row any more", qos=1)
        await waiting.sync()
        assert [session.client_id for session in local.server.broker.sessions] == ["A", "B"]


async def test_rows_change_under_load_without_a_lost_client_or_half_a_message(
    local: Local,
) -> None:
    """Every message is sent while exactly one of two rows is there, and arrives by that one."""
    a, b = local.double.devices
    c = local.double.keys.device("C")
    local.double.devices.append(c)
    tables = [[(a.arn, "t/x", b.arn)], [(a.arn, "t/x", c.arn)]]
    local.double.rows = tables[0]
    local.serve()
    async with (
        await local.connected(a) as sender,
        await local.connected(b) as one,
        await local.connected(c) as other,
    ):
        await one.subscribe("t/x")
        await other.subscribe("t/x")
        for number in range(20):
            await sender.publish("t/x", b"%d" % number, qos=1)
            receiver = (one, other)[number % 2]
            assert (await receiver.message()).payload == b"%d" % number
            local.double.rows = tables[(number + 1) % 2]
            local.serve()
        assert len(local.server.broker.sessions) == 3


async def test_things_may_share_a_certificate(local: Local) -> None:
    a, _ = local.double.devices
    twin = Device("A-twin", a.key, a.certificate_pem)
    local.double.devices.append(twin)
    local.serve()
    async with await local.connected(a) as one, await local.connected(twin) as two:
        await one.sync()
        await two.sync()


async def test_a_row_to_the_shadow_service_leads_nowhere_else(local: Local) -> None:
    a, _ = local.double.devices
    local.double.rows = [(a.arn, "$aws/things/A/shadow/get", SHADOW_SERVICE)]
    local.serve()
    async with await local.connected(a) as client:
        answer = await client.publish("$aws/things/A/shadow/get", b"", qos=1)
        assert answer is not None
        assert answer.reason < ReasonCode.UNSPECIFIED_ERROR
    assert local.to_cloud == []


@pytest.mark.spec("G07", "G08")
async def test_the_documented_sizes_are_taken_and_no_more(local: Local) -> None:
    a, b = local.double.devices
    topic = "1/2/3/4/5/6/7/8"
    local.double.rows = [(a.arn, "#", b.arn)]
    local.serve()
    async with await local.connected(a) as sender, await local.connected(b) as receiver:
        await receiver.subscribe("#")
        await sender.publish(topic, b"x" * 128 * 1024, qos=1)
        assert len((await receiver.message()).payload) == 128 * 1024
        await sender.publish("x" * 256, b"", qos=1)
        assert (await receiver.message()).topic == "x" * 256
    for wrong, payload in ((topic + "/9", b""), ("x" * 257, b""), ("t", b"x" * (128 * 1024 + 1))):
        async with await local.connected(a) as sender:
            await sender.publish(wrong, payload)
            await sender.expect_end()


@pytest.mark.spec("G01")
async def test_a_group_may_have_2500_devices_and_changes_of_it_do_not_stall_the_others(
    local: Local,
) -> None:
    a, b = local.double.devices
    issue = local.double.keys.device_ca.issue
    certificates = [issue(device_certificate(), a.key.public_key) for _ in range(2499)]
    many = [Device(f"D{n}", a.key, pem) for n, pem in enumerate(certificates)]
    local.double.devices = [*many, b]
    local.double.rows = [("cloud", "t", b.arn)]
    local.serve()
    async with (
        await local.connected(b) as receiver,
        await local.connected(many[-1]) as last,
    ):
        await receiver.subscribe("t")
        local.double.revoke(many[0])
        new = local.double.keys.device("new")
        local.double.devices.append(new)
        local.serve()
        local.server.publish_from_cloud("t", b"at once")
        assert (await receiver.message()).payload == b"at once"
        async with await local.connected(new) as late:
            await late.sync()
        await last.sync()
    with pytest.raises((ssl.SSLError, ConnectionEndedError)):
        await local.connected(many[0])
    renewed = local.renew_certificate()
    async with await local.connected(new) as late:
        presented = late.transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
    assert presented == ssl.PEM_cert_to_DER_cert(renewed.pem)


@pytest.mark.spec("B01")
@pytest.mark.parametrize(
    ("suite", "key"),
    [
        ("ECDHE-RSA-AES256-GCM-SHA384", "RSA"),
        ("ECDHE-ECDSA-AES128-GCM-SHA256", "EC"),
        ("ECDHE-ECDSA-AES256-GCM-SHA384", "EC"),
    ],
)
async def test_the_documented_suites_of_tls_1_2_are_negotiated(
    local: Local, suite: str, key: str
) -> None:
    server_key = FileKey.generate_rsa_in_memory() if key == "RSA" else None
    local.renew_certificate(server_key)
    async with await local.transport(local.double.devices[0], suite=suite) as client:
        await client.connect("A")
        assert client.transport.get_extra_info("cipher")[:2] == (suite, "TLSv1.2")


@pytest.mark.parametrize("suite", ["AES128-GCM-SHA256", "AES256-SHA", "ECDHE-RSA-AES128-SHA"])
async def test_suites_without_forward_secrecy_or_with_cbc_are_not(local: Local, suite: str) -> None:
    local.renew_certificate(FileKey.generate_rsa_in_memory())
    with pytest.raises(ssl.SSLError):
        await local.transport(local.double.devices[0], suite=f"{suite}:@SECLEVEL=0")
