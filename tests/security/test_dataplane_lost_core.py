"""The drill for a lost core: whoever has it, its key and its certificates, fools no client."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.cloud import (
    ACCOUNT,
    REGION,
    Answer,
    CloudGroup,
    EnrolledThing,
    RunningCloud,
    running_cloud,
    signing_request,
)
from tests.support.pki import Identity, new_key

from hedgerow.contract import (
    CERTIFICATE_PATH,
    CertificateAnswer,
    CertificateRequest,
    decode,
    discovery_path,
    encode,
)
from hedgerow.pki import FileKey, TlsListener, TlsSlot, Trust, server_context
from hedgerow.policy import minimal_core_policy

LOCAL = {"Id": "lan", "HostAddress": "127.0.0.1", "PortNumber": 8883, "Metadata": ""}


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path, combined=False) as running:
        yield running


async def server_identity(cloud: RunningCloud, group: CloudGroup) -> Identity:
    """Return an MQTT server's key and certificate, as the group's core gets them."""
    key = new_key()
    answer = await ask_for_certificate(cloud, group.core, group.group_id, key)
    return Identity(key, decode(answer.body, CertificateAnswer).certificate)


async def ask_for_certificate(
    cloud: RunningCloud, core: EnrolledThing, group_id: str, key: FileKey
) -> Answer:
    wanted = CertificateRequest(group_id=group_id, certificate_signing_request=signing_request(key))
    async with cloud.https(core.identity) as connection:
        return await connection.post(CERTIFICATE_PATH, encode(wanted))


async def authorities(cloud: RunningCloud, device: EnrolledThing) -> list[str]:
    """Return what a client trusts after it has discovered again."""
    async with cloud.https(device.identity) as connection:
        document = (await connection.get(discovery_path(device.name))).json
    (group,) = document["GGGroups"]
    trusted: list[str] = group["CAs"]
    return trusted


async def client_accepts(server: Identity, trusted: list[str]) -> bool:
    """Say whether a client with these authorities finishes a handshake with a server."""
    context = server_context(
        server.key, server.certificate_pem, Trust(), require_client_certificate=False
    )
    listener = TlsListener(TlsSlot(context), lambda _peer: asyncio.Protocol())
    await listener.start("127.0.0.1", 0)
    try:
        client = ssl.create_default_context(cadata="".join(trusted))
        _, writer = await asyncio.open_connection("127.0.0.1", listener.port, ssl=client)
        writer.transport.abort()
    except ssl.SSLCertVerificationError:
        return False
    finally:
        await listener.stop()
    return True


@pytest.mark.spec("C08", "C10", "W05")
@pytest.mark.promise(4)
async def test_after_the_drill_clients_refuse_the_lost_core_and_trust_the_new_one(
    cloud: RunningCloud,
) -> None:
    device = await cloud.enrol_device("sensor")
    group = await cloud.group("lost", device)
    for core in ("lost", "found"):
        await cloud.greengrass("update_connectivity_info", ThingName=core, ConnectivityInfo=[LOCAL])
    await group.deploy()
    lost = await server_identity(cloud, group)
    assert await client_accepts(lost, await authorities(cloud, device))

    minimal = minimal_core_policy(
        region=REGION, account=ACCOUNT, core_thing_name="found", group_id=group.group_id
    )
    lost_core, group.core = group.core, await cloud.enrol("found", minimal)
    await group.new_version(device)
    await cloud.greengrass("create_group_certificate_authority", GroupId=group.group_id)
    await cloud.greengrass("reset_deployments", GroupId=group.group_id, Force=True)
    late = await ask_for_certificate(cloud, lost_core, group.group_id, new_key())
    assert late.status == 403  # it gets none of the authority that comes after it
    await group.deploy()

    found = await server_identity(cloud, group)
    trusted = await authorities(cloud, device)
    assert await client_accepts(found, trusted)
    assert not await client_accepts(lost, trusted)
