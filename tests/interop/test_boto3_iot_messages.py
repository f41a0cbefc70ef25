"""boto3's `iot-data` and devices' HTTPS where they concern the broker."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from botocore.exceptions import ClientError
from tests.support.api_users import ApiUser
from tests.support.cloud import EnrolledThing, RunningCloud, running_cloud
from tests.support.mqtt_client import MqttClient
from tests.support.registry import POLICY, allow, policy
from tests.support.websockets import iam_policy, may

from hedgerow.kernel import SystemClock
from hedgerow.mqtt import ProtocolVersion, ReasonCode
from hedgerow.mqtt.codec import Disconnect, Publish
from hedgerow.pki import client_context


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path) as running:
        yield running


@pytest.fixture
async def watcher(cloud: RunningCloud) -> AsyncIterator[MqttClient]:
    """Give an MQTT 5 client that hears everything."""
    thing = await cloud.enrol("watcher", POLICY)
    async with await connected(cloud, thing) as client:
        await client.subscribe("#", qos=1)
        yield client


async def connected(cloud: RunningCloud, thing: EnrolledThing) -> MqttClient:
    who = thing.identity
    client = await MqttClient.open(
        "127.0.0.1",
        cloud.endpoints.device_mqtt_port,
        tls=client_context(cloud.roots_pem, who.key, who.certificate_pem),
        server_hostname="localhost",
        version=ProtocolVersion.V5,
    )
    assert (await client.connect(thing.name)).reason is ReasonCode.SUCCESS
    return client


async def data(cloud: RunningCloud, operation: str, **members: Any) -> dict[str, Any]:
    return await cloud.call("iot-data", operation, **members)


async def test_a_message_has_every_property_that_it_was_given(
    cloud: RunningCloud, watcher: MqttClient
) -> None:
    await data(
        cloud,
        "publish",
        topic="rooms/1/state",
        qos=1,
        payload=b'{"on": true}',
        contentType="application/json",
        responseTopic="rooms/1/answer",
        correlationData=base64.b64encode(b"\x00\x01").decode(),
        messageExpiry=600,
        payloadFormatIndicator="UTF8_DATA",
        userProperties='[{"deviceName": "alpha"}, {"deviceCnt": "45"}]',
    )
    heard = await watcher.message()
    assert (heard.topic, heard.payload, heard.qos) == ("rooms/1/state", b'{"on": true}', 1)
    properties = heard.properties
    assert properties.content_type == "application/json"
    assert properties.response_topic == "rooms/1/answer"
    assert properties.correlation_data == b"\x00\x01"
    assert properties.message_expiry_interval in range(590, 601)
    assert properties.payload_format_indicator is True
    assert properties.user_property == (("deviceName", "alpha"), ("deviceCnt", "45"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"topic": "a/+"},
        {"topic": "x" * 257},
        {"topic": "a/" * 8},
        {"topic": "$aws/events/presence/connected/x"},
        {"topic": "$other"},
        {"topic": "$aws/things/lamp/shadow/update", "retain": True},
        {"topic": "a", "payload": bytes(128 * 1024 + 1)},
        {"topic": "a", "responseTopic": "b/#"},
        {"topic": "a", "messageExpiry": -1},
        {"topic": "a", "correlationData": "no base64!"},
        {"topic": "a", "userProperties": "no json"},
        {"topic": "a", "userProperties": '{"a": "b"}'},
        {"topic": "a", "userProperties": '[{"a": 1}]'},
        {"topic": "a", "payloadFormatIndicator": "BOTH"},
    ],
    ids=str,
)
async def test_what_cannot_be_published_is_an_invalid_request(
    cloud: RunningCloud, wrong: dict[str, Any]
) -> None:
    with pytest.raises(ClientError) as refused:
        await data(cloud, "publish", **wrong)
    assert refused.value.response["Error"]["Code"] == "InvalidRequestException"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


async def test_retained_messages_are_kept_read_listed_and_deleted(
    cloud: RunningCloud, watcher: MqttClient
) -> None:
    for number in range(5):
        await data(
            cloud, "publish", topic=f"kept/{number}", retain=True, payload=b"x" * number + b"!"
        )
    heard = [await watcher.message() for _ in range(5)]
    assert not any(message.retain for message in heard)
    await watcher.publish("kept/by a device", b"warm", retain=True)
    assert (await watcher.message()).topic == "kept/by a device"
    first = await data(cloud, "get_retained_message", topic="kept/3")
    assert (first["topic"], first["payload"], first["qos"]) == ("kept/3", b"xxx!", 0)
    assert "userProperties" not in first
    now_ms = SystemClock().now().timestamp() * 1000
    assert now_ms - 60_000 < first["lastModifiedTime"] <= now_ms
    listed = await pages(cloud, 4)
    assert [[one["topic"] for one in page] for page in listed] == [
        ["kept/0", "kept/1", "kept/2", "kept/3"],
        ["kept/4", "kept/by a device"],
    ]
    assert listed[0][3]["payloadSize"] == 4
    assert listed[0][3]["lastModifiedTime"] == first["lastModifiedTime"]
    await data(cloud, "publish", topic="kept/3", retain=True, payload=b"")
    assert (await watcher.message()).payload == b""
    with pytest.raises(ClientError) as missing:
        await data(cloud, "get_retained_message", topic="kept/3")
    assert missing.value.response["Error"]["Code"] == "ResourceNotFoundException"
    await data(
        cloud, "publish", topic="kept/4", retain=True, payload=b"y", userProperties='[{"a": "b"}]'
    )
    again = await data(cloud, "get_retained_message", topic="kept/4")
    assert json.loads(again["userProperties"]) == [{"a": "b"}]


async def pages(cloud: RunningCloud, size: int) -> list[list[dict[str, Any]]]:
    client = await asyncio.to_thread(cloud.client, "iot-data")
    paginate = client.get_paginator("list_retained_messages").paginate
    settings = {"PageSize": size}
    found = await asyncio.to_thread(lambda: list(paginate(PaginationConfig=settings)))
    return [page["retainedTopics"] for page in found]


async def test_a_page_token_that_was_not_given_out_is_refused(cloud: RunningCloud) -> None:
    with pytest.raises(ClientError) as refused:
        await data(cloud, "list_retained_messages", nextToken="kept/3")
    assert refused.value.response["Error"]["Code"] == "InvalidRequestException"


async def test_a_connection_is_deleted(cloud: RunningCloud) -> None:
    thing = await cloud.enrol("lamp", POLICY)
    async with await connected(cloud, thing) as lamp:
        await data(cloud, "delete_connection", clientId="lamp", cleanSession=True)
        last = (await lamp.expect_end())[-1]
        assert isinstance(last, Disconnect)
        assert last.reason is ReasonCode.ADMINISTRATIVE_ACTION
    with pytest.raises(ClientError) as missing:
        await data(cloud, "delete_connection", clientId="nobody", cleanSession=True)
    assert missing.value.response["Error"]["Code"] == "ResourceNotFoundException"


@pytest.mark.promise(1)
async def test_each_call_needs_its_own_permission(cloud: RunningCloud) -> None:
    await data(cloud, "publish", topic="kept/1", retain=True, payload=b"x")
    text = iam_policy(may("iot:Publish", "topic/kept/*"))
    await cloud.call("iam", "create_user", UserName="narrow")
    await cloud.call(
        "iam", "put_user_policy", UserName="narrow", PolicyName="its", PolicyDocument=text
    )
    made = await cloud.call("iam", "create_access_key", UserName="narrow")
    user = ApiUser(cloud, made["AccessKey"])

    async def refusal(operation: str, **members: Any) -> str | None:
        return await asyncio.to_thread(user.refusal, "iot-data", operation, **members)

    assert await refusal("publish", topic="kept/1", payload=b"y") is None
    for action, operation, members in (
        ("iot:Publish", "publish", {"topic": "other"}),
        ("iot:RetainPublish", "publish", {"topic": "kept/1", "retain": True}),
        ("iot:GetRetainedMessage", "get_retained_message", {"topic": "kept/1"}),
        ("iot:ListRetainedMessages", "list_retained_messages", {}),
        ("iot:DeleteConnection", "delete_connection", {"clientId": "lamp"}),
    ):
        assert action in (await refusal(operation, **members) or ""), operation


# ---- devices, over HTTPS


async def test_a_device_publishes_over_https(cloud: RunningCloud, watcher: MqttClient) -> None:
    text = policy(
        allow(["iot:Publish", "iot:RetainPublish", "iot:GetRetainedMessage"], "topic/lamp/*")
    )
    lamp = await cloud.enrol("lamp", text)
    async with cloud.https(lamp.identity) as device:
        for path in ("/topics/lamp/a?qos=1", "/topics/lamp%2Fa?qos=1"):
            answer = await device.post(path, b'{"on": 1}')
            assert (answer.status, answer.json["message"]) == (200, "OK")
            heard = await watcher.message()
            assert (heard.topic, heard.payload, heard.qos) == ("lamp/a", b'{"on": 1}', 1)
        query = f"qos=0&retain=true&contentType={quote('text/plain', safe='')}&messageExpiry=60"
        assert (await device.post(f"/topics/lamp/b?{query}", b"kept")).status == 200
        heard = await watcher.message()
        assert (heard.qos, heard.properties.content_type) == (0, "text/plain")
        kept = (await device.get("/retainedMessage/lamp%2Fb")).json
        assert base64.b64decode(kept["payload"]) == b"kept"
        assert (await device.get("/retainedMessage/lamp/none")).status == 404
        assert (await device.get("/retainedMessage")).status == 403
        for path in (
            "/topics/lamp/a?qos=2",
            "/topics/lamp/a?retain=perhaps",
            "/topics/lamp/a?messageExpiry=x",
            "/topics/lamp/%2B",
        ):
            assert (await device.post(path, b"")).status == 400, path
        assert (await device.post("/topics/", b"")).status == 404
        assert (await device.get("/topics/lamp/a")).status == 405


@pytest.mark.promise(1)
async def test_publishing_over_https_is_judged_by_the_devices_policy(
    cloud: RunningCloud, watcher: MqttClient
) -> None:
    lamp = await cloud.enrol("lamp", policy(allow("iot:Publish", "topic/lamp/*")))
    await data(cloud, "publish", topic="kept/1", retain=True, payload=b"x")
    await data(cloud, "publish", topic="kept/2", retain=True, payload=b"x")
    clerk = await cloud.enrol("clerk", POLICY)
    async with cloud.https(clerk.identity) as device:
        page = (await device.get("/retainedMessage?maxResults=1")).json
        assert [one["topic"] for one in page["retainedTopics"]] == ["kept/1"]
        token = quote(page["nextToken"])
        rest = (await device.get(f"/retainedMessage?nextToken={token}")).json
        assert [one["topic"] for one in rest["retainedTopics"]] == ["kept/2"]
        for wrong in ("maxResults=0", "maxResults=201", "nextToken=x"):
            assert (await device.get(f"/retainedMessage?{wrong}")).status == 400
    for _ in range(2):
        await watcher.message()
    by_id = allow("iot:Publish", "topic/${iot:ClientId}/*")
    fan = await cloud.enrol("fan", policy(by_id))
    async with cloud.https(lamp.identity) as device, cloud.https(fan.identity) as other:
        for asker, path, missing in (
            (device, "/topics/fan/a?qos=1", "iot:Publish"),
            (device, "/topics/lamp/a?retain=true", "iot:RetainPublish"),
            (device, "/topics/lamp%2F..%2Ffan?qos=1", ""),
            (device, "/topics/%24aws%2Fevents%2Fpresence%2Fconnected%2Fx", "iot:Publish"),
            (other, "/topics/fan/a", "iot:Publish"),
        ):
            answer = await asker.post(path, b"x")
            if missing:
                assert answer.status == 403, path
                assert missing in answer.message
        assert (await device.get("/retainedMessage/lamp/a")).status == 403
    await cloud.iot(
        "update_certificate", certificateId=lamp.identity.certificate_id, newStatus="REVOKED"
    )
    async with cloud.https(lamp.identity) as device:
        assert (await device.post("/topics/lamp/a", b"x")).status == 401
    await data(cloud, "publish", topic="marker", payload=b"")
    topics = []
    while True:
        packet = await watcher.message()
        assert isinstance(packet, Publish)
        topics.append(packet.topic)
        if packet.topic == "marker":
            break
    assert topics == ["lamp/../fan", "marker"], "the topic is what it says, no path"
