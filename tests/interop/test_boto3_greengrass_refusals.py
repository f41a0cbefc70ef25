"""boto3, unchanged: what every greengrass operation refuses, with the documented code and words."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from botocore import xform_name
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session
from tests.support.cloud import ACCOUNT, REGION, RunningCloud, running_cloud
from tests.support.roles import trust_policy

from hedgerow.cloud.app import Layout
from hedgerow.cloud.greengrass.kinds import DEFINITION_KINDS

UNKNOWN = "0" * 8 + "-0000-4000-8000-" + "0" * 12
ROLE = f"arn:aws:iam::{ACCOUNT}:role/nobody"
ARN = f"arn:aws:greengrass:{REGION}:{ACCOUNT}:/greengrass/groups/{UNKNOWN}"
OF_GROUP = {"GroupId": UNKNOWN}
OF_BULK = {"BulkDeploymentId": UNKNOWN}
UNKNOWN_IDS: Mapping[str, Mapping[str, Any]] = {
    "AssociateRoleToGroup": {**OF_GROUP, "RoleArn": ROLE},
    "CreateDeployment": {**OF_GROUP, "DeploymentType": "NewDeployment"},
    "CreateGroupCertificateAuthority": OF_GROUP,
    "CreateGroupVersion": OF_GROUP,
    "DeleteGroup": OF_GROUP,
    "DisassociateRoleFromGroup": OF_GROUP,
    "GetAssociatedRole": OF_GROUP,
    "GetBulkDeploymentStatus": OF_BULK,
    "GetDeploymentStatus": {**OF_GROUP, "DeploymentId": UNKNOWN},
    "GetGroup": OF_GROUP,
    "GetGroupCertificateAuthority": {**OF_GROUP, "CertificateAuthorityId": UNKNOWN},
    "GetGroupCertificateConfiguration": OF_GROUP,
    "GetGroupVersion": {**OF_GROUP, "GroupVersionId": UNKNOWN},
    "ListBulkDeploymentDetailedReports": OF_BULK,
    "ListDeployments": OF_GROUP,
    "ListGroupCertificateAuthorities": OF_GROUP,
    "ListGroupVersions": OF_GROUP,
    "ListTagsForResource": {"ResourceArn": ARN},
    "ResetDeployments": OF_GROUP,
    "StopBulkDeployment": OF_BULK,
    "TagResource": {"ResourceArn": ARN, "tags": {"a": "b"}},
    "UntagResource": {"ResourceArn": ARN, "TagKeys": ["a"]},
    "UpdateGroup": {**OF_GROUP, "Name": "g"},
    "UpdateGroupCertificateConfiguration": {
        **OF_GROUP,
        "CertificateExpiryInMilliseconds": "604800000",
    },
}
OF_DEFINITIONS = ("Get{}Definition", "Update{}Definition", "Delete{}Definition")
LISTS: Mapping[str, Mapping[str, Any]] = {
    "ListBulkDeployments": {},
    "ListGroups": {},
    **{f"List{kind.name}Definitions": {} for kind in DEFINITION_KINDS},
}


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path, combined=False) as running:
        yield running


async def refused(cloud: RunningCloud, operation: str, **members: Any) -> tuple[str, int, str]:
    """Return code, status and sentence of a call that has to fail; it is named as in the model."""
    with pytest.raises(ClientError) as caught:
        await cloud.greengrass(xform_name(operation), **members)
    answer = caught.value.response
    error = answer["Error"]
    return error["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], error["Message"]


@pytest.mark.refusal(
    "AssociateRoleToGroup",
    "CreateDeployment",
    "CreateGroupCertificateAuthority",
    "CreateGroupVersion",
    "DeleteGroup",
    "DisassociateRoleFromGroup",
    "GetAssociatedRole",
    "GetBulkDeploymentStatus",
    "GetDeploymentStatus",
    "GetGroup",
    "GetGroupCertificateAuthority",
    "GetGroupCertificateConfiguration",
    "GetGroupVersion",
    "ListBulkDeploymentDetailedReports",
    "ListDeployments",
    "ListGroupCertificateAuthorities",
    "ListGroupVersions",
    "ListTagsForResource",
    "ResetDeployments",
    "StopBulkDeployment",
    "TagResource",
    "UntagResource",
    "UpdateGroup",
    "UpdateGroupCertificateConfiguration",
)
async def test_an_id_that_names_nothing_is_said_to(cloud: RunningCloud) -> None:
    await cloud.role(ROLE.rpartition("/")[2], trust_policy())
    for operation, members in UNKNOWN_IDS.items():
        code, status, sentence = await refused(cloud, operation, **members)
        assert (code, status) == ("IdNotFoundException", 404), operation
        assert sentence.startswith("That "), operation
        assert sentence.endswith(" does not exist."), operation


@pytest.mark.refusal(
    "Create*DefinitionVersion",
    "Delete*Definition",
    "Get*Definition",
    "Get*DefinitionVersion",
    "List*DefinitionVersions",
    "Update*Definition",
)
@pytest.mark.parametrize("kind", DEFINITION_KINDS, ids=lambda kind: kind.name)
async def test_a_definition_that_does_not_exist(cloud: RunningCloud, kind: Any) -> None:
    missing = ("IdNotFoundException", 404, f"That {kind.path} definition does not exist.")
    named = {kind.id_member: UNKNOWN}
    more: dict[str, Mapping[str, Any]] = {form: {} for form in OF_DEFINITIONS}
    more |= {"List{}DefinitionVersions": {}, "Create{}DefinitionVersion": {}}
    more["Get{}DefinitionVersion"] = {kind.version_id_member: UNKNOWN}
    for form, members in more.items():
        assert await refused(cloud, form.format(kind.name), **named, **members) == missing, form
    made = await cloud.greengrass(f"create_{kind.name.lower()}_definition", InitialVersion={})
    for version in (UNKNOWN, "$LATEST", "latest"):
        code, status, sentence = await refused(
            cloud,
            f"Get{kind.name}DefinitionVersion",
            **{kind.id_member: made["Id"], kind.version_id_member: version},
        )
        assert (code, status) == ("IdNotFoundException", 404)
        assert sentence == f"That {kind.path} version definition does not exist."


@pytest.mark.refusal("Create*Definition", "CreateGroup")
async def test_tags_that_no_resource_has(cloud: RunningCloud) -> None:
    operations: dict[str, Mapping[str, Any]] = {
        f"Create{kind.name}Definition": {} for kind in DEFINITION_KINDS
    }
    operations["CreateGroup"] = {"Name": "g"}
    for operation, members in operations.items():
        for tags in ({"aws:a": "b"}, {str(n): "" for n in range(51)}, {"a": "b" * 257}):
            code, status, _ = await refused(cloud, operation, **members, tags=tags)
            assert (code, status) == ("BadRequestException", 400), operation
    assert (await cloud.greengrass("list_groups"))["Groups"] == []


@pytest.mark.refusal("List*Definitions", "ListBulkDeployments", "ListGroups")
async def test_pages_that_do_not_exist(cloud: RunningCloud) -> None:
    for operation, members in LISTS.items():
        for page, word in (
            ({"MaxResults": "0"}, "MaxResults"),
            ({"MaxResults": "-1"}, "MaxResults"),
            ({"NextToken": "forged"}, "oken"),
        ):
            code, status, sentence = await refused(cloud, operation, **members, **page)
            assert (code, status) == ("BadRequestException", 400), operation
            assert word in sentence, operation


@pytest.mark.refusal("StartBulkDeployment", "AssociateServiceRoleToAccount")
async def test_a_role_that_does_not_exist(cloud: RunningCloud) -> None:
    for operation, members in (
        (
            "StartBulkDeployment",
            {"ExecutionRoleArn": ROLE, "InputFileUri": "https://a.s3.amazonaws.com/b"},
        ),
        ("AssociateServiceRoleToAccount", {"RoleArn": ROLE}),
    ):
        refusal = await refused(cloud, operation, **members)
        assert refusal == ("BadRequestException", 400, "That role ARN is invalid."), operation


PATHS = (
    ("PUT", "/greengrass/servicerole", "AssociateServiceRoleToAccount"),
    ("GET", "/greengrass/servicerole", "GetServiceRoleForAccount"),
    ("DELETE", "/greengrass/servicerole", "DisassociateServiceRoleFromAccount"),
    ("GET", "/greengrass/groups/{id}/role", "GetAssociatedRole"),
    ("GET", "/greengrass/groups/{id}/certificateauthorities", "ListGroupCertificateAuthorities"),
    (
        "GET",
        "/greengrass/groups/{id}/certificateauthorities/{id}",
        "GetGroupCertificateAuthority",
    ),
    (
        "GET",
        "/greengrass/groups/{id}/certificateauthorities/configuration/expiry",
        "GetGroupCertificateConfiguration",
    ),
    ("POST", "/greengrass/groups/{id}/deployments/$reset", "ResetDeployments"),
    ("GET", "/greengrass/things/core/connectivityInfo", "GetConnectivityInfo"),
    ("GET", "/greengrass/things/core/runtimeconfig", "GetThingRuntimeConfiguration"),
    ("POST", "/greengrass/updates", "CreateSoftwareUpdateJob"),
    ("GET", "/tags/{arn}", "ListTagsForResource"),
)


@pytest.mark.spec("Z02")
async def test_the_documented_paths_lead_to_their_operations(cloud: RunningCloud) -> None:
    """A program that knows the paths alone, and no model, gets where it wants to be."""
    administrator = json.loads(Layout(cloud.data_dir).administrator.read_text())
    signer = SigV4Auth(
        Credentials(administrator["AccessKeyId"], administrator["SecretAccessKey"]),
        "greengrass",
        REGION,
    )
    session = URLLib3Session(verify=str(Layout(cloud.data_dir).root_certificate))
    arn = quote(ARN, safe="")

    def send(method: str, path: str) -> str:
        named = path.replace("{id}", UNKNOWN).replace("{arn}", arn)
        url = f"https://localhost:{cloud.endpoints.api_port}{named}"
        request = AWSRequest(method=method, url=url, data=b"{}")
        signer.add_auth(request)
        return str(session.send(request.prepare()).headers["x-amzn-RequestId"])

    def send_all() -> dict[str, str]:
        sent = {send(method, path): name for method, path, name in PATHS}
        session.close()
        return sent

    sent = await asyncio.to_thread(send_all)
    events = (await cloud.call("cloudtrail", "lookup_events", MaxResults=50))["Events"]
    heard = {
        json.loads(event["CloudTrailEvent"])["requestID"]: event["EventName"] for event in events
    }
    assert {request_id: heard.get(request_id) for request_id in sent} == sent


@pytest.mark.refusal("CreateGroupVersion", "CreateGroup")
async def test_everything_wrong_with_a_group_version_is_told_at_once(cloud: RunningCloud) -> None:
    """Unknown things and unknown ends of rows do not wait for a deployment to be found out."""
    nobody = f"arn:aws:iot:{REGION}:{ACCOUNT}:thing/nobody"
    member = {
        "Id": "d",
        "ThingArn": nobody,
        "CertificateArn": f"arn:aws:iot:{REGION}:{ACCOUNT}:cert/{'ab' * 32}",
    }
    row = {"Id": "r", "Source": nobody, "Target": f"{nobody}2", "Subject": "a"}
    devices = await cloud.greengrass(
        "create_device_definition", InitialVersion={"Devices": [member]}
    )
    rows = await cloud.greengrass(
        "create_subscription_definition", InitialVersion={"Subscriptions": [row]}
    )
    version = {
        "DeviceDefinitionVersionArn": devices["LatestVersionArn"],
        "SubscriptionDefinitionVersionArn": rows["LatestVersionArn"],
    }
    group = await cloud.greengrass("create_group", Name="g")
    for operation, members in (
        ("CreateGroupVersion", {"GroupId": group["Id"], **version}),
        ("CreateGroup", {"Name": "h", "InitialVersion": version}),
    ):
        code, status, sentence = await refused(cloud, operation, **members)
        assert (code, status) == ("BadRequestException", 400)
        assert "Devices[0] 'd': no thing" in sentence
        assert "Subscriptions[0] 'r': the Target" in sentence
    await cloud.iot("create_thing", thingName="nobody")
    _, _, sentence = await refused(cloud, "CreateGroupVersion", GroupId=group["Id"], **version)
    assert "Devices[0] 'd': no certificate" in sentence
