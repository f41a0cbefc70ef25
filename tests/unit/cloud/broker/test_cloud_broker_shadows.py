"""Shadows over MQTT: requests are answered on the shadow's own topics, to whoever may hear them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.cloud_edge import CloudEdge, MqttDevice, cloud_edge, mqtt_device
from tests.support.registry import allow, issued, policy

LAMP = "$aws/things/lamp/shadow"


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[CloudEdge]:
    async with cloud_edge(tmp_path) as opened:
        yield opened


@pytest.fixture
async def lamp(edge: CloudEdge) -> AsyncIterator[MqttDevice]:
    """Give a device with all rights that listens to every topic of its shadow."""
    identity = issued()
    await edge.registrar.enrol("lamp", identity)
    async with mqtt_device(edge, identity, "lamp") as device:
        assert (await device.subscribe(f"{LAMP}/+/+"))[0] == 0
        yield device


async def told(device: MqttDevice, count: int) -> dict[str, Any]:
    messages = [await device.received() for _ in range(count)]
    return {
        message.topic.removeprefix(LAMP + "/"): msgspec.json.decode(message.payload)
        for message in messages
    }


async def test_an_update_is_answered_and_its_delta_and_documents_are_told(
    lamp: MqttDevice,
) -> None:
    await lamp.publish(f"{LAMP}/update", b'{"state":{"desired":{"on":true}},"clientToken":"t"}')
    heard = await told(lamp, 3)
    assert heard["update/accepted"]["clientToken"] == "t"
    assert heard["update/delta"]["state"] == {"on": True}
    assert heard["update/documents"]["current"]["version"] == 1


async def test_get_and_delete_are_answered(lamp: MqttDevice, edge: CloudEdge) -> None:
    await edge.shadows.update("lamp", b'{"state":{"reported":{"on":true}}}')
    assert set(await told(lamp, 2)) == {"update/accepted", "update/documents"}
    await lamp.publish(f"{LAMP}/get", b"")
    assert (await told(lamp, 1))["get/accepted"]["state"] == {"reported": {"on": True}}
    await lamp.publish(f"{LAMP}/delete", b'{"clientToken":"bye"}')
    assert (await told(lamp, 1))["delete/accepted"]["clientToken"] == "bye"
    await lamp.publish(f"{LAMP}/get", b'{"clientToken":"q"}')
    rejected = (await told(lamp, 1))["get/rejected"]
    assert (rejected["code"], rejected["clientToken"]) == (404, "q")


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"nonsense", 400),
        (b"\xff\xfe", 415),
        (b"x" * 9000, 413),
        (b'{"state":{},"version":7}', 409),
    ],
)
async def test_a_bad_update_is_rejected_and_the_device_stays(
    lamp: MqttDevice, payload: bytes, code: int
) -> None:
    await lamp.publish(f"{LAMP}/update", payload)
    assert (await told(lamp, 1))["update/rejected"]["code"] == code
    await lamp.publish(f"{LAMP}/update", b'{"state":{"reported":{"fine":1}}}')
    assert "update/accepted" in await told(lamp, 2)


async def test_a_change_made_elsewhere_rings_the_cores_bell(
    edge: CloudEdge,
) -> None:
    """The documented minimal policy is enough for a core's further connection to hear of it."""
    identity = issued()
    text = policy(
        allow("iot:Connect", "client/core-*"),
        allow("iot:Receive", "topic/$aws/things/core-*"),
        allow("iot:Subscribe", "topicfilter/$aws/things/core-*"),
    )
    await edge.registrar.enrol("core", identity, text)
    async with mqtt_device(edge, identity, "core-c00") as core:
        assert (await core.subscribe("$aws/things/core-gda/shadow/update/delta"))[0] == 0
        await edge.shadows.set_desired("core-gda", {"DeploymentId": "d1"})
        message = await core.received()
        assert message.topic == "$aws/things/core-gda/shadow/update/delta"
        assert msgspec.json.decode(message.payload)["state"] == {"DeploymentId": "d1"}


async def test_an_answer_goes_only_to_those_who_may_receive_it(
    edge: CloudEdge, lamp: MqttDevice
) -> None:
    eavesdropper = issued()
    text = policy(
        allow("iot:Connect", "client/spy"),
        allow("iot:Subscribe", "topicfilter/*"),
        allow("iot:Receive", "topic/public"),
    )
    await edge.registrar.enrol("spy", eavesdropper, text)
    async with mqtt_device(edge, eavesdropper, "spy") as spy:
        assert (await spy.subscribe("$aws/things/lamp/shadow/#"))[0] == 0
        assert (await spy.subscribe("public"))[0] == 0
        await lamp.publish(f"{LAMP}/update", b'{"state":{"reported":{"on":true}}}')
        await told(lamp, 2)
        await edge.broker.publish("public", b"last")
        assert (await spy.received()).topic == "public"


async def test_a_program_can_ask_the_shadow_by_publishing(
    edge: CloudEdge, lamp: MqttDevice
) -> None:
    await edge.broker.publish(f"{LAMP}/update", b'{"state":{"desired":{"on":true}}}')
    assert "update/delta" in await told(lamp, 3)


async def test_a_notice_that_no_message_can_carry_is_left_out(lamp: MqttDevice) -> None:
    """Metadata is many times larger than a list of small numbers; the update itself is fine."""
    payload = msgspec.json.encode({"state": {"reported": {"list": [1] * 4000}}})
    await lamp.publish(f"{LAMP}/update", payload)
    assert "update/accepted" in await told(lamp, 1)
    await lamp.publish(f"{LAMP}/update", payload)
    assert "update/accepted" in await told(lamp, 2)
    await lamp.publish(f"{LAMP}/update", b"x")
    assert "update/rejected" in await told(lamp, 1)


async def test_shadow_answers_of_one_request_come_in_order(lamp: MqttDevice) -> None:
    for number in range(5):
        payload = msgspec.json.encode({"state": {"reported": {"n": number}}})
        await lamp.publish(f"{LAMP}/update", payload, qos=0)
    versions: list[int] = []
    while len(versions) < 5:
        message = await lamp.received()
        if message.topic.endswith("accepted"):
            versions.append(msgspec.json.decode(message.payload)["version"])
    assert versions == [1, 2, 3, 4, 5]
