"""Attacks by an admitted device: it says and hears what its policy allows, and nothing else."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from paho.mqtt.enums import MQTTProtocolVersion
from tests.support.cloud_edge import CloudEdge, MqttDevice, cloud_edge, mqtt_device
from tests.support.registry import HOME, Device, allow, deny, issued, policy

pytestmark = pytest.mark.promise(1)

NOT_AUTHORIZED = 0x87
TOPIC = f"arn:aws:iot:{HOME.region}:{HOME.account}:topic/"


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[CloudEdge]:
    async with cloud_edge(tmp_path) as opened:
        yield opened


@pytest.fixture
async def listener(edge: CloudEdge) -> AsyncIterator[MqttDevice]:
    """Give a device that may hear everything and listens to all topics."""
    identity = issued()
    text = policy(allow(["iot:Connect", "iot:Subscribe", "iot:Receive"], "*"))
    await edge.registrar.enrol("listener", identity, text)
    async with mqtt_device(edge, identity, "listener") as device:
        for topic_filter in ("#", "$aws/#"):
            assert (await device.subscribe(topic_filter))[0] < 0x80
        yield device


async def enrolled(edge: CloudEdge, *statements: dict[str, object]) -> Device:
    identity = issued()
    text = policy(allow("iot:Connect", "client/lamp"), *statements)
    await edge.registrar.enrol("lamp", identity, text)
    return identity


async def assert_heard_nothing(edge: CloudEdge, listener: MqttDevice) -> None:
    """Publish a marker: what was published before it would have come before it."""
    await edge.broker.publish("marker", b"")
    assert (await listener.received()).topic == "marker"


async def test_a_publish_without_permission_ends_the_connection_and_says_what_is_missing(
    edge: CloudEdge, listener: MqttDevice
) -> None:
    identity = await enrolled(edge, allow("iot:Publish", "topic/lamp/*"))
    async with mqtt_device(edge, identity, "lamp") as lamp:
        await lamp.publish("lamp/state")
        assert (await listener.received()).topic == "lamp/state"
        await lamp.publish("fan/state", qos=0)
        goodbye = await lamp.ended()
    assert goodbye.code == NOT_AUTHORIZED
    assert "iot:Publish" in goodbye.reason
    assert f"{TOPIC}fan/state" in goodbye.reason
    await assert_heard_nothing(edge, listener)
    event = edge.refusals[-1]
    assert (event.action, event.client_id, event.topic) == ("publish", "lamp", "fan/state")


async def test_it_ends_the_connection_of_an_mqtt_3_client_as_well(
    edge: CloudEdge, listener: MqttDevice
) -> None:
    identity = await enrolled(edge)
    version = MQTTProtocolVersion.MQTTv311
    async with mqtt_device(edge, identity, "lamp", version=version) as lamp:
        await lamp.publish("anything", qos=0)
        await lamp.ended()
    await assert_heard_nothing(edge, listener)


@pytest.mark.parametrize(
    "topic",
    [
        "$aws/things/lamp/shadow/update/accepted",
        "$aws/things/lamp/shadow/update/delta",
        "$aws/things/lamp/shadow/get/accepted/x",
        "$aws/things/lamp/shadow/name/n/update/accepted",
        "$aws/things/lamp/jobs/get",
        "$aws/rules/r/t",
        "$aws/events/presence/connected/x",
        "$aws/things//shadow/update",
        "$SYS/broker/uptime",
        "$share/g/t",
        "$other",
    ],
)
async def test_reserved_topics_are_closed_even_to_a_device_that_may_publish_anything(
    edge: CloudEdge, listener: MqttDevice, topic: str
) -> None:
    """A forged shadow answer would let one device command another, or a deployment."""
    identity = await enrolled(edge, allow("iot:Publish", "*"))
    async with mqtt_device(edge, identity, "lamp") as lamp:
        await lamp.publish(topic, qos=0)
        goodbye = await lamp.ended()
    assert goodbye.code == NOT_AUTHORIZED
    await assert_heard_nothing(edge, listener)


async def test_the_shadow_of_another_thing_is_out_of_reach(
    edge: CloudEdge, listener: MqttDevice
) -> None:
    identity = await enrolled(
        edge, allow("iot:Publish", "topic/$aws/things/${iot:Connection.Thing.ThingName}/shadow/*")
    )
    async with mqtt_device(edge, identity, "lamp") as lamp:
        await lamp.publish("$aws/things/lamp/shadow/update", b'{"state":{"reported":{"a":1}}}')
        for _ in range(3):
            assert (await listener.received()).topic.startswith("$aws/things/lamp/shadow/update")
            if listener.inbox.empty():
                break
        await lamp.publish("$aws/things/core-gda/shadow/update", b'{"state":{"desired":{}}}', 0)
        assert (await lamp.ended()).code == NOT_AUTHORIZED
    with pytest.raises(Exception, match="No shadow exists"):
        await edge.shadows.get("core-gda")


async def test_a_will_is_judged_like_a_publish(edge: CloudEdge, listener: MqttDevice) -> None:
    identity = await enrolled(edge, allow("iot:Publish", "topic/lamp/*"))
    for will_topic in ("fan/gone", "lamp/gone"):
        async with mqtt_device(edge, identity, "lamp", will=(will_topic, b"gone")) as lamp:
            lamp.vanish()
            await lamp.ended()
    assert (await listener.received()).topic == "lamp/gone"
    assert [event.topic for event in edge.refusals if event.action == "publish"] == ["fan/gone"]


async def test_asking_to_retain_is_a_right_of_its_own(
    edge: CloudEdge, listener: MqttDevice
) -> None:
    """MQTT 5 clients are told that nothing is retained here; 3.1.1 has no word for that."""
    identity = await enrolled(
        edge, allow("iot:Publish", "topic/lamp/*"), allow("iot:RetainPublish", "topic/lamp/kept")
    )
    old = MQTTProtocolVersion.MQTTv311
    async with mqtt_device(edge, identity, "lamp", version=old) as lamp:
        await lamp.publish("lamp/kept", retain=True)
        assert (await listener.received()).topic == "lamp/kept"
        await lamp.publish("lamp/state", qos=0, retain=True)
        await lamp.ended()
    (refused,) = [event for event in edge.refusals if event.action == "publish"]
    assert "iot:RetainPublish" in refused.reason
    assert f"{TOPIC}lamp/state" in refused.reason
    await assert_heard_nothing(edge, listener)


async def test_a_retained_will_needs_that_right_too(edge: CloudEdge, listener: MqttDevice) -> None:
    identity = await enrolled(edge, allow("iot:Publish", "topic/lamp/*"))
    will = ("lamp/gone", b"gone", 0, True)
    old = MQTTProtocolVersion.MQTTv311
    async with mqtt_device(edge, identity, "lamp", version=old, will=will) as lamp:
        lamp.vanish()
        await lamp.ended()
    await assert_heard_nothing(edge, listener)
    assert "iot:RetainPublish" in edge.refusals[-1].reason


@pytest.mark.spec("D02")
async def test_a_filter_is_judged_as_it_is_written(edge: CloudEdge) -> None:
    """`*` is the policy's wildcard; `+` and `#` in a policy are the characters themselves."""
    identity = await enrolled(
        edge,
        allow("iot:Subscribe", "topicfilter/lamp/*", "topicfilter/room/+/light", "topicfilter/q/#"),
    )
    async with mqtt_device(edge, identity, "lamp") as lamp:
        for allowed in ("lamp/x", "lamp/#", "lamp/+/y", "room/+/light", "q/#"):
            assert (await lamp.subscribe(allowed))[0] < 0x80, allowed
        for refused in ("#", "+/x", "lamp", "room/kitchen/light", "q/x", "room/+/+", "$aws/#"):
            code, reason = await lamp.subscribe(refused)
            assert code == NOT_AUTHORIZED, refused
            assert "iot:Subscribe" in reason
            assert f"topicfilter/{refused}" in reason


async def test_a_wide_subscription_brings_in_only_what_may_be_received(edge: CloudEdge) -> None:
    identity = await enrolled(
        edge,
        allow("iot:Subscribe", "topicfilter/#"),
        allow("iot:Receive", "topic/open/*"),
        deny("iot:Receive", "topic/open/secret"),
    )
    async with mqtt_device(edge, identity, "lamp") as lamp:
        await lamp.subscribe("#")
        for topic in ("closed/a", "open/secret", "open/a"):
            await edge.broker.publish(topic, b"x")
        assert (await lamp.received()).topic == "open/a"
        assert lamp.inbox.empty()


async def test_permission_to_subscribe_is_no_permission_to_receive(edge: CloudEdge) -> None:
    identity = await enrolled(
        edge, allow("iot:Subscribe", "topicfilter/*"), allow("iot:Receive", "topic/b")
    )
    async with mqtt_device(edge, identity, "lamp") as lamp:
        await lamp.subscribe("a")
        await lamp.subscribe("b")
        await edge.broker.publish("a", b"x")
        await edge.broker.publish("b", b"x")
        assert (await lamp.received()).topic == "b"


async def test_a_topic_that_imitates_policy_syntax_gains_nothing(
    edge: CloudEdge, listener: MqttDevice
) -> None:
    identity = await enrolled(edge, allow("iot:Publish", "topic/lamp"))
    for topic in ("*", "lam?", "${iot:ClientId}", "lamp/", "LAMP", "lamp*"):
        async with mqtt_device(edge, identity, "lamp") as lamp:
            await lamp.publish(topic, qos=0)
            await lamp.ended()
    await assert_heard_nothing(edge, listener)


@pytest.mark.promise(9)
async def test_refusals_never_tell_what_was_in_the_message(
    edge: CloudEdge, caplog: pytest.LogCaptureFixture
) -> None:
    identity = await enrolled(edge, allow("iot:Publish", "topic/$aws/things/lamp/shadow/update"))
    async with mqtt_device(edge, identity, "lamp") as lamp:
        await lamp.publish("$aws/things/lamp/shadow/update", b"hunter2 {")
        await lamp.publish("elsewhere", b"hunter2", qos=0)
        await lamp.ended()
    assert edge.refusals
    assert "hunter2" not in repr(edge.refusals)
    assert "hunter2" not in caplog.text


async def test_a_deny_is_not_passed_by_asking_for_a_share(edge: CloudEdge) -> None:
    identity = await enrolled(
        edge, allow("iot:Subscribe", "topicfilter/*"), deny("iot:Subscribe", "topicfilter/secret/*")
    )
    async with mqtt_device(edge, identity, "lamp") as lamp:
        for topic_filter in ("secret/1", "$share/g/secret/1", "$share/secret/secret/+"):
            assert (await lamp.subscribe(topic_filter))[0] == NOT_AUTHORIZED
        assert (await lamp.subscribe("$share/g/open/1"))[0] < 0x80
