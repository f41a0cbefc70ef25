"""Mosquitto's command line clients as client devices of a core."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.cloud_documents import Device
from tests.support.core import until
from tests.support.local_server import Local, local_server
from tests.support.pki import Identity

pytestmark = pytest.mark.skipif(
    shutil.which("mosquitto_pub") is None, reason="mosquitto-clients is not installed"
)


@pytest.fixture
async def local() -> AsyncIterator[Local]:
    async with local_server("A", "B", rows=[("A", "t/ab", "B")]) as made:
        yield made


def credentials(local: Local, device: Device, folder: Path) -> list[str]:
    """Return the options for the files a person would give a client."""
    roots = folder / "group-ca.pem"
    roots.write_text(local.double.keys.group_ca.certificate_pem)
    certificate, key = Identity(device.key, device.certificate_pem).write(folder, device.name)
    return ["--cafile", str(roots), "--cert", str(certificate), "--key", str(key)]


async def run(
    local: Local, program: str, device: Device, folder: Path, *arguments: str
) -> asyncio.subprocess.Process:
    """Start a client."""
    where = ["-h", "localhost", "-p", str(local.server.port), "-q", "1"]
    proof = credentials(local, device, folder)
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        program, *where, *proof, *arguments, stdout=pipe, stderr=pipe
    )


@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
async def test_mosquitto_publishes_to_mosquitto_along_a_row(
    local: Local, tmp_path: Path, version: str
) -> None:
    a, b = local.double.devices
    options = ["-i", "B", "-V", version, "-t", "t/#", "-C", "1", "-W", "20"]
    receiver = await run(local, "mosquitto_sub", b, tmp_path, *options)
    await until(lambda: bool(local.server.broker.subscriptions_of("B")))
    sender = await run(
        local, "mosquitto_pub", a, tmp_path, "-i", "A", "-V", version, "-t", "t/ab", "-m", "hello"
    )
    assert await asyncio.wait_for(sender.wait(), 20) == 0
    output, _ = await asyncio.wait_for(receiver.communicate(), 20)
    assert output == b"hello\n"


async def test_mosquitto_with_another_client_id_is_refused(local: Local, tmp_path: Path) -> None:
    a, _ = local.double.devices
    sender = await run(
        local, "mosquitto_pub", a, tmp_path, "-i", "B", "-V", "mqttv5", "-t", "t/ab", "-m", "x"
    )
    _, errors = await asyncio.wait_for(sender.communicate(), 20)
    assert sender.returncode != 0
    assert b"Client Identifier not valid" in errors


async def test_mosquitto_with_a_certificate_of_no_member_is_refused(
    local: Local, tmp_path: Path
) -> None:
    stranger = local.double.keys.device("A")
    sender = await run(
        local, "mosquitto_pub", stranger, tmp_path, "-i", "A", "-t", "t/ab", "-m", "x"
    )
    await asyncio.wait_for(sender.communicate(), 20)
    assert sender.returncode != 0
    assert local.server.broker.counters.sessions == 0
