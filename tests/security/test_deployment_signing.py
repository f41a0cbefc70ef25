"""Forged and altered deployments: what a core would be tricked with, and why it is not."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from tests.support.cloud import CloudGroup, RunningCloud, running_cloud
from tests.support.pki import new_authority, new_identity

from hedgerow.cloud.app import Layout
from hedgerow.contract import (
    DeploymentManifest,
    Membership,
    artifact_path,
    decode,
    deployment_path,
    sign,
    verify,
)
from hedgerow.kernel import PeerError, SystemClock
from hedgerow.pki import FileKey, load_certificate, signing_certificate

NOW = SystemClock().now()


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path, combined=False) as running:
        yield running


async def deployed(cloud: RunningCloud) -> CloudGroup:
    group = await cloud.group("core", await cloud.enrol_device("sensor"))
    await group.deploy(succeed=False)
    return group


async def signed_manifest(cloud: RunningCloud, group: CloudGroup) -> bytes:
    async with cloud.https(group.core.identity) as core:
        answer = await core.get(deployment_path(group.group_id, group.deployment_id))
    assert answer.status == 200
    return answer.body


def roots(cloud: RunningCloud) -> list[x509.Certificate]:
    return [load_certificate(cloud.roots_pem)]


@pytest.mark.promise(1)
async def test_what_the_cloud_signs_is_checked_with_the_root_a_core_has(
    cloud: RunningCloud,
) -> None:
    group = await deployed(cloud)
    verified = verify(await signed_manifest(cloud, group), roots(cloud), NOW)
    manifest = decode(verified.payload, DeploymentManifest)
    assert manifest.deployment_id == group.deployment_id
    usage = verified.signer_certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert list(usage.value) == [ExtendedKeyUsageOID.CODE_SIGNING]
    path = artifact_path(group.group_id, group.deployment_id, "membership.json")
    async with cloud.https(group.core.identity) as core:
        members = verify((await core.get(path)).body, roots(cloud), NOW)
    assert decode(members.payload, Membership).group_id == group.group_id


@pytest.mark.promise(1)
async def test_a_change_of_a_single_byte_is_seen(cloud: RunningCloud) -> None:
    document = json.loads(await signed_manifest(cloud, await deployed(cloud)))
    for part in ("Payload", "Signature"):
        altered = bytearray(base64.b64decode(document[part]))
        altered[len(altered) // 2] ^= 1
        forged = {**document, part: base64.b64encode(bytes(altered)).decode()}
        with pytest.raises(PeerError):
            verify(json.dumps(forged).encode(), roots(cloud), NOW)


@pytest.mark.promise(1)
async def test_no_other_certificate_of_the_cloud_can_sign_a_deployment(
    cloud: RunningCloud,
) -> None:
    """Whoever takes the TLS key, a device's or a foreign key cannot deploy to cores."""
    payload = verify(await signed_manifest(cloud, await deployed(cloud)), roots(cloud), NOW).payload
    layout = Layout(cloud.data_dir)
    server = FileKey.load(layout.server_key)
    device = (await cloud.enrol_device("thief")).identity
    stranger = new_identity(new_authority("forger"), signing_certificate())
    for key, certificate in (
        (server, layout.server_certificate.read_text()),
        (device.key, device.certificate_pem),
        (stranger.key, stranger.certificate_pem),
        (stranger.key, layout.signing_certificate.read_text()),
    ):
        with pytest.raises(PeerError):
            verify(sign(payload, key.sign, certificate), roots(cloud), NOW)


@pytest.mark.promise(1)
async def test_the_signing_certificate_cannot_be_used_as_a_server_or_an_authority(
    cloud: RunningCloud,
) -> None:
    certificate = load_certificate(Layout(cloud.data_dir).signing_certificate.read_text())
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert not constraints.ca
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert ExtendedKeyUsageOID.SERVER_AUTH not in usage
    assert ExtendedKeyUsageOID.CLIENT_AUTH not in usage
