"""MQTT over WebSocket at a whole cloud, with the clients that people have."""

import asyncio
import socket
import warnings
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import awscrt.auth
import awscrt.mqtt
import awscrt.mqtt5
import pytest
from awsiot import mqtt5_client_builder, mqtt_connection_builder
from AWSIoTPythonSDK.MQTTLib import AWSIoTMQTTClient
from paho.mqtt.enums import MQTTProtocolVersion
from tests.support.cloud import ACCOUNT, REGION, RunningCloud, running_cloud
from tests.support.cloud_edge import MqttDevice
from tests.support.registry import POLICY
from tests.support.websockets import Keys, iam_policy, iam_user, may, mqtt_program

from hedgerow.cloud.app.birth import init_cloud
from hedgerow.cloud.app.layout import Layout
from hedgerow.kernel import SystemClock

_PATIENCE_S = 20
EVERYTHING = iam_policy(may("iot:*", "*"))


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path) as running:
        yield running


@pytest.mark.parametrize("version", [MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5])
async def test_paho_speaks_over_a_presigned_websocket(
    cloud: RunningCloud, version: MQTTProtocolVersion
) -> None:
    keys = await iam_user(cloud, "watcher", EVERYTHING)
    async with mqtt_program(cloud, keys, "watcher", version=version) as program:
        assert (await program.subscribe("rooms/#", 1))[0] == 1
        await program.publish("rooms/1", b"x" * 100_000)
        received = await program.received()
        assert (received.topic, len(received.payload), received.qos) == ("rooms/1", 100_000, 1)


async def test_temporary_credentials_put_their_token_behind_the_signature(
    cloud: RunningCloud,
) -> None:
    await iam_user(cloud, "watcher", EVERYTHING)
    token = await cloud.call("sts", "get_session_token")
    keys = Keys.of(token["Credentials"])
    async with mqtt_program(cloud, keys, "watcher") as program:
        assert (await program.publish("a"))[0] < 0x80


async def test_a_device_speaks_over_a_websocket_with_its_certificate(cloud: RunningCloud) -> None:
    lamp = await cloud.enrol("lamp", POLICY)
    keys = await iam_user(cloud, "watcher", EVERYTHING)
    device = MqttDevice(
        cloud.endpoints.device_https_port,
        lamp.identity,
        "lamp",
        roots=cloud.roots_pem,
        websocket_path="/mqtt",
    )
    async with mqtt_program(cloud, keys, "watcher") as program:
        await program.subscribe("lamp/#")
        assert (await device.connect())[0] == 0
        await device.publish("lamp/state", b"on")
        assert (await program.received()).payload == b"on"
        await device.close()


def _provider(keys: Keys) -> Any:
    return awscrt.auth.AwsCredentialsProvider.new_static(keys.id, keys.secret, keys.token)


async def test_the_device_sdk_speaks_mqtt_3_over_its_own_websocket(cloud: RunningCloud) -> None:
    """`websockets_with_default_aws_signing`, as it is: no lifetime, token outside."""
    keys = await iam_user(cloud, "watcher", EVERYTHING)
    received: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def heard(topic: str, payload: bytes, **_more: object) -> None:
        loop.call_soon_threadsafe(received.put_nowait, (topic, payload))

    connection = mqtt_connection_builder.websockets_with_default_aws_signing(
        region=REGION,
        credentials_provider=_provider(keys),
        endpoint="localhost",
        port=cloud.endpoints.api_port,
        ca_bytes=cloud.roots_pem.encode(),
        client_id="watcher",
        clean_session=True,
        keep_alive_secs=30,
    )
    async with asyncio.timeout(_PATIENCE_S):
        await asyncio.wrap_future(connection.connect())
        subscribed, _ = connection.subscribe("rooms/#", awscrt.mqtt.QoS.AT_LEAST_ONCE, heard)
        await asyncio.wrap_future(subscribed)
        published, _ = connection.publish("rooms/1", b"hello", awscrt.mqtt.QoS.AT_LEAST_ONCE)
        await asyncio.wrap_future(published)
        assert await received.get() == ("rooms/1", b"hello")
        await asyncio.wrap_future(connection.disconnect())


async def test_the_device_sdk_speaks_mqtt_5_over_its_own_websocket(cloud: RunningCloud) -> None:
    await iam_user(cloud, "watcher", EVERYTHING)
    keys = Keys.of((await cloud.call("sts", "get_session_token"))["Credentials"])
    loop = asyncio.get_running_loop()
    up: asyncio.Future[Any] = loop.create_future()
    down: asyncio.Future[None] = loop.create_future()
    received: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()

    def heard(data: Any) -> None:
        packet = data.publish_packet
        loop.call_soon_threadsafe(received.put_nowait, (packet.topic, packet.payload))

    client = mqtt5_client_builder.websockets_with_default_aws_signing(
        region=REGION,
        credentials_provider=_provider(keys),
        endpoint="localhost",
        port=cloud.endpoints.api_port,
        ca_bytes=cloud.roots_pem.encode(),
        client_id="watcher",
        on_publish_received=heard,
        on_lifecycle_connection_success=lambda data: loop.call_soon_threadsafe(
            up.set_result, data.negotiated_settings
        ),
        on_lifecycle_stopped=lambda _data: loop.call_soon_threadsafe(down.set_result, None),
    )
    client.start()
    async with asyncio.timeout(_PATIENCE_S):
        settings = await up
        assert settings.topic_alias_maximum_to_server == 8
        assert settings.receive_maximum_from_server == 100
        topic = awscrt.mqtt5.Subscription("rooms/#", awscrt.mqtt5.QoS.AT_LEAST_ONCE)
        packet = awscrt.mqtt5.SubscribePacket([topic])
        await asyncio.wrap_future(client.subscribe(packet))
        message = awscrt.mqtt5.PublishPacket(
            topic="rooms/1", payload=b"hello", qos=awscrt.mqtt5.QoS.AT_LEAST_ONCE
        )
        await asyncio.wrap_future(client.publish(message))
        assert await received.get() == ("rooms/1", b"hello")
        client.stop()
        await down


async def test_the_first_device_sdk_speaks_over_its_own_websocket(tmp_path: Path) -> None:
    """AWSIoTPythonSDK takes nothing but a host name of AWS's form, and finds its region in it."""
    host = f"gateway.iot.{REGION}.amazonaws.com"
    names = ("localhost", host)
    await init_cloud(
        tmp_path / "cloud", region=REGION, account_id=ACCOUNT, host_names=names, clock=SystemClock()
    )
    async with running_cloud(tmp_path) as cloud:
        keys = await iam_user(cloud, "watcher", EVERYTHING)
        port = cloud.endpoints.api_port
        received: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def heard(_client: object, _userdata: object, message: Any) -> None:
            loop.call_soon_threadsafe(received.put_nowait, (message.topic, message.payload))

        client = AWSIoTMQTTClient("watcher", useWebsocket=True)
        client.configureEndpoint(host, port)
        client.configureSocketFactory(lambda: socket.create_connection(("127.0.0.1", port)))
        client.configureCredentials(str(Layout(cloud.data_dir).root_certificate))
        client.configureIAMCredentials(keys.id, keys.secret, keys.token or "")
        client.configureMQTTOperationTimeout(10)
        with warnings.catch_warnings():
            # It wraps sockets by a function that Python 3.11 warns of.
            warnings.simplefilter("ignore", DeprecationWarning)
            assert await asyncio.to_thread(client.connect)
        assert await asyncio.to_thread(client.subscribe, "rooms/#", 1, heard)
        assert await asyncio.to_thread(client.publish, "rooms/1", "hello", 1)
        async with asyncio.timeout(_PATIENCE_S):
            assert await received.get() == ("rooms/1", b"hello")
        assert await asyncio.to_thread(client.disconnect)
