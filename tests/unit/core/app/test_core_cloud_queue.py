"""What devices publish to the cloud, through a whole core."""

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest
from tests.support.cloud_documents import Device, GroupDouble
from tests.support.cloud_double import CloudDouble, cloud_double
from tests.support.core import running_core, until
from tests.support.core_offline import offline_root
from tests.support.mqtt_client import MqttClient

from hedgerow.contract import CLOUD, SHADOW_SERVICE, FunctionMember
from hedgerow.core.config import load_config
from hedgerow.core.spool import DEFAULT_SIZE_BYTES, SPOOLER_ARN, FileSpool
from hedgerow.mqtt import Message, ProtocolVersion
from hedgerow.mqtt.codec import Properties
from hedgerow.pki import client_context

SHADOW = "$aws/things/A/shadow/update"
BACKLOG = 4000


@pytest.fixture
def double() -> GroupDouble:
    double = GroupDouble()
    a, b = double.keys.device("A"), double.keys.device("B")
    double.devices = [a, b]
    double.rows = [
        (a.arn, "t/ab", b.arn),
        (a.arn, "t/up", CLOUD),
        (a.arn, SHADOW, SHADOW_SERVICE),
        (SHADOW_SERVICE, f"{SHADOW}/accepted", a.arn),
    ]
    return double


def spooler(**variables: str) -> FunctionMember:
    return FunctionMember(id="spooler", function_arn=SPOOLER_ARN, environment=variables)


async def connected(port: int, device: Device, double: GroupDouble) -> MqttClient:
    roots = double.keys.group_ca.certificate_pem
    context = client_context(roots, device.key, device.certificate_pem)
    client = await MqttClient.open(
        "127.0.0.1", port, tls=context, server_hostname="localhost", version=ProtocolVersion.V5
    )
    answer = await client.connect(device.name)
    assert answer.reason == 0
    return client


def root_at(cloud: CloudDouble, folder: Path, double: GroupDouble) -> Path:
    """Make the root of a core with a deployment that this cloud lets in."""
    root = offline_root(folder, double, iotHost="localhost", iotMqttPort=cloud.mqtt_port)
    certificate = load_config(root).certificate_path.read_text()
    cloud.slot.replace(cloud.context(trusting=(certificate,)))
    return root


async def test_a_big_backlog_is_sent_while_local_messages_keep_flowing(
    tmp_path: Path, double: GroupDouble
) -> None:
    double.functions = [spooler(GG_CONFIG_STORAGE_TYPE="FileSystem")]
    sent: list[bytes] = []
    loop, slowest, passed_meanwhile = asyncio.get_running_loop(), 0.0, 0

    async with cloud_double() as cloud:
        cloud.authority.tapped.append(("t/up", lambda message: sent.append(message.payload)))
        root = root_at(cloud, tmp_path, double)
        backlog = FileSpool(load_config(root).folders.spool, DEFAULT_SIZE_BYTES)
        for number in range(BACKLOG):
            backlog.put("t/up", b"%06d" % number + b"x" * 200)
        backlog.close()
        async with (
            running_core(root) as core,
            await connected(core.mqtt_port, double.devices[0], double) as a,
            await connected(core.mqtt_port, double.devices[1], double) as b,
        ):
            await b.subscribe("t/ab")
            await core.link.wait_connected()
            while core.queue.counters.waiting:
                began = loop.time()
                await a.publish("t/ab", b"local", qos=1)
                assert (await b.message()).payload == b"local"
                slowest = max(slowest, loop.time() - began)
                passed_meanwhile += 1
            await a.publish("t/up", b"newest", qos=1)
            await until(lambda: sent[-1] == b"newest")
    assert [int(body[:6]) for body in sent[:-1]] == list(range(BACKLOG))
    assert passed_meanwhile > 20
    assert slowest < 1.0, "each of them was through long before the backlog was"


@pytest.mark.promise(10)
async def test_without_internet_clients_and_shadows_go_on_and_what_is_for_the_cloud_waits(
    tmp_path: Path, double: GroupDouble
) -> None:
    async with (
        running_core(offline_root(tmp_path, double)) as core,
        await connected(core.mqtt_port, double.devices[0], double) as a,
        await connected(core.mqtt_port, double.devices[1], double) as b,
    ):
        await until(lambda: any("cannot connect" in problem for problem in core.problems))
        await b.subscribe("t/ab")
        await a.subscribe(f"{SHADOW}/accepted")
        await a.publish("t/ab", b"local")
        assert (await b.message()).payload == b"local"
        await a.publish(SHADOW, b'{"state":{"reported":{"on":true}}}')
        accepted = await a.message()
        assert accepted.topic == f"{SHADOW}/accepted"
        await a.publish("t/up", b"for later", qos=1)
        assert core.queue.counters.waiting == 1


@pytest.mark.spec("H05")
async def test_the_status_tells_how_many_messages_were_replaced(
    tmp_path: Path, double: GroupDouble
) -> None:
    double.functions = [spooler(GG_CONFIG_MAX_SIZE_BYTES="262144")]
    async with (
        running_core(offline_root(tmp_path, double)) as core,
        await connected(core.mqtt_port, double.devices[0], double) as a,
        aiohttp.ClientSession() as session,
    ):
        for _ in range(7):
            await a.publish("t/up", b"x" * 50_000, qos=1)
        async with session.get(f"http://localhost:{core.daemon_port}/health") as response:
            spool = (await response.json())["spool"]
    assert (spool["DroppedMessageCount"], spool["waiting"]) == (2, 5)
    assert spool["storage"] == "Memory"


async def test_what_a_publication_carries_comes_to_the_cloud_and_its_expiry_is_counted_down(
    tmp_path: Path, double: GroupDouble
) -> None:
    heard: list[Message] = []
    async with cloud_double() as cloud:
        cloud.authority.tapped.append(("t/up", heard.append))
        async with (
            running_core(root_at(cloud, tmp_path, double)) as core,
            await connected(core.mqtt_port, double.devices[0], double) as a,
        ):
            await a.publish(
                "t/up",
                b"1",
                qos=1,
                properties=Properties(
                    message_expiry_interval=60,
                    content_type="text/plain",
                    response_topic="t/answer",
                    correlation_data=b"7",
                    user_property=(("k", "v"), ("k", "w")),
                ),
            )
            await until(lambda: len(heard) == 1)
    properties = heard[0].properties
    assert properties.message_expiry_interval in {59, 60}
    assert properties.content_type == "text/plain"
    assert (properties.response_topic, properties.correlation_data) == ("t/answer", b"7")
    assert properties.user_property == (("k", "v"), ("k", "w"))


@pytest.mark.spec("H08")
async def test_both_copies_of_a_message_that_comes_twice_have_one_id(
    tmp_path: Path, double: GroupDouble
) -> None:
    heard: list[Message] = []
    async with cloud_double() as cloud:
        cloud.authority.tapped.append(("t/up", heard.append))
        root = root_at(cloud, tmp_path, double)
        document = json.loads((root / "config/config.json").read_text())
        document["hedgerow"] = {"messageIds": True}
        (root / "config/config.json").write_text(json.dumps(document))
        async with (
            running_core(root) as core,
            await connected(core.mqtt_port, double.devices[0], double) as a,
        ):
            await core.notices.outlet(core.link)  # nothing goes before that was heard
            client = core.link.connections[0].client
            assert client is not None
            client.data_received = lambda data: None  # type: ignore[method-assign]  # noqa: ARG005 - no answer is heard
            forged = Properties(user_property=(("hedgerow-message-id", "1"), ("k", "v")))
            await a.publish("t/up", b"once", qos=1, properties=forged)
            await until(lambda: len(heard) == 1)
            cloud.broker.disconnect(lambda _session: True, "maintenance")
            await until(lambda: len(heard) == 2)
            await a.publish("t/up", b"another", qos=1)
            await until(lambda: len(heard) == 3)
    first, second, other = (dict(message.properties.user_property) for message in heard)
    assert first == second
    assert first["k"] == "v"
    assert first["hedgerow-message-id"] not in {"1", other["hedgerow-message-id"]}


async def test_what_a_message_of_the_cloud_carries_comes_to_the_device(
    tmp_path: Path, double: GroupDouble
) -> None:
    """So a program in the cloud can ask a device, and tell its answer from others."""
    b = double.devices[1]
    double.rows.append((CLOUD, "t/down", b.arn))
    asked = Properties(response_topic="t/up", correlation_data=b"7", user_property=(("k", "v"),))
    async with (
        cloud_double() as cloud,
        running_core(root_at(cloud, tmp_path, double)) as core,
        await connected(core.mqtt_port, b, double) as device,
    ):
        await device.subscribe("t/down")
        await until(lambda: "t/down" in cloud.broker.subscriptions_of("core-1-c00"))
        cloud.broker.publish("program", "t/down", b"question", properties=asked)
        received = await device.message()
    assert (received.payload, received.properties) == (b"question", asked)


@pytest.mark.promise(4)
async def test_the_queue_begins_only_when_the_core_has_heard_what_to_run(
    tmp_path: Path, double: GroupDouble
) -> None:
    """On every connection anew: the cloud may end each of them over what the queue sends."""
    heard: list[Message] = []
    async with cloud_double() as cloud:
        cloud.authority.tapped.append(("t/up", heard.append))
        async with (
            running_core(root_at(cloud, tmp_path, double)) as core,
            await connected(core.mqtt_port, double.devices[0], double) as a,
        ):
            await core.notices.outlet(core.link)
            core.notices._answer_seconds = 60.0
            cloud.silent = True
            cloud.broker.disconnect(lambda _session: True, "maintenance")
            await until(lambda: not core.link.is_connected)
            await a.publish("t/up", b"1", qos=1)
            await core.link.wait_connected()
            assert (await core.link.publish("t/other", b"heard by the cloud")).accepted
            assert core.queue.counters.waiting == 1
            assert heard == []
            cloud.silent = False
            cloud.broker.disconnect(lambda _session: True, "maintenance")
            await until(lambda: len(heard) == 1)


async def test_a_core_that_is_told_nothing_of_deployments_sends_all_the_same(
    tmp_path: Path, double: GroupDouble
) -> None:
    heard: list[Message] = []
    async with cloud_double() as cloud:
        cloud.authority.tapped.append(("t/up", heard.append))
        cloud.silent = True
        async with (
            running_core(root_at(cloud, tmp_path, double)) as core,
            await connected(core.mqtt_port, double.devices[0], double) as a,
        ):
            core.notices._answer_seconds = 0.05
            await a.publish("t/up", b"1", qos=1)
            await until(lambda: len(heard) == 1)
