"""boto3, unchanged, against an account's IAM over TLS: identities, policies, refusals."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.iam_cloud import (
    OTHER_KEY,
    ROLE_KEY,
    ROOT_KEY,
    IamCloud,
    allowing,
    document,
    iam_cloud,
    trusting,
)
from tests.support.store_documents import ACCOUNT, OTHER

PREFIX = f"arn:aws:iam::{ACCOUNT}:"
AWS_PREFIX = "arn:aws:iam::aws:policy/"


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[IamCloud]:
    async with iam_cloud(tmp_path) as running:
        yield running


async def policy(cloud: IamCloud, name: str, **members: Any) -> str:
    """Make a managed policy and return its ARN."""
    members = {"PolicyDocument": allowing("iot:*"), **members}
    made = await cloud.iam("create_policy", PolicyName=name, **members)
    return str(made["Policy"]["Arn"])


async def test_the_life_of_a_user(cloud: IamCloud) -> None:
    made = await cloud.iam(
        "create_user", UserName="alice", Path="/plant/", Tags=[{"Key": "team", "Value": "north"}]
    )
    user = made["User"]
    assert user["Arn"] == f"{PREFIX}user/plant/alice"
    assert user["UserId"].startswith("AIDA")
    assert len(user["UserId"]) == 21
    got = await cloud.iam("get_user", UserName="alice")
    assert got == {"User": user}
    listed = await cloud.iam("list_users", PathPrefix="/plant/")
    assert [one["UserName"] for one in listed["Users"]] == ["alice"]
    assert "Tags" not in listed["Users"][0]
    await cloud.iam("update_user", UserName="alice", NewUserName="alba", NewPath="/")
    renamed = (await cloud.iam("get_user", UserName="alba"))["User"]
    assert (renamed["UserId"], renamed["Arn"]) == (user["UserId"], f"{PREFIX}user/alba")
    await cloud.iam("delete_user", UserName="alba")
    assert await cloud.error("get_user", UserName="alba") == (
        "NoSuchEntity",
        404,
        "The user with name alba cannot be found.",
    )


async def test_who_asks_for_no_user_is_shown_itself(cloud: IamCloud) -> None:
    assert (await cloud.iam("get_user"))["User"]["UserName"] == "administrator"
    root = (await cloud.iam("get_user", ROOT_KEY))["User"]
    assert (root["Arn"], root["UserId"]) == (f"{PREFIX}root", ACCOUNT)
    assert (await cloud.error("get_user", ROLE_KEY))[:2] == ("ValidationError", 400)


async def test_names_are_unique_in_any_case_and_found_in_their_own_only(cloud: IamCloud) -> None:
    await cloud.iam("create_user", UserName="alice")
    taken = await cloud.error("create_user", UserName="ALICE")
    assert taken == ("EntityAlreadyExists", 409, "User with name ALICE already exists.")
    assert (await cloud.error("get_user", UserName="ALICE"))[0] == "NoSuchEntity"
    await cloud.iam("create_user", UserName="bob")
    renamed = await cloud.error("update_user", UserName="bob", NewUserName="Alice")
    assert renamed[0] == "EntityAlreadyExists"
    await cloud.iam("update_user", UserName="alice", NewUserName="Alice")
    for create in ("group", "role"):
        more = {"AssumeRolePolicyDocument": trusting(AWS=ACCOUNT)} if create == "role" else {}
        word = create.title()
        await cloud.iam(f"create_{create}", **{f"{word}Name": "ops"}, **more)
        again = await cloud.error(f"create_{create}", **{f"{word}Name": "Ops"}, **more)
        assert again[:2] == ("EntityAlreadyExists", 409)
    await policy(cloud, "ops")
    again = await cloud.error("create_policy", PolicyName="OPS", PolicyDocument=allowing("*"))
    assert again[0] == "EntityAlreadyExists"


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("create_user", {"UserName": "a b"}),
        ("create_user", {"UserName": "a" * 65}),
        ("create_user", {"UserName": "alice", "Path": "no/slash"}),
        ("create_policy", {"PolicyName": "p", "Path": "/a//b/"}),
        ("create_policy", {"PolicyName": "p", "Path": "/ä/"}),
        ("create_policy", {"PolicyName": "p", "Path": "/open"}),
        ("create_role", {"RoleName": "r", "MaxSessionDuration": 43_201}),
        ("list_users", {"Marker": "no marker of ours"}),
        ("attach_user_policy", {"UserName": "administrator", "PolicyArn": "a" * 20}),
    ],
)
async def test_values_of_a_wrong_form_are_refused(
    cloud: IamCloud, operation: str, members: dict[str, Any]
) -> None:
    more = {
        "create_policy": {"PolicyDocument": allowing("*")},
        "create_role": {"AssumeRolePolicyDocument": trusting(AWS=ACCOUNT)},
    }
    refused = await cloud.error(operation, **members, **more.get(operation, {}))
    assert refused[:2] == ("ValidationError", 400)


async def test_groups_and_who_is_in_them(cloud: IamCloud) -> None:
    made = (await cloud.iam("create_group", GroupName="ops", Path="/plant/"))["Group"]
    assert made["Arn"] == f"{PREFIX}group/plant/ops"
    for name in ("alice", "bob", "carol"):
        await cloud.iam("create_user", UserName=name)
        for _ in range(2):
            await cloud.iam("add_user_to_group", GroupName="ops", UserName=name)
    pages = await cloud.pages("get_group", GroupName="ops")
    assert [[user["UserName"] for user in page["Users"]] for page in pages] == [
        ["alice", "bob"],
        ["carol"],
    ]
    assert pages[0]["Group"] == made
    groups = await cloud.iam("list_groups_for_user", UserName="alice")
    assert groups["Groups"] == [made]
    assert (await cloud.iam("list_groups", PathPrefix="/plant/"))["Groups"] == [made]
    assert (await cloud.error("delete_group", GroupName="ops"))[:2] == ("DeleteConflict", 409)
    assert (await cloud.error("delete_user", UserName="alice"))[:2] == ("DeleteConflict", 409)
    for name in ("alice", "bob", "carol", "carol"):
        await cloud.iam("remove_user_from_group", GroupName="ops", UserName=name)
    await cloud.iam("update_group", GroupName="ops", NewGroupName="operators")
    await cloud.iam("delete_group", GroupName="operators")
    assert (await cloud.error("get_group", GroupName="operators"))[0] == "NoSuchEntity"


async def test_a_user_is_in_ten_groups_at_most(cloud: IamCloud) -> None:
    for number in range(11):
        await cloud.iam("create_group", GroupName=f"g{number}")
    for number in range(10):
        await cloud.iam("add_user_to_group", GroupName=f"g{number}", UserName="administrator")
    refused = await cloud.error("add_user_to_group", GroupName="g10", UserName="administrator")
    assert refused == ("LimitExceeded", 409, "Cannot exceed quota for GroupsPerUser: 10")


async def test_the_life_of_a_role(cloud: IamCloud) -> None:
    trust = trusting(Service="greengrass.amazonaws.com")
    made = await cloud.iam(
        "create_role",
        RoleName="Greengrass_ServiceRole",
        Path="/service-role/",
        AssumeRolePolicyDocument=trust,
        Description="for deployments",
        MaxSessionDuration=7200,
        Tags=[{"Key": "env", "Value": "beta"}],
    )
    role = made["Role"]
    assert role["Arn"] == f"{PREFIX}role/service-role/Greengrass_ServiceRole"
    assert role["RoleId"].startswith("AROA")
    assert role["AssumeRolePolicyDocument"] == json.loads(trust)
    got = (await cloud.iam("get_role", RoleName="Greengrass_ServiceRole"))["Role"]
    assert got == {**role, "RoleLastUsed": {}}
    assert got["MaxSessionDuration"] == 7200
    await cloud.iam("update_role", RoleName="Greengrass_ServiceRole", MaxSessionDuration=3600)
    await cloud.iam(
        "update_role_description", RoleName="Greengrass_ServiceRole", Description="none"
    )
    other = trusting(Service="lambda.amazonaws.com")
    await cloud.iam(
        "update_assume_role_policy", RoleName="Greengrass_ServiceRole", PolicyDocument=other
    )
    listed = (await cloud.iam("list_roles", PathPrefix="/service-role/"))["Roles"][0]
    assert (listed["Description"], listed["MaxSessionDuration"]) == ("none", 3600)
    assert listed["AssumeRolePolicyDocument"] == json.loads(other)
    await cloud.iam(
        "put_role_policy",
        RoleName="Greengrass_ServiceRole",
        PolicyName="own",
        PolicyDocument=allowing("iot:*"),
    )
    refused = await cloud.error("delete_role", RoleName="Greengrass_ServiceRole")
    assert refused == ("DeleteConflict", 409, "Cannot delete entity, must delete policies first.")
    await cloud.iam("delete_role_policy", RoleName="Greengrass_ServiceRole", PolicyName="own")
    await cloud.iam("delete_role", RoleName="Greengrass_ServiceRole")
    assert (await cloud.error("get_role", RoleName="Greengrass_ServiceRole"))[1] == 404


async def test_a_service_linked_role_is_refused_in_words(cloud: IamCloud) -> None:
    refused = await cloud.error(
        "create_service_linked_role", AWSServiceName="greengrass.amazonaws.com"
    )
    assert refused[:2] == ("InvalidInput", 400)
    assert "not supported" in refused[2]
    await cloud.iam("create_role", RoleName="r", AssumeRolePolicyDocument=trusting(AWS=ACCOUNT))
    refused = await cloud.error("delete_service_linked_role", RoleName="r")
    assert refused[:2] == ("InvalidInput", 400)
    own_path = await cloud.error(
        "create_role",
        RoleName="r",
        Path="/aws-service-role/x/",
        AssumeRolePolicyDocument=trusting(AWS=ACCOUNT),
    )
    assert own_path[0] == "InvalidInput"


async def test_lists_of_what_is_not_here_are_empty(cloud: IamCloud) -> None:
    await cloud.iam("create_role", RoleName="r", AssumeRolePolicyDocument=trusting(AWS=ACCOUNT))
    for operation, members in (
        ("list_instance_profiles", {}),
        ("list_instance_profiles_for_role", {"RoleName": "r"}),
        ("list_open_id_connect_providers", {}),
        ("list_saml_providers", {}),
        ("list_server_certificates", {}),
        ("list_service_specific_credentials", {"UserName": "administrator"}),
        ("list_signing_certificates", {}),
        ("list_ssh_public_keys", {"UserName": "administrator"}),
    ):
        answer = await cloud.iam(operation, **members)
        assert not any(value for value in answer.values()), operation
        assert any(value == [] for value in answer.values()), operation
    for operation, members in (
        ("list_instance_profiles_for_role", {"RoleName": "none"}),
        ("list_ssh_public_keys", {"UserName": "none"}),
    ):
        assert (await cloud.error(operation, **members))[:2] == ("NoSuchEntity", 404)


async def test_a_trust_policy_is_held_to_the_entities_it_named(cloud: IamCloud) -> None:
    await cloud.iam("create_user", UserName="alice")
    alice = f"{PREFIX}user/alice"
    await cloud.iam(
        "create_role", RoleName="r", AssumeRolePolicyDocument=trusting(AWS=[alice, ACCOUNT])
    )
    unknown = await cloud.error(
        "update_assume_role_policy",
        RoleName="r",
        PolicyDocument=trusting(AWS=f"{PREFIX}user/nobody"),
    )
    assert unknown[:2] == ("MalformedPolicyDocument", 400)
    await cloud.iam("update_user", UserName="alice", NewUserName="alba")
    assert await _trusted(cloud) == [f"{PREFIX}user/alba", ACCOUNT]
    unique_id = (await cloud.iam("get_user", UserName="alba"))["User"]["UserId"]
    await cloud.iam("delete_user", UserName="alba")
    await cloud.iam("create_user", UserName="alice")
    assert await _trusted(cloud) == [unique_id, ACCOUNT]
    facts = await cloud.directory.role(f"{PREFIX}role/r")
    assert facts is not None
    assert alice not in facts.trust_text


async def _trusted(cloud: IamCloud) -> Any:
    trust = (await cloud.iam("get_role", RoleName="r"))["Role"]["AssumeRolePolicyDocument"]
    return trust["Statement"][0]["Principal"]["AWS"]


async def test_whether_a_foreign_principal_exists_is_not_told(cloud: IamCloud) -> None:
    await cloud.iam("create_user", OTHER_KEY, UserName="alice")
    for number, name in enumerate(("alice", "nobody")):
        trust = trusting(AWS=f"arn:aws:iam::{OTHER}:user/{name}")
        await cloud.iam("create_role", RoleName=f"r{number}", AssumeRolePolicyDocument=trust)
    before = (await cloud.iam("list_roles"))["Roles"]
    shown = [role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] for role in before]
    assert shown == [{"AWS": f"arn:aws:iam::{OTHER}:user/{name}"} for name in ("alice", "nobody")]
    facts = await cloud.directory.role(f"{PREFIX}role/r0")
    assert facts is not None
    assert f"arn:aws:iam::{OTHER}:user/alice" in facts.trust_text
    await cloud.iam("delete_user", OTHER_KEY, UserName="alice")
    assert (await cloud.iam("list_roles"))["Roles"] == before
    facts = await cloud.directory.role(f"{PREFIX}role/r0")
    assert facts is not None
    assert "user/alice" not in facts.trust_text


async def test_a_managed_policy_has_up_to_five_versions_and_one_in_force(cloud: IamCloud) -> None:
    first = allowing("iot:Publish")
    made = await cloud.iam(
        "create_policy",
        PolicyName="things",
        Path="/plant/",
        PolicyDocument=first,
        Description="for lamps",
        Tags=[{"Key": "team", "Value": "north"}],
    )
    arn = made["Policy"]["Arn"]
    assert arn == f"{PREFIX}policy/plant/things"
    assert made["Policy"]["PolicyId"].startswith("ANPA")
    for number in range(2, 6):
        version = await cloud.iam(
            "create_policy_version",
            PolicyArn=arn,
            PolicyDocument=allowing(f"iot:{number}"),
            SetAsDefault=number == 3,
        )
        assert version["PolicyVersion"]["VersionId"] == f"v{number}"
    sixth = await cloud.error(
        "create_policy_version", PolicyArn=arn, PolicyDocument=allowing("iot:6")
    )
    assert sixth[:2] == ("LimitExceeded", 409)
    assert (await cloud.iam("get_policy", PolicyArn=arn))["Policy"]["DefaultVersionId"] == "v3"
    pages = await cloud.pages("list_policy_versions", PolicyArn=arn)
    assert [[row["VersionId"] for row in page["Versions"]] for page in pages] == [
        ["v5", "v4"],
        ["v3", "v2"],
        ["v1"],
    ]
    read = await cloud.iam("get_policy_version", PolicyArn=arn, VersionId="v1")
    assert read["PolicyVersion"]["Document"] == json.loads(first)
    assert read["PolicyVersion"]["IsDefaultVersion"] is False
    in_force = await cloud.error("delete_policy_version", PolicyArn=arn, VersionId="v3")
    assert in_force[:2] == ("DeleteConflict", 409)
    await cloud.iam("set_default_policy_version", PolicyArn=arn, VersionId="v1")
    for number in range(2, 6):
        more = await cloud.error("delete_policy", PolicyArn=arn)
        assert more[0] == "DeleteConflict"
        await cloud.iam("delete_policy_version", PolicyArn=arn, VersionId=f"v{number}")
    again = await cloud.iam(
        "create_policy_version", PolicyArn=arn, PolicyDocument=allowing("iot:7")
    )
    assert again["PolicyVersion"]["VersionId"] == "v6"
    gone = await cloud.error("get_policy_version", PolicyArn=arn, VersionId="v2")
    assert gone[:2] == ("NoSuchEntity", 404)
    await cloud.iam("delete_policy_version", PolicyArn=arn, VersionId="v6")
    await cloud.iam("delete_policy", PolicyArn=arn)
    assert (await cloud.error("get_policy", PolicyArn=arn))[:2] == ("NoSuchEntity", 404)


@pytest.mark.parametrize("kind", ["user", "group", "role"])
async def test_policies_are_attached_and_detached_from_every_side(
    cloud: IamCloud, kind: str
) -> None:
    word = kind.title()
    name = {f"{word}Name": "ops"}
    trust = {"AssumeRolePolicyDocument": trusting(AWS=ACCOUNT)} if kind == "role" else {}
    made = (await cloud.iam(f"create_{kind}", **name, **trust))[word]
    arns = [await policy(cloud, f"p{number}", Path="/plant/") for number in range(11)]
    for arn in (*arns[:10], arns[0]):
        await cloud.iam(f"attach_{kind}_policy", **name, PolicyArn=arn)
    over = await cloud.error(f"attach_{kind}_policy", **name, PolicyArn=arns[10])
    assert over == ("LimitExceeded", 409, f"Cannot exceed quota for PoliciesPer{word}: 10")
    pages = await cloud.pages(f"list_attached_{kind}_policies", **name)
    listed = [row for page in pages for row in page["AttachedPolicies"]]
    assert listed == [{"PolicyName": f"p{n}", "PolicyArn": arns[n]} for n in range(10)]
    elsewhere = await cloud.iam(f"list_attached_{kind}_policies", **name, PathPrefix="/else/")
    assert elsewhere["AttachedPolicies"] == []
    entities = await cloud.iam("list_entities_for_policy", PolicyArn=arns[0])
    assert entities[f"Policy{word}s"] == [{f"{word}Name": "ops", f"{word}Id": made[f"{word}Id"]}]
    found = (await cloud.iam("get_policy", PolicyArn=arns[0]))["Policy"]
    assert found["AttachmentCount"] == 1
    assert (await cloud.error("delete_policy", PolicyArn=arns[0]))[:2] == ("DeleteConflict", 409)
    refused = await cloud.error(f"delete_{kind}", **name)
    assert refused[2] == "Cannot delete entity, must detach all policies first."
    for arn in arns[:10]:
        await cloud.iam(f"detach_{kind}_policy", **name, PolicyArn=arn)
    again = await cloud.error(f"detach_{kind}_policy", **name, PolicyArn=arns[0])
    assert again[:2] == ("NoSuchEntity", 404)
    await cloud.iam(f"delete_{kind}", **name)


@pytest.mark.parametrize(("kind", "limit"), [("user", 2048), ("group", 5120), ("role", 10_240)])
async def test_inline_policies_have_a_size_together(cloud: IamCloud, kind: str, limit: int) -> None:
    name = {f"{kind.title()}Name": "ops"}
    trust = {"AssumeRolePolicyDocument": trusting(AWS=ACCOUNT)} if kind == "role" else {}
    await cloud.iam(f"create_{kind}", **name, **trust)
    half = _sized(limit // 2)
    for policy_name in ("a", "b", "b"):
        await cloud.iam(f"put_{kind}_policy", **name, PolicyName=policy_name, PolicyDocument=half)
    over = await cloud.error(
        f"put_{kind}_policy", **name, PolicyName="c", PolicyDocument=allowing("iot:*")
    )
    assert over == (
        "LimitExceeded",
        409,
        f"Maximum policy size of {limit} bytes exceeded for {kind} ops",
    )
    got = await cloud.iam(f"get_{kind}_policy", **name, PolicyName="a")
    assert got["PolicyDocument"] == json.loads(half)
    listed = await cloud.iam(f"list_{kind}_policies", **name)
    assert listed["PolicyNames"] == ["a", "b"]
    kept = await cloud.error(f"delete_{kind}", **name)
    assert kept == ("DeleteConflict", 409, "Cannot delete entity, must delete policies first.")
    await cloud.iam(f"delete_{kind}_policy", **name, PolicyName="a")
    gone = await cloud.error(f"get_{kind}_policy", **name, PolicyName="a")
    assert gone == ("NoSuchEntity", 404, f"The {kind} policy with name a cannot be found.")


def _sized(characters: int) -> str:
    """Return a policy of so many characters, and white space that does not count."""
    empty = allowing("iot:", on="*").replace(" ", "")
    text = allowing("iot:" + "x" * (characters - len(empty)), on="*")
    assert len(text.replace(" ", "")) == characters
    return text + "\n" * 99


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("{", "line 1"),
        ('{"Version": "2012-10-17"}', "Statement"),
        (document({"Effect": "Allow", "Action": "iot", "Resource": "*"}), "Statement[0].Action"),
        (document({"Effect": "allow", "Action": "*", "Resource": "*"}), "Statement[0].Effect"),
        (
            document({"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*"}),
            "Statement[0].Principal",
        ),
        (
            document(
                {
                    "Effect": "Allow",
                    "Action": "*",
                    "Resource": "*",
                    "Condition": {"StringSimilar": {"aws:username": "x"}},
                }
            ),
            "Statement[0].Condition",
        ),
    ],
)
async def test_a_malformed_document_is_refused_with_its_place(
    cloud: IamCloud, text: str, place: str
) -> None:
    code, status, message = await cloud.error(
        "put_user_policy", UserName="administrator", PolicyName="p", PolicyDocument=text
    )
    assert (code, status) == ("MalformedPolicyDocument", 400)
    assert place in message
    for operation, members in (
        ("create_policy", {"PolicyName": "p", "PolicyDocument": text}),
        ("create_role", {"RoleName": "r", "AssumeRolePolicyDocument": text}),
    ):
        assert (await cloud.error(operation, **members))[0] == "MalformedPolicyDocument"
    assert (await cloud.iam("list_policies", Scope="Local"))["Policies"] == []


async def test_documents_have_a_size(cloud: IamCloud) -> None:
    await policy(cloud, "largest", PolicyDocument=_sized(6144))
    over = await cloud.error("create_policy", PolicyName="p", PolicyDocument=_sized(6145))
    assert over == ("LimitExceeded", 409, "Cannot exceed quota for PolicySize: 6144")
    many = trusting(AWS=[f"{number:012}" for number in range(200)])
    over = await cloud.error("create_role", RoleName="r", AssumeRolePolicyDocument=many)
    assert over == ("LimitExceeded", 409, "Cannot exceed quota for ACLSizePerRole: 2048")


@pytest.mark.parametrize("kind", ["user", "role"])
async def test_permissions_boundaries(cloud: IamCloud, kind: str) -> None:
    word = kind.title()
    name = {f"{word}Name": "ops"}
    trust = {"AssumeRolePolicyDocument": trusting(AWS=ACCOUNT)} if kind == "role" else {}
    arn, other = await policy(cloud, "boundary"), await policy(cloud, "other")
    missing = await cloud.error(
        f"create_{kind}", **name, **trust, PermissionsBoundary=f"{PREFIX}policy/none"
    )
    assert missing[:2] == ("NoSuchEntity", 404)
    made = await cloud.iam(f"create_{kind}", **name, **trust, PermissionsBoundary=arn)
    shown = {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn}
    assert made[word]["PermissionsBoundary"] == shown
    await cloud.iam(f"put_{kind}_permissions_boundary", **name, PermissionsBoundary=other)
    found = (await cloud.iam("get_policy", PolicyArn=other))["Policy"]
    assert (found["AttachmentCount"], found["PermissionsBoundaryUsageCount"]) == (0, 1)
    uses = await cloud.iam(
        "list_entities_for_policy", PolicyArn=other, PolicyUsageFilter="PermissionsBoundary"
    )
    assert [row[f"{word}Name"] for row in uses[f"Policy{word}s"]] == ["ops"]
    uses = await cloud.iam(
        "list_entities_for_policy", PolicyArn=other, PolicyUsageFilter="PermissionsPolicy"
    )
    assert uses[f"Policy{word}s"] == []
    assert (await cloud.error("delete_policy", PolicyArn=other))[0] == "DeleteConflict"
    await cloud.iam(f"delete_{kind}_permissions_boundary", **name)
    again = await cloud.error(f"delete_{kind}_permissions_boundary", **name)
    assert again[:2] == ("NoSuchEntity", 404)
    await cloud.iam("delete_policy", PolicyArn=other)


@pytest.mark.parametrize("kind", ["user", "role", "policy"])
async def test_tags(cloud: IamCloud, kind: str) -> None:
    name: dict[str, str] = {f"{kind.title()}Name": "ops"}
    if kind == "policy":
        name = {"PolicyArn": await policy(cloud, "ops")}
    else:
        trust = {"AssumeRolePolicyDocument": trusting(AWS=ACCOUNT)} if kind == "role" else {}
        await cloud.iam(f"create_{kind}", **name, **trust)
    tags = [{"Key": f"k{number}", "Value": "é"} for number in range(5)]
    await cloud.iam(f"tag_{kind}", **name, Tags=tags)
    for key in ("K0", "k0"):
        await cloud.iam(f"tag_{kind}", **name, Tags=[{"Key": key, "Value": ""}])
    await cloud.iam(f"untag_{kind}", **name, TagKeys=["K4", "none"])
    paginator = f"list_{kind}_tags"
    pages = await cloud.pages(paginator, **name)
    assert [[tag["Key"] for tag in page["Tags"]] for page in pages] == [["k1", "k2"], ["k3", "k0"]]
    more = [{"Key": f"m{number}", "Value": ""} for number in range(47)]
    over = await cloud.error(f"tag_{kind}", **name, Tags=more)
    assert over[:2] == ("LimitExceeded", 409)
    for wrong in (
        [{"Key": "a", "Value": ""}, {"Key": "A", "Value": ""}],
        [{"Key": "aws:x", "Value": ""}],
    ):
        refused = await cloud.error(f"tag_{kind}", **name, Tags=wrong)
        assert refused[:2] == ("InvalidInput", 400)


@pytest.mark.spec("L08")
async def test_the_managed_policies_of_greengrass_exist(cloud: IamCloud) -> None:
    effects = {
        "AWSGreengrassFullAccess": ({"greengrass:*"}, "/"),
        "AWSGreengrassReadOnlyAccess": ({"greengrass:List*", "greengrass:Get*"}, "/"),
        "service-role/GreengrassOTAUpdateArtifactAccess": ({"s3:GetObject"}, "/service-role/"),
    }
    for name, (actions, path) in effects.items():
        found = (await cloud.iam("get_policy", PolicyArn=AWS_PREFIX + name))["Policy"]
        assert (found["Path"], found["IsAttachable"]) == (path, True)
        assert await _actions(cloud, AWS_PREFIX + name) == actions
    service_role = await _actions(
        cloud, AWS_PREFIX + "service-role/AWSGreengrassResourceAccessRolePolicy"
    )
    assert {"iot:UpdateThingShadow", "greengrass:*", "lambda:GetFunction"} <= service_role


async def _actions(cloud: IamCloud, arn: str) -> set[str]:
    version = (await cloud.iam("get_policy", PolicyArn=arn))["Policy"]["DefaultVersionId"]
    read = await cloud.iam("get_policy_version", PolicyArn=arn, VersionId=version)
    statements = read["PolicyVersion"]["Document"]["Statement"]
    return {action for statement in statements for action in statement["Action"]}


async def test_policies_of_aws_cannot_be_changed(cloud: IamCloud) -> None:
    arn = AWS_PREFIX + "AWSGreengrassFullAccess"
    text = allowing("*")
    for operation, members in (
        ("delete_policy", {}),
        ("create_policy_version", {"PolicyDocument": text}),
        ("set_default_policy_version", {"VersionId": "v1"}),
        ("delete_policy_version", {"VersionId": "v1"}),
        ("tag_policy", {"Tags": [{"Key": "a", "Value": "b"}]}),
        ("untag_policy", {"TagKeys": ["a"]}),
    ):
        refused = await cloud.error(operation, PolicyArn=arn, **members)
        assert refused[:2] == ("AccessDenied", 403)
    no_policy = await cloud.error(
        "attach_user_policy", UserName="administrator", PolicyArn=f"{PREFIX}user/administrator"
    )
    assert no_policy[:2] == ("InvalidInput", 400)
    unknown = await cloud.error(
        "attach_user_policy", UserName="administrator", PolicyArn=AWS_PREFIX + "NoSuchAccess"
    )
    assert unknown[:2] == ("NoSuchEntity", 404)


async def test_policies_are_listed_by_scope_use_and_path(cloud: IamCloud) -> None:
    used, unused = await policy(cloud, "used", Path="/plant/"), await policy(cloud, "unused")
    await cloud.iam("attach_user_policy", UserName="administrator", PolicyArn=used)

    async def listed(**members: Any) -> list[str]:
        pages = await cloud.pages("list_policies", **members)
        return [row["Arn"] for page in pages for row in page["Policies"]]

    assert await listed(Scope="Local") == [unused, used]
    assert await listed(Scope="Local", OnlyAttached=True) == [used]
    assert await listed(Scope="Local", PathPrefix="/plant/") == [used]
    assert await listed(OnlyAttached=True) == [AWS_PREFIX + "AdministratorAccess", used]
    assert set(await listed()) > {used, unused, AWS_PREFIX + "AWSGreengrassFullAccess"}
    assert await listed(PolicyUsageFilter="PermissionsBoundary") == []


async def test_everything_about_an_account_in_one_list(cloud: IamCloud) -> None:
    arn = await policy(cloud, "things")
    await cloud.iam("create_group", GroupName="ops")
    await cloud.iam("attach_group_policy", GroupName="ops", PolicyArn=arn)
    await cloud.iam("create_user", UserName="alice", PermissionsBoundary=arn)
    await cloud.iam("add_user_to_group", GroupName="ops", UserName="alice")
    await cloud.iam(
        "put_user_policy", UserName="alice", PolicyName="own", PolicyDocument=allowing("iot:*")
    )
    await cloud.iam("create_role", RoleName="r", AssumeRolePolicyDocument=trusting(AWS=ACCOUNT))
    pages = await cloud.pages("get_account_authorization_details")
    assert all(
        sum(len(rows) for rows in page.values() if isinstance(rows, list)) <= 2 for page in pages
    )
    users = {one["UserName"]: one for page in pages for one in page["UserDetailList"]}
    assert users["alice"]["GroupList"] == ["ops"]
    own = [{"PolicyName": "own", "PolicyDocument": json.loads(allowing("iot:*"))}]
    assert users["alice"]["UserPolicyList"] == own
    assert users["administrator"]["AttachedManagedPolicies"] == [
        {
            "PolicyName": "AdministratorAccess",
            "PolicyArn": AWS_PREFIX + "AdministratorAccess",
        }
    ]
    policies = {one["PolicyName"]: one for page in pages for one in page["Policies"]}
    assert set(policies) == {"things", "AdministratorAccess"}
    assert policies["things"]["PermissionsBoundaryUsageCount"] == 1
    assert policies["things"]["PolicyVersionList"][0]["Document"] == json.loads(allowing("iot:*"))
    roles = [one for page in pages for one in page["RoleDetailList"]]
    assert roles[0]["AssumeRolePolicyDocument"] == json.loads(trusting(AWS=ACCOUNT))
    only = await cloud.iam(
        "get_account_authorization_details", Filter=["Group", "AWSManagedPolicy"]
    )
    assert not only["UserDetailList"]
    assert [one["GroupName"] for one in only["GroupDetailList"]] == ["ops"]
    assert [one["PolicyName"] for one in only["Policies"]] == ["AdministratorAccess"]


async def test_accounts_do_not_see_each_other(cloud: IamCloud) -> None:
    arn = await policy(cloud, "things")
    await cloud.iam("create_user", UserName="alice")
    assert [user["UserName"] for user in (await cloud.iam("list_users", OTHER_KEY))["Users"]] == [
        "administrator"
    ]
    for operation, members in (
        ("get_user", {"UserName": "alice"}),
        ("get_policy", {"PolicyArn": arn}),
        ("delete_policy", {"PolicyArn": arn}),
        ("attach_user_policy", {"UserName": "administrator", "PolicyArn": arn}),
        ("create_user", {"UserName": "eve", "PermissionsBoundary": arn}),
    ):
        refused = await cloud.error(operation, OTHER_KEY, **members)
        assert refused[:2] == ("NoSuchEntity", 404)


async def test_lists_go_on_rightly_when_rows_go_meanwhile(cloud: IamCloud) -> None:
    for name in ("a", "b", "c", "d"):
        await cloud.iam("create_user", UserName=name, Path="/plant/")
    first = await cloud.iam("list_users", PathPrefix="/plant/", MaxItems=2)
    assert first["IsTruncated"] is True
    await cloud.iam("delete_user", UserName="b")
    rest = await cloud.iam("list_users", PathPrefix="/plant/", Marker=first["Marker"])
    assert rest["IsTruncated"] is False
    assert [user["UserName"] for user in rest["Users"]] == ["c", "d"]


async def test_calls_signed_for_the_global_region_are_served(cloud: IamCloud) -> None:
    client = cloud.client(region_name="us-east-1")
    answer = await asyncio.to_thread(client.get_user)
    assert answer["User"]["UserName"] == "administrator"
