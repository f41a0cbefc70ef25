"""A core that is asked to keep sessions keeps them over its own end, however that comes."""

import json
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest
from tests.support.cloud_documents import Device, GroupDouble
from tests.support.core import running_core
from tests.support.core_offline import deploy_offline, offline_root
from tests.support.mqtt_client import MqttClient

from hedgerow.mqtt import ProtocolVersion, ReasonCode
from hedgerow.mqtt.codec import Properties
from hedgerow.pki import client_context

_STAYS = Properties(session_expiry_interval=600)


@pytest.fixture
def double() -> GroupDouble:
    double = GroupDouble()
    a, b = double.keys.device("A"), double.keys.device("B")
    double.devices = [a, b]
    double.rows = [(a.arn, "t/ab", b.arn), (a.arn, "state", b.arn)]
    return double


async def _connected(
    port: int, device: Device, double: GroupDouble, *, present: bool = False, **connect: Any
) -> MqttClient:
    roots = double.keys.group_ca.certificate_pem
    context = client_context(roots, device.key, device.certificate_pem)
    client = await MqttClient.open(
        "127.0.0.1", port, tls=context, server_hostname="localhost", version=ProtocolVersion.V5
    )
    answer = await client.connect(device.name, **connect)
    assert (answer.reason, answer.session_present) == (ReasonCode.SUCCESS, present)
    return client


def _root(folder: Path, double: GroupDouble, **options: Any) -> Path:
    root = offline_root(folder, double)
    path = root / "config/config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "hedgerow": options}))
    return root


async def _leave_messages(root: Path, double: GroupDouble, killed: Path) -> None:
    """Leave B a message and a retained one, and the files as a kill would leave them."""
    a, b = double.devices
    async with running_core(root) as core:
        async with await _connected(core.mqtt_port, b, double, properties=_STAYS) as receiver:
            granted = await receiver.subscribe("t/ab", qos=1)
            assert granted.reasons == (ReasonCode.GRANTED_QOS_1,)
            receiver.abort()
        async with await _connected(core.mqtt_port, a, double) as sender:
            await sender.publish("t/ab", b"waits", qos=1)
            await sender.publish("state", b"stays", qos=1, retain=True)
        shutil.copytree(root / "ggc/var/state/sessions", killed)


def _as_killed(root: Path, killed: Path) -> None:
    shutil.rmtree(root / "ggc/var/state/sessions")
    shutil.copytree(killed, root / "ggc/var/state/sessions")


async def test_a_session_with_its_messages_survives_the_kill_of_the_core(
    tmp_path: Path, double: GroupDouble
) -> None:
    root = _root(tmp_path / "root", double, localQos=1, localSessions=600, localRetained=True)
    await _leave_messages(root, double, tmp_path / "killed")
    _as_killed(root, tmp_path / "killed")
    async with (
        running_core(root) as core,
        await _connected(
            core.mqtt_port, double.devices[1], double, present=True, clean_start=False
        ) as receiver,
    ):
        assert (await receiver.message()).payload == b"waits"
        await receiver.subscribe("state", qos=1)
        message = await receiver.message()
        assert (message.payload, message.retain) == (b"stays", True)
        await receiver.sync()
    folder = root / "ggc/var/state/sessions"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


async def test_what_waits_for_a_device_that_was_taken_out_meanwhile_is_let_go(
    tmp_path: Path, double: GroupDouble
) -> None:
    root = _root(tmp_path / "root", double, localQos=1, localSessions=600, localRetained=True)
    await _leave_messages(root, double, tmp_path / "killed")
    _as_killed(root, tmp_path / "killed")
    a, b = double.devices
    double.devices, double.rows = [a], []
    double.new_deployment("22222222-bbbb-4000-8000-000000000002")
    deploy_offline(root, double)
    async with running_core(root) as core:
        assert core.server.broker.sessions_away == ()
    double.devices = [a, b]
    double.new_deployment("33333333-cccc-4000-8000-000000000003")
    deploy_offline(root, double)
    async with (
        running_core(root) as core,
        await _connected(core.mqtt_port, b, double, clean_start=False) as receiver,
    ):
        await receiver.sync()


async def test_a_core_that_is_not_asked_to_keeps_no_sessions(
    tmp_path: Path, double: GroupDouble
) -> None:
    root = offline_root(tmp_path, double)
    async with running_core(root):
        assert not (root / "ggc/var/state/sessions").exists()
