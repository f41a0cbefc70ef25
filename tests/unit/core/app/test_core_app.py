import asyncio
import functools
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from tests.support.clock import ManualClock
from tests.support.cloud_documents import Device, GroupDouble
from tests.support.core import running_core, until
from tests.support.core_offline import deploy_offline, offline_root
from tests.support.mqtt_client import ConnectionEndedError, MqttClient

from hedgerow.contract import CLOUD, FunctionMember
from hedgerow.core.app import CoreApp, CoreEndpoints, read_endpoints
from hedgerow.core.app.log import RotatingFile, system_log
from hedgerow.core.spool import SPOOLER_ARN
from hedgerow.kernel import ConfigurationError, Secret, SystemClock
from hedgerow.pki import client_context

FILE_QUEUE = FunctionMember(
    id="spooler", function_arn=SPOOLER_ARN, environment={"GG_CONFIG_STORAGE_TYPE": "FileSystem"}
)


@pytest.fixture
def double() -> GroupDouble:
    double = GroupDouble()
    a, b = double.keys.device("A"), double.keys.device("B")
    double.devices = [a, b]
    double.rows = [(a.arn, "t/ab", b.arn), (a.arn, "t/up", CLOUD)]
    return double


async def connected(port: int, device: Device, double: GroupDouble) -> MqttClient:
    roots = double.keys.group_ca.certificate_pem
    context = client_context(roots, device.key, device.certificate_pem)
    client = await MqttClient.open("127.0.0.1", port, tls=context, server_hostname="localhost")
    answer = await client.connect(device.name)
    assert answer.reason == 0
    return client


@pytest.mark.promise(10)
@pytest.mark.spec("A05")
async def test_a_core_without_its_cloud_serves_at_once_what_was_deployed(
    tmp_path: Path, double: GroupDouble
) -> None:
    a, b = double.devices
    async with (
        running_core(offline_root(tmp_path, double)) as core,
        await connected(core.mqtt_port, a, double) as sender,
        await connected(core.mqtt_port, b, double) as receiver,
    ):
        await receiver.subscribe("t/ab")
        await sender.publish("t/ab", b"local", qos=1)
        assert (await receiver.message()).payload == b"local"
        await sender.publish("t/up", b"for later", qos=1)
        assert core.queue.counters.waiting == 1
        await until(lambda: any("cannot connect" in problem for problem in core.problems))


@pytest.mark.promise(10)
async def test_a_core_without_any_deployment_starts_and_lets_nobody_in(
    tmp_path: Path, double: GroupDouble
) -> None:
    root = offline_root(tmp_path, double)
    (root / "ggc/deployment/group/group.json").write_text("{}")
    async with running_core(root) as core:
        with pytest.raises((ConnectionEndedError, OSError)):
            await connected(core.mqtt_port, double.devices[0], double)
        deployment = core.board.status()["deployment"]
        assert deployment["deploymentId"] is None
        assert deployment["membershipSerial"] is None
        assert deployment["mode"] == "none"


UNABLE = FunctionMember(
    id="s", function_arn=SPOOLER_ARN, environment={"GG_CONFIG_MAX_SIZE_BYTES": "1"}
)
"""What no core can run."""


async def test_a_stored_deployment_that_cannot_run_leaves_the_one_before_it(
    tmp_path: Path, double: GroupDouble
) -> None:
    root, first = offline_root(tmp_path, double), double.deployment_id
    double.functions = [UNABLE]
    double.new_deployment("22222222-bbbb-4000-8000-000000000002")
    deploy_offline(root, double)
    async with (
        running_core(root) as core,
        await connected(core.mqtt_port, double.devices[0], double),
    ):
        assert core.agent.state.running == first
        assert core.board.status()["deployment"]["mode"] == "previous"
        assert any("Spool size should be at least" in problem for problem in core.problems)


async def test_a_core_that_can_run_nothing_comes_up_for_the_next_deployment(
    tmp_path: Path, double: GroupDouble
) -> None:
    root = offline_root(tmp_path, double)
    for number in (2, 3):
        double.functions = [UNABLE]
        double.new_deployment(f"22222222-bbbb-4000-8000-00000000000{number}")
        deploy_offline(root, double)
    async with running_core(root) as core:
        assert core.agent.state.running is None
        assert core.board.status()["deployment"]["mode"] == "rescue"
        assert any("until the next deployment comes" in problem for problem in core.problems)
        with pytest.raises((ConnectionEndedError, OSError)):
            await connected(core.mqtt_port, double.devices[0], double)
    assert "Spool size should be at least 262144 bytes" in log_of(root)


async def test_the_ports_in_force_are_written_while_the_core_serves(
    tmp_path: Path, double: GroupDouble
) -> None:
    root = offline_root(tmp_path, double)
    with pytest.raises(ConfigurationError, match="is not running"):
        read_endpoints(root)
    async with running_core(root) as core:
        assert read_endpoints(root) == CoreEndpoints(
            gg_mqtt_port=core.mqtt_port, gg_daemon_port=core.daemon_port, pid=os.getpid()
        )
        written = json.loads((root / "ggc/var/state/endpoints.json").read_bytes())
        assert set(written) == {"ggMqttPort", "ggDaemonPort", "pid"}
    with pytest.raises(ConfigurationError, match="is not running"):
        read_endpoints(root)


async def test_a_second_core_on_the_same_root_is_refused(
    tmp_path: Path, double: GroupDouble
) -> None:
    root = offline_root(tmp_path, double)
    async with running_core(root):
        second = CoreApp(root, clock=SystemClock(), insecure_skip_link_protection=True)
        with pytest.raises(ConfigurationError, match="another core runs on this root"):
            await second.start()
    async with running_core(root):
        pass


async def test_a_start_that_fails_lets_go_of_everything(
    tmp_path: Path, double: GroupDouble
) -> None:
    root = offline_root(tmp_path, double)
    async with running_core(root) as other:
        taken = other.daemon_port
    (root / "again").mkdir()
    blocker = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", taken)
    path = root / "config/config.json"
    document = json.loads(path.read_text())
    document["coreThing"]["ggDaemonPort"] = taken
    path.write_text(json.dumps(document))
    core = CoreApp(root, clock=SystemClock(), insecure_skip_link_protection=True)
    with pytest.raises(ConfigurationError, match="ggDaemonPort"):
        await core.start()
    await core.stop()
    blocker.close()
    await blocker.wait_closed()
    async with running_core(root) as again:
        assert again.daemon_port == taken


@pytest.mark.spec("I18")
async def test_the_core_does_not_start_on_a_host_without_link_protection(
    tmp_path: Path, double: GroupDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = offline_root(tmp_path, double)

    def unprotected(*, insecure_skip: bool) -> None:
        if not insecure_skip:
            raise ConfigurationError("this kernel's link protection is off")

    monkeypatch.setattr("hedgerow.core.app.core_app.require_link_protection", unprotected)
    with pytest.raises(ConfigurationError, match="link protection"):
        await CoreApp(root, clock=SystemClock()).start()
    assert not (root / "ggc/var/state/endpoints.json").exists()


@pytest.mark.spec("Y04")
@pytest.mark.parametrize("missing", ["require_link_protection", "require_seccomp"])
async def test_the_core_does_not_start_without_link_protection_or_seccomp(
    tmp_path: Path, double: GroupDouble, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    """On a host that has both, one of them at a time is taken to be missing."""
    root = offline_root(tmp_path, double)
    asked: list[str] = []

    def there(name: str, *, insecure_skip: bool) -> None:
        asked.append(name)
        if name == missing and not insecure_skip:
            raise ConfigurationError("this kernel lacks it")

    for name in ("require_link_protection", "require_seccomp"):
        monkeypatch.setattr(f"hedgerow.core.app.core_app.{name}", functools.partial(there, name))
    with pytest.raises(ConfigurationError, match="lacks it"):
        await CoreApp(root, clock=SystemClock()).start()
    assert missing in asked
    assert not (root / "ggc/var/state/endpoints.json").exists()
    async with running_core(root) as core:  # the insecure mode
        assert core.mqtt_port


@pytest.mark.spec("S06", "S08")
async def test_the_health_api_tells_of_the_system_functions_that_run(
    tmp_path: Path, double: GroupDouble
) -> None:
    async with running_core(offline_root(tmp_path, double)) as core:
        base = f"http://localhost:{core.daemon_port}"
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{base}/2016-11-01/health/workers") as response:
                workers = {w["FuncArn"]: w["WorkerState"] for w in await response.json()}
            async with session.get(f"{base}/health") as response:
                status = await response.json()
    assert workers == {
        "arn:aws:lambda:::function:GGCloudSpooler:1": "Waiting",
        "arn:aws:lambda:::function:GGConnManager": "Waiting",
        "arn:aws:lambda:::function:GGDeviceCertificateManager": "Waiting",
        "arn:aws:lambda:::function:GGTES": "Waiting",
        "arn:aws:lambda:::function:GGShadowService": "Waiting",
    }
    assert status["mqtt"]["open"] is True
    assert status["deployment"]["deploymentId"] == double.deployment_id


@pytest.mark.spec("C06")
@pytest.mark.promise(5)
async def test_when_the_server_certificate_ends_offline_clients_that_are_in_stay(
    tmp_path: Path, double: GroupDouble
) -> None:
    clock = ManualClock(double.created_at)
    root = offline_root(tmp_path, double, lifetime=timedelta(days=1))
    a, b = double.devices
    async with (
        running_core(root, clock=clock) as core,
        await connected(core.mqtt_port, a, double) as sender,
        await connected(core.mqtt_port, b, double) as receiver,
    ):
        await receiver.subscribe("t/ab")
        clock.advance(timedelta(days=2))
        await core.keeper.check()
        with pytest.raises((ConnectionEndedError, OSError)):
            await connected(core.mqtt_port, a, double)
        await sender.publish("t/ab", b"still in", qos=1)
        assert (await receiver.message()).payload == b"still in"


def log_of(root: Path) -> str:
    return (root / "ggc/var/log/system/runtime.log").read_text()


async def test_options_that_have_no_effect_are_named_in_the_log_at_start(
    tmp_path: Path, double: GroupDouble
) -> None:
    root = offline_root(tmp_path, double)
    path = root / "config/config.json"
    document = json.loads(path.read_text())
    document |= {"hedgrow": {"localQos": 1}, "hedgerow": {"localQoS": 1}}
    path.write_text(json.dumps(document))
    async with running_core(root):
        warned = [line for line in log_of(root).splitlines() if "has no effect" in line]
    assert [word in line for word, line in zip(("localQoS", "hedgrow"), warned, strict=True)] == [
        True,
        True,
    ]


@pytest.mark.promise(9)
async def test_the_log_is_private_and_holds_no_payload_and_no_key(
    tmp_path: Path, double: GroupDouble
) -> None:
    root = offline_root(tmp_path, double)
    a = double.devices[0]
    async with (
        running_core(root) as core,
        await connected(core.mqtt_port, a, double) as sender,
    ):
        for topic in ("t/ab", "t/up", "no/row"):
            await sender.publish(topic, b"confidential", qos=1)
    text = log_of(root)
    assert "publish-denied" in text
    assert "confidential" not in text
    assert "PRIVATE KEY" not in text
    path = root / "ggc/var/log/system/runtime.log"
    assert path.stat().st_mode & 0o777 == 0o600
    assert all(json.loads(line)["time"].endswith("Z") for line in text.splitlines())


@pytest.mark.promise(9)
def test_secrets_and_bytes_are_replaced_before_a_line_is_made(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path / "log")
    log = system_log(file, SystemClock(), None)
    log.info("x", pin=Secret("1234"), payload=b"confidential", nested={"k": [Secret("5678")]})
    file.close()
    text = (tmp_path / "log").read_text()
    assert not any(word in text for word in ("1234", "confidential", "5678"))


def test_a_full_log_starts_anew_and_two_are_kept(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path / "log", limit=1000)
    for number in range(100):
        file.write(f"line {number:05d}\n")
    file.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "log.1"]
    assert all(path.stat().st_size <= 1000 for path in tmp_path.iterdir())
    assert "line 00099" in (tmp_path / "log").read_text()


_RUN = """
import asyncio, sys
from pathlib import Path
from hedgerow.core.app import run_core
asyncio.run(run_core(Path(sys.argv[1]), insecure_skip_link_protection=True, echo=None))
"""


@asynccontextmanager
async def process_of(root: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a core as a process of its own, until the context ends at the latest."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", _RUN, str(root))
    endpoints = root / "ggc/var/state/endpoints.json"
    try:
        await until(lambda: endpoints.exists() and read_endpoints(root).pid == process.pid, 20)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_core_stops_cleanly_on_sigterm(tmp_path: Path, double: GroupDouble) -> None:
    root = offline_root(tmp_path, double)
    async with process_of(root) as process:
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    assert not (root / "ggc/var/state/endpoints.json").exists()


@pytest.mark.spec("H03")
async def test_kill_9_of_a_core_loses_no_message_it_acknowledged(
    tmp_path: Path, double: GroupDouble
) -> None:
    double.functions = [FILE_QUEUE]
    root = offline_root(tmp_path, double)
    async with (
        process_of(root) as process,
        await connected(read_endpoints(root).gg_mqtt_port, double.devices[0], double) as a,
    ):
        for number in range(50):
            await a.publish("t/up", b"%d" % number, qos=1)
        process.kill()
        await process.wait()
    async with running_core(root) as core:
        assert core.queue.counters.waiting == 50
        oldest = core.queue._spool.oldest()
        assert oldest is not None
        assert (oldest.topic, oldest.payload) == ("t/up", b"0")


async def test_a_fault_of_a_part_ends_the_core_with_that_fault(
    tmp_path: Path, double: GroupDouble
) -> None:
    core = CoreApp(
        offline_root(tmp_path, double), clock=SystemClock(), insecure_skip_link_protection=True
    )
    await core.start()

    async def faulty() -> None:
        raise ZeroDivisionError("a bug")

    core.keeper.check = faulty  # type: ignore[method-assign]  # a bug, for the test
    core.keeper.addresses_changed()
    with pytest.raises(ExceptionGroup, match="unhandled errors"):
        await core.wait()
    await core.stop()
