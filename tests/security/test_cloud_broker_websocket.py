"""MQTT over WebSocket attacked: nobody begins unproven, and nobody stays longer than they may."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.support.cloud import RunningCloud, running_cloud
from tests.support.cloud_edge import MqttDevice
from tests.support.pki import Identity
from tests.support.registry import POLICY
from tests.support.websockets import (
    Keys,
    gone,
    iam_policy,
    iam_user,
    may,
    mqtt_program,
    presigned_path,
    put_policy,
    unconnected,
)
from yarl import URL

from hedgerow.cloud.app.private_api import PrivateApi
from hedgerow.pki import client_context

EVERYTHING = iam_policy(may("iot:*", "*"))
AT_MOST_S = 1.0
OFFER: dict[str, Any] = {"protocols": ("mqtt",)}


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path) as running:
        yield running


async def status_of(
    cloud: RunningCloud, path: str, port: int | None = None, who: Identity | None = None
) -> int:
    """Return the HTTP status that a WebSocket handshake with this path is answered with."""
    url = URL(f"https://localhost:{port or cloud.endpoints.api_port}{path}", encoded=True)
    context = client_context(cloud.roots_pem, None, None)
    if who is not None:
        context = client_context(cloud.roots_pem, who.key, who.certificate_pem)
    async with aiohttp.ClientSession() as session:
        try:
            client = await session.ws_connect(url, ssl=context, **OFFER)
        except aiohttp.WSServerHandshakeError as refused:
            return refused.status
        await client.close()
        return 101


@pytest.mark.promise(1)
async def test_a_handshake_that_proves_nobody_goes_no_further(cloud: RunningCloud) -> None:
    keys = await iam_user(cloud, "watcher", EVERYTHING)
    temporary = Keys.of((await cloud.call("sts", "get_session_token"))["Credentials"])
    right = presigned_path(cloud, keys)
    assert await status_of(cloud, right) == 101
    forged = right[:-1] + ("0" if right[-1] != "0" else "1")
    stale = presigned_path(cloud, keys, expires_s=60, ago=timedelta(seconds=61))
    early = presigned_path(cloud, keys, ago=timedelta(minutes=-16))
    wrong = {
        "no signature": "/mqtt",
        "forged signature": forged,
        "another secret": presigned_path(cloud, replace(keys, secret="x" * 40)),
        "unknown key": presigned_path(cloud, replace(keys, id="AKIA" + "A" * 16)),
        "past its lifetime": stale,
        "of the future": early,
        "lifetime stretched": stale.replace("X-Amz-Expires=60", "X-Amz-Expires=86400"),
        "scoped to another service": presigned_path(cloud, keys, service="iot"),
        "scoped to another region": presigned_path(cloud, keys, region="us-east-1"),
        "a parameter added": right + "&x=1",
        "signed for another path": presigned_path(cloud, keys, path="/other").replace(
            "/other", "/mqtt"
        ),
        "temporary key without its token": presigned_path(cloud, replace(temporary, token=None)),
        "temporary key with a wrong token": presigned_path(cloud, replace(temporary, token="x")),
        "lasting key with a token": presigned_path(cloud, replace(keys, token="x")),
        "two signatures": right + "&" + right.partition("?")[2],
    }
    for what, path in wrong.items():
        assert await status_of(cloud, path) in (400, 403), what


@pytest.mark.promise(1)
@pytest.mark.spec("B07")
async def test_a_plain_websocket_gets_no_byte_of_http(cloud: RunningCloud) -> None:
    keys = await iam_user(cloud, "watcher", EVERYTHING)
    request = (
        f"GET {presigned_path(cloud, keys)} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    ).encode()
    for port in (cloud.endpoints.api_port, cloud.endpoints.device_https_port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        async with asyncio.timeout(10):
            answer = await reader.read()
        assert b"HTTP" not in answer
        assert answer[:1] in (b"", b"\x15"), "nothing, or a TLS alert"
        writer.close()


@pytest.mark.promise(8)
async def test_a_refused_handshake_leaves_a_record_without_the_signature(
    cloud: RunningCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = await iam_user(cloud, "watcher", EVERYTHING)
    path = presigned_path(cloud, replace(keys, secret="x" * 40))
    assert await status_of(cloud, path) == 403
    events = await cloud.call(
        "cloudtrail",
        "lookup_events",
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "DeviceRequestRefused"}],
    )
    told = [event["CloudTrailEvent"] for event in events["Events"]]
    assert len(told) == 1
    assert "InvalidSignatureException" in told[0]
    signature = path.partition("X-Amz-Signature=")[2]
    assert signature
    assert signature not in told[0] + capsys.readouterr().out


@pytest.mark.promise(1)
async def test_the_devices_door_takes_no_signature_and_the_apis_no_certificate(
    cloud: RunningCloud,
) -> None:
    lamp = await cloud.enrol("lamp", POLICY)
    keys = await iam_user(cloud, "watcher", EVERYTHING)
    assert await status_of(cloud, "/mqtt", who=lamp.identity) == 403
    signed, door = presigned_path(cloud, keys), cloud.endpoints.device_https_port
    with pytest.raises(aiohttp.ClientError):
        await status_of(cloud, signed, door)
    stranger = await cloud.enrol("stranger", POLICY)
    await cloud.iot(
        "update_certificate",
        certificateId=stranger.identity.certificate_id,
        newStatus="INACTIVE",
    )
    assert await status_of(cloud, signed, door, stranger.identity) == 401
    assert await status_of(cloud, "/mqtt", door, lamp.identity) == 101


async def test_iam_policies_judge_connect_publish_subscribe_and_receive(
    cloud: RunningCloud,
) -> None:
    text = iam_policy(
        may("iot:Connect", "client/watcher"),
        may("iot:Publish", "topic/said/*"),
        may("iot:Subscribe", "topicfilter/heard/*", "topicfilter/said/*"),
        may("iot:Receive", "topic/said/*"),
    )
    keys = await iam_user(cloud, "watcher", text)
    other = unconnected(cloud, presigned_path(cloud, keys), "fan")
    assert (await other.connect())[0] == 0x87
    await other.close()
    async with mqtt_program(cloud, keys, "watcher") as program:
        code, reason = await program.subscribe("#")
        assert code == 0x87
        assert "iot:Subscribe" in reason
        assert (await program.subscribe("heard/+"))[0] == 0
        assert (await program.subscribe("said/+"))[0] == 0
        await cloud.call("iot-data", "publish", topic="heard/x", payload=b"not to be received")
        assert (await program.publish("said/x", b"mine"))[0] < 0x80
        assert (await program.received()).payload == b"mine"
        await program.publish("other", qos=0)
        ended = await program.ended()
        assert ended.code == 0x87
        assert "iot:Publish" in ended.reason


async def test_asking_for_a_session_can_be_denied_to_programs(cloud: RunningCloud) -> None:
    """`iot:ConnectAttributes`, as the guide's example policies use it."""
    condition = {"ForAnyValue:StringEquals": {"iot:ConnectAttributes": ["PersistentConnect"]}}
    text = iam_policy(
        may("iot:*", "*"), {**may("iot:Connect", "*"), "Effect": "Deny", "Condition": condition}
    )
    keys = await iam_user(cloud, "watcher", text)
    async with mqtt_program(cloud, keys, "watcher", will=("w", b"")) as program:
        await program.publish("a")
    for asked in ({"clean": False}, {"expiry_s": 60}):
        denied = unconnected(cloud, presigned_path(cloud, keys), "watcher", **asked)
        assert (await denied.connect())[0] == 0x87, asked
        await denied.close()


@pytest.mark.promise(1)
async def test_a_private_doors_policy_holds_websockets_too(tmp_path: Path) -> None:
    text = {"Principal": "*", **may("iot:*", "client/inside", "topic/*", "topicfilter/*")}
    (tmp_path / "endpoint.json").write_text(iam_policy(text))
    door = PrivateApi("vpce-plant", "127.0.0.1", 0, policy=tmp_path / "endpoint.json")
    async with running_cloud(tmp_path, combined=False, private_apis=[door]) as cloud:
        anyone = await iam_user(cloud, "anyone", EVERYTHING)
        by_door = {"StringEquals": {"aws:SourceVpce": "vpce-plant"}}
        held = await iam_user(
            cloud, "held", iam_policy({**may("iot:*", "*"), "Condition": by_door})
        )
        (private,) = cloud.endpoints.private_apis
        for keys, port, client_id, code in (
            (anyone, None, "outside", 0),
            (anyone, private.port, "outside", 0x87),
            (anyone, private.port, "inside", 0),
            (held, None, "inside", 0x87),
            (held, private.port, "inside", 0),
        ):
            path = presigned_path(cloud, keys, port=port)
            program = unconnected(cloud, path, client_id, port=port)
            assert (await program.connect())[0] == code, (port, client_id)
            await program.close()
        await cloud.app._rooms.identities.last_use.settled()
        used = await cloud.call("iam", "get_access_key_last_used", AccessKeyId=anyone.id)
        assert used["AccessKeyLastUsed"]["ServiceName"] == "iotdevicegateway"


async def test_reserved_topics_are_closed_to_programs_too(cloud: RunningCloud) -> None:
    keys = await iam_user(cloud, "watcher", EVERYTHING)
    async with mqtt_program(cloud, keys, "watcher") as program:
        await program.publish("$aws/events/presence/connected/lamp", b"{}", qos=0)
        assert (await program.ended()).code == 0x87


async def set_boundary(cloud: RunningCloud, _keys: Keys) -> None:
    narrow = iam_policy({"Effect": "Allow", "Action": "iam:*", "Resource": "*"})
    made = await cloud.call("iam", "create_policy", PolicyName="narrow", PolicyDocument=narrow)
    await cloud.call(
        "iam",
        "put_user_permissions_boundary",
        UserName="watcher",
        PermissionsBoundary=made["Policy"]["Arn"],
    )


Cut = Callable[[RunningCloud, Keys], Awaitable[object]]
CUTS: dict[str, Cut] = {
    "key deactivated": lambda cloud, keys: cloud.call(
        "iam",
        "update_access_key",
        UserName="watcher",
        AccessKeyId=keys.id,
        Status="Inactive",
    ),
    "key deleted": lambda cloud, keys: cloud.call(
        "iam", "delete_access_key", UserName="watcher", AccessKeyId=keys.id
    ),
    "policy deleted": lambda cloud, _keys: cloud.call(
        "iam", "delete_user_policy", UserName="watcher", PolicyName="its"
    ),
    "policy replaced": lambda cloud, _keys: put_policy(
        cloud, "watcher", iam_policy(may("iot:Connect", "client/other"))
    ),
    "denied by a further policy": lambda cloud, _keys: cloud.call(
        "iam",
        "put_user_policy",
        UserName="watcher",
        PolicyName="no",
        PolicyDocument=iam_policy({**may("iot:Connect", "*"), "Effect": "Deny"}),
    ),
    "boundary set": set_boundary,
}


@pytest.mark.promise(4)
@pytest.mark.parametrize("cut", CUTS)
async def test_a_program_is_cut_within_a_second(cloud: RunningCloud, cut: str) -> None:
    keys = await iam_user(cloud, "watcher", EVERYTHING)
    other = await iam_user(cloud, "bystander", EVERYTHING)
    path = presigned_path(cloud, keys)
    async with (
        mqtt_program(cloud, other, "bystander") as bystander,
        mqtt_program(cloud, keys, "watcher") as program,
    ):
        started = time.monotonic()
        await CUTS[cut](cloud, keys)
        answered = time.monotonic()
        assert await gone(program) - answered < AT_MOST_S
        assert answered - started < 5
        assert (await bystander.publish("still/here"))[0] < 0x80
    if "key" in cut:
        assert await status_of(cloud, path) == 403
    else:
        again = unconnected(cloud, path, "watcher")
        assert (await again.connect())[0] == 0x87
        await again.close()


@pytest.mark.promise(4)
async def test_lost_permissions_are_judged_anew_on_a_live_websocket(cloud: RunningCloud) -> None:
    keys = await iam_user(cloud, "watcher", EVERYTHING)
    async with mqtt_program(cloud, keys, "watcher") as program:
        await program.subscribe("a")
        await program.subscribe("b")
        await put_policy(
            cloud,
            "watcher",
            iam_policy(
                may("iot:Connect", "*"),
                may("iot:Subscribe", "*"),
                may("iot:Receive", "topic/b"),
            ),
        )
        deadline = time.monotonic() + AT_MOST_S
        while time.monotonic() < deadline:
            await cloud.call("iot-data", "publish", topic="a", payload=b"x")
            await cloud.call("iot-data", "publish", topic="b", payload=b"x")
            first = await program.received()
            if first.topic == "b":
                break
            await program.received()
        else:
            pytest.fail("the lost permission was still in force after a second")


@pytest.mark.promise(4)
async def test_a_device_revoked_after_the_handshake_is_not_let_in_over_websocket(
    cloud: RunningCloud,
) -> None:
    lamp = await cloud.enrol("lamp", POLICY)
    device = MqttDevice(
        cloud.endpoints.device_https_port,
        lamp.identity,
        "lamp",
        roots=cloud.roots_pem,
        websocket_path="/mqtt",
    )
    assert (await device.connect())[0] == 0
    answered = time.monotonic()
    await cloud.iot(
        "update_certificate", certificateId=lamp.identity.certificate_id, newStatus="REVOKED"
    )
    assert (await device.ended()).at - answered < AT_MOST_S
    await device.close()
    door = cloud.endpoints.device_https_port
    assert await status_of(cloud, "/mqtt", door, lamp.identity) == 401
