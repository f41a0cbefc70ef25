"""Other people's conformance suites, where they are, and the adapter that they come through."""

import asyncio
import os
import socket
from pathlib import Path

import pytest
from bench.conformance.__main__ import unexplained
from bench.conformance.adapter import Adapter, claimed_client_id
from bench.conformance.open_door import open_door
from bench.conformance.options import MOSQUITTO_LIKE, read
from bench.conformance.running import run_all
from tests.support.mqtt_client import MqttClient

from hedgerow.mqtt import ProtocolVersion, ReasonCode, encode
from hedgerow.mqtt.codec import Connect, Properties

_SUITES = ("HEDGEROW_PAHO_TESTING", "HEDGEROW_MOSQUITTO_SOURCE")
_with_suites = pytest.mark.skipif(
    not all(os.environ.get(name) for name in _SUITES),
    reason=f"{' and '.join(_SUITES)} name no clones of the suites",
)


@_with_suites
@pytest.mark.timeout(1800)
def test_hedgerow_passes_what_mosquitto_passes_but_for_what_is_explained(tmp_path: Path) -> None:
    outcomes = run_all(tmp_path, [])
    assert unexplained(outcomes) == []


async def test_the_adapter_comes_in_as_the_client_that_the_connect_names() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    async with open_door(MOSQUITTO_LIKE) as door:
        adapter = Adapter(door.context_of, door.listener.port)
        await adapter.start(listening)
        port = listening.getsockname()[1]
        async with await MqttClient.open("127.0.0.1", port, version=ProtocolVersion.V5) as client:
            await client.connect("somebody")
            (session,) = door.broker.sessions
            assert (session.client_id, session.identity) == ("somebody", "somebody")
            await client.subscribe("t", qos=1)
            await client.publish("t", b"x", qos=0)
            assert (await client.message()).payload == b"x"
            await client.goodbye()
            await client.expect_end()
        await adapter.stop()


async def test_without_the_adapter_nobody_comes_in_under_another_name() -> None:
    async with open_door(MOSQUITTO_LIKE) as door:
        client = await MqttClient.open(
            "127.0.0.1",
            door.listener.port,
            tls=door.context_of("somebody"),
            server_hostname="localhost",
        )
        async with client:
            answer = await client.connect("somebody else")
            assert answer.reason is not ReasonCode.SUCCESS


@pytest.mark.parametrize("version", list(ProtocolVersion))
def test_the_client_id_is_read_whatever_the_version(version: ProtocolVersion) -> None:
    properties = Properties(session_expiry_interval=7, user_property=(("k", "v" * 200),))
    connect = Connect(
        "an id", version, properties=properties if version is ProtocolVersion.V5 else Properties()
    )
    assert claimed_client_id(encode(connect, version)) == "an id"
    assert claimed_client_id(encode(connect, version)[:9]) == ""


def test_options_of_mosquitto_become_limits(tmp_path: Path) -> None:
    configuration = tmp_path / "m.conf"
    configuration.write_text(
        "# a comment\nlistener 1999 127.0.0.1\nmax_inflight_messages 1\nmaximum_qos 1\n"
        "retain_available false\nallow_anonymous true\n"
    )
    options = read(["-v", "-c", str(configuration)])
    assert options.ports == (1999,)
    limits = options.limits
    assert (limits.in_flight, limits.maximum_qos, limits.retain_available) == (1, 1, False)
    assert options.ignored == {"allow_anonymous"}
    assert read(["-p", "7"]).ports == (7,)


async def test_the_adapter_hangs_up_on_one_that_says_nothing() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    async with open_door(MOSQUITTO_LIKE) as door:
        adapter = Adapter(door.context_of, door.listener.port)
        await adapter.start(listening)
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        await adapter.stop()
    assert door.broker.counters.connections == 0
