"""boto3, unchanged, with the policies of the guide: what they open, what they leave shut, and why.

Sources: guide pages security-iam, security_iam_service-with-iam, security_iam_troubleshoot,
security_iam_id-based-policy-examples, tagging, bulk-deploy-cli and vpc-interface-endpoints.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.support.access import allow, deny, document
from tests.support.api_users import AccountAdministrator, ApiUser, in_thread, refusal_of
from tests.support.cloud import ACCOUNT, REGION, RunningCloud, running_cloud

from hedgerow.aws import CallRecord
from hedgerow.aws.models import load_model
from hedgerow.cloud.app import PrivateApi
from hedgerow.cloud.greengrass.kinds import DEFINITION_KINDS

GREENGRASS = f"arn:aws:greengrass:{REGION}:{ACCOUNT}:/greengrass"
FOREIGN = "444455556666"
Script = Callable[[AccountAdministrator], None]


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path, combined=False) as running:
        yield running


def trust_account() -> dict[str, Any]:
    principal = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    return {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}


def trust_greengrass() -> dict[str, Any]:
    principal = {"Service": "greengrass.amazonaws.com"}
    return {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}


def group(greengrass: Any, name: str, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = greengrass.create_group(Name=name, **more)
    return made


@pytest.mark.spec("L02")
async def test_conditions_join_keys_by_and_and_values_by_or(cloud: RunningCloud) -> None:
    def check(administrator: AccountAdministrator) -> None:
        condition = {
            "IpAddress": {"aws:SourceIp": ["192.0.2.0/24", "127.0.0.0/8"]},
            "StringLike": {"aws:UserAgent": ["*plant/1*", "*office/1*"]},
        }
        user = administrator.user("u", allow("iot:List*", Condition=condition))
        plant = user.client("iot", config=Config(user_agent_extra="plant/1"))
        office = user.client("iot", config=Config(user_agent_extra="office/1"))
        assert refusal_of(plant.list_things) is None
        assert refusal_of(office.list_things) is None
        assert user.refusal("iot", "list_things")
        condition["IpAddress"] = {"aws:SourceIp": ["192.0.2.0/24"]}
        administrator.rewrite("u", allow("iot:List*", Condition=condition))
        assert refusal_of(plant.list_things)

    await in_thread(check, cloud)


@pytest.mark.spec("L02")
async def test_everyone_starts_with_nothing_and_a_deny_wins(cloud: RunningCloud) -> None:
    def check(administrator: AccountAdministrator) -> None:
        user = administrator.user("u")
        assert user.refusal("iot", "create_thing", thingName="lamp")
        administrator.rewrite("u", allow("iot:*"))
        assert user.refusal("iot", "create_thing", thingName="lamp") is None
        administrator.rewrite("u", allow("iot:*"), deny("iot:Delete*"))
        assert user.refusal("iot", "describe_thing", thingName="lamp") is None
        refusal = user.refusal("iot", "delete_thing", thingName="lamp")
        assert refusal is not None
        assert refusal.endswith("with an explicit deny in an identity-based policy")

    await in_thread(check, cloud)


@pytest.mark.spec("L03")
async def test_the_four_ways_to_be_permitted_that_greengrass_knows(cloud: RunningCloud) -> None:
    """Identity policies on resources and on tags, temporary credentials, and service roles."""

    def check(administrator: AccountAdministrator) -> None:
        greengrass = cloud.client("greengrass")
        hall = group(greengrass, "hall", tags={"env": "beta"})
        yard = group(greengrass, "yard")
        by_arn = administrator.user("by-arn", allow("greengrass:GetGroup", on=hall["Arn"]))
        condition = {"StringEquals": {"aws:ResourceTag/env": "beta"}}
        by_tag = administrator.user("by-tag", allow("greengrass:GetGroup", Condition=condition))
        role = administrator.role("reader", trust_account(), allow("greengrass:GetGroup"))
        assumer = administrator.user("assumer", allow("sts:AssumeRole", on=role))
        taken = assumer.call(
            "sts",
            "assume_role",
            RoleArn=role,
            RoleSessionName="shift",
            Policy=document(allow("greengrass:GetGroup", on=hall["Arn"])),
        )
        session = ApiUser(cloud, taken["Credentials"])
        for who in (by_arn, by_tag, session):
            assert who.refusal("greengrass", "get_group", GroupId=hall["Id"]) is None
            assert who.refusal("greengrass", "get_group", GroupId=yard["Id"])
        assert assumer.refusal("greengrass", "get_group", GroupId=hall["Id"])
        service_role = administrator.role("Greengrass_ServiceRole", trust_greengrass())
        greengrass.associate_service_role_to_account(RoleArn=service_role)
        assert greengrass.get_service_role_for_account()["RoleArn"] == service_role
        with pytest.raises(ClientError, match="Service-linked roles are not supported"):
            administrator.iam.create_service_linked_role(AWSServiceName="greengrass.amazonaws.com")

    await in_thread(check, cloud)


@pytest.mark.spec("L03")
async def test_a_group_cannot_be_opened_to_another_account(cloud: RunningCloud) -> None:
    """There are no resource policies and no access control lists to do it with."""
    operations = load_model("greengrass").operation_names
    assert not [name for name in operations if "Policy" in name or "Acl" in name]

    def check(_administrator: AccountAdministrator) -> None:
        greengrass = cloud.client("greengrass")
        foreign = f"arn:aws:greengrass:{REGION}:{FOREIGN}:/greengrass/groups/g"
        refusal = refusal_of(lambda: greengrass.list_tags_for_resource(ResourceArn=foreign))
        assert refusal is not None
        assert refusal.endswith(
            "because no resource-based policy allows the greengrass:ListTagsForResource action"
        )

    await in_thread(check, cloud)


@pytest.mark.spec("L04")
async def test_calls_are_judged_on_the_documented_arns(cloud: RunningCloud) -> None:
    """Each statement allows one literal ARN; the same call about another one is refused."""
    one, other, part = (f"a1b2c3d4-5678-90ab-cdef-00000000000{n}" for n in range(3))
    calls: list[tuple[str, str, dict[str, str], str]] = [
        ("GetGroup", "get_group", {}, "groups/{}"),
        ("GetGroupVersion", "get_group_version", {"GroupVersionId": part}, "groups/{}/versions/"),
        (
            "GetGroupCertificateAuthority",
            "get_group_certificate_authority",
            {"CertificateAuthorityId": part},
            "groups/{}/certificateauthorities/",
        ),
        (
            "GetDeploymentStatus",
            "get_deployment_status",
            {"DeploymentId": part},
            "groups/{}/deployments/",
        ),
        ("GetBulkDeploymentStatus", "get_bulk_deployment_status", {}, "bulk/deployments/{}"),
        ("GetConnectivityInfo", "get_connectivity_info", {}, "things/{}/connectivityInfo"),
    ]
    for kind in DEFINITION_KINDS:
        name = kind.name.lower()
        path = f"definition/{kind.path}/{{}}"
        version = {kind.version_id_member: part}
        calls.append((f"Get{kind.name}Definition", f"get_{name}_definition", {}, path))
        calls.append(
            (
                f"Get{kind.name}DefinitionVersion",
                f"get_{name}_definition_version",
                version,
                f"{path}/versions/",
            )
        )

    def check(administrator: AccountAdministrator) -> None:
        user = administrator.user("u")
        for action, operation, members, path in calls:
            arn = f"{GREENGRASS}/{path.format(one)}{part if path.endswith('/') else ''}"
            administrator.rewrite("u", allow(f"greengrass:{action}", on=arn))
            member = id_member(action)
            assert user.refusal("greengrass", operation, **members, **{member: one}) is None
            refusal = user.refusal("greengrass", operation, **members, **{member: other})
            assert refusal is not None
            assert f" on resource: {arn.replace(one, other)} because " in refusal

    await in_thread(check, cloud)


def id_member(action: str) -> str:
    """Return the member that names the resource whose ARN is in the policy."""
    if action.endswith(("Definition", "DefinitionVersion")):
        return f"{action.removeprefix('Get').removesuffix('Version')}Id"
    known = {
        "GetBulkDeploymentStatus": "BulkDeploymentId",
        "GetConnectivityInfo": "ThingName",
    }
    return known.get(action, "GroupId")


@pytest.mark.spec("L04")
async def test_lists_are_judged_on_everything(cloud: RunningCloud) -> None:
    def check(administrator: AccountAdministrator) -> None:
        kinds = [f"list_{kind.name.lower()}_definitions" for kind in DEFINITION_KINDS]
        lists = ["list_groups", "list_bulk_deployments", *kinds]
        user = administrator.user("u", allow("greengrass:List*", on=f"{GREENGRASS}/*"))
        for operation in lists:
            assert user.refusal("greengrass", operation), operation
        administrator.rewrite("u", allow("greengrass:List*"))
        for operation in lists:
            assert user.refusal("greengrass", operation) is None, operation

    await in_thread(check, cloud)


def _around_now(**step: int) -> tuple[datetime, datetime]:
    now = datetime.now(UTC)  # noqa: TID251 - the cloud under test runs by the system's clock
    return now - timedelta(**step), now + timedelta(**step)


@pytest.mark.spec("L05")
async def test_time_agent_and_transport_can_be_conditions(cloud: RunningCloud) -> None:
    before, after = _around_now(hours=1)
    true_and_false: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = [
        (
            {"DateGreaterThan": {"aws:CurrentTime": f"{before:%Y-%m-%dT%H:%M:%SZ}"}},
            {"DateGreaterThan": {"aws:CurrentTime": f"{after:%Y-%m-%dT%H:%M:%SZ}"}},
        ),
        (
            {"NumericLessThan": {"aws:EpochTime": str(int(after.timestamp()))}},
            {"NumericLessThan": {"aws:EpochTime": str(int(before.timestamp()))}},
        ),
        (
            {"Bool": {"aws:SecureTransport": "true"}},
            {"Bool": {"aws:SecureTransport": "false"}},
        ),
        (
            {"StringLike": {"aws:UserAgent": "Boto3/*"}},
            {"StringLike": {"aws:UserAgent": "curl/*"}},
        ),
    ]

    def check(administrator: AccountAdministrator) -> None:
        user = administrator.user("u")
        for true, false in true_and_false:
            administrator.rewrite("u", allow("iot:ListThings", Condition=true))
            assert user.refusal("iot", "list_things") is None, true
            administrator.rewrite("u", allow("iot:ListThings", Condition=false))
            assert user.refusal("iot", "list_things"), false

    await in_thread(check, cloud)


@pytest.mark.spec("L05")
async def test_a_code_proven_for_the_credentials_can_be_a_condition(cloud: RunningCloud) -> None:
    def check(administrator: AccountAdministrator) -> None:
        fresh = {
            "Bool": {"aws:MultiFactorAuthPresent": "true"},
            "NumericLessThan": {"aws:MultiFactorAuthAge": "3600"},
        }
        user = administrator.user("u", allow("iot:ListThings", Condition=fresh))
        device = administrator.iam.create_virtual_mfa_device(VirtualMFADeviceName="u")
        serial = device["VirtualMFADevice"]["SerialNumber"]
        seed = device["VirtualMFADevice"]["Base32StringSeed"]
        step = int(time.time()) // 30  # noqa: TID251 - codes go by the system's clock
        administrator.iam.enable_mfa_device(
            UserName="u",
            SerialNumber=serial,
            AuthenticationCode1=one_time_code(seed, step - 2),
            AuthenticationCode2=one_time_code(seed, step - 1),
        )
        plain = ApiUser(cloud, user.call("sts", "get_session_token")["Credentials"])
        proven = user.call(
            "sts", "get_session_token", SerialNumber=serial, TokenCode=one_time_code(seed, step)
        )
        assert user.refusal("iot", "list_things")
        assert plain.refusal("iot", "list_things")
        assert ApiUser(cloud, proven["Credentials"]).refusal("iot", "list_things") is None
        old = {"NumericGreaterThan": {"aws:MultiFactorAuthAge": "3600"}}
        administrator.rewrite("u", allow("iot:ListThings", Condition=old))
        assert ApiUser(cloud, proven["Credentials"]).refusal("iot", "list_things")

    await in_thread(check, cloud)


def one_time_code(seed: bytes, step: int) -> str:
    """Return the code of RFC 6238 for a step, made here and not by what is tested."""
    digest = hmac.digest(base64.b32decode(seed), step.to_bytes(8, "big"), hashlib.sha1)
    place = digest[-1] & 15
    number = int.from_bytes(digest[place : place + 4], "big") & 0x7FFF_FFFF
    return f"{number % 1_000_000:06}"


@pytest.mark.spec("L06")
async def test_a_refusal_says_who_what_on_what_and_why(cloud: RunningCloud) -> None:
    """The guide's example: Mateo looks at a version of a core definition."""

    def check(administrator: AccountAdministrator) -> None:
        greengrass = cloud.client("greengrass")
        cores = greengrass.create_core_definition(InitialVersion={"Cores": []})
        members = {
            "CoreDefinitionId": cores["Id"],
            "CoreDefinitionVersionId": cores["LatestVersion"],
        }
        mateo = administrator.user("mateojackson")
        action = "greengrass:GetCoreDefinitionVersion"
        arn = cores["LatestVersionArn"]
        assert mateo.refusal("greengrass", "get_core_definition_version", **members) == (
            f"User: arn:aws:iam::{ACCOUNT}:user/mateojackson is not authorized to perform: {action}"
            f" on resource: {arn} because no identity-based policy allows the {action} action"
        )
        administrator.rewrite("mateojackson", allow(action, on=arn))
        assert mateo.refusal("greengrass", "get_core_definition_version", **members) is None

    await in_thread(check, cloud)


@pytest.mark.spec("L07")
async def test_passing_a_role_can_be_held_to_greengrass(cloud: RunningCloud) -> None:
    """The guide's examples: Mary hands over a role, by a policy with `iam:PassedToService`."""

    def check(administrator: AccountAdministrator) -> None:
        role = administrator.role("Greengrass_ServiceRole", trust_greengrass())
        other = administrator.role("other", trust_greengrass())
        hall = group(cloud.client("greengrass"), "hall")
        to_greengrass = {"StringEquals": {"iam:PassedToService": "greengrass.amazonaws.com"}}
        may = allow("greengrass:Associate*", "greengrass:StartBulkDeployment")
        mary = administrator.user("marymajor", may)
        calls: list[tuple[str, dict[str, str], str]] = [
            ("associate_service_role_to_account", {}, "RoleArn"),
            ("associate_role_to_group", {"GroupId": hall["Id"]}, "RoleArn"),
            (
                "start_bulk_deployment",
                {"InputFileUri": "https://files/groups"},
                "ExecutionRoleArn",
            ),
        ]
        for operation, members, member in calls:
            administrator.rewrite("marymajor", may)
            refusal = mary.refusal("greengrass", operation, **members, **{member: role})
            assert refusal is not None
            assert refusal.startswith(
                f"User: arn:aws:iam::{ACCOUNT}:user/marymajor is not authorized to perform: "
                "iam:PassRole"
            )
            passing = allow("iam:PassRole", on=role, Condition=to_greengrass)
            administrator.rewrite("marymajor", may, passing)
            assert mary.refusal("greengrass", operation, **members, **{member: role}) is None
            assert mary.refusal("greengrass", operation, **members, **{member: other})
        elsewhere = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
        administrator.rewrite("marymajor", may, allow("iam:PassRole", Condition=elsewhere))
        assert mary.refusal("greengrass", "associate_service_role_to_account", RoleArn=role)

    await in_thread(check, cloud)


async def test_users_can_look_at_their_own_permissions_only(cloud: RunningCloud) -> None:
    """The guide's example, with `${aws:username}` in the resource."""

    def check(administrator: AccountAdministrator) -> None:
        own = allow(
            "iam:GetUserPolicy",
            "iam:ListGroupsForUser",
            "iam:ListAttachedUserPolicies",
            "iam:ListUserPolicies",
            "iam:GetUser",
            on="arn:aws:iam::*:user/${aws:username}",
        )
        alice = administrator.user("alice", own)
        administrator.user("bob")
        assert alice.refusal("iam", "get_user") is None
        for operation in ("get_user", "list_user_policies", "list_groups_for_user"):
            assert alice.refusal("iam", operation, UserName="alice") is None
            assert alice.refusal("iam", operation, UserName="bob")
        assert alice.refusal("iam", "get_user_policy", UserName="alice", PolicyName="own") is None
        assert alice.refusal("iam", "list_users")

    await in_thread(check, cloud)


async def test_a_tester_attaches_only_the_named_policies_to_only_the_named_roles(
    cloud: RunningCloud,
) -> None:
    """The guide's example of page dev-tst-prereqs, with `iam:PolicyARN` in a condition."""
    named = "arn:aws:iam::aws:policy/service-role/AWSGreengrassResourceAccessRolePolicy"
    other = "arn:aws:iam::aws:policy/AdministratorAccess"
    roles = ["arn:aws:iam::*:role/idt-*", "arn:aws:iam::*:role/GreengrassServiceRole"]

    def check(administrator: AccountAdministrator) -> None:
        for name in ("GreengrassServiceRole", "idt-1", "office"):
            administrator.role(name, trust_greengrass())
        tester = administrator.user(
            "tester",
            allow(
                "iam:DetachRolePolicy",
                "iam:AttachRolePolicy",
                on=roles,
                Condition={"ArnEquals": {"iam:PolicyARN": [named]}},
            ),
            allow("iam:CreateRole", "iam:DeleteRole", "iam:PassRole", "iam:GetRole", on=roles),
        )
        attach = ("iam", "attach_role_policy")
        for role in ("GreengrassServiceRole", "idt-1"):
            assert tester.refusal(*attach, RoleName=role, PolicyArn=named) is None
            assert tester.refusal(*attach, RoleName=role, PolicyArn=other)
        assert tester.refusal(*attach, RoleName="office", PolicyArn=named)
        trust = document(trust_greengrass())
        create = ("iam", "create_role")
        assert tester.refusal(*create, RoleName="idt-2", AssumeRolePolicyDocument=trust) is None
        assert tester.refusal(*create, RoleName="other", AssumeRolePolicyDocument=trust)

    await in_thread(check, cloud)


async def test_groups_and_definitions_are_tagged_and_their_versions_are_not(
    cloud: RunningCloud,
) -> None:
    def check(_administrator: AccountAdministrator) -> None:
        greengrass = cloud.client("greengrass")
        made = [group(greengrass, "hall", tags={"env": "beta"})]
        for kind in DEFINITION_KINDS:
            create = getattr(greengrass, f"create_{kind.name.lower()}_definition")
            made.append(create(tags={"env": "beta"}, InitialVersion={}))
        for one in made:
            arn = one["Arn"]
            assert tags_at(greengrass, arn) == {"env": "beta"}
            greengrass.tag_resource(ResourceArn=arn, tags={"site": "north", "env": "prod"})
            assert tags_at(greengrass, arn) == {"env": "prod", "site": "north"}
            greengrass.untag_resource(ResourceArn=arn, TagKeys=["env"])
            assert tags_at(greengrass, arn) == {"site": "north"}
        versions = [one["LatestVersionArn"] for one in made if "LatestVersionArn" in one]
        assert len(versions) == len(DEFINITION_KINDS)
        for arn in [*versions, f"{made[0]['Arn']}/deployments/{made[0]['Id']}"]:
            with pytest.raises(greengrass.exceptions.BadRequestException):
                greengrass.tag_resource(ResourceArn=arn, tags={"env": "beta"})

    await in_thread(check, cloud)


def tags_at(greengrass: Any, arn: str) -> dict[str, str]:
    tags: dict[str, str] = greengrass.list_tags_for_resource(ResourceArn=arn)["tags"]
    return tags


ONLY_BETA = (
    allow("greengrass:*", Condition={"StringEquals": {"greengrass:ResourceTag/env": "beta"}}),
    deny("greengrass:UntagResource", Condition={"StringEquals": {"aws:ResourceTag/env": "beta"}}),
)


@pytest.mark.spec("L05", "V02", "V03")
async def test_a_beta_user_acts_on_beta_resources_only(cloud: RunningCloud) -> None:
    """The guide's first example, with the protection of the tag itself."""

    def check(administrator: AccountAdministrator) -> None:
        greengrass = cloud.client("greengrass")
        beta = group(greengrass, "beta", tags={"env": "beta"}, InitialVersion={})
        prod = group(greengrass, "prod", tags={"env": "prod"}, InitialVersion={})
        cores = greengrass.create_core_definition(tags={"env": "beta"})
        user = administrator.user("u", *ONLY_BETA)
        for made, open_to_user in ((beta, True), (prod, False)):
            calls: list[tuple[str, dict[str, str]]] = [
                ("get_group", {}),
                ("get_group_version", {"GroupVersionId": made["LatestVersion"]}),
                ("update_group", {"Name": "renamed"}),
            ]
            for operation, members in calls:
                refusal = user.refusal("greengrass", operation, GroupId=made["Id"], **members)
                assert (refusal is None) == open_to_user, operation
        core_id = {"CoreDefinitionId": cores["Id"]}
        assert user.refusal("greengrass", "get_core_definition", **core_id) is None
        assert user.refusal("greengrass", "list_groups")
        assert user.refusal("greengrass", "get_service_role_for_account")
        taking = {"ResourceArn": beta["Arn"], "TagKeys": ["env"]}
        refusal = user.refusal("greengrass", "untag_resource", **taking)
        assert refusal is not None
        assert refusal.endswith("with an explicit deny in an identity-based policy")
        greengrass.untag_resource(**taking)
        assert user.refusal("greengrass", "get_group", GroupId=beta["Id"])

    await in_thread(check, cloud)


@pytest.mark.spec("L05", "V02", "V03")
async def test_a_user_creates_groups_only_with_the_tag(cloud: RunningCloud) -> None:
    """The guide's second example: tag on create."""

    def check(administrator: AccountAdministrator) -> None:
        with_tag = {"StringEquals": {"aws:RequestTag/env": "beta"}}
        user = administrator.user(
            "u",
            allow("greengrass:TagResource", Condition=with_tag),
            allow("greengrass:CreateGroup", Condition=with_tag),
        )
        create = ("greengrass", "create_group")
        assert user.refusal(*create, Name="a", tags={"env": "beta"}) is None
        assert user.refusal(*create, Name="a", tags={"env": "beta", "site": "x"}) is None
        for tags in ({"env": "prod"}, {"site": "x"}, {}):
            assert user.refusal(*create, Name="a", tags=tags)
        assert user.refusal(*create, Name="a")

    await in_thread(check, cloud)


@pytest.mark.spec("L05", "V02")
async def test_the_set_of_tag_keys_and_lists_of_values_can_be_conditions(
    cloud: RunningCloud,
) -> None:
    def check(administrator: AccountAdministrator) -> None:
        hall = group(cloud.client("greengrass"), "hall", tags={"env": "test"})
        some_env = {"StringEquals": {"greengrass:ResourceTag/env": ["dev", "test"]}}
        some_keys = {"ForAllValues:StringEquals": {"aws:TagKeys": ["env", "site"]}}
        user = administrator.user(
            "u",
            allow("greengrass:GetGroup", Condition=some_env),
            allow("greengrass:TagResource", Condition=some_keys),
        )
        assert user.refusal("greengrass", "get_group", GroupId=hall["Id"]) is None
        arn = hall["Arn"]
        tag = ("greengrass", "tag_resource")
        assert user.refusal(*tag, ResourceArn=arn, tags={"owner": "me"})
        assert user.refusal(*tag, ResourceArn=arn, tags={"site": "a", "env": "prod"}) is None
        assert user.refusal("greengrass", "get_group", GroupId=hall["Id"])

    await in_thread(check, cloud)


async def test_an_endpoint_policy_holds_everybody_who_comes_through_it(tmp_path: Path) -> None:
    """The guide's example: two actions for all principals, and nothing else, at a private door."""
    policy = tmp_path / "endpoint.json"
    statement = {
        "Principal": "*",
        "Effect": "Allow",
        "Action": ["greengrass:CreateDeployment", "greengrass:StartBulkDeployment"],
        "Resource": "*",
    }
    policy.write_text(json.dumps({"Statement": [statement]}))
    door = PrivateApi(id="vpce-plant", host="127.0.0.1", port=0, policy=policy)

    def check(administrator: AccountAdministrator) -> None:
        cloud = administrator.cloud
        (private,) = cloud.endpoints.private_apis
        url = f"https://localhost:{private.port}"
        hall = group(cloud.client("greengrass"), "hall")
        deployment = {"GroupId": hall["Id"], "DeploymentType": "NewDeployment"}
        admin = cloud.client("greengrass", endpoint_url=url)
        nobody = administrator.user("nobody").client("greengrass", endpoint_url=url)
        assert refusal_of(lambda: admin.create_deployment(**deployment)) is None
        assert refusal_of(lambda: nobody.create_deployment(**deployment))
        refusal = refusal_of(admin.list_groups)
        assert refusal is not None
        assert refusal.endswith(
            "because no VPC endpoint policy allows the greengrass:ListGroups action"
        )
        inside = {"StringEquals": {"aws:SourceVpce": "vpce-plant"}}
        held = administrator.user("held", allow("greengrass:*", Condition=inside))
        through_the_door = held.client("greengrass", endpoint_url=url)
        assert refusal_of(lambda: through_the_door.create_deployment(**deployment)) is None
        assert held.refusal("greengrass", "create_deployment", **deployment)

    async with running_cloud(tmp_path, combined=False, private_apis=[door]) as running:
        await in_thread(check, running)


async def test_accounts_of_the_organization_are_named_as_it_names_them(
    cloud: RunningCloud,
) -> None:
    def check(administrator: AccountAdministrator) -> None:
        account = cloud.client("organizations").describe_account(AccountId=ACCOUNT)["Account"]
        own = allow("organizations:DescribeAccount", on=account["Arn"])
        user = administrator.user("u", own)
        call = ("organizations", "describe_account")
        assert user.refusal(*call, AccountId=ACCOUNT) is None
        refusal = user.refusal(*call, AccountId=FOREIGN)
        assert refusal is not None
        assert account["Arn"].replace(f"/{ACCOUNT}", f"/{FOREIGN}") in refusal

    await in_thread(check, cloud)


async def test_a_role_can_be_held_to_those_who_come_through_a_private_door(
    tmp_path: Path,
) -> None:
    door = PrivateApi(id="vpce-plant", host="127.0.0.1", port=0)
    inside = {"StringEquals": {"aws:SourceVpce": "vpce-plant"}}

    def check(administrator: AccountAdministrator) -> None:
        (private,) = administrator.cloud.endpoints.private_apis
        url = f"https://localhost:{private.port}"
        by_trust = administrator.role("by-trust", {**trust_account(), "Condition": inside})
        by_policy = administrator.role("by-policy", trust_account())
        user = administrator.user(
            "u",
            allow("sts:AssumeRole", on=by_trust),
            allow("sts:AssumeRole", on=by_policy, Condition=inside),
        )
        sts = user.client("sts", endpoint_url=url)
        for role in (by_trust, by_policy):
            asked = {"RoleArn": role, "RoleSessionName": "shift"}
            assert refusal_of(partial(sts.assume_role, **asked)) is None
            assert user.refusal("sts", "assume_role", **asked)

    async with running_cloud(tmp_path, combined=False, private_apis=[door]) as running:
        await in_thread(check, running)


@pytest.mark.spec("V04")
async def test_attributes_of_a_core_are_no_tags_and_a_tag_has_a_value(cloud: RunningCloud) -> None:
    def check(administrator: AccountAdministrator) -> None:
        attributes = {"attributes": {"env": "beta"}}
        cloud.client("iot").create_thing(thingName="core", attributePayload=attributes)
        beta = {"StringEquals": {"aws:ResourceTag/env": "beta"}}
        user = administrator.user("u", allow("greengrass:*", Condition=beta))
        call = ("greengrass", "get_connectivity_info")
        assert user.refusal(*call, ThingName="core")
        administrator.rewrite("u", allow("greengrass:*"))
        assert user.refusal(*call, ThingName="core") is None
        careless = cloud.client("greengrass", config=Config(parameter_validation=False))
        made = group(careless, "hall", tags={"env": "", "site": "x"})
        careless.tag_resource(ResourceArn=made["Arn"], tags={"site": None, "line": None})
        tags = careless.list_tags_for_resource(ResourceArn=made["Arn"])["tags"]
        assert tags == {"env": "", "site": "x"}, "null is no value"

    await in_thread(check, cloud)


@pytest.mark.spec("L06")
async def test_the_record_of_a_call_says_more_than_the_caller_hears(cloud: RunningCloud) -> None:
    records: list[CallRecord] = []
    gateway = cloud.app._rooms.gateway
    leave = gateway._recorder

    def record(call: CallRecord) -> None:
        records.append(call)
        leave(call)

    gateway._recorder = record

    def check(administrator: AccountAdministrator) -> None:
        lamp = f"arn:aws:iot:{REGION}:{ACCOUNT}:thing/lamp"
        user = administrator.user("u", allow("iot:DescribeThing", on=lamp, Sid="OnlyTheLamp"))
        user.refusal("iot", "describe_thing", thingName="lamp")
        allowed = records[-1].decision
        assert allowed is not None
        assert (allowed["policy"], allowed["statement"]) == ("user/u#own", "OnlyTheLamp")
        refusal = user.refusal("iot", "describe_thing", thingName="door")
        refused = records[-1].decision
        assert refusal is not None
        assert refused is not None
        assert refused["effect"] == "implicit-deny"
        assert refused["nearest"] == {"policy": "user/u#own", "statement": "OnlyTheLamp"}
        assert "OnlyTheLamp" not in refusal
        assert "#own" not in refusal

    await in_thread(check, cloud)
