"""Sessions that wait for their clients attacked: what is taken away stays away, for everybody."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.clock import ManualClock
from tests.support.cloud_edge import CloudEdge, cloud_edge
from tests.support.mqtt_client import MqttClient
from tests.support.registry import Device, allow, deny, issued, our_authority, policy

from hedgerow.mqtt import ProtocolVersion, ReasonCode
from hedgerow.mqtt.codec import Disconnect, Properties, Will

V311, V5 = ProtocolVersion.V311, ProtocolVersion.V5
KEPT = Properties(session_expiry_interval=3000)


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[CloudEdge]:
    async with cloud_edge(tmp_path) as opened:
        yield opened


@asynccontextmanager
async def client(
    edge: CloudEdge, identity: Device, version: ProtocolVersion = V311
) -> AsyncIterator[MqttClient]:
    context = identity.client_context(our_authority().certificate_pem)
    opened = await MqttClient.open(
        "127.0.0.1", edge.port, tls=context, server_hostname="localhost", version=version
    )
    async with opened:
        yield opened


async def away(edge: CloudEdge, lamp: Device, *topics: str) -> None:
    """Let a lamp subscribe, go, and miss one message on each topic."""
    async with client(edge, lamp) as mqtt:
        await mqtt.connect("lamp", clean_start=False)
        for topic in topics:
            assert not (await mqtt.subscribe(topic, qos=1)).reasons[0].is_error
        await mqtt.goodbye()
        await mqtt.expect_end()
    for topic in topics:
        await edge.broker.publish(topic, b"missed", qos=1)


EVERYTHING = policy(allow("iot:*", "*"))
NOTHING = policy(allow("iot:Connect", "client/nobody"))
Change = Callable[[CloudEdge, Device], Awaitable[None]]


async def revoked(edge: CloudEdge, lamp: Device) -> None:
    await edge.registrar.status(lamp, "INACTIVE")
    await edge.registrar.status(lamp, "ACTIVE")


async def thing_detached(edge: CloudEdge, lamp: Device) -> None:
    await edge.registrar.detach_thing("lamp", lamp)
    await edge.registrar.attach_thing("lamp", lamp)


async def policy_edited(edge: CloudEdge, _lamp: Device) -> None:
    await edge.registrar.edit_policy("lamp-policy", NOTHING)
    await edge.registrar.edit_policy("lamp-policy", EVERYTHING)


@pytest.mark.promise(4)
@pytest.mark.parametrize("change", [revoked, thing_detached, policy_edited])
async def test_nothing_waits_for_a_device_that_was_shut_out_meanwhile(
    edge: CloudEdge, change: Change
) -> None:
    """Being let in again later brings nothing back: not the session, not what it missed."""
    lamp = issued()
    await edge.registrar.enrol("lamp", lamp, EVERYTHING)
    await away(edge, lamp, "a")
    await change(edge, lamp)
    await edge.broker.publish("a", b"more", qos=1)
    async with client(edge, lamp) as mqtt:
        assert not (await mqtt.connect("lamp", clean_start=False)).session_present
        await mqtt.sync()


@pytest.mark.promise(4)
async def test_what_may_not_be_received_any_more_is_not_delivered_on_return(
    edge: CloudEdge,
) -> None:
    lamp = issued()
    await edge.registrar.enrol("lamp", lamp, EVERYTHING)
    await away(edge, lamp, "a", "b", "c")
    await edge.registrar.edit_policy(
        "lamp-policy",
        policy(
            allow(["iot:Connect", "iot:Publish"], "*"),
            allow("iot:Subscribe", "topicfilter/a", "topicfilter/b"),
            allow("iot:Receive", "topic/b", "topic/c"),
        ),
    )
    await edge.broker.publish("c", b"published since", qos=1)
    async with client(edge, lamp) as mqtt:
        assert (await mqtt.connect("lamp", clean_start=False)).session_present
        heard = [(await mqtt.message()).topic for _ in range(2)]
        assert heard == ["b", "c"], "c was subscribed to, and allowed, when it was published"
        await mqtt.sync()
        for topic in ("a", "c"):
            await edge.broker.publish(topic, b"", qos=1)
        await mqtt.sync()


@pytest.mark.promise(4)
async def test_a_will_that_waits_is_not_said_for_a_device_that_was_shut_out(
    tmp_path: Path,
) -> None:
    clock = ManualClock()
    async with cloud_edge(tmp_path, clock=clock) as edge:
        lamp, other = issued(), issued()
        await edge.registrar.enrol("lamp", lamp)
        await edge.registrar.enrol("watcher", other)
        async with client(edge, other, V5) as watcher:
            await watcher.connect("watcher")
            await watcher.subscribe("will")
            async with client(edge, lamp, V5) as mqtt:
                delay = Properties(will_delay_interval=60)
                will = Will("will", b"said", properties=delay)
                await mqtt.connect("lamp", properties=KEPT, will=will)
            await watcher.sync()
            await edge.registrar.status(lamp, "REVOKED")
            clock.advance(timedelta(seconds=61))
            edge.broker._broker.tick()
            await watcher.sync()


@pytest.mark.promise(1)
async def test_what_is_retained_goes_only_to_who_may_receive_it(edge: CloudEdge) -> None:
    sender, nosy = issued(), issued()
    await edge.registrar.enrol("sender", sender)
    text = policy(
        allow(["iot:Connect", "iot:Subscribe"], "*"), allow("iot:Receive", "topic/public")
    )
    await edge.registrar.enrol("nosy", nosy, text)
    async with client(edge, sender) as mqtt:
        await mqtt.connect("sender")
        for topic in ("private", "public"):
            await mqtt.publish(topic, b"kept", qos=1, retain=True)
    async with client(edge, nosy) as mqtt:
        await mqtt.connect("nosy")
        await mqtt.subscribe("private")
        await mqtt.subscribe("public")
        assert (await mqtt.message()).topic == "public"
        await mqtt.sync()
        text = policy(allow(["iot:Connect", "iot:Subscribe"], "*"))
        await edge.registrar.edit_policy("nosy-policy", text)
        await mqtt.subscribe("public")
        await mqtt.sync()


@pytest.mark.promise(2)
async def test_another_device_that_may_use_the_client_id_gets_only_what_it_may_receive(
    edge: CloudEdge,
) -> None:
    """A session is found by its client id; whose messages it holds is judged by who comes."""
    lamp, thief = issued(), issued()
    await edge.registrar.enrol("lamp", lamp)
    text = policy(
        allow("iot:Connect", "client/*"),
        allow("iot:Subscribe", "topicfilter/*"),
        allow("iot:Receive", "topic/public"),
    )
    await edge.registrar.enrol("thief", thief, text)
    await away(edge, lamp, "private", "public")
    async with client(edge, thief) as mqtt:
        await mqtt.connect("lamp", clean_start=False)
        assert (await mqtt.message()).topic == "public"
        await mqtt.sync()
        await edge.broker.publish("private", b"later", qos=1)
        await edge.broker.publish("public", b"later", qos=1)
        assert (await mqtt.message()).topic == "public"
        await mqtt.sync()


@pytest.mark.promise(2)
async def test_another_device_gets_nothing_that_waits_under_a_filter_it_may_not_subscribe_to(
    edge: CloudEdge,
) -> None:
    """Policies often allow to receive everything, and say with `iot:Subscribe` what that is."""
    lamp, thief = issued(), issued()
    await edge.registrar.enrol("lamp", lamp)
    text = policy(
        allow("iot:Connect", "client/*"),
        allow("iot:Receive", "topic/*"),
        allow("iot:Subscribe", "topicfilter/public"),
    )
    await edge.registrar.enrol("thief", thief, text)
    await away(edge, lamp, "private", "public")
    async with client(edge, thief) as mqtt:
        await mqtt.connect("lamp", clean_start=False)
        assert (await mqtt.message()).topic == "public"
        await mqtt.sync()


async def test_a_rotated_certificate_of_the_same_thing_goes_on_with_the_session(
    edge: CloudEdge,
) -> None:
    lamp, rotated = issued(), issued()
    await edge.registrar.enrol("lamp", lamp)
    await edge.registrar.certificate(rotated)
    await edge.registrar.attach_thing("lamp", rotated)
    await edge.registrar.attach_policy("lamp-policy", rotated)
    await away(edge, lamp, "a")
    await edge.registrar.status(lamp, "INACTIVE")
    async with client(edge, rotated) as mqtt:
        connack = await mqtt.connect("lamp", clean_start=False)
        assert not connack.session_present, "it went with the certificate that was shut out"
    await away(edge, rotated, "a")
    await edge.registrar.status(lamp, "ACTIVE")
    async with client(edge, lamp) as mqtt:
        assert (await mqtt.connect("lamp", clean_start=False)).session_present
        assert (await mqtt.message()).payload == b"missed"


@pytest.mark.promise(2)
async def test_who_may_not_use_a_client_id_throws_nobody_off(edge: CloudEdge) -> None:
    lamp, thief = issued(), issued()
    await edge.registrar.enrol("lamp", lamp)
    await edge.registrar.enrol("thief", thief, policy(allow("iot:Connect", "client/thief")))
    async with client(edge, lamp) as mqtt:
        await mqtt.connect("lamp")
        async with client(edge, thief, V5) as other:
            assert (await other.connect("lamp")).reason is ReasonCode.NOT_AUTHORIZED
        await mqtt.sync()
    assert [event.code for event in edge.refusals] == ["connect-denied"]


@pytest.mark.spec("H17")
async def test_two_clients_with_one_id_are_noticed_and_named(edge: CloudEdge) -> None:
    one, two = issued(), issued()
    await edge.registrar.enrol("one", one)
    await edge.registrar.enrol("two", two)
    async with client(edge, one, V5) as before:
        await before.connect("same")
        async with client(edge, two, V5) as second:
            await second.connect("same")
            last = (await before.expect_end())[-1]
            assert isinstance(last, Disconnect)
            assert last.reason is ReasonCode.SESSION_TAKEN_OVER
            async with client(edge, one, V5) as third:
                await third.connect("same")
                assert "conflicting-client-ids" not in {e.code for e in edge.refusals}
                async with client(edge, two, V5) as fourth:
                    await fourth.connect("same")
    named = [event for event in edge.refusals if event.code == "conflicting-client-ids"]
    assert len(named) == 1
    assert named[0].client_id == "same"
    for text in ("'same'", one.id[:10], two.id[:10], "an id of its own"):
        assert text in named[0].reason


@pytest.mark.spec("H17")
async def test_clients_in_conflict_may_take_their_id_once_a_second(tmp_path: Path) -> None:
    clock = ManualClock()
    async with cloud_edge(tmp_path, clock=clock) as edge, AsyncExitStack() as opened:
        lamp, fan = issued(), issued()
        await edge.registrar.enrol("lamp", lamp)
        await edge.registrar.enrol("fan", fan)

        async def connect(client_id: str = "same") -> ReasonCode:
            mqtt = await opened.enter_async_context(client(edge, lamp, V5))
            return (await mqtt.connect(client_id)).reason

        assert [await connect() for _ in range(5)] == [
            *(ReasonCode.SUCCESS,) * 4,
            ReasonCode.CONNECTION_RATE_EXCEEDED,
        ]
        assert await connect("other") is ReasonCode.SUCCESS, "others are not concerned"
        clock.advance(timedelta(seconds=1))
        assert await connect() is ReasonCode.SUCCESS
        assert await connect() is ReasonCode.CONNECTION_RATE_EXCEEDED
        clock.advance(timedelta(seconds=61))
        assert [await connect() for _ in range(2)] == [ReasonCode.SUCCESS] * 2


@pytest.mark.parametrize("clean", [True, False])
async def test_a_deleted_connection_keeps_its_session_unless_asked(
    edge: CloudEdge, *, clean: bool
) -> None:
    lamp, other = issued(), issued()
    await edge.registrar.enrol("lamp", lamp)
    await edge.registrar.enrol("watcher", other)
    async with client(edge, other) as watcher:
        await watcher.connect("watcher")
        await watcher.subscribe("will")
        async with client(edge, lamp, V5) as mqtt:
            await mqtt.connect("lamp", properties=KEPT, will=Will("will", b"said"))
            assert edge.broker.delete_connection("lamp", clean_session=clean, will=not clean)
            last = (await mqtt.expect_end())[-1]
            assert isinstance(last, Disconnect)
            assert last.reason is ReasonCode.ADMINISTRATIVE_ACTION
        if not clean:
            assert (await watcher.message()).payload == b"said"
        await watcher.sync()
    assert edge.broker.delete_connection("nobody", clean_session=True, will=True) is False
    async with client(edge, lamp, V5) as mqtt:
        connack = await mqtt.connect("lamp", clean_start=False, properties=KEPT)
        assert connack.session_present is not clean


@pytest.mark.promise(1)
async def test_asking_for_a_session_or_a_will_can_be_denied(edge: CloudEdge) -> None:
    """`iot:ConnectAttributes`, as the guide's example policies use it."""
    lamp = issued()
    asks = {"iot:ConnectAttributes": ["PersistentConnect"]}
    denied = {**deny("iot:Connect", "*"), "Condition": {"ForAnyValue:StringEquals": asks}}
    await edge.registrar.enrol("lamp", lamp, policy(allow("iot:Connect", "client/*"), denied))
    will, clean, kept = Will("w", b""), {"clean_start": True}, {"clean_start": False}
    async with client(edge, lamp) as mqtt:
        assert not (await mqtt.connect("lamp", will=will)).reason.is_error
    async with client(edge, lamp, V5) as mqtt:
        assert (await mqtt.connect("lamp", properties=KEPT)).reason is ReasonCode.NOT_AUTHORIZED
    async with client(edge, lamp) as mqtt:
        assert (await mqtt.connect("lamp", clean_start=False)).reason.is_error
    only = {"iot:ConnectAttributes": ["LastWill"]}
    allowed = {**allow("iot:Connect", "client/*"), "Condition": {"ForAllValues:StringEquals": only}}
    await edge.registrar.edit_policy("lamp-policy", policy(allowed))
    for asked, refused in ((clean, False), ({**clean, "will": will}, False), (kept, True)):
        async with client(edge, lamp) as mqtt:
            assert (await mqtt.connect("lamp", **asked)).reason.is_error is refused, asked
