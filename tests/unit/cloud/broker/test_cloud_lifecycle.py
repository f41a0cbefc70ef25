"""Lifecycle events: the documented topics, members and reasons, in the order of what happened."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from paho.mqtt.enums import MQTTProtocolVersion
from tests.support.clock import ManualClock
from tests.support.cloud_edge import CloudEdge, MqttDevice, cloud_edge, mqtt_device
from tests.support.registry import allow, issued, policy

from hedgerow.cloud.broker import CloudIdentity, Program
from hedgerow.cloud.broker.lifecycle import DISCONNECT_REASONS, Lifecycle
from hedgerow.mqtt import Peer, ProtocolVersion, SessionEvent, SessionRef

PRESENCE = "$aws/events/presence/"
SUBSCRIPTIONS = "$aws/events/subscriptions/"


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[CloudEdge]:
    async with cloud_edge(tmp_path) as opened:
        yield opened


@pytest.fixture
async def watcher(edge: CloudEdge) -> AsyncIterator[MqttDevice]:
    """Give a device that may hear of every client, and does."""
    identity = issued()
    await edge.registrar.enrol("watcher", identity)
    async with mqtt_device(edge, identity, "watcher") as device:
        await device.subscribe("$aws/events/#")
        topic, _ = await device.event()
        assert topic == f"{SUBSCRIPTIONS}subscribed/watcher"
        yield device


async def test_coming_subscribing_unsubscribing_and_going_are_told(
    edge: CloudEdge, watcher: MqttDevice
) -> None:
    """A core's main connection is told of under its own id, and so are its further ones."""
    identity = issued()
    await edge.registrar.enrol("core", identity)
    async with mqtt_device(edge, identity, "core") as core:
        topic, connected = await watcher.event()
        assert topic == f"{PRESENCE}connected/core"
        await core.subscribe("rooms/+", 1)
        subscribed = await watcher.event()
        await core.unsubscribe("rooms/+")
        unsubscribed = await watcher.event()
        async with mqtt_device(edge, identity, "core-c00"):
            assert (await watcher.event())[0] == f"{PRESENCE}connected/core-c00"
        assert (await watcher.event())[0] == f"{PRESENCE}disconnected/core-c00"
    topic, disconnected = await watcher.event()
    assert topic == f"{PRESENCE}disconnected/core"
    common = {
        "clientId": "core",
        "sessionIdentifier": connected["sessionIdentifier"],
        "principalIdentifier": identity.id,
    }
    at = connected.pop("timestamp")
    assert 0 <= disconnected.pop("timestamp") - at < 60_000
    assert connected == {
        **common,
        "eventType": "connected",
        "ipAddress": "127.0.0.1",
        "versionNumber": 0,
    }
    assert disconnected == {
        **common,
        "eventType": "disconnected",
        "clientInitiatedDisconnect": True,
        "disconnectReason": "CLIENT_INITIATED_DISCONNECT",
        "versionNumber": 0,
    }
    for (topic, told), kind in ((subscribed, "subscribed"), (unsubscribed, "unsubscribed")):
        assert topic == f"{SUBSCRIPTIONS}{kind}/core"
        del told["timestamp"]
        assert told == {**common, "eventType": kind, "topics": ["rooms/+"]}


async def ending(watcher: MqttDevice, client_id: str = "lamp") -> dict[str, Any]:
    """Return the next event that says that a client has gone."""
    while True:
        topic, told = await watcher.event()
        if topic == f"{PRESENCE}disconnected/{client_id}":
            return told


@pytest.mark.spec("H17")
async def test_a_client_whose_id_another_takes_is_told_of_first(
    edge: CloudEdge, watcher: MqttDevice
) -> None:
    identity = issued()
    await edge.registrar.enrol("lamp", identity)
    async with mqtt_device(edge, identity, "lamp"):
        _, first = await watcher.event()
        async with mqtt_device(edge, identity, "lamp"):
            (gone_topic, gone), (came_topic, came) = await watcher.event(), await watcher.event()
            assert gone_topic == f"{PRESENCE}disconnected/lamp"
            assert gone["disconnectReason"] == "DUPLICATE_CLIENTID"
            assert gone["versionNumber"] == first["versionNumber"] == 0
            assert came_topic == f"{PRESENCE}connected/lamp"
            assert came["versionNumber"] == 1
            assert came["sessionIdentifier"] != gone["sessionIdentifier"]


async def test_reasons_of_the_broker_are_told_in_the_documented_words(
    edge: CloudEdge, watcher: MqttDevice
) -> None:
    identity = issued()
    text = policy(allow("iot:Connect", "client/lamp"), allow("iot:Publish", "topic/lamp/*"))
    await edge.registrar.enrol("lamp", identity, text)
    old = MQTTProtocolVersion.MQTTv311
    async with mqtt_device(edge, identity, "lamp", version=old) as lamp:
        lamp.vanish()
        told = await ending(watcher)
        assert told["disconnectReason"] == "CONNECTION_LOST"
        assert told["clientInitiatedDisconnect"] is False
    async with mqtt_device(edge, identity, "lamp") as lamp:
        await lamp.publish("fan/state", qos=0)
        assert (await ending(watcher))["disconnectReason"] == "AUTH_ERROR"
    async with mqtt_device(edge, identity, "lamp") as lamp:
        await lamp.publish("lamp/x", bytes(128 * 1024 + 1), qos=0)
        assert (await ending(watcher))["disconnectReason"] == "CLIENT_ERROR"
    async with mqtt_device(edge, identity, "lamp"):
        assert edge.broker.delete_connection("lamp", clean_session=False, will=True)
        assert (await ending(watcher))["disconnectReason"] == "API_INITIATED_DISCONNECT"
    async with mqtt_device(edge, identity, "lamp"):
        await edge.registrar.status(identity, "REVOKED")
        told = await ending(watcher)
        assert (told["disconnectReason"], told["versionNumber"]) == ("AUTH_ERROR", 4)


async def test_only_who_may_subscribe_hears_of_others(edge: CloudEdge) -> None:
    nosy, lamp = issued(), issued()
    text = policy(allow("iot:Connect", "client/nosy"), allow("iot:Subscribe", "topicfilter/rooms"))
    await edge.registrar.enrol("nosy", nosy, text)
    await edge.registrar.enrol("lamp", lamp)
    async with mqtt_device(edge, nosy, "nosy") as device:
        for topic_filter in ("$aws/events/#", f"{PRESENCE}connected/lamp", "$share/g/$aws/#"):
            assert (await device.subscribe(topic_filter))[0] == 0x87
    async with mqtt_device(edge, lamp, "lamp") as device:
        await device.subscribe("#")
        await edge.broker.publish("marker", b"")
        assert (await device.received()).topic == "marker"
        assert device.events.empty(), "a filter that does not name $aws does not match it"


async def test_nobody_can_say_that_somebody_came(edge: CloudEdge, watcher: MqttDevice) -> None:
    liar = issued()
    await edge.registrar.enrol("liar", liar)
    async with mqtt_device(edge, liar, "liar") as device:
        await watcher.event()
        await device.publish(f"{PRESENCE}connected/lamp", b"{}", qos=0)
        assert (await device.ended()).code == 0x87
    topic, told = await watcher.event()
    assert topic == f"{PRESENCE}disconnected/liar"
    assert told["disconnectReason"] == "AUTH_ERROR"


@pytest.mark.parametrize("client_id", ["lamp+1", "lamp#"])
async def test_ids_that_cannot_be_topics_are_not_told_of(
    edge: CloudEdge, watcher: MqttDevice, client_id: str
) -> None:
    identity = issued()
    await edge.registrar.enrol("lamp", identity)
    async with mqtt_device(edge, identity, client_id):
        pass
    async with mqtt_device(edge, identity, "lamp"):
        assert (await watcher.event())[0] == f"{PRESENCE}connected/lamp"


# ---- the machine itself

Kind = Literal["connected", "disconnected", "subscribed", "unsubscribed"]


class Told:
    """A lifecycle with a hand-set clock, and what it has told."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.messages: list[tuple[str, dict[str, Any]]] = []
        self.lifecycle = Lifecycle(self._hear, self.clock)

    def _hear(self, topic: str, payload: bytes) -> None:
        self.messages.append((topic, json.loads(payload)))

    async def happens(self, kind: Kind, session: SessionRef, **more: Any) -> dict[str, Any]:
        self.lifecycle.take(SessionEvent(kind, session, **more))
        count = len(self.messages)
        await asyncio.sleep(0)
        assert len(self.messages) == count + 1, "it is told after the broker is done"
        return self.messages[-1][1]


def session(number: int, client_id: str = "lamp") -> SessionRef:
    class Known(Program):
        principal_id = "AIDAEXAMPLE"

    identity = CloudIdentity(Known.__new__(Known), client_id)
    peer = Peer(identity=None, address="192.0.2.1")
    return SessionRef(number, client_id, identity, peer, ProtocolVersion.V5)


async def test_every_cause_has_its_reason_and_unknown_ones_are_the_clients_fault() -> None:
    told = Told()
    for number, (cause, reason) in enumerate([*DISCONNECT_REASONS.items(), ("x", "CLIENT_ERROR")]):
        await told.happens("connected", session(number))
        gone = await told.happens("disconnected", session(number), cause=cause)
        assert gone["disconnectReason"] == reason
        assert gone["clientInitiatedDisconnect"] is (cause == "client")
        assert gone["principalIdentifier"] == "AIDAEXAMPLE"
        assert gone["versionNumber"] == number


async def test_versions_begin_anew_after_an_hour_without_a_connection() -> None:
    told = Told()
    await told.happens("connected", session(1))
    told.clock.advance(timedelta(hours=3))
    await told.happens("connected", session(2, "other"))
    await told.happens("disconnected", session(1), cause="lost")
    told.clock.advance(timedelta(minutes=59))
    again = await told.happens("connected", session(3))
    assert again["versionNumber"] == 1
    await told.happens("disconnected", session(3), cause="client")
    told.clock.advance(timedelta(minutes=61))
    assert (await told.happens("connected", session(4)))["versionNumber"] == 0


async def test_a_session_that_is_resumed_keeps_its_identifier() -> None:
    told = Told()
    first = await told.happens("connected", session(1))
    await told.happens("disconnected", session(1), cause="lost")
    resumed = await told.happens("connected", session(2), resumed=True)
    assert resumed["sessionIdentifier"] == first["sessionIdentifier"]
    await told.happens("disconnected", session(2), cause="lost")
    anew = await told.happens("connected", session(3))
    assert anew["sessionIdentifier"] != first["sessionIdentifier"]


async def test_what_happened_at_once_is_told_in_order() -> None:
    told = Told()
    for number in range(50):
        told.lifecycle.take(SessionEvent("connected", session(number, f"lamp{number}")))
    await asyncio.sleep(0)
    ids = [message["clientId"] for _, message in told.messages]
    assert ids == [f"lamp{number}" for number in range(50)]
