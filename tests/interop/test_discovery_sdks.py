"""The device SDKs' own discovery clients, unchanged, against a whole cloud."""

import asyncio
import json
import logging
import shutil
import ssl
import warnings
from collections.abc import AsyncIterator
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from awscrt import io
from awsiot.greengrass_discovery import DiscoverResponse, DiscoveryClient, DiscoveryException
from AWSIoTPythonSDK.core.greengrass.discovery.providers import DiscoveryInfoProvider
from AWSIoTPythonSDK.exception.AWSIoTExceptions import (
    DiscoveryDataNotFoundException,
    DiscoveryFailure,
    DiscoveryInvalidRequestException,
    DiscoveryThrottlingException,
    DiscoveryUnauthorizedException,
)
from tests.support.cloud import (
    CloudGroup,
    EnrolledThing,
    RunningCloud,
    running_cloud,
    signing_request,
)
from tests.support.pki import Identity, new_key

from hedgerow.cloud.app import CloudApp, Layout
from hedgerow.cloud.app.cloud_app import DEVICE_HTTPS_PORT
from hedgerow.cloud.dataplane import pace
from hedgerow.contract import CERTIFICATE_PATH, CertificateRequest, discovery_path, encode
from hedgerow.pki import client_context

ADDRESS = {"Id": "wan", "HostAddress": "192.0.2.7", "PortNumber": 8883, "Metadata": "hall"}


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path) as running:
        yield running


async def deployed(cloud: RunningCloud) -> tuple[CloudGroup, EnrolledThing]:
    """Deploy a group of one core with one address and one device."""
    device = await cloud.enrol_device("sensor")
    group = await cloud.group("core", device)
    await cloud.greengrass("update_connectivity_info", ThingName="core", ConnectivityInfo=[ADDRESS])
    await group.deploy()
    return group, device


async def group_authority(cloud: RunningCloud, group: CloudGroup) -> str:
    """Return the PEM of the group's active authority."""
    listed = await cloud.greengrass("list_group_certificate_authorities", GroupId=group.group_id)
    shown = await cloud.greengrass(
        "get_group_certificate_authority",
        GroupId=group.group_id,
        CertificateAuthorityId=listed["GroupCertificateAuthorities"][0][
            "GroupCertificateAuthorityId"
        ],
    )
    return str(shown["PemEncodedCertificate"])


async def discover_v1(cloud: RunningCloud, who: Identity, thing: str, folder: Path) -> Any:
    """Discover with AWSIoTPythonSDK."""
    certificate, key = who.write(folder, "v1")
    logging.getLogger("AWSIoTPythonSDK").setLevel(logging.ERROR)
    provider = DiscoveryInfoProvider()
    provider.configureEndpoint("localhost", cloud.endpoints.device_https_port)
    provider.configureCredentials(
        str(Layout(cloud.data_dir).root_certificate), str(certificate), str(key)
    )
    provider.configureTimeout(10)
    return await asyncio.to_thread(_discover_v1, provider, thing)


def _discover_v1(provider: DiscoveryInfoProvider, thing: str) -> Any:
    """Discover and drop the socket, which the SDK leaves to the garbage collector, quietly."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return provider.discover(thing)
        except Exception as error:  # noqa: BLE001 - it is raised below, without its frames
            failure = error.with_traceback(None)
    raise failure


async def discover_v2(
    cloud: RunningCloud, who: Identity, thing: str, port: int | None
) -> DiscoverResponse:
    """Discover with awsiotsdk, which offers ALPN `x-amzn-http-ca`."""
    group = io.EventLoopGroup(1)
    bootstrap = io.ClientBootstrap(group, io.DefaultHostResolver(group))
    options = io.TlsContextOptions.create_client_with_mtls(
        who.certificate_pem.encode(), who.key.pem().reveal()
    )
    options.override_default_trust_store(cloud.roots_pem.encode())
    client = DiscoveryClient(
        bootstrap,
        io.SocketOptions(),
        io.ClientTlsContext(options),
        "eu-west-1",
        gg_server_name="localhost",
    )
    assert client.port in {443, 8443}
    assert port is not None
    client.port = port
    future = client.discover(thing)
    return await asyncio.to_thread(future.result, 10)


@pytest.mark.spec("E01", "E02", "E04", "E05")
async def test_sdk_v1_discovers_core_addresses_and_authority(
    cloud: RunningCloud, tmp_path: Path
) -> None:
    group, device = await deployed(cloud)
    info = await discover_v1(cloud, device.identity, "sensor", tmp_path)
    (core,) = info.getAllCores()
    assert core.coreThingArn == group.core.arn
    assert core.groupId == group.group_id
    (address,) = core.connectivityInfoList
    assert (address.id, address.host, address.port, address.metadata) == (
        "wan",
        "192.0.2.7",
        8883,
        "hall",
    )
    assert info.getAllCas() == [(group.group_id, await group_authority(cloud, group))]


@pytest.mark.spec("E01", "E02", "E03", "E04", "E05", "E13")
async def test_sdk_v2_discovers_by_alpn_on_the_combined_port(cloud: RunningCloud) -> None:
    group, device = await deployed(cloud)
    found = await discover_v2(cloud, device.identity, "sensor", cloud.endpoints.combined_port)
    assert found.gg_groups is not None
    (shown,) = found.gg_groups
    assert shown.gg_group_id == group.group_id
    assert shown.certificate_authorities == [await group_authority(cloud, group)]
    assert shown.cores is not None
    (core,) = shown.cores
    assert core.thing_arn == group.core.arn
    assert core.connectivity is not None
    (address,) = core.connectivity
    assert (address.id, address.host_address, address.port, address.metadata) == (
        "wan",
        "192.0.2.7",
        8883,
        "hall",
    )


@pytest.mark.spec("E13")
async def test_sdk_v2_discovers_on_the_https_port_too(cloud: RunningCloud) -> None:
    _, device = await deployed(cloud)
    port = cloud.endpoints.device_https_port
    found = await discover_v2(cloud, device.identity, "sensor", port)
    assert found.gg_groups is not None
    assert len(found.gg_groups) == 1


@pytest.mark.spec("E04")
async def test_the_document_has_the_documented_names_and_nothing_else(
    cloud: RunningCloud,
) -> None:
    group, device = await deployed(cloud)
    async with cloud.https(device.identity) as connection:
        answer = await connection.get(discovery_path("sensor"))
    assert answer.status == 200
    assert answer.json == {
        "GGGroups": [
            {
                "GGGroupId": group.group_id,
                "Cores": [{"thingArn": group.core.arn, "Connectivity": [ADDRESS]}],
                "CAs": [await group_authority(cloud, group)],
            }
        ]
    }


@pytest.mark.spec("D11")
async def test_the_sdks_name_each_refusal(cloud: RunningCloud, tmp_path: Path) -> None:
    _, device = await deployed(cloud)
    loner = await cloud.enrol_device("loner")
    with pytest.raises(DiscoveryDataNotFoundException):
        await discover_v1(cloud, loner.identity, "loner", tmp_path)
    with pytest.raises(DiscoveryException) as missing:
        await discover_v2(cloud, loner.identity, "loner", cloud.endpoints.combined_port)
    assert missing.value.http_response_code == 404
    with pytest.raises(DiscoveryInvalidRequestException):
        await discover_v1(cloud, device.identity, "%zz", tmp_path)
    nothing = {"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"}
    await cloud.edit_policy("loner", json.dumps({"Version": "2012-10-17", "Statement": [nothing]}))
    with pytest.raises(DiscoveryFailure) as denied:
        await discover_v1(cloud, loner.identity, "loner", tmp_path)
    assert "greengrass:Discover" in denied.value.message
    assert loner.arn in denied.value.message
    await cloud.iot(
        "update_certificate",
        certificateId=loner.identity.certificate_id,
        newStatus="REVOKED",
    )
    with pytest.raises(DiscoveryUnauthorizedException):
        await discover_v1(cloud, loner.identity, "loner", tmp_path)


@pytest.mark.spec("E12")
async def test_sdk_v1_has_an_error_of_its_own_for_each_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """400, 401, 404 and 429 are its four errors, and anything else (here 403) is a failure."""
    monkeypatch.setattr(pace, "AT_ONCE", 5)
    monkeypatch.setattr(pace, "A_SECOND", 0)
    async with running_cloud(tmp_path) as cloud:
        _, device = await deployed(cloud)
        loner = await cloud.enrol_device("loner")
        statuses: list[tuple[str, type[Exception]]] = [
            ("%zz", DiscoveryInvalidRequestException),
            ("sensor", DiscoveryFailure),
            *[("loner", DiscoveryDataNotFoundException)] * 5,
            ("loner", DiscoveryThrottlingException),
        ]
        for thing, expected in statuses:
            with pytest.raises(expected) as caught:
                await discover_v1(cloud, loner.identity, thing, tmp_path)
            assert type(caught.value) is expected
        await discover_v1(cloud, device.identity, "sensor", tmp_path)  # others are answered
        await cloud.iot(
            "update_certificate", certificateId=loner.identity.certificate_id, newStatus="REVOKED"
        )
        with pytest.raises(DiscoveryUnauthorizedException):
            await discover_v1(cloud, loner.identity, "loner", tmp_path)
    told = signature(DiscoveryInfoProvider.__init__).parameters
    assert (told["port"].default, told["timeoutSec"].default) == (DEVICE_HTTPS_PORT, 120)


@pytest.mark.spec("E06")
async def test_a_device_discovers_every_group_it_is_in(cloud: RunningCloud) -> None:
    device = await cloud.enrol_device("sensor")
    groups = [await cloud.group(f"core{number}", device) for number in range(3)]
    for group in groups:
        await group.deploy()
    found = await discover_v2(cloud, device.identity, "sensor", cloud.endpoints.combined_port)
    assert found.gg_groups is not None
    assert {group.gg_group_id for group in found.gg_groups} == {group.group_id for group in groups}


async def test_a_group_is_discovered_with_its_newest_addresses_at_once(
    cloud: RunningCloud,
) -> None:
    _, device = await deployed(cloud)
    async with cloud.https(device.identity) as connection:
        await connection.get(discovery_path("sensor"))
        for host in ("192.0.2.8", "192.0.2.9"):
            await cloud.greengrass(
                "update_connectivity_info",
                ThingName="core",
                ConnectivityInfo=[{**ADDRESS, "HostAddress": host}],
            )
            document = (await connection.get(discovery_path("sensor"))).json
            (core,) = document["GGGroups"][0]["Cores"]
            assert core["Connectivity"][0]["HostAddress"] == host


@pytest.mark.spec("C09")
async def test_during_a_rotation_both_authorities_are_discovered(cloud: RunningCloud) -> None:
    group, device = await deployed(cloud)
    old = await group_authority(cloud, group)
    async with cloud.https(group.core.identity) as core:
        await request_server_certificate(core, group)
    await cloud.greengrass("create_group_certificate_authority", GroupId=group.group_id)
    new = await group_authority(cloud, group)
    async with cloud.https(device.identity) as connection:
        document = (await connection.get(discovery_path("sensor"))).json
        assert document["GGGroups"][0]["CAs"] == [old, new]
        async with cloud.https(group.core.identity) as core:
            await request_server_certificate(core, group)
        document = (await connection.get(discovery_path("sensor"))).json
        assert document["GGGroups"][0]["CAs"] == [new, old]
        await cloud.greengrass("reset_deployments", GroupId=group.group_id, Force=True)
        assert (await connection.get(discovery_path("sensor"))).status == 404


@pytest.mark.spec("E03", "I10")
async def test_the_combined_port_serves_only_who_says_what_it_speaks(cloud: RunningCloud) -> None:
    assert signature(CloudApp.open).parameters["device_https_port"].default == 8443
    _, device = await deployed(cloud)
    port = cloud.endpoints.combined_port
    assert port is not None
    for alpn, expected in ((["x-amzn-http-ca"], b"HTTP/1.1 200"), ([], b""), (["h2"], b"")):
        context = client_context(
            cloud.roots_pem, device.identity.key, device.identity.certificate_pem, alpn
        )
        reader, writer = await asyncio.open_connection("localhost", port, ssl=context)
        writer.write(f"GET {discovery_path('sensor')} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        try:
            assert (await reader.read(12)) == expected
        finally:
            writer.transport.abort()


@pytest.mark.spec("E01", "E02")
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_curl_discovers_as_the_guide_shows(cloud: RunningCloud, tmp_path: Path) -> None:
    group, device = await deployed(cloud)
    certificate, key = device.identity.write(tmp_path, "curl")
    process = await asyncio.create_subprocess_exec(
        "curl",
        "--silent",
        "--cacert",
        str(Layout(cloud.data_dir).root_certificate),
        "--cert",
        str(certificate),
        "--key",
        str(key),
        f"https://localhost:{cloud.endpoints.device_https_port}/greengrass/discover/thing/sensor",
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert json.loads(output)["GGGroups"][0]["GGGroupId"] == group.group_id


@pytest.mark.spec("E02")
@pytest.mark.promise(1)
async def test_without_a_client_certificate_there_is_no_answer_at_all(cloud: RunningCloud) -> None:
    context = client_context(cloud.roots_pem, None, None)
    with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
        await first_byte(cloud.endpoints.device_https_port, context)


async def first_byte(port: int, context: ssl.SSLContext) -> bytes:
    """Send a request and return the first byte of the answer."""
    reader, writer = await asyncio.open_connection("localhost", port, ssl=context)
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return await reader.readexactly(1)
    finally:
        writer.transport.abort()


async def request_server_certificate(connection: Any, group: CloudGroup) -> None:
    """Ask for a server certificate, as the core does."""
    wanted = CertificateRequest(
        group_id=group.group_id, certificate_signing_request=signing_request(new_key())
    )
    answer = await connection.post(CERTIFICATE_PATH, encode(wanted))
    assert answer.status == 200, answer.body
