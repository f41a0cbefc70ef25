"""Certificates of one's own authority that are registered when their devices first connect."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from botocore.exceptions import ClientError
from tests.support.cloud import ACCOUNT, RunningCloud, running_cloud
from tests.support.cloud_edge import MqttDevice
from tests.support.pki import (
    Identity,
    authority_as_device,
    new_authority,
    new_identity,
    new_key,
)
from tests.support.registry import POLICY

from hedgerow.cloud.iot.newcomers import TOLD_AGAIN_S
from hedgerow.kernel import SystemClock
from hedgerow.pki import CertificateAuthority, Profile, client_context

REGISTERED = "$aws/events/certificates/registered/"


class PassingClock(SystemClock):
    """The system's clock, on which time can be let go by."""

    passed = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.passed


@pytest.fixture
def clock() -> PassingClock:
    return PassingClock()


@pytest.fixture
async def cloud(tmp_path: Path, clock: PassingClock) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path, clock=clock) as running:
        yield running


async def register(cloud: RunningCloud, authority: CertificateAuthority, **more: Any) -> str:
    """Register an authority whose certificates register themselves; return its id."""
    code = (await cloud.iot("get_registration_code"))["registrationCode"]
    proof = authority.issue(Profile(code, timedelta(days=1)), new_key().public_key)
    made = await cloud.iot(
        "register_ca_certificate",
        caCertificate=authority.certificate_pem,
        verificationCertificate=proof,
        **{"setAsActive": True, "allowAutoRegistration": True, **more},
    )
    return str(made["certificateId"])


def device(cloud: RunningCloud, identity: Identity, name: str = "lamp") -> MqttDevice:
    return MqttDevice(cloud.endpoints.device_mqtt_port, identity, name, roots=cloud.roots_pem)


async def listener(cloud: RunningCloud) -> MqttDevice:
    """Return a program that hears of registrations."""
    thing = await cloud.enrol("registrar", POLICY)
    program = device(cloud, thing.identity, thing.name)
    assert (await program.connect())[0] == 0
    await program.subscribe(f"{REGISTERED}#")
    return program


async def heard(program: MqttDevice) -> tuple[str, dict[str, Any]]:
    async with asyncio.timeout(10):
        message = await program.events.get()
    return message.topic, json.loads(message.payload)


async def turned_away(cloud: RunningCloud, identity: Identity, name: str = "lamp") -> None:
    """Connect, and be disconnected before anything is answered."""
    newcomer = device(cloud, identity, name)
    with pytest.raises((OSError, ConnectionError)):
        await newcomer.connect()
    await newcomer.close()


async def status_of(cloud: RunningCloud, identity: Identity) -> str | None:
    rows = (await cloud.iot("list_certificates"))["certificates"]
    statuses = {row["certificateId"]: str(row["status"]) for row in rows}
    return statuses.get(identity.certificate_id)


async def recorded(cloud: RunningCloud, name: str) -> list[Mapping[str, Any]]:
    found = await cloud.call(
        "cloudtrail",
        "lookup_events",
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": name}],
    )
    return [json.loads(event["CloudTrailEvent"]) for event in found["Events"]]


async def test_a_device_is_registered_when_it_first_connects_and_comes_in_once_activated(
    cloud: RunningCloud, clock: PassingClock
) -> None:
    authority = new_authority("plant")
    ca_id = await register(cloud, authority)
    described = (await cloud.iot("describe_ca_certificate", certificateId=ca_id))[
        "certificateDescription"
    ]
    assert described["autoRegistrationStatus"] == "ENABLE"
    program, lamp = await listener(cloud), new_identity(authority)
    await turned_away(cloud, lamp)
    topic, told = await heard(program)
    assert topic == REGISTERED + ca_id
    assert told.pop("timestamp") >= int(told.pop("certificateRegistrationTimestamp"))
    assert told == {
        "certificateId": lamp.certificate_id,
        "caCertificateId": ca_id,
        "certificateStatus": "PENDING_ACTIVATION",
        "awsAccountId": ACCOUNT,
    }
    assert await status_of(cloud, lamp) == "PENDING_ACTIVATION"
    for _ in range(3):  # a device that does not give up is told of now and then only
        await turned_away(cloud, lamp)
    clock.passed += TOLD_AGAIN_S
    await turned_away(cloud, lamp)
    assert (await heard(program))[1]["certificateId"] == lamp.certificate_id

    arn = f"{described['certificateArn'].rpartition(':')[0]}:cert/{lamp.certificate_id}"
    await cloud.iot("create_policy", policyName="all", policyDocument=POLICY)
    await cloud.iot("create_thing", thingName="lamp")
    await cloud.iot("attach_policy", policyName="all", target=arn)
    await cloud.iot("attach_thing_principal", thingName="lamp", principal=arn)
    await turned_away(cloud, lamp)
    await cloud.iot("update_certificate", certificateId=lamp.certificate_id, newStatus="ACTIVE")
    admitted = device(cloud, lamp)
    assert (await admitted.connect())[0] == 0
    await admitted.close()
    assert program.events.empty()
    await program.close()
    [record] = await recorded(cloud, "RegisterCertificate")
    assert record["userIdentity"] == {"type": "AWSService", "invokedBy": "iot.amazonaws.com"}
    assert record["requestParameters"]["certificateId"] == lamp.certificate_id
    assert record["additionalEventData"] == {"onBehalfOf": described["certificateArn"]}


@pytest.mark.promise(2)
async def test_who_is_registered_so_gets_not_one_byte_before_it_is_activated(
    cloud: RunningCloud,
) -> None:
    """Not over HTTPS either, and not with a certificate that was taken back since."""
    authority = new_authority("plant")
    await register(cloud, authority)
    lamp = new_identity(authority)
    context = client_context(cloud.roots_pem, lamp.key, lamp.certificate_pem)
    url = f"https://localhost:{cloud.endpoints.device_https_port}/things/lamp/shadow"
    for _ in range(2):
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientConnectionError):
                await session.get(url, ssl=context)
        assert await status_of(cloud, lamp) == "PENDING_ACTIVATION"
    await cloud.iot("update_certificate", certificateId=lamp.certificate_id, newStatus="REVOKED")
    async with cloud.https(lamp) as https:
        answer = await https.get("/things/lamp/shadow")
    assert answer.status == 401
    assert await status_of(cloud, lamp) == "REVOKED"


@pytest.mark.promise(2)
async def test_only_what_a_registering_authority_has_signed_is_registered(
    cloud: RunningCloud,
) -> None:
    authority, forger = new_authority("plant"), new_authority("plant")
    ca_id = await register(cloud, authority, setAsActive=False)
    early, forged, below = new_identity(authority), new_identity(forger), authority_as_device()
    await turned_away(cloud, early)
    assert await status_of(cloud, early) is None
    await cloud.iot("update_ca_certificate", certificateId=ca_id, newStatus="ACTIVE")
    for stranger in (forged, below):
        await turned_away(cloud, stranger)
        assert await status_of(cloud, stranger) is None
    await turned_away(cloud, early)
    assert await status_of(cloud, early) == "PENDING_ACTIVATION"
    await cloud.iot(
        "update_ca_certificate", certificateId=ca_id, newAutoRegistrationStatus="DISABLE"
    )
    late = new_identity(authority)
    await turned_away(cloud, late)
    assert await status_of(cloud, late) is None


@pytest.mark.promise(1)
async def test_nobody_catches_the_devices_of_an_authority_whose_key_is_not_theirs(
    cloud: RunningCloud,
) -> None:
    """An authority can be registered without proof, but then none of its devices registers."""
    authority = new_authority("plant")
    public: dict[str, Any] = {
        "caCertificate": authority.certificate_pem,
        "certificateMode": "SNI_ONLY",
        "setAsActive": True,
    }
    async with cloud.member("thief") as thief:
        with pytest.raises(ClientError, match="verificationCertificate"):
            await thief.iot("register_ca_certificate", **public, allowAutoRegistration=True)
        made = await thief.iot("register_ca_certificate", **public)
        with pytest.raises(ClientError, match="verificationCertificate"):
            await thief.iot(
                "update_ca_certificate",
                certificateId=made["certificateId"],
                newAutoRegistrationStatus="ENABLE",
            )
        await register(cloud, authority)
        lamp = new_identity(authority)
        await turned_away(cloud, lamp)
        assert await status_of(cloud, lamp) == "PENDING_ACTIVATION"
        assert await status_of(thief, lamp) is None


async def test_registrations_are_told_only_while_that_is_on(cloud: RunningCloud) -> None:
    authority = new_authority("plant")
    await register(cloud, authority)
    program = await listener(cloud)
    off = {"CA_CERTIFICATE": {"Enabled": False}}
    await cloud.iot("update_event_configurations", eventConfigurations=off)
    quiet, loud = new_identity(authority), new_identity(authority)
    await turned_away(cloud, quiet)
    on = {"CA_CERTIFICATE": {"Enabled": True}}
    await cloud.iot("update_event_configurations", eventConfigurations=on)
    await turned_away(cloud, loud)
    assert (await heard(program))[1]["certificateId"] == loud.certificate_id
    assert await status_of(cloud, quiet) == "PENDING_ACTIVATION"
    await program.close()


async def test_what_waits_for_activation_still_waits_after_a_restart(tmp_path: Path) -> None:
    authority = new_authority("plant")
    lamp, late = new_identity(authority), new_identity(authority)
    async with running_cloud(tmp_path) as cloud:
        await register(cloud, authority)
        await turned_away(cloud, lamp)
    async with running_cloud(tmp_path) as cloud:
        program = await listener(cloud)
        await turned_away(cloud, lamp)
        assert (await heard(program))[1]["certificateId"] == lamp.certificate_id
        await turned_away(cloud, late)
        assert (await heard(program))[1]["certificateId"] == late.certificate_id
        await program.close()


async def test_newcomers_come_by_either_protocol_of_the_combined_port(cloud: RunningCloud) -> None:
    authority = new_authority("plant")
    await register(cloud, authority)
    port = cloud.endpoints.combined_port
    assert port is not None
    for alpn in ("x-amzn-mqtt-ca", "x-amzn-http-ca"):
        lamp = new_identity(authority)
        context = client_context(cloud.roots_pem, lamp.key, lamp.certificate_pem, alpn=[alpn])
        reader, writer = await asyncio.open_connection("localhost", port, ssl=context)
        async with asyncio.timeout(10):
            assert await reader.read() == b""
        writer.close()
        assert await status_of(cloud, lamp) == "PENDING_ACTIVATION"
