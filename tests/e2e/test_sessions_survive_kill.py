"""`kill -9` of the cloud loses nothing that a device was told."""

import asyncio
import os
import shutil
import signal
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from tests.support.cloud import ACCOUNT, EnrolledThing, RunningCloud, born_cloud
from tests.support.mqtt_client import MqttClient
from tests.support.registry import POLICY

from hedgerow.cli.demo.processes import Daemon
from hedgerow.cloud.app import Endpoints, Layout
from hedgerow.mqtt import ProtocolVersion, ReasonCode
from hedgerow.mqtt.codec import Properties
from hedgerow.pki import client_context

pytestmark = [pytest.mark.timeout(120)]
_ANY_PORTS = ("--api-port=0", "--device-https-port=0", "--device-mqtt-port=0", "--host=127.0.0.1")
_STAYS = Properties(session_expiry_interval=3600)


@dataclass
class CloudProcess(RunningCloud):
    """A cloud that runs as a command does, to be killed."""

    daemon: Daemon | None = None
    said: Endpoints | None = None

    @property
    def endpoints(self) -> Endpoints:
        """Where it listens."""
        assert self.said is not None
        return self.said

    async def start(self) -> None:
        """Start it, or start it again."""
        assert self.daemon is not None
        self.said = msgspec.convert(await asyncio.to_thread(self.daemon.start), Endpoints)

    def kill(self) -> None:
        """End it without a chance to do anything."""
        assert self.daemon is not None
        os.kill(self.daemon.pid, signal.SIGKILL)
        self.daemon.stop_if_running()

    @asynccontextmanager
    async def device(self, thing: EnrolledThing, **connect: Any) -> AsyncIterator[MqttClient]:
        """Give a device that was let in, with whether a session was there in `session_present`."""
        key, certificate = thing.identity.key, thing.identity.certificate_pem
        client = await MqttClient.open(
            "127.0.0.1",
            self.endpoints.device_mqtt_port,
            tls=client_context(self.roots_pem, key, certificate),
            server_hostname="localhost",
            version=ProtocolVersion.V5,
        )
        async with client:
            present = connect.pop("present", False)
            answer = await client.connect(thing.name, **connect)
            assert (answer.reason, answer.session_present) == (ReasonCode.SUCCESS, present)
            yield client


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[CloudProcess]:
    data = tmp_path / "cloud"
    shutil.copytree(born_cloud(), data)
    words = ("cloud", "run", "--data", str(data), *_ANY_PORTS)
    daemon = Daemon("the cloud", words, Layout(data).endpoints, tmp_path / "cloud.log")
    running = CloudProcess(cast("Any", None), data, daemon=daemon)
    await running.start()
    try:
        yield running
    finally:
        running.close_clients()
        await asyncio.to_thread(daemon.stop_if_running)


@pytest.mark.promise(7)
async def test_sessions_messages_and_retained_messages_survive_the_kill_of_the_cloud(
    cloud: CloudProcess,
) -> None:
    gateway, sensor = await cloud.enrol("gateway", POLICY), await cloud.enrol("sensor", POLICY)
    async with cloud.device(gateway, properties=_STAYS) as client:
        granted = await client.subscribe("plant/+", qos=1)
        assert granted.reasons == (ReasonCode.GRANTED_QOS_1,)
        client.abort()
    told = [f"value {number} that nobody may read".encode() for number in range(5)]
    async with cloud.device(sensor) as client:
        for payload in told:
            answer = await client.publish("plant/1", payload, qos=1)
            assert answer is not None
            assert answer.reason is ReasonCode.SUCCESS
        await client.publish("state", b"state that nobody may read", qos=1, retain=True)
        cloud.kill()
    _require_sealed(Layout(cloud.data_dir).sessions / ACCOUNT)

    await cloud.start()
    async with cloud.device(gateway, clean_start=False, present=True, properties=_STAYS) as client:
        messages = [await client.message() for _ in told]
        assert [message.payload for message in messages] == told
        await client.subscribe("state", qos=1)
        state = await client.message()
        assert (state.payload, state.retain) == (b"state that nobody may read", True)
        await client.sync()
        cloud.kill()

    await cloud.start()
    async with cloud.device(gateway, clean_start=False, present=True) as client:
        await client.sync()  # what was acknowledged does not come again


def _require_sealed(folder: Path) -> None:
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        content = path.read_bytes()
        assert content
        for word in (b"nobody may read", b"plant", b"gateway", b"sensor"):
            assert word not in content
