"""boto3, unchanged, against a whole cloud over TLS: every greengrass operation that is built."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.cloud import ACCOUNT, REGION, RunningCloud, running_cloud
from tests.support.roles import trust_policy

from hedgerow.aws.models import load_model
from hedgerow.cloud.greengrass import GreengrassService

TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PREFIX = f"arn:aws:greengrass:{REGION}:{ACCOUNT}:/greengrass"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/Greengrass_ServiceRole"
CONTENTS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "connector": (
        "Connectors",
        [{"Id": "c", "ConnectorArn": f"arn:aws:greengrass:{REGION}::/connectors/SNS/versions/4"}],
    ),
    "core": (
        "Cores",
        [
            {
                "Id": "c",
                "ThingArn": f"arn:aws:iot:{REGION}:{ACCOUNT}:thing/core",
                "CertificateArn": f"arn:aws:iot:{REGION}:{ACCOUNT}:cert/{'ab' * 32}",
                "SyncShadow": True,
            }
        ],
    ),
    "device": (
        "Devices",
        [
            {
                "Id": "d",
                "ThingArn": f"arn:aws:iot:{REGION}:{ACCOUNT}:thing/device",
                "CertificateArn": f"arn:aws:iot:{REGION}:{ACCOUNT}:cert/{'cd' * 32}",
                "SyncShadow": False,
            }
        ],
    ),
    "function": (
        "Functions",
        [
            {
                "Id": "f",
                "FunctionArn": "arn:aws:lambda:::function:GGIPDetector:1",
                "FunctionConfiguration": {"Pinned": True, "MemorySize": 32768, "Timeout": 3},
            }
        ],
    ),
    "logger": (
        "Loggers",
        [{"Id": "l", "Component": "Lambda", "Level": "INFO", "Type": "FileSystem", "Space": 128}],
    ),
    "resource": (
        "Resources",
        [
            {
                "Id": "r",
                "Name": "disk",
                "ResourceDataContainer": {"LocalDeviceResourceData": {"SourcePath": "/dev/null"}},
            }
        ],
    ),
    "subscription": (
        "Subscriptions",
        [{"Id": "s", "Source": "cloud", "Target": "GGShadowService", "Subject": "a/#"}],
    ),
}


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path, combined=False) as running:
        yield running


async def refused(cloud: RunningCloud, operation: str, **members: Any) -> dict[str, Any]:
    """Return the error of a call that has to fail."""
    with pytest.raises(ClientError) as caught:
        await cloud.greengrass(operation, **members)
    error: dict[str, Any] = dict(caught.value.response["Error"])
    error["Status"] = caught.value.response["ResponseMetadata"]["HTTPStatusCode"]
    return error


@pytest.mark.operation(
    "Create*Definition",
    "Create*DefinitionVersion",
    "Delete*Definition",
    "Get*Definition",
    "Get*DefinitionVersion",
    "List*DefinitionVersions",
    "List*Definitions",
    "Update*Definition",
)
@pytest.mark.spec("P01", "P02")
@pytest.mark.parametrize("kind", sorted(CONTENTS))
async def test_a_definition_lives_through_all_its_operations(
    cloud: RunningCloud, kind: str
) -> None:
    member, content = CONTENTS[kind]
    identifier = f"{kind.capitalize()}DefinitionId"
    call = cloud.greengrass
    made = await call(
        f"create_{kind}_definition",
        Name="first",
        InitialVersion={member: content},
        tags={"env": "test"},
    )
    assert UUID.fullmatch(made["Id"])
    assert made["Arn"] == f"{PREFIX}/definition/{kind}s/{made['Id']}"
    assert made["LatestVersionArn"] == f"{made['Arn']}/versions/{made['LatestVersion']}"
    assert TIMESTAMP.fullmatch(made["CreationTimestamp"])
    name = {identifier: made["Id"]}

    second = await call(f"create_{kind}_definition_version", **name, **{member: []})
    assert second["Id"] == made["Id"]
    assert second["Version"] != made["LatestVersion"]

    shown = await call(f"get_{kind}_definition", **name)
    assert shown["LatestVersion"] == second["Version"]
    assert shown["tags"] == {"env": "test"}

    first = await call(
        f"get_{kind}_definition_version",
        **name,
        **{f"{kind.capitalize()}DefinitionVersionId": made["LatestVersion"]},
    )
    assert first["Definition"][member] == content
    assert first["Arn"] == made["LatestVersionArn"]

    versions = await call(f"list_{kind}_definition_versions", **name)
    assert [row["Version"] for row in versions["Versions"]] == [
        made["LatestVersion"],
        second["Version"],
    ]
    await call(f"update_{kind}_definition", **name, Name="second")
    (listed,) = (await call(f"list_{kind}_definitions"))["Definitions"]
    assert (listed["Name"], listed["Id"]) == ("second", made["Id"])
    assert listed["LatestVersion"] == second["Version"]

    await call(f"delete_{kind}_definition", **name)
    gone = await refused(cloud, f"get_{kind}_definition", **name)
    assert (gone["Code"], gone["Status"]) == ("IdNotFoundException", 404)
    assert (await call(f"list_{kind}_definitions"))["Definitions"] == []


@pytest.mark.refusal("CreateSubscriptionDefinition")
@pytest.mark.spec("Z03")
async def test_wrong_content_is_a_bad_request_that_names_the_entity(cloud: RunningCloud) -> None:
    row = {"Id": "row7", "Source": "cloud", "Target": "nobody", "Subject": "a/#/b"}
    error = await refused(
        cloud, "create_subscription_definition", InitialVersion={"Subscriptions": [row]}
    )
    assert (error["Code"], error["Status"]) == ("BadRequestException", 400)
    assert "row7" in error["Message"]
    assert "a/#/b" in error["Message"]
    assert (await cloud.greengrass("list_subscription_definitions"))["Definitions"] == []


@pytest.mark.operation("ListCoreDefinitions")
@pytest.mark.refusal("ListCoreDefinitions")
async def test_lists_come_in_pages(cloud: RunningCloud) -> None:
    for number in range(5):
        await cloud.greengrass("create_core_definition", Name=f"d{number}")
    names: list[str] = []
    token: dict[str, str] = {}
    pages = 0
    while True:
        page = await cloud.greengrass("list_core_definitions", MaxResults="2", **token)
        names += [row["Name"] for row in page["Definitions"]]
        pages += 1
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert (names, pages) == ([f"d{number}" for number in range(5)], 3)
    for members in ({"MaxResults": "0"}, {"MaxResults": "many"}, {"NextToken": "forged"}):
        error = await refused(cloud, "list_core_definitions", **members)
        assert error["Code"] == "BadRequestException"
    error = await refused(cloud, "list_groups", **token)
    assert error["Code"] == "BadRequestException"  # a token is good for its own list only


@pytest.mark.spec("Z03")
def test_the_model_has_two_errors_and_the_service_answers_with_them() -> None:
    modelled = {shape.name for shape in load_model("greengrass").error_shapes}
    assert modelled == {"BadRequestException", "InternalServerErrorException"}
    service = GreengrassService
    assert {service.malformed_code, service.invalid_code, service.internal_code} == modelled


@pytest.mark.operation("CreateGroup", "ListGroups")
@pytest.mark.refusal("CreateGroup")
@pytest.mark.spec("P17")
async def test_a_client_token_makes_a_creation_repeatable(cloud: RunningCloud) -> None:
    once = await cloud.greengrass("create_group", Name="g", AmznClientToken="t1")
    again = await cloud.greengrass("create_group", Name="g", AmznClientToken="t1")
    assert again == once
    assert len((await cloud.greengrass("list_groups"))["Groups"]) == 1
    error = await refused(cloud, "create_group", Name="other", AmznClientToken="t1")
    assert error["Code"] == "BadRequestException"
    await cloud.greengrass("create_group", Name="long", AmznClientToken="x" * 64)
    error = await refused(cloud, "create_group", Name="longer", AmznClientToken="x" * 65)
    assert "64 ASCII" in error["Message"]


@pytest.mark.operation(
    "CreateGroup",
    "CreateGroupVersion",
    "DeleteGroup",
    "GetGroup",
    "GetGroupVersion",
    "ListGroupVersions",
    "UpdateGroup",
)
@pytest.mark.refusal("CreateGroupVersion", "GetGroup", "GetGroupVersion")
@pytest.mark.spec("G13", "P01")
async def test_groups_and_their_versions(cloud: RunningCloud) -> None:
    call = cloud.greengrass
    cores = await call("create_core_definition", InitialVersion={"Cores": []})
    initial = {"CoreDefinitionVersionArn": cores["LatestVersionArn"]}
    group = await call("create_group", Name="press", InitialVersion=initial, tags={"a": ""})
    assert group["Arn"] == f"{PREFIX}/groups/{group['Id']}"
    assert group["LatestVersionArn"] == f"{group['Arn']}/versions/{group['LatestVersion']}"
    twin = await call("create_group", Name="press")
    assert twin["Id"] != group["Id"]
    version = await call(
        "get_group_version", GroupId=group["Id"], GroupVersionId=group["LatestVersion"]
    )
    assert version["Definition"] == initial
    error = await refused(
        cloud,
        "create_group_version",
        GroupId=group["Id"],
        DeviceDefinitionVersionArn=cores["LatestVersionArn"],
    )
    assert "DeviceDefinitionVersionArn" in error["Message"]
    missing = cores["LatestVersionArn"][:-1] + (
        "0" if cores["LatestVersionArn"][-1] != "0" else "1"
    )
    error = await refused(
        cloud, "create_group_version", GroupId=group["Id"], CoreDefinitionVersionArn=missing
    )
    assert "does not exist" in error["Message"]
    await call("update_group", GroupId=group["Id"], Name="mill")
    shown = await call("get_group", GroupId=group["Id"])
    assert (shown["Name"], shown["tags"]) == ("mill", {"a": ""})
    assert len((await call("list_group_versions", GroupId=group["Id"]))["Versions"]) == 1
    other = await refused(
        cloud, "get_group_version", GroupId=twin["Id"], GroupVersionId=group["LatestVersion"]
    )
    assert other["Code"] == "IdNotFoundException"
    await call("delete_group", GroupId=group["Id"])
    gone = await refused(cloud, "get_group", GroupId=group["Id"])
    assert gone["Message"] == "That group definition does not exist."


@pytest.mark.operation(
    "CreateGroupCertificateAuthority",
    "GetGroupCertificateAuthority",
    "GetGroupCertificateConfiguration",
    "ListGroupCertificateAuthorities",
)
@pytest.mark.spec("C01", "C02", "C08", "C11")
async def test_a_group_has_an_authority_that_can_be_rotated(cloud: RunningCloud) -> None:
    call = cloud.greengrass
    group_id = (await call("create_group", Name="g"))["Id"]
    (first,) = (await call("list_group_certificate_authorities", GroupId=group_id))[
        "GroupCertificateAuthorities"
    ]
    shown = await call(
        "get_group_certificate_authority",
        GroupId=group_id,
        CertificateAuthorityId=first["GroupCertificateAuthorityId"],
    )
    assert shown["PemEncodedCertificate"].startswith("-----BEGIN CERTIFICATE-----")
    assert "PRIVATE" not in json.dumps(shown)
    rotated = await call("create_group_certificate_authority", GroupId=group_id)
    assert rotated["GroupCertificateAuthorityArn"] != first["GroupCertificateAuthorityArn"]
    listed = await call("list_group_certificate_authorities", GroupId=group_id)
    assert [
        row["GroupCertificateAuthorityArn"] for row in listed["GroupCertificateAuthorities"]
    ] == [
        rotated["GroupCertificateAuthorityArn"],
        first["GroupCertificateAuthorityArn"],
    ]
    setting = await call("get_group_certificate_configuration", GroupId=group_id)
    assert setting["CertificateExpiryInMilliseconds"] == "604800000"
    assert setting["CertificateAuthorityExpiryInMilliseconds"].isdecimal()


@pytest.mark.operation("UpdateGroupCertificateConfiguration")
@pytest.mark.refusal("UpdateGroupCertificateConfiguration")
@pytest.mark.spec("C03", "C11")
async def test_server_certificates_are_set_to_7_to_30_days(cloud: RunningCloud) -> None:
    group_id = (await cloud.greengrass("create_group", Name="g"))["Id"]
    setting = await cloud.greengrass(
        "update_group_certificate_configuration",
        GroupId=group_id,
        CertificateExpiryInMilliseconds="2592000000",
    )
    assert setting["CertificateExpiryInMilliseconds"] == "2592000000"
    for wrong in ("604799999", "2592000001", "month"):
        error = await refused(
            cloud,
            "update_group_certificate_configuration",
            GroupId=group_id,
            CertificateExpiryInMilliseconds=wrong,
        )
        assert error["Code"] == "BadRequestException"


@pytest.mark.operation(
    "AssociateRoleToGroup",
    "AssociateServiceRoleToAccount",
    "DisassociateRoleFromGroup",
    "DisassociateServiceRoleFromAccount",
    "GetAssociatedRole",
    "GetServiceRoleForAccount",
)
@pytest.mark.refusal(
    "AssociateRoleToGroup",
    "AssociateServiceRoleToAccount",
    "GetAssociatedRole",
    "GetServiceRoleForAccount",
)
@pytest.mark.spec("L09", "L13")
async def test_roles_are_associated_shown_and_taken_away(cloud: RunningCloud) -> None:
    call = cloud.greengrass
    for name in (ROLE, f"{ROLE}_2"):
        await cloud.role(name.rpartition("/")[2], trust_policy())
    assert (await refused(cloud, "get_service_role_for_account"))["Status"] == 404
    associated = await call("associate_service_role_to_account", RoleArn=ROLE)
    assert TIMESTAMP.fullmatch(associated["AssociatedAt"])
    assert (await call("get_service_role_for_account"))["RoleArn"] == ROLE
    await call("disassociate_service_role_from_account")
    assert (await refused(cloud, "get_service_role_for_account"))["Status"] == 404
    group_id = (await call("create_group", Name="g"))["Id"]
    error = await refused(cloud, "get_associated_role", GroupId=group_id)
    assert (error["Code"], error["Status"]) == ("404", 404)
    assert error["Message"] == "You need to attach an IAM role to this deployment group."
    await call("associate_role_to_group", GroupId=group_id, RoleArn=ROLE)
    assert (await call("get_associated_role", GroupId=group_id))["RoleArn"] == ROLE
    await call("associate_role_to_group", GroupId=group_id, RoleArn=f"{ROLE}_2")
    assert (await call("get_associated_role", GroupId=group_id))["RoleArn"] == f"{ROLE}_2"
    await call("disassociate_role_from_group", GroupId=group_id)
    assert (await refused(cloud, "get_associated_role", GroupId=group_id))["Status"] == 404
    theirs = "arn:aws:iam::999999999999:role/r"
    error = await refused(cloud, "associate_service_role_to_account", RoleArn=theirs)
    assert error["Code"] == "AccessDeniedException"
    for wrong in ("role", "arn:aws:s3:::bucket", f"{ROLE}_3"):
        error = await refused(cloud, "associate_service_role_to_account", RoleArn=wrong)
        assert error["Code"] == "BadRequestException"
        assert error["Message"] == "That role ARN is invalid."
        error = await refused(cloud, "associate_role_to_group", GroupId=group_id, RoleArn=wrong)
        assert error["Message"] == "That role ARN is invalid."


@pytest.mark.operation("ListTagsForResource", "TagResource", "UntagResource")
@pytest.mark.refusal("ListTagsForResource", "TagResource")
@pytest.mark.spec("V04")
async def test_groups_and_definitions_are_tagged_versions_are_not(cloud: RunningCloud) -> None:
    call = cloud.greengrass
    group = await call("create_group", Name="g", tags={"env": "beta"})
    core = await call("create_core_definition", InitialVersion={"Cores": []})
    for arn in (group["Arn"], core["Arn"]):
        await call("tag_resource", ResourceArn=arn, tags={"owner": "", "x": "1"})
        await call("untag_resource", ResourceArn=arn, TagKeys=["x"])
        assert (await call("list_tags_for_resource", ResourceArn=arn))["tags"]["owner"] == ""
    assert (await call("get_group", GroupId=group["Id"]))["tags"] == {"env": "beta", "owner": ""}
    error = await refused(
        cloud, "tag_resource", ResourceArn=core["LatestVersionArn"], tags={"a": "b"}
    )
    assert error["Code"] == "BadRequestException"
    error = await refused(cloud, "tag_resource", ResourceArn=core["Arn"], tags={"aws:x": "b"})
    assert "aws:" in error["Message"]
    await call("delete_group", GroupId=group["Id"])
    await call("delete_core_definition", CoreDefinitionId=core["Id"])
    for arn in (group["Arn"], core["Arn"]):
        assert (await refused(cloud, "list_tags_for_resource", ResourceArn=arn))["Status"] == 404


@pytest.mark.operation("GetConnectivityInfo", "UpdateConnectivityInfo")
@pytest.mark.refusal("GetConnectivityInfo", "UpdateConnectivityInfo")
@pytest.mark.spec("E08")
async def test_addresses_of_a_core_are_set_and_read_by_thing_name(cloud: RunningCloud) -> None:
    entry = {"Id": "a", "HostAddress": "10.0.0.9", "PortNumber": 8883, "Metadata": "hall 2"}
    updated = await cloud.greengrass(
        "update_connectivity_info", ThingName="core", ConnectivityInfo=[entry]
    )
    assert updated["Version"]
    read = await cloud.greengrass("get_connectivity_info", ThingName="core")
    assert read["ConnectivityInfo"] == [entry]
    for changes in ({"PortNumber": 70000}, {"HostAddress": "no host"}, {"Id": ""}):
        error = await refused(
            cloud,
            "update_connectivity_info",
            ThingName="core",
            ConnectivityInfo=[{**entry, **changes}],
        )
        assert error["Code"] == "BadRequestException"
    error = await refused(cloud, "get_connectivity_info", ThingName="a b")
    assert error["Code"] == "BadRequestException"


@pytest.mark.operation(
    "CreateDeployment",
    "GetDeploymentStatus",
    "ListDeployments",
    "ResetDeployments",
)
@pytest.mark.refusal("CreateDeployment")
@pytest.mark.spec("P04", "P05", "P08")
async def test_a_group_is_deployed_again_rolled_back_and_reset(cloud: RunningCloud) -> None:
    group = await cloud.group("core", await cloud.enrol_device("sensor"))
    first = await group.deploy(succeed=False)
    error = await refused(
        cloud,
        "create_deployment",
        GroupId=group.group_id,
        DeploymentType="NewDeployment",
        GroupVersionId=group.version_id,
    )
    assert error["Code"] == "ConcurrentDeployment"
    await group.report("Success")
    status = await group.status()
    assert (status["DeploymentStatus"], status["DeploymentType"]) == ("Success", "NewDeployment")
    assert TIMESTAMP.fullmatch(status["UpdatedAt"])
    again = await cloud.greengrass(
        "create_deployment",
        GroupId=group.group_id,
        DeploymentType="Redeployment",
        DeploymentId=first,
    )
    assert again["DeploymentArn"] == (
        f"{PREFIX}/groups/{group.group_id}/deployments/{again['DeploymentId']}"
    )
    group.deployment_id = again["DeploymentId"]
    await group.wait_for("InProgress")
    await group.report("Success")
    listed = await cloud.greengrass("list_deployments", GroupId=group.group_id)
    assert [row["DeploymentType"] for row in listed["Deployments"]] == [
        "NewDeployment",
        "Redeployment",
    ]
    version = f"{PREFIX}/groups/{group.group_id}/versions/{group.version_id}"
    assert [row["GroupArn"] for row in listed["Deployments"]] == [version, version]
    reset = await cloud.greengrass("reset_deployments", GroupId=group.group_id, Force=True)
    group.deployment_id = reset["DeploymentId"]
    status = await group.status()
    assert (status["DeploymentStatus"], status["DeploymentType"]) == (
        "Success",
        "ForceResetDeployment",
    )
    await cloud.greengrass("delete_group", GroupId=group.group_id)


@pytest.mark.refusal("CreateDeployment")
async def test_what_create_deployment_cannot_do_it_says(cloud: RunningCloud) -> None:
    group_id = (await cloud.greengrass("create_group", Name="g"))["Id"]
    for members, words in (
        ({"DeploymentType": "NewDeployment"}, "GroupVersionId"),
        ({"DeploymentType": "Redeployment"}, "DeploymentId"),
        ({"DeploymentType": "ResetDeployment"}, "ResetDeployments"),
        ({"DeploymentType": "NewDeployment", "GroupVersionId": "none"}, "does not exist"),
    ):
        error = await refused(cloud, "create_deployment", GroupId=group_id, **members)
        assert words in error["Message"]


async def test_an_operation_that_is_not_built_says_so(cloud: RunningCloud) -> None:
    with pytest.raises(ClientError) as caught:
        await cloud.iot("create_billing_group", billingGroupName="b")
    error = caught.value.response["Error"]
    assert error["Code"] not in {"InternalServerErrorException", "InternalFailure"}
    assert "CreateBillingGroup" in error["Message"]


async def test_sts_says_who_the_caller_is(cloud: RunningCloud) -> None:
    who = await cloud.call("sts", "get_caller_identity")
    assert who["Account"] == ACCOUNT
    assert who["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/administrator"


@pytest.mark.promise(1)
async def test_a_wrong_secret_gets_nothing(cloud: RunningCloud) -> None:
    client = await asyncio.to_thread(cloud.client, "greengrass", aws_secret_access_key="wrong" * 8)
    with pytest.raises(ClientError) as caught:
        await asyncio.to_thread(client.list_groups)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


@pytest.mark.refusal("CreateFunctionDefinition", "CreateGroupVersion")
@pytest.mark.spec("X01", "X04")
async def test_what_would_break_at_the_core_is_refused_where_it_is_written(
    cloud: RunningCloud,
) -> None:
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:press:1"
    bare = {"Execution": {"IsolationMode": "NoContainer"}}
    function = {"Id": "f", "FunctionArn": arn, "FunctionConfiguration": {"Environment": bare}}

    async def version_of(path: str, member: str, entity: dict[str, Any]) -> str:
        made = await cloud.greengrass(
            f"create_{path}_definition", InitialVersion={member: [entity]}
        )
        return str(made["LatestVersionArn"])

    limited = {"Environment": bare, "MemorySize": 1024}
    with pytest.raises(ClientError, match=f"MemorySize configuration .* {arn} is not allowed"):
        await version_of("function", "Functions", {**function, "FunctionConfiguration": limited})
    device = {
        "Id": "r",
        "Name": "press",
        "ResourceDataContainer": {"LocalDeviceResourceData": {"SourcePath": "/dev/press"}},
    }
    asking = {**bare, "ResourceAccessPolicies": [{"ResourceId": "r"}]}
    function["FunctionConfiguration"] = {"Environment": asking}
    definitions = {
        "FunctionDefinitionVersionArn": await version_of("function", "Functions", function),
        "ResourceDefinitionVersionArn": await version_of("resource", "Resources", device),
    }
    group = await cloud.greengrass("create_group", Name="g")
    with pytest.raises(ClientError, match=r"resource of type Local\.Device that is not allowed"):
        await cloud.greengrass("create_group_version", GroupId=group["Id"], **definitions)
