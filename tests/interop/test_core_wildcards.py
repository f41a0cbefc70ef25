"""`sensor/#` matches `sensor` too, as MQTT says: seen by unmodified clients of a core."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import awscrt.mqtt
import pytest
from awsiot import mqtt_connection_builder
from tests.support.core import until
from tests.support.local_server import Local, local_server
from tests.support.pki import Identity

_PATIENCE_S = 20
_TOPICS = ["sensor", "sensor/", "sensor/a", "sensor/a/b"]
_OTHERS = ["sensors", "sensorx/a", "other"]


@pytest.fixture
async def local() -> AsyncIterator[Local]:
    rows = [("A", "sensor/#", "B"), ("A", "other", "C")]
    async with local_server("A", "B", "C", rows=rows) as made:
        yield made


async def _publish_all(local: Local) -> None:
    async with await local.connected(local.double.devices[0]) as sender:
        for topic in (*_OTHERS, *_TOPICS):
            await sender.publish(topic, topic.encode(), qos=1)


@pytest.mark.spec("F05")
async def test_the_device_sdk_is_sent_all_topics_that_the_filter_matches(local: Local) -> None:
    """Its own callback for the filter leaves `sensor` out; the connection's hears of all."""
    b = local.double.devices[1]
    received: asyncio.Queue[str] = asyncio.Queue()
    called_back: list[str] = []
    loop = asyncio.get_running_loop()

    def heard(topic: str, payload: bytes, **_more: object) -> None:
        del payload
        loop.call_soon_threadsafe(received.put_nowait, topic)

    connection = mqtt_connection_builder.mtls_from_bytes(
        b.certificate_pem.encode(),
        b.key.pem().reveal(),
        endpoint="localhost",
        port=local.server.port,
        ca_bytes=local.double.keys.group_ca.certificate_pem.encode(),
        client_id="B",
        clean_session=True,
        keep_alive_secs=30,
    )
    connection.on_message(heard)
    async with asyncio.timeout(_PATIENCE_S):
        await asyncio.wrap_future(connection.connect())
        subscribed, _ = connection.subscribe(
            "sensor/#",
            awscrt.mqtt.QoS.AT_LEAST_ONCE,
            lambda topic, **_more: called_back.append(topic),
        )
        granted = await asyncio.wrap_future(subscribed)
        assert granted["qos"] == awscrt.mqtt.QoS.AT_MOST_ONCE  # V1 delivers with QoS 0
        await _publish_all(local)
        assert [await received.get() for _ in _TOPICS] == _TOPICS
        await asyncio.wrap_future(connection.disconnect())
    assert called_back == _TOPICS[1:]


@pytest.mark.spec("F05")
@pytest.mark.skipif(shutil.which("mosquitto_sub") is None, reason="no mosquitto-clients")
async def test_mosquitto_gets_all_topics_that_the_filter_matches(
    local: Local, tmp_path: Path
) -> None:
    b = local.double.devices[1]
    certificate, key = Identity(b.key, b.certificate_pem).write(tmp_path, "B")
    (tmp_path / "ca.pem").write_text(local.double.keys.group_ca.certificate_pem)
    process = await asyncio.create_subprocess_exec(
        "mosquitto_sub", "-h", "localhost", "-p", str(local.server.port), "-i", "B",
        "--cafile", str(tmp_path / "ca.pem"), "--cert", str(certificate), "--key", str(key),
        "-t", "sensor/#", "-C", str(len(_TOPICS)), "-W", str(_PATIENCE_S), "-F", "%t",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    await until(lambda: bool(local.server.broker.subscriptions_of("B")))
    await _publish_all(local)
    output, _ = await asyncio.wait_for(process.communicate(), _PATIENCE_S)
    assert output.decode().split("\n")[:-1] == _TOPICS
