"""The cloud's broker with clients that people have: sessions, ids, and what is recorded of them."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from paho.mqtt.enums import MQTTProtocolVersion
from tests.support.cloud import EnrolledThing, RunningCloud, running_cloud
from tests.support.cloud_edge import MqttDevice
from tests.support.registry import POLICY

V311 = MQTTProtocolVersion.MQTTv311
with_mosquitto = pytest.mark.skipif(
    shutil.which("mosquitto_pub") is None, reason="mosquitto-clients is not installed"
)


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path) as running:
        yield running


def device(cloud: RunningCloud, thing: EnrolledThing, client_id: str, **more: object) -> MqttDevice:
    port, roots = cloud.endpoints.device_mqtt_port, cloud.roots_pem
    return MqttDevice(port, thing.identity, client_id, roots=roots, **more)  # type: ignore[arg-type]


async def mosquitto(
    cloud: RunningCloud, thing: EnrolledThing, folder: Path, tool: str, *options: str
) -> asyncio.subprocess.Process:
    ca = folder / "ca.pem"
    ca.write_text(cloud.roots_pem)
    certificate, key = thing.identity.write(folder, thing.name)
    return await asyncio.create_subprocess_exec(
        tool, "-h", "localhost", "-p", str(cloud.endpoints.device_mqtt_port),
        "--cafile", str(ca), "--cert", str(certificate), "--key", str(key), *options,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip


async def said(process: asyncio.subprocess.Process) -> str:
    async with asyncio.timeout(20):
        output, _ = await process.communicate()
    assert process.returncode == 0, output
    return output.decode()


@with_mosquitto
@pytest.mark.spec("H09")
@pytest.mark.parametrize("version", ["311", "5"])
async def test_mosquitto_gets_what_it_missed_and_what_is_retained(
    cloud: RunningCloud, tmp_path: Path, version: str
) -> None:
    """Clean session 0 and QoS 1, as a core with `AtLeastOncePersistent` subscribes."""
    lamp, fan = await cloud.enrol("lamp", POLICY), await cloud.enrol("fan", POLICY)
    keep = ["-V", version, "-i", "lamp", "-c", "-q", "1"]
    keep += ["-x", "600"] if version == "5" else []
    sub = await mosquitto(cloud, lamp, tmp_path, "mosquitto_sub", *keep, "-t", "q", "-E")
    await said(sub)
    for text in ("one", "two", "three"):
        more = ["-V", version, "-i", "fan", "-q", "1", "-t", "q", "-m", text]
        await said(await mosquitto(cloud, fan, tmp_path, "mosquitto_pub", *more))
    sub = await mosquitto(cloud, lamp, tmp_path, "mosquitto_sub", *keep, "-t", "q", "-C", "3")
    assert (await said(sub)).split() == ["one", "two", "three"]
    retain = ["-V", version, "-i", "fan", "-q", "1", "-t", "kept", "-m", "warm", "-r"]
    await said(await mosquitto(cloud, fan, tmp_path, "mosquitto_pub", *retain))
    once = ["-V", version, "-i", "late", "-t", "kept", "-C", "1", "-F", "%r %p"]
    late = await mosquitto(cloud, lamp, tmp_path, "mosquitto_sub", *once)
    assert (await said(late)).split() == ["1", "warm"]


@pytest.mark.spec("H12")
async def test_a_core_holds_a_persistent_session_beside_its_other_connections(
    cloud: RunningCloud,
) -> None:
    """The deployments' connection stays clean; that of subscriptions comes back to its session."""
    core = await cloud.enrol("core", POLICY)
    for present in (False, True):
        main = device(cloud, core, "core", version=V311)
        kept = device(cloud, core, "core-c00", version=V311, clean=False)
        for one in (main, kept):
            assert (await one.connect())[0] == 0
        assert (main.session_present, kept.session_present) == (False, present)
        if not present:
            await kept.subscribe("to/core", 1)
            await main.subscribe("to/main", 1)
        for one in (main, kept):
            await one.close()
        if not present:
            for topic in ("to/core", "to/main"):
                await cloud.call("iot-data", "publish", topic=topic, qos=1, payload=b"missed")
        else:
            assert (await kept.received()).topic == "to/core"
            assert main.inbox.empty()


@pytest.mark.spec("H16")
async def test_one_client_id_is_one_client_of_each_account(cloud: RunningCloud) -> None:
    mine = await cloud.enrol("core", POLICY)
    async with cloud.member("other") as entered:
        theirs = await entered.enrol("core", POLICY)
        one, two = device(cloud, mine, "core"), device(cloud, theirs, "core")
        for client in (one, two):
            assert (await client.connect())[0] == 0
            await client.subscribe("#")
        await one.publish("said", b"in one account")
        assert (await one.received()).payload == b"in one account"
        await two.publish("said", b"in the other")
        assert (await two.received()).payload == b"in the other"
        assert not any(client.goodbye.done() for client in (one, two))
        for client in (one, two):
            await client.close()


@pytest.mark.spec("H17")
async def test_conflicting_client_ids_are_recorded_with_both_sides(cloud: RunningCloud) -> None:
    one, two = await cloud.enrol("one", POLICY), await cloud.enrol("two", POLICY)
    clients = [device(cloud, thing, "same") for thing in (one, two, one, two)]
    for client in clients:
        assert (await client.connect())[0] == 0
    for client in clients:
        await client.close()
    looked_up = await cloud.call(
        "cloudtrail",
        "lookup_events",
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "MqttRefused"}],
    )
    events = [json.loads(event["CloudTrailEvent"]) for event in looked_up["Events"]]
    named = [event for event in events if event["errorCode"] == "conflicting-client-ids"]
    assert len(named) == 1
    for thing in (one, two):
        assert thing.identity.certificate_id[:10] in named[0]["errorMessage"]


@pytest.mark.spec("H10")
async def test_sessions_and_retained_messages_outlive_the_cloud(tmp_path: Path) -> None:
    async with running_cloud(tmp_path) as cloud:
        core = await cloud.enrol("core", POLICY)
        kept = device(cloud, core, "core-c00", version=V311, clean=False)
        assert (await kept.connect())[0] == 0
        await kept.subscribe("to/core", 1)
        await kept.close()
        await cloud.call("iot-data", "publish", topic="to/core", qos=1, payload=b"before")
        await cloud.call("iot-data", "publish", topic="state", retain=True, payload=b"warm")
        before = await cloud.call("iot-data", "get_retained_message", topic="state")
    async with running_cloud(tmp_path) as cloud:
        await cloud.call("iot-data", "publish", topic="to/core", qos=1, payload=b"after")
        kept = device(cloud, core, "core-c00", version=V311, clean=False)
        assert (await kept.connect())[0] == 0
        assert kept.session_present
        assert [(await kept.received()).payload for _ in range(2)] == [b"before", b"after"]
        await kept.close()
        found = await cloud.call("iot-data", "get_retained_message", topic="state")
        assert found["payload"] == b"warm"
        assert found["lastModifiedTime"] == before["lastModifiedTime"]
