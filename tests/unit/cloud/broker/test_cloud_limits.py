"""What the cloud's broker offers is what AWS IoT Core documents, seen from the wire."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.clock import ManualClock
from tests.support.cloud_edge import CloudEdge, cloud_edge
from tests.support.mqtt_client import MqttClient
from tests.support.registry import Device, allow, issued, our_authority, policy

from hedgerow.cloud.broker import cloud_limits
from hedgerow.cloud.broker.limits import LONGEST_SESSION_EXPIRY_S, OFFERED
from hedgerow.mqtt import Limits, ProtocolVersion, ReasonCode
from hedgerow.mqtt.codec import Disconnect, Properties, Publish, Subscribe, SubscribeItem, Will

V311, V5 = ProtocolVersion.V311, ProtocolVersion.V5


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[CloudEdge]:
    async with cloud_edge(tmp_path) as opened:
        yield opened


@pytest.fixture
async def lamp(edge: CloudEdge) -> Device:
    identity = issued()
    await edge.registrar.enrol("lamp", identity)
    return identity


@asynccontextmanager
async def client(
    edge: CloudEdge, identity: Device, version: ProtocolVersion = V5
) -> AsyncIterator[MqttClient]:
    context = identity.client_context(our_authority().certificate_pem)
    opened = await MqttClient.open(
        "127.0.0.1", edge.port, tls=context, server_hostname="localhost", version=version
    )
    async with opened:
        yield opened


async def cut(mqtt: MqttClient) -> ReasonCode:
    """Return why the broker ended the connection."""
    last = (await mqtt.expect_end())[-1]
    assert isinstance(last, Disconnect)
    return last.reason


def test_every_row_is_a_limit_of_the_engine_and_has_a_source() -> None:
    known = {one.name for one in fields(Limits)}
    assert [row.field for row in OFFERED if row.field not in known] == []
    assert all(row.source.startswith("AWS ") for row in OFFERED)
    limits = cloud_limits()
    assert {row.field: getattr(limits, row.field) for row in OFFERED} == {
        row.field: row.value for row in OFFERED
    }


def test_an_owner_raises_the_session_expiry_to_seven_days_at_most() -> None:
    assert cloud_limits(session_expiry_s=LONGEST_SESSION_EXPIRY_S).session_expiry_s == 604_800
    assert cloud_limits(replayed_per_second=None).replayed_per_second is None
    with pytest.raises(ValueError, match="604800"):
        cloud_limits(session_expiry_s=LONGEST_SESSION_EXPIRY_S + 1)


async def test_an_mqtt_5_client_is_told_what_is_offered(edge: CloudEdge, lamp: Device) -> None:
    async with client(edge, lamp) as mqtt:
        asked = Properties(session_expiry_interval=100_000)
        told = (await mqtt.connect("lamp", properties=asked, keep_alive_s=10)).properties
        assert told.maximum_qos == 1
        assert told.topic_alias_maximum == 8
        assert told.receive_maximum == 100
        assert told.session_expiry_interval == 3600
        assert told.server_keep_alive == 30
        assert told.retain_available is not False
        assert told.shared_subscription_available is not False
        assert told.maximum_packet_size is not None
        assert told.maximum_packet_size > 128 * 1024


@pytest.mark.parametrize(("asked", "given"), [(0, 1200), (29, 30), (30, None), (5000, 1200)])
async def test_keep_alives_lie_between_30_and_1200_seconds(
    edge: CloudEdge, lamp: Device, asked: int, given: int | None
) -> None:
    async with client(edge, lamp) as mqtt:
        connack = await mqtt.connect("lamp", keep_alive_s=asked)
        assert connack.properties.server_keep_alive == given


async def test_qos_2_is_not_offered(edge: CloudEdge, lamp: Device) -> None:
    async with client(edge, lamp) as mqtt:
        await mqtt.connect("lamp")
        assert (await mqtt.subscribe("a", qos=2)).reasons == (ReasonCode.GRANTED_QOS_1,)
        await mqtt.send(Publish("a", b"", qos=2, packet_id=9))
        assert await cut(mqtt) is ReasonCode.QOS_NOT_SUPPORTED


async def test_a_subscribe_holds_eight_filters_and_a_connection_fifty(
    edge: CloudEdge, lamp: Device
) -> None:
    async with client(edge, lamp) as mqtt:
        await mqtt.connect("lamp")
        names = [f"t/{number}" for number in range(50)]
        for start in range(0, 50, 8):
            answer = await mqtt.subscribe(*names[start : start + 8])
            assert not any(reason.is_error for reason in answer.reasons)
        one_more = await mqtt.subscribe("t/50")
        assert one_more.reasons == (ReasonCode.QUOTA_EXCEEDED,)
        nine = tuple(SubscribeItem(name) for name in names[:9])
        await mqtt.send(Subscribe(99, nine))
        assert await cut(mqtt) is ReasonCode.QUOTA_EXCEEDED


@pytest.mark.spec("G07", "G08")
async def test_sizes(edge: CloudEdge, lamp: Device) -> None:
    async with client(edge, lamp) as mqtt:
        await mqtt.connect("lamp")
        largest = await mqtt.publish("a/" * 7 + "x" * 242, bytes(128 * 1024), qos=1)
        assert largest is not None
        assert not largest.reason.is_error
    for topic, size, reason in (
        ("a", 128 * 1024 + 1, ReasonCode.PACKET_TOO_LARGE),
        ("x" * 257, 0, ReasonCode.TOPIC_NAME_INVALID),
        ("a/" * 8, 0, ReasonCode.TOPIC_NAME_INVALID),
    ):
        async with client(edge, lamp) as mqtt:
            await mqtt.connect("lamp")
            await mqtt.send(Publish(topic, bytes(size)))
            assert await cut(mqtt) is reason


async def test_client_ids(edge: CloudEdge, lamp: Device) -> None:
    for client_id, reason in (
        ("x" * 128, ReasonCode.SUCCESS),
        ("x" * 129, ReasonCode.CLIENT_IDENTIFIER_NOT_VALID),
        ("$x", ReasonCode.CLIENT_IDENTIFIER_NOT_VALID),
        ("", ReasonCode.SUCCESS),
    ):
        async with client(edge, lamp) as mqtt:
            connack = await mqtt.connect(client_id)
            assert connack.reason is reason
            assert bool(connack.properties.assigned_client_identifier) is not bool(client_id)


async def test_eight_topic_aliases(edge: CloudEdge, lamp: Device) -> None:
    async with client(edge, lamp) as mqtt:
        await mqtt.connect("lamp")
        await mqtt.subscribe("a")
        await mqtt.publish("a", b"1", properties=Properties(topic_alias=8))
        await mqtt.publish("", b"2", properties=Properties(topic_alias=8))
        assert [(await mqtt.message()).payload for _ in range(2)] == [b"1", b"2"]
        await mqtt.publish("a", b"3", properties=Properties(topic_alias=9))
        assert await cut(mqtt) is ReasonCode.TOPIC_ALIAS_INVALID


async def test_a_retained_message_comes_to_who_subscribes_to_exactly_its_topic(
    edge: CloudEdge, lamp: Device
) -> None:
    async with client(edge, lamp) as mqtt:
        await mqtt.connect("lamp")
        await mqtt.publish("room/state", b"warm", qos=1, retain=True)
        await mqtt.subscribe("room/+", "#")
        await mqtt.sync()
        await mqtt.subscribe("room/state", qos=1)
        kept = await mqtt.message()
        assert (kept.topic, kept.payload, kept.retain) == ("room/state", b"warm", True)
        await mqtt.unsubscribe("room/+", "#")
        await mqtt.publish("room/state", b"", qos=0, retain=True)
        assert (await mqtt.message()).payload == b""
        assert edge.broker.retained("room/state") is None


async def test_a_shared_subscription_is_judged_as_it_is_written_and_gives_each_message_once(
    edge: CloudEdge,
) -> None:
    sender, ids = issued(), ("one", "two")
    await edge.registrar.enrol("sender", sender)
    text = policy(
        allow("iot:Connect", "client/one", "client/two"),
        allow("iot:Subscribe", "topicfilter/$share/workers/jobs/*"),
        allow("iot:Receive", "topic/jobs/*"),
    )
    worker = issued()
    await edge.registrar.enrol("worker", worker, text)
    async with (
        client(edge, worker) as one,
        client(edge, worker) as two,
        client(edge, sender) as mqtt,
    ):
        for each, client_id in zip((one, two), ids, strict=True):
            await each.connect(client_id)
            denied = await each.subscribe("jobs/+", "$share/others/jobs/+")
            assert set(denied.reasons) == {ReasonCode.NOT_AUTHORIZED}
            granted = await each.subscribe("$share/workers/jobs/+", qos=1)
            assert granted.reasons == (ReasonCode.GRANTED_QOS_1,)
        await mqtt.connect("sender")
        for number in range(10):
            await mqtt.publish("jobs/x", b"%d" % number, qos=1)
        heard = [[(await each.message()).payload for _ in range(5)] for each in (one, two)]
        assert sorted(heard[0] + heard[1]) == [b"%d" % number for number in range(10)]


# ---- persistent sessions


async def stored(edge: CloudEdge, lamp: Device, count: int) -> None:
    """Let a persistent session of 3.1.1 go away, and publish so many messages to it."""
    async with client(edge, lamp, V311) as mqtt:
        connack = await mqtt.connect("lamp", clean_start=False)
        assert not connack.session_present
        await mqtt.subscribe("q", qos=1)
        await mqtt.goodbye()
        await mqtt.expect_end()
    for number in range(count):
        await edge.broker.publish("q", b"%d" % number, qos=1)
        await edge.broker.publish("q", b"not kept", qos=0)


@pytest.mark.spec("H10")
async def test_a_persistent_session_keeps_qos_1_messages_and_replays_ten_a_second(
    edge: CloudEdge, lamp: Device
) -> None:
    await stored(edge, lamp, 25)
    async with client(edge, lamp, V311) as mqtt:
        started = time.monotonic()
        assert (await mqtt.connect("lamp", clean_start=False)).session_present
        for number in range(25):
            assert (await mqtt.message()).payload == b"%d" % number
        assert 1.0 < time.monotonic() - started < 6.0


async def test_an_owner_can_have_stored_messages_replayed_at_once(tmp_path: Path) -> None:
    async with cloud_edge(tmp_path, limits=cloud_limits(replayed_per_second=None)) as edge:
        identity = issued()
        await edge.registrar.enrol("lamp", identity)
        await stored(edge, identity, 60)
        async with client(edge, identity, V311) as mqtt:
            started = time.monotonic()
            await mqtt.connect("lamp", clean_start=False)
            for _ in range(60):
                await mqtt.message()
            assert time.monotonic() - started < 3.0


@pytest.mark.spec("H10")
@pytest.mark.parametrize(("away", "still_there"), [(3599, True), (3601, False)])
async def test_a_persistent_session_is_kept_for_an_hour(
    tmp_path: Path, away: int, *, still_there: bool
) -> None:
    clock = ManualClock()
    async with cloud_edge(tmp_path, clock=clock) as edge:
        identity = issued()
        await edge.registrar.enrol("lamp", identity)
        await stored(edge, identity, 1)
        clock.advance(timedelta(seconds=away))
        async with client(edge, identity, V311) as mqtt:
            await passed(edge)
            connack = await mqtt.connect("lamp", clean_start=False)
            assert connack.session_present is still_there


async def passed(edge: CloudEdge) -> None:
    """Let the broker look at the clock."""
    edge.broker._broker.tick()
    await asyncio.sleep(0)


async def test_a_clean_start_ends_what_was_kept(edge: CloudEdge, lamp: Device) -> None:
    await stored(edge, lamp, 3)
    async with client(edge, lamp, V311) as mqtt:
        assert not (await mqtt.connect("lamp", clean_start=True)).session_present
        await mqtt.sync()
    async with client(edge, lamp, V311) as mqtt:
        assert not (await mqtt.connect("lamp", clean_start=False)).session_present


async def test_message_expiry_and_will_delay(tmp_path: Path) -> None:
    clock = ManualClock()
    async with cloud_edge(tmp_path, clock=clock) as edge:
        identity = issued()
        await edge.registrar.enrol("lamp", identity)
        keep = Properties(session_expiry_interval=3000)
        async with client(edge, identity) as watcher:
            await watcher.connect("watcher")
            await watcher.subscribe("will")
            async with client(edge, identity) as mqtt:
                will = Will("will", b"gone", properties=Properties(will_delay_interval=60))
                await mqtt.connect("lamp", properties=keep, will=will)
                await mqtt.subscribe(SubscribeItem("q", 1))
            for expiry_s in (30, 300):
                await edge.broker.publish(
                    "q", b"%d" % expiry_s, qos=1,
                    properties=Properties(message_expiry_interval=expiry_s),
                )  # fmt: skip
            await watcher.sync()
            clock.advance(timedelta(seconds=61))
            await passed(edge)
            assert (await watcher.message()).payload == b"gone"
            async with client(edge, identity) as mqtt:
                await mqtt.connect("lamp", properties=keep, clean_start=False)
                left = await mqtt.message()
                assert left.payload == b"300"
                assert left.properties.message_expiry_interval == 239
