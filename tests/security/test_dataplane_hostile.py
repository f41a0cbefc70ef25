"""Strangers and malformed requests at the data plane's door."""

import asyncio
import random
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.support.cloud import (
    EnrolledThing,
    RunningCloud,
    deployment_status,
    running_cloud,
)
from tests.support.pki import (
    Identity,
    expired,
    new_authority,
    new_identity,
    not_yet_valid,
    self_signed,
)

from hedgerow.contract import discovery_path
from hedgerow.pki import client_context

TLS_ALERT = 21
"""The type of a TLS record that carries an alert."""

REFUSALS = (ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)
TARGETS = (
    "/",
    "//",
    "/greengrass/discover/thing/",
    "/greengrass/discover/thing/..%2Fsensor",
    "/greengrass/discover/thing/%00",
    "/greengrass/discover/thing/%ff",
    "/greengrass/discover/thing/%zz",
    "/greengrass/discover/thing/sensor/",
    "/greengrass/discover/thing/sensor%2F",
    "/greengrass/discover//thing/sensor",
    "/greengrass/./discover/thing/sensor",
    "/Greengrass/discover/thing/sensor",
    "/greengrass/groups/%2e%2e/deployments/x",
    "/greengrass/groups/*/deployments/*",
    "/greengrass/groups/a%2Fdeployments%2Fb/deployments/x",
    "/greengrass/groups/g/deployments/d/artifacts/..%2f..%2fmaster.key",
    "/things/sensor/shadow/x",
    "/things/%F0%9F%8C%BF/shadow",
    "/" + "a/" * 200,
    "/things/" + "x" * 4000 + "/shadow",
)


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path, combined=False) as running:
        yield running


async def device_of_a_group(cloud: RunningCloud) -> EnrolledThing:
    device = await cloud.enrol_device("sensor")
    group = await cloud.group("core", device)
    await group.deploy()
    return device


async def knock(cloud: RunningCloud, who: Identity | None) -> bytes:
    """Connect, ask for something, and return what comes."""
    context = client_context(
        cloud.roots_pem,
        who.key if who is not None else None,
        who.certificate_pem if who is not None else None,
    )
    return await speak(cloud, context, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", least=1)


async def speak(
    cloud: RunningCloud, context: ssl.SSLContext, request: bytes, *, least: int
) -> bytes:
    """Send bytes and return at least so many of the answer, if they come."""
    port = cloud.endpoints.device_https_port
    reader, writer = await asyncio.open_connection("localhost", port, ssl=context)
    try:
        writer.write(request)
        if writer.can_write_eof():
            writer.write_eof()
        async with asyncio.timeout(5):
            return await reader.readexactly(least)
    finally:
        writer.transport.abort()


@pytest.mark.spec("B07")
@pytest.mark.promise(1)
@pytest.mark.parametrize("port", ["api_port", "device_https_port", "device_mqtt_port"])
@pytest.mark.parametrize(
    "first",
    [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x10\x10\x00\x04MQTT\x04\x02\x00<\x00\x04lamp"],
)
async def test_no_port_of_the_cloud_answers_without_tls(
    cloud: RunningCloud, port: str, first: bytes
) -> None:
    reader, writer = await asyncio.open_connection("localhost", getattr(cloud.endpoints, port))
    writer.write(first)
    async with asyncio.timeout(5):
        answer = await reader.read()
    assert not answer or answer[0] == TLS_ALERT
    writer.close()


@pytest.mark.spec("A02", "E02")
@pytest.mark.promise(1)
async def test_no_stranger_gets_a_byte(cloud: RunningCloud) -> None:
    """Another authority, self-signed, expired, not yet valid, none: all end at a TLS alert."""
    strangers = {
        "none": None,
        "other authority": new_identity(new_authority("another company")),
        "self-signed": self_signed(),
        "expired": expired(),
        "not yet valid": not_yet_valid(),
    }
    for who, identity in strangers.items():
        with pytest.raises(REFUSALS):
            raise AssertionError(who, await knock(cloud, identity))
    device = await device_of_a_group(cloud)
    assert await knock(cloud, device.identity) == b"H"


@pytest.mark.promise(8)
async def test_every_refusal_leaves_one_record_of_who_what_and_why(cloud: RunningCloud) -> None:
    device = await device_of_a_group(cloud)
    path = discovery_path("another")
    with capture_logs() as lines:
        with pytest.raises(REFUSALS):
            await knock(cloud, self_signed())
        async with cloud.https(device.identity) as connection:
            assert (await connection.get(path)).status == 403
    [handshake] = [line for line in lines if line["event"] == "handshake refused"]
    assert handshake["address"] == "127.0.0.1"
    [request] = [line for line in lines if line["event"] == "request refused"]
    assert (request["status"], request["path"]) == (403, path)
    assert request["certificate_id"] == device.identity.certificate_id
    assert "greengrass:Discover" in request["reason"]


@pytest.mark.promise(1)
async def test_no_path_is_mistaken_for_another(cloud: RunningCloud) -> None:
    device = await device_of_a_group(cloud)
    async with cloud.https(device.identity) as connection:
        for target in TARGETS:
            answer = await connection.get(target)
            assert answer.status in {400, 403, 404}, target
            assert b"Traceback" not in answer.body
            assert b"GGGroups" not in answer.body
        assert (await connection.request("PATCH", discovery_path("sensor"))).status == 405
        assert (await connection.get(discovery_path("sensor"))).status == 200


@pytest.mark.promise(1)
async def test_broken_documents_are_named_and_change_nothing(cloud: RunningCloud) -> None:
    group = await cloud.group("core")
    await group.deploy(succeed=False)
    path = deployment_status(group)
    async with cloud.https(group.core.identity) as core:
        for body in (b"", b"[]", b"{", b'{"Status":"Done"}', b'{"Status":5}', b"\xff" * 10):
            assert (await core.put(path, body)).status == 400, body
        for body in (
            b'{"ConnectivityInfo":[{"Id":"a","HostAddress":"x y","PortNumber":1}]}',
            b'{"ConnectivityInfo":[{"Id":"a","HostAddress":"h","PortNumber":0}]}',
            b'{"ConnectivityInfo":' + b"[" * 100_000 + b"}",
        ):
            answer = await core.put("/greengrass/things/core/connectivityInfo", body)
            assert answer.status == 400, body[:80]
        too_large = await core.put(path, b" " * (300 * 1024))
        assert too_large.status == 413
    assert (await group.status())["DeploymentStatus"] == "InProgress"


async def test_five_hundred_malformed_requests_hurt_nobody(
    cloud: RunningCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    """Mutated requests get an error or a closed connection; a healthy client is served between."""
    device = await device_of_a_group(cloud)
    identity = device.identity
    context = client_context(cloud.roots_pem, identity.key, identity.certificate_pem)
    good = (
        f"PUT {discovery_path('sensor')} HTTP/1.1\r\nHost: localhost\r\n"
        "Content-Length: 2\r\nContent-Type: application/json\r\n\r\n{}"
    ).encode()
    generator = random.Random(20261007)  # noqa: S311 - the same mutations every time
    async with cloud.https(identity) as healthy:
        for batch in range(25):
            requests = [mutated(good, generator) for _ in range(20)]
            answers = await asyncio.gather(*(head(cloud, context, request) for request in requests))
            assert not [answer for answer in answers if answer.startswith(b"HTTP/1.1 5")], batch
            assert (await healthy.get(discovery_path("sensor"))).status == 200
    assert "Traceback" not in capsys.readouterr().out


def mutated(request: bytes, generator: random.Random) -> bytes:
    """Return the request with a few bytes changed, doubled, cut or put in."""
    data = bytearray(request)
    for _ in range(generator.randint(1, 4)):
        place = generator.randrange(len(data))
        match generator.randrange(4):
            case 0:
                data[place] = generator.randrange(256)
            case 1:
                data[place:place] = generator.randbytes(generator.randint(1, 40))
            case 2:
                del data[place : place + generator.randint(1, 30)]
            case _:
                data[place:place] = data[place : place + 20]
        if not data:
            data = bytearray(b"\r\n")
    return bytes(data)


async def head(cloud: RunningCloud, context: ssl.SSLContext, request: bytes) -> bytes:
    """Send a request and return the beginning of the answer, empty if there is none."""
    port = cloud.endpoints.device_https_port
    reader, writer = await asyncio.open_connection("localhost", port, ssl=context)
    try:
        writer.write(request + b"\r\n\r\n")
        async with asyncio.timeout(0.5):
            return await reader.read(64)
    except (TimeoutError, ConnectionError):
        return b""
    finally:
        writer.transport.abort()
