"""boto3, unchanged, against a whole cloud over TLS: every iot and iot-data operation built."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import serialization
from tests.support.cloud import ACCOUNT, REGION, RunningCloud, running_cloud, signing_request
from tests.support.cloud_edge import MqttDevice
from tests.support.pki import Identity, new_identity, new_key, self_signed
from tests.support.registry import foreign_authority

from hedgerow.kernel import Secret
from hedgerow.pki import FileKey, certificate_id, load_certificate

PREFIX = f"arn:aws:iot:{REGION}:{ACCOUNT}:"
POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}],
    }
)


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path, combined=False) as running:
        yield running


async def error_of(cloud: RunningCloud, operation: str, **members: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as refused:
        await cloud.iot(operation, **members)
    response = refused.value.response
    assert response["Error"]["Message"]
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


async def active_certificate(cloud: RunningCloud) -> tuple[Identity, str]:
    key = new_key()
    made = await cloud.iot(
        "create_certificate_from_csr",
        certificateSigningRequest=signing_request(key),
        setAsActive=True,
    )
    return Identity(key, made["certificatePem"]), made["certificateArn"]


def mqtt(cloud: RunningCloud, identity: Identity, client_id: str) -> MqttDevice:
    port = cloud.endpoints.device_mqtt_port
    return MqttDevice(port, identity, client_id, roots=cloud.roots_pem)


async def test_the_life_of_a_thing(cloud: RunningCloud) -> None:
    made = await cloud.iot(
        "create_thing", thingName="lamp", attributePayload={"attributes": {"plant": "north"}}
    )
    assert made["thingArn"] == f"{PREFIX}thing/lamp"
    assert re.fullmatch(r"[0-9a-f-]{36}", made["thingId"])
    assert await error_of(cloud, "create_thing", thingName="lamp") == (
        "ResourceAlreadyExistsException",
        409,
    )
    await cloud.iot(
        "update_thing",
        thingName="lamp",
        attributePayload={"attributes": {"floor": "2"}, "merge": True},
        expectedVersion=1,
    )
    assert await cloud.iot("describe_thing", thingName="lamp") == {
        "defaultClientId": "lamp",
        "thingName": "lamp",
        "thingId": made["thingId"],
        "thingArn": made["thingArn"],
        "attributes": {"plant": "north", "floor": "2"},
        "version": 2,
    }
    assert await error_of(cloud, "delete_thing", thingName="lamp", expectedVersion=1) == (
        "VersionConflictException",
        409,
    )
    await cloud.iot("delete_thing", thingName="lamp")
    assert await error_of(cloud, "describe_thing", thingName="lamp") == (
        "ResourceNotFoundException",
        404,
    )


async def test_lists_come_in_pages(cloud: RunningCloud) -> None:
    names = [f"t{number}" for number in range(5)]
    for name in names:
        await cloud.iot("create_thing", thingName=name)
        await cloud.iot("create_policy", policyName=name, policyDocument=POLICY)
    identity, arn = await active_certificate(cloud)
    arns = [arn, (await active_certificate(cloud))[1], (await active_certificate(cloud))[1]]
    for name in names:
        await cloud.iot("attach_policy", policyName=name, target=arn)
        await cloud.iot("attach_thing_principal", thingName=name, principal=arn)
    for other in arns[1:]:
        await cloud.iot("attach_policy", policyName="t0", target=other)
        await cloud.iot("attach_thing_principal", thingName="t0", principal=other)

    def read() -> dict[str, list[Any]]:
        client = cloud.client("iot")

        def every(operation: str, member: str, **more: Any) -> list[Any]:
            pager = client.get_paginator(operation)
            return [
                row
                for page in pager.paginate(PaginationConfig={"PageSize": 2}, **more)
                for row in page[member]
            ]

        return {
            "things": [row["thingName"] for row in every("list_things", "things")],
            "policies": [row["policyName"] for row in every("list_policies", "policies")],
            "certificates": [
                row["certificateArn"] for row in every("list_certificates", "certificates")
            ],
            "attached": [
                row["policyName"] for row in every("list_attached_policies", "policies", target=arn)
            ],
            "old attached": [
                row["policyName"]
                for row in every("list_principal_policies", "policies", principal=arn)
            ],
            "targets": every("list_targets_for_policy", "targets", policyName="t0"),
            "old targets": every("list_policy_principals", "principals", policyName="t0"),
            "principals": every("list_thing_principals", "principals", thingName="t0"),
            "things of": every("list_principal_things", "things", principal=arn),
        }

    assert await asyncio.to_thread(read) == {
        "things": names,
        "policies": names,
        "certificates": arns,
        "attached": names,
        "old attached": names,
        "targets": arns,
        "old targets": arns,
        "principals": arns,
        "things of": names,
    }
    assert certificate_id(identity.certificate_pem) in arn
    assert await error_of(cloud, "list_things", nextToken="bm9uc2Vuc2U=") == (
        "InvalidRequestException",
        400,
    )
    assert await error_of(cloud, "list_policies", marker="bm9uc2Vuc2U=") == (
        "InvalidRequestException",
        400,
    )


async def test_a_key_pair_made_by_the_service_works_at_once(cloud: RunningCloud) -> None:
    made = await cloud.iot("create_keys_and_certificate", setAsActive=True)
    pem = made["certificatePem"]
    assert made["certificateId"] == certificate_id(pem)
    assert made["certificateArn"] == f"{PREFIX}cert/{made['certificateId']}"
    private = made["keyPair"]["PrivateKey"]
    public = serialization.load_pem_public_key(made["keyPair"]["PublicKey"].encode())
    assert private.startswith("-----BEGIN RSA PRIVATE KEY-----")
    assert public == load_certificate(pem).public_key()
    await cloud.iot("create_thing", thingName="lamp")
    await cloud.iot("create_policy", policyName="p", policyDocument=POLICY)
    await cloud.iot("attach_thing_principal", thingName="lamp", principal=made["certificateArn"])
    await cloud.iot("attach_principal_policy", policyName="p", principal=made["certificateArn"])
    lamp = mqtt(cloud, Identity(FileKey.from_pem(Secret(private)), pem), "lamp")
    assert (await lamp.connect())[0] == 0
    await cloud.iot("detach_principal_policy", policyName="p", principal=made["certificateArn"])
    await lamp.ended()
    await lamp.close()
    which = {"thingName": "lamp", "principal": made["certificateArn"]}
    await cloud.iot("detach_thing_principal", **which)
    assert (await cloud.iot("list_thing_principals", thingName="lamp"))["principals"] == []


async def test_the_life_of_a_certificate(cloud: RunningCloud) -> None:
    key = new_key()
    made = await cloud.iot(
        "create_certificate_from_csr", certificateSigningRequest=signing_request(key)
    )
    which = {"certificateId": made["certificateId"]}
    described = (await cloud.iot("describe_certificate", **which))["certificateDescription"]
    parsed = load_certificate(made["certificatePem"])
    assert described["status"] == "INACTIVE"
    assert described["certificatePem"] == made["certificatePem"]
    assert described["ownedBy"] == ACCOUNT
    assert described["validity"]["notAfter"] == parsed.not_valid_after_utc
    await cloud.iot("update_certificate", newStatus="ACTIVE", **which)
    assert await error_of(cloud, "delete_certificate", **which) == (
        "CertificateStateException",
        406,
    )
    await cloud.iot("create_policy", policyName="p", policyDocument=POLICY)
    await cloud.iot("attach_policy", policyName="p", target=made["certificateArn"])
    await cloud.iot("update_certificate", newStatus="INACTIVE", **which)
    assert await error_of(cloud, "delete_certificate", **which) == ("DeleteConflictException", 409)
    await cloud.iot("delete_certificate", forceDelete=True, **which)
    assert await error_of(cloud, "describe_certificate", **which) == (
        "ResourceNotFoundException",
        404,
    )
    assert (await cloud.iot("list_targets_for_policy", policyName="p"))["targets"] == []
    await cloud.iot("delete_policy", policyName="p")


@pytest.mark.parametrize("foreign", [True, False], ids=["other authority", "self-signed"])
async def test_a_stranded_fleets_certificate_is_registered_and_connects(
    cloud: RunningCloud,
    foreign: bool,  # noqa: FBT001 - a table's column
) -> None:
    identity = new_identity(foreign_authority()) if foreign else self_signed()
    pem = identity.certificate_pem
    made = await cloud.iot("register_certificate_without_ca", certificatePem=pem, status="ACTIVE")
    assert made == {
        "certificateArn": f"{PREFIX}cert/{certificate_id(pem)}",
        "certificateId": certificate_id(pem),
    }
    assert await error_of(cloud, "register_certificate_without_ca", certificatePem=pem) == (
        "ResourceAlreadyExistsException",
        409,
    )
    await cloud.iot("create_thing", thingName="lamp")
    await cloud.iot("create_policy", policyName="p", policyDocument=POLICY)
    await cloud.iot("attach_thing_principal", thingName="lamp", principal=made["certificateArn"])
    await cloud.iot("attach_policy", policyName="p", target=made["certificateArn"])
    lamp = mqtt(cloud, identity, "lamp")
    assert (await lamp.connect())[0] == 0
    await cloud.iot("update_certificate", certificateId=made["certificateId"], newStatus="REVOKED")
    await lamp.ended()
    await lamp.close()


async def test_bad_certificates_and_requests_get_awss_codes(cloud: RunningCloud) -> None:
    for operation, members, code in (
        ("create_certificate_from_csr", {"certificateSigningRequest": "x"}, "InvalidRequest"),
        ("register_certificate_without_ca", {"certificatePem": "x"}, "CertificateValidation"),
        ("describe_certificate", {"certificateId": "g" * 64}, "InvalidRequest"),
        ("describe_certificate", {"certificateId": "a" * 64}, "ResourceNotFound"),
        (
            "update_certificate",
            {"certificateId": "a" * 64, "newStatus": "ACTIVE"},
            "ResourceNotFound",
        ),
        ("create_thing", {"thingName": "a b"}, "InvalidRequest"),
        ("create_policy", {"policyName": "p", "policyDocument": "{}"}, "MalformedPolicy"),
        ("describe_endpoint", {"endpointType": "iot:Other"}, "InvalidRequest"),
        ("attach_policy", {"policyName": "p", "target": "nobody"}, "ResourceNotFound"),
        ("list_attached_policies", {"target": "nobody"}, "InvalidRequest"),
    ):
        assert (await error_of(cloud, operation, **members))[0] == f"{code}Exception", operation


@pytest.mark.spec("D01")
async def test_the_life_of_a_policy(cloud: RunningCloud) -> None:
    made = await cloud.iot("create_policy", policyName="p", policyDocument=POLICY)
    assert made == {
        "policyName": "p",
        "policyArn": f"{PREFIX}policy/p",
        "policyDocument": POLICY,
        "policyVersionId": "1",
    }
    other = POLICY.replace("iot:*", "iot:Connect")
    added = await cloud.iot("create_policy_version", policyName="p", policyDocument=other)
    assert (added["policyVersionId"], added["isDefaultVersion"]) == ("2", False)
    await cloud.iot("set_default_policy_version", policyName="p", policyVersionId="2")
    assert (await cloud.iot("get_policy", policyName="p"))["policyDocument"] == other
    version = await cloud.iot("get_policy_version", policyName="p", policyVersionId="1")
    assert (version["policyDocument"], version["isDefaultVersion"]) == (POLICY, False)
    rows = (await cloud.iot("list_policy_versions", policyName="p"))["policyVersions"]
    assert [(row["versionId"], row["isDefaultVersion"]) for row in rows] == [
        ("2", True),
        ("1", False),
    ]
    assert await error_of(cloud, "delete_policy_version", policyName="p", policyVersionId="2") == (
        "DeleteConflictException",
        409,
    )
    assert await error_of(cloud, "delete_policy", policyName="p") == (
        "DeleteConflictException",
        409,
    )
    for _ in range(3):
        await cloud.iot("create_policy_version", policyName="p", policyDocument=POLICY)
    assert await error_of(
        cloud, "create_policy_version", policyName="p", policyDocument=POLICY
    ) == ("VersionsLimitExceededException", 409)
    for number in ("1", "3", "4", "5"):
        await cloud.iot("delete_policy_version", policyName="p", policyVersionId=number)
    await cloud.iot("delete_policy", policyName="p")
    assert await error_of(cloud, "get_policy", policyName="p") == (
        "ResourceNotFoundException",
        404,
    )


async def test_the_life_of_a_thing_group(cloud: RunningCloud) -> None:
    made = await cloud.iot(
        "create_thing_group",
        thingGroupName="lamps",
        thingGroupProperties={"thingGroupDescription": "all of them"},
    )
    assert made["thingGroupArn"] == f"{PREFIX}thinggroup/lamps"
    await cloud.iot("create_thing", thingName="lamp")
    which = {"thingGroupName": "lamps", "thingName": "lamp"}
    await cloud.iot("add_thing_to_thing_group", **which)
    row = {"groupName": "lamps", "groupArn": made["thingGroupArn"]}
    assert (await cloud.iot("list_thing_groups", namePrefixFilter="la"))["thingGroups"] == [row]
    assert (await cloud.iot("list_thing_groups", namePrefixFilter="x"))["thingGroups"] == []
    assert (await cloud.iot("list_things_in_thing_group", thingGroupName="lamps"))["things"] == [
        "lamp"
    ]
    assert (await cloud.iot("list_thing_groups_for_thing", thingName="lamp"))["thingGroups"] == [
        row
    ]
    await cloud.iot("create_policy", policyName="p", policyDocument=POLICY)
    await cloud.iot("attach_policy", policyName="p", target=made["thingGroupArn"])
    assert (await cloud.iot("list_targets_for_policy", policyName="p"))["targets"] == [
        made["thingGroupArn"]
    ]
    attached = await cloud.iot("list_attached_policies", target=made["thingGroupArn"])
    assert [policy["policyName"] for policy in attached["policies"]] == ["p"]
    assert await error_of(cloud, "delete_thing_group", thingGroupName="lamps") == (
        "InvalidRequestException",
        400,
    )
    await cloud.iot("detach_policy", policyName="p", target=made["thingGroupArn"])
    changed = await cloud.iot(
        "update_thing_group",
        thingGroupName="lamps",
        thingGroupProperties={"thingGroupDescription": "some"},
        expectedVersion=1,
    )
    described = await cloud.iot("describe_thing_group", thingGroupName="lamps")
    assert (changed["version"], described["version"]) == (2, 2)
    assert described["thingGroupProperties"]["thingGroupDescription"] == "some"
    await cloud.iot("remove_thing_from_thing_group", **which)
    assert (await cloud.iot("list_things_in_thing_group", thingGroupName="lamps"))["things"] == []
    assert await error_of(
        cloud, "delete_thing_group", thingGroupName="lamps", expectedVersion=1
    ) == ("VersionConflictException", 409)
    await cloud.iot("delete_thing_group", thingGroupName="lamps")
    assert await error_of(cloud, "describe_thing_group", thingGroupName="lamps") == (
        "ResourceNotFoundException",
        404,
    )


async def test_one_host_serves_every_purpose(cloud: RunningCloud) -> None:
    for kind in ("iot:Data-ATS", "iot:Data", "iot:CredentialProvider", "iot:Jobs"):
        answer = await cloud.iot("describe_endpoint", endpointType=kind)
        assert answer["endpointAddress"]
    assert await cloud.iot("describe_endpoint") == answer


async def test_a_program_and_a_device_share_a_shadow(cloud: RunningCloud) -> None:
    identity, arn = await active_certificate(cloud)
    await cloud.iot("create_thing", thingName="lamp")
    await cloud.iot("create_policy", policyName="p", policyDocument=POLICY)
    await cloud.iot("attach_thing_principal", thingName="lamp", principal=arn)
    await cloud.iot("attach_policy", policyName="p", target=arn)
    lamp = mqtt(cloud, identity, "lamp")
    await lamp.connect()
    await lamp.subscribe("$aws/things/lamp/shadow/update/delta")
    answer = await cloud.call(
        "iot-data",
        "update_thing_shadow",
        thingName="lamp",
        payload=b'{"state":{"desired":{"on":true}}}',
    )
    assert json.loads(answer["payload"].read())["version"] == 1
    assert json.loads((await lamp.received()).payload)["state"] == {"on": True}
    answer = await cloud.call("iot-data", "get_thing_shadow", thingName="lamp")
    assert json.loads(answer["payload"].read())["state"]["delta"] == {"on": True}
    answer = await cloud.call("iot-data", "delete_thing_shadow", thingName="lamp")
    assert json.loads(answer["payload"].read())["version"] == 1
    await lamp.close()


@pytest.mark.parametrize(
    ("operation", "members", "code", "status"),
    [
        ("get_thing_shadow", {}, "ResourceNotFoundException", 404),
        ("delete_thing_shadow", {}, "ResourceNotFoundException", 404),
        ("update_thing_shadow", {"payload": b"{"}, "InvalidRequestException", 400),
        (
            "update_thing_shadow",
            {"payload": b'{"state":{},"version":3}'},
            "ConflictException",
            409,
        ),
        (
            "update_thing_shadow",
            {"payload": b"x" * 9000},
            "RequestEntityTooLargeException",
            413,
        ),
        ("get_thing_shadow", {"shadowName": "n"}, "ResourceNotFoundException", 404),
        ("get_thing_shadow", {"shadowName": "n/m"}, "InvalidRequestException", 400),
    ],
)
async def test_a_refused_shadow_request_gets_awss_code(
    cloud: RunningCloud, operation: str, members: dict[str, Any], code: str, status: int
) -> None:
    with pytest.raises(ClientError) as refused:
        await cloud.call("iot-data", operation, thingName="lamp", **members)
    response = refused.value.response
    assert response["Error"]["Code"] == code
    assert response["ResponseMetadata"]["HTTPStatusCode"] == status


async def test_a_program_publishes_to_devices(cloud: RunningCloud) -> None:
    identity, arn = await active_certificate(cloud)
    await cloud.iot("create_thing", thingName="lamp")
    await cloud.iot("create_policy", policyName="p", policyDocument=POLICY)
    await cloud.iot("attach_thing_principal", thingName="lamp", principal=arn)
    await cloud.iot("attach_policy", policyName="p", target=arn)
    lamp = mqtt(cloud, identity, "lamp")
    await lamp.connect()
    await lamp.subscribe("to/#", qos=1)
    await cloud.call("iot-data", "publish", topic="to/lamp", qos=1, payload=b"\x00hello")
    received = await lamp.received()
    assert (received.topic, received.payload, received.qos) == ("to/lamp", b"\x00hello", 1)
    bad: list[dict[str, Any]] = [
        {"topic": "$aws/things/lamp/shadow/update/delta"},
        {"topic": "to/+"},
        {"topic": "a/" * 8},
        {"topic": "to/lamp", "payload": b"x" * (128 * 1024 + 1)},
    ]
    for members in bad:
        with pytest.raises(ClientError, match="InvalidRequestException"):
            await cloud.call("iot-data", "publish", **members)
    await lamp.close()
