"""boto3, unchanged: authorities of one's own, and the certificates that they have signed."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.cloud import RunningCloud, running_cloud
from tests.support.cloud_edge import MqttDevice
from tests.support.pki import Identity, expired, new_authority, new_identity, new_key
from tests.support.registry import POLICY

from hedgerow.pki import CertificateAuthority, Profile


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path, combined=False) as running:
        yield running


async def code_of(cloud: RunningCloud, operation: str, **members: Any) -> str:
    with pytest.raises(ClientError) as refused:
        await cloud.iot(operation, **members)
    assert refused.value.response["Error"]["Message"]
    return str(refused.value.response["Error"]["Code"])


def proof(authority: CertificateAuthority, code: str) -> str:
    """Return a certificate over the code, signed by the authority."""
    return authority.issue(Profile(code, timedelta(days=1)), new_key().public_key)


async def register(cloud: RunningCloud, authority: CertificateAuthority, **more: Any) -> str:
    code = (await cloud.iot("get_registration_code"))["registrationCode"]
    made = await cloud.iot(
        "register_ca_certificate",
        caCertificate=authority.certificate_pem,
        verificationCertificate=proof(authority, code),
        **{"setAsActive": True, **more},
    )
    return str(made["certificateId"])


async def test_the_life_of_an_authority(cloud: RunningCloud) -> None:
    authority = new_authority("plant")
    identifier = await register(cloud, authority, setAsActive=False)
    described = await cloud.iot("describe_ca_certificate", certificateId=identifier)
    description = described["certificateDescription"]
    assert description["certificateArn"].endswith(f":cacert/{identifier}")
    assert (description["status"], description["certificateMode"]) == ("INACTIVE", "DEFAULT")
    assert (
        await code_of(
            cloud,
            "register_ca_certificate",
            caCertificate=authority.certificate_pem,
            certificateMode="SNI_ONLY",
        )
        == "ResourceAlreadyExistsException"
    )
    await cloud.iot("update_ca_certificate", certificateId=identifier, newStatus="ACTIVE")
    listed = await cloud.iot("list_ca_certificates")
    assert [(row["certificateId"], row["status"]) for row in listed["certificates"]] == [
        (identifier, "ACTIVE")
    ]
    assert (
        await code_of(cloud, "delete_ca_certificate", certificateId=identifier)
        == "CertificateStateException"
    )
    await cloud.iot("update_ca_certificate", certificateId=identifier, newStatus="INACTIVE")
    await cloud.iot("delete_ca_certificate", certificateId=identifier)
    assert (
        await code_of(cloud, "describe_ca_certificate", certificateId=identifier)
        == "ResourceNotFoundException"
    )


@pytest.mark.promise(1)
async def test_an_authority_is_registered_only_by_who_holds_its_key(cloud: RunningCloud) -> None:
    authority, other = new_authority("plant"), new_authority("plant")
    code = (await cloud.iot("get_registration_code"))["registrationCode"]
    assert (await cloud.iot("get_registration_code"))["registrationCode"] == code

    async def refused(ca_pem: str, proof_pem: str | None) -> str:
        more = {} if proof_pem is None else {"verificationCertificate": proof_pem}
        return await code_of(cloud, "register_ca_certificate", caCertificate=ca_pem, **more)

    ca_pem = authority.certificate_pem
    assert await refused(ca_pem, None) == "InvalidRequestException"
    assert await refused(ca_pem, proof(other, code)) == "CertificateValidationException"
    assert (
        await refused(ca_pem, proof(authority, "x" * 64)) == "RegistrationCodeValidationException"
    )
    assert await refused(ca_pem, ca_pem) == "RegistrationCodeValidationException"
    leaf = new_identity(authority).certificate_pem
    assert await refused(leaf, proof(authority, code)) == "CertificateValidationException"
    await cloud.iot("delete_registration_code")
    assert await refused(ca_pem, proof(authority, code)) == "RegistrationCodeValidationException", (
        "a code that was deleted proves nothing"
    )


async def test_a_certificate_is_registered_under_its_authority(cloud: RunningCloud) -> None:
    authority = new_authority("plant")
    identifier = await register(cloud, authority)
    device = new_identity(authority)
    made = await cloud.iot(
        "register_certificate", certificatePem=device.certificate_pem, setAsActive=True
    )
    assert made["certificateId"] == device.certificate_id
    seen = await cloud.iot("describe_certificate", certificateId=device.certificate_id)
    assert seen["certificateDescription"]["caCertificateId"] == identifier
    by_ca = await cloud.iot("list_certificates_by_ca", caCertificateId=identifier)
    assert [row["certificateId"] for row in by_ca["certificates"]] == [device.certificate_id]
    stranger = new_identity(new_authority("plant"))
    assert (
        await code_of(cloud, "register_certificate", certificatePem=stranger.certificate_pem)
        == "CertificateValidationException"
    )
    assert (
        await code_of(cloud, "register_certificate", certificatePem=expired().certificate_pem)
        == "CertificateValidationException"
    )
    await cloud.iot("update_ca_certificate", certificateId=identifier, newStatus="INACTIVE")
    another = new_identity(authority)
    assert (
        await code_of(cloud, "register_certificate", certificatePem=another.certificate_pem)
        == "CertificateStateException"
    )


@pytest.mark.promise(2)
async def test_what_a_registered_authority_has_signed_comes_in_only_when_registered(
    cloud: RunningCloud,
) -> None:
    authority = new_authority("plant")
    await register(cloud, authority)
    registered, unregistered = new_identity(authority), new_identity(authority)
    made = await cloud.iot(
        "register_certificate", certificatePem=registered.certificate_pem, status="ACTIVE"
    )
    await cloud.iot("create_policy", policyName="all", policyDocument=POLICY)
    await cloud.iot("create_thing", thingName="lamp")
    await cloud.iot("attach_policy", policyName="all", target=made["certificateArn"])
    await cloud.iot("attach_thing_principal", thingName="lamp", principal=made["certificateArn"])

    def device(identity: Identity) -> MqttDevice:
        return MqttDevice(cloud.endpoints.device_mqtt_port, identity, "lamp", roots=cloud.roots_pem)

    known = device(registered)
    assert (await known.connect())[0] == 0
    await known.close()
    unknown = device(unregistered)
    with pytest.raises((OSError, ConnectionError)):
        await unknown.connect()
    await unknown.close()
