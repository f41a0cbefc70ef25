"""What policies can hold callers to, attacked at the authorizer that every call has to pass."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.support.access import JudgedAccount, allow, deny, document, judged_account

from hedgerow.cloud.access import ApiEndpoint, ApiPeer
from hedgerow.cloud.greengrass.documents import GROUP, Definition, Group
from hedgerow.cloud.greengrass.kinds import CORE
from hedgerow.pki import TlsPeer
from hedgerow.policy import Dialect, NamedPolicy, parse_policy

ARN = "arn:aws:greengrass:eu-west-1:123456789012:/greengrass"
THING = "arn:aws:iot:eu-west-1:123456789012:thing/"
SERVICE_ROLE = "arn:aws:iam::123456789012:role/Greengrass_ServiceRole"
BETA = "a1b2c3d4-5678-90ab-cdef-000000000001"
PROD = "a1b2c3d4-5678-90ab-cdef-000000000002"
NEXT = "a1b2c3d4-5678-90ab-cdef-000000000003"
PUBLIC = TlsPeer(certificate_der=None, certificate_id=None, alpn=None, address="192.0.2.7")
ONLY_BETA = (
    allow("greengrass:*", Condition={"StringEquals": {"greengrass:ResourceTag/env": "beta"}}),
    deny("greengrass:UntagResource", Condition={"StringEquals": {"aws:ResourceTag/env": "beta"}}),
)
MUST_TAG = tuple(
    allow(action, Condition={"StringEquals": {"aws:RequestTag/env": "beta"}})
    for action in ("greengrass:TagResource", "greengrass:CreateGroup")
)


@pytest.fixture
async def account(tmp_path: Path) -> AsyncIterator[JudgedAccount]:
    async with judged_account(tmp_path) as opened:
        async with opened.store.transaction() as tx:
            for group_id, env in ((BETA, "beta"), (PROD, "prod")):
                group = Group(name=env, tags={"env": env})
                await tx.insert(GROUP, opened.account, group_id, group)
            cores = Definition(name="cores", tags={"env": "beta"})
            await tx.insert(CORE.definitions, opened.account, NEXT, cores)
        yield opened


@pytest.mark.promise(1)
@pytest.mark.spec("L02")
async def test_a_deny_wins_wherever_it_stands(account: JudgedAccount) -> None:
    keep = deny("iot:DeleteThing", on=f"{THING}lamp")
    for number, statements in enumerate(((keep, allow("iot:*")), (allow("iot:*"), keep))):
        user = await account.user(f"u{number}", *statements)
        assert await account.refused(user, "iot", "DeleteThing", {"thingName": "lamp"})
        assert await account.refused(user, "iot", "DeleteThing", {"thingName": "door"}) is None


@pytest.mark.promise(1)
@pytest.mark.spec("L02")
@pytest.mark.parametrize(
    ("source_ip", "user_agent", "allowed"),
    [
        ("192.0.2.7", "plant/1", True),
        ("198.51.100.4", "plant/1", True),
        ("203.0.113.9", "plant/1", False),
        ("192.0.2.7", "curl/8", False),
    ],
)
async def test_keys_are_all_needed_and_one_of_their_values(
    account: JudgedAccount, source_ip: str, user_agent: str, *, allowed: bool
) -> None:
    condition = {
        "IpAddress": {"aws:SourceIp": ["192.0.2.0/24", "198.51.100.0/24"]},
        "StringLike": {"aws:UserAgent": "plant/*"},
    }
    user = await account.user("u", allow("iot:ListThings", Condition=condition))
    refusal = await account.refused(
        user, "iot", "ListThings", source_ip=source_ip, user_agent=user_agent
    )
    assert (refusal is None) == allowed


@pytest.mark.promise(1)
@pytest.mark.parametrize("case", ["IOT:DESCRIBETHING", "iot:describething", "iot:Describe*"])
async def test_actions_are_the_same_in_any_case(account: JudgedAccount, case: str) -> None:
    user = await account.user("u", allow("iot:*"), deny(case))
    assert await account.refused(user, "iot", "DescribeThing", {"thingName": "lamp"})


@pytest.mark.promise(1)
@pytest.mark.parametrize("name", ["lamp*", "*", "l?mp", "lamp/../door", "LAMP", "lamp\n"])
async def test_a_name_is_a_name_and_no_pattern(account: JudgedAccount, name: str) -> None:
    user = await account.user("u", allow("iot:DescribeThing", on=f"{THING}lamp"))
    assert await account.refused(user, "iot", "DescribeThing", {"thingName": name})


@pytest.mark.promise(1)
@pytest.mark.parametrize("group", [PROD, BETA.upper(), f"{PROD}/versions/{BETA}", "*", ""])
@pytest.mark.spec("V02")
async def test_the_tag_of_another_group_does_not_help(account: JudgedAccount, group: str) -> None:
    beta = await account.user("beta", *ONLY_BETA)
    assert await account.refused(beta, "greengrass", "GetGroup", {"GroupId": group})


@pytest.mark.spec("V02", "V03")
@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("GetGroup", {}),
        ("GetGroupVersion", {"GroupVersionId": NEXT}),
        ("CreateDeployment", {"DeploymentType": "NewDeployment"}),
        ("GetDeploymentStatus", {"DeploymentId": NEXT}),
        ("ListGroupCertificateAuthorities", {}),
    ],
)
async def test_a_group_and_its_parts_are_held_to_the_tag_of_the_group(
    account: JudgedAccount, operation: str, members: Mapping[str, Any]
) -> None:
    beta = await account.user("beta", *ONLY_BETA)
    inside = {"GroupId": BETA, **members}
    outside = {"GroupId": PROD, **members}
    assert await account.refused(beta, "greengrass", operation, inside) is None
    assert await account.refused(beta, "greengrass", operation, outside)


@pytest.mark.spec("V02")
@pytest.mark.parametrize("operation", ["ListGroups", "CreateGroup", "GetServiceRoleForAccount"])
async def test_calls_that_name_no_taggable_resource_meet_no_tag_condition(
    account: JudgedAccount, operation: str
) -> None:
    beta = await account.user("beta", *ONLY_BETA)
    assert await account.refused(beta, "greengrass", operation, {"tags": {"env": "beta"}})


@pytest.mark.promise(1)
@pytest.mark.spec("V03")
@pytest.mark.parametrize("resource", [f"groups/{BETA}", f"definition/cores/{NEXT}"])
async def test_the_tag_that_gives_access_cannot_be_taken_off(
    account: JudgedAccount, resource: str
) -> None:
    beta = await account.user("beta", *ONLY_BETA)
    members = {"ResourceArn": f"{ARN}/{resource}", "TagKeys": ["other"]}
    refusal = await account.refused(beta, "greengrass", "UntagResource", members)
    assert refusal is not None
    assert refusal.decision["effect"] == "explicit-deny"


@pytest.mark.promise(1)
@pytest.mark.spec("V03")
@pytest.mark.parametrize(
    ("tags", "allowed"),
    [
        ({"env": "beta"}, True),
        ({"env": "beta", "site": "north"}, True),
        ({"env": "prod"}, False),
        ({"site": "north"}, False),
        ({}, False),
        (None, False),
        ({"env": ""}, False),
    ],
)
async def test_who_must_tag_creates_with_the_tag_only(
    account: JudgedAccount, tags: Mapping[str, str] | None, *, allowed: bool
) -> None:
    user = await account.user("u", *MUST_TAG)
    members = {"Name": "hall"} if tags is None else {"Name": "hall", "tags": tags}
    refusal = await account.refused(user, "greengrass", "CreateGroup", members)
    assert (refusal is None) == allowed


@pytest.mark.promise(1)
async def test_tags_given_while_creating_need_the_permission_to_tag(
    account: JudgedAccount,
) -> None:
    user = await account.user("u", allow("greengrass:CreateGroup"))
    assert await account.refused(user, "greengrass", "CreateGroup", {"Name": "a"}) is None
    members = {"Name": "a", "tags": {"env": "beta"}}
    refusal = await account.refused(user, "greengrass", "CreateGroup", members)
    assert refusal is not None
    assert refusal.decision["action"] == "greengrass:TagResource"


@pytest.mark.spec("V02")
@pytest.mark.parametrize(
    ("keys", "allowed"), [(("env",), True), (("env", "site"), True), (("env", "owner"), False)]
)
async def test_the_set_of_tag_keys_can_be_held(
    account: JudgedAccount, keys: tuple[str, ...], *, allowed: bool
) -> None:
    condition = {"ForAllValues:StringEquals": {"aws:TagKeys": ["env", "site"]}}
    user = await account.user("u", allow("greengrass:*", Condition=condition))
    arn = f"{ARN}/groups/{BETA}"
    tagged = {"ResourceArn": arn, "tags": dict.fromkeys(keys, "x")}
    untagged = {"ResourceArn": arn, "TagKeys": list(keys)}
    for operation, members in (("TagResource", tagged), ("UntagResource", untagged)):
        refusal = await account.refused(user, "greengrass", operation, members)
        assert (refusal is None) == allowed


@pytest.mark.promise(1)
@pytest.mark.spec("L07")
@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("AssociateServiceRoleToAccount", {"RoleArn": SERVICE_ROLE}),
        ("AssociateRoleToGroup", {"GroupId": BETA, "RoleArn": SERVICE_ROLE}),
        (
            "StartBulkDeployment",
            {"ExecutionRoleArn": SERVICE_ROLE, "InputFileUri": "https://files/x"},
        ),
    ],
)
async def test_a_role_is_handed_over_only_by_who_may_pass_it(
    account: JudgedAccount, operation: str, members: Mapping[str, Any]
) -> None:
    to_greengrass = {"StringEquals": {"iam:PassedToService": "greengrass.amazonaws.com"}}
    to_lambda = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    may = allow("greengrass:*")
    without = await account.user("without", may)
    holder = await account.user(
        "holder", may, allow("iam:PassRole", on=SERVICE_ROLE, Condition=to_greengrass)
    )
    elsewhere = await account.user("elsewhere", may, allow("iam:PassRole", Condition=to_lambda))
    other = await account.user(
        "other", may, allow("iam:PassRole", on="arn:aws:iam::123456789012:role/other")
    )
    assert await account.refused(holder, "greengrass", operation, members) is None
    for user in (without, elsewhere, other):
        refusal = await account.refused(user, "greengrass", operation, members)
        assert refusal is not None
        assert refusal.message.startswith(
            f"User: {user.arn} is not authorized to perform: iam:PassRole on resource: "
        )


@pytest.mark.promise(1)
async def test_a_role_of_another_account_cannot_be_passed(account: JudgedAccount) -> None:
    foreign = {"RoleArn": "arn:aws:iam::444455556666:role/theirs"}
    refusal = await account.refused(
        account.root, "greengrass", "AssociateServiceRoleToAccount", foreign
    )
    assert refusal is not None
    assert refusal.decision["layer"] == "resource"


@pytest.mark.promise(1)
@pytest.mark.spec("V03")
@pytest.mark.parametrize("names", [("env", "ENV"), ("ENV", "env"), ("Env", "eNv")])
async def test_a_second_tag_in_another_case_hides_nothing(
    account: JudgedAccount, names: tuple[str, str]
) -> None:
    members = {"Name": "x", "tags": dict(zip(names, ("beta", "prod"), strict=True))}
    must = await account.user("must", *MUST_TAG)
    denied = deny("*", Condition={"StringEquals": {"aws:RequestTag/env": "prod"}})
    may = await account.user("may", allow("greengrass:*"), denied)
    for user in (must, may):
        refusal = await account.refused(user, "greengrass", "CreateGroup", members)
        assert refusal is not None
        assert "aws:requesttag/env" in refusal.decision["reason"]


@pytest.mark.promise(1)
@pytest.mark.parametrize("principal", ["*", {"AWS": "*"}, {"AWS": "123456789012"}])
async def test_an_endpoint_lets_through_what_its_policy_says_and_grants_nothing(
    account: JudgedAccount, principal: Any
) -> None:
    statement = allow("greengrass:CreateDeployment", Principal=principal)
    policy = parse_policy(document(statement), Dialect.ENDPOINT)
    door = ApiPeer(PUBLIC, ApiEndpoint("vpce-plant", NamedPolicy("endpoint", policy)))
    members = {"GroupId": BETA, "DeploymentType": "NewDeployment"}
    nobody = await account.user("nobody")
    admin = await account.user("admin", allow("*"))
    call = account.refused
    assert await call(nobody, "greengrass", "CreateDeployment", members, peer=door)
    assert await call(admin, "greengrass", "CreateDeployment", members, peer=door) is None
    assert await call(admin, "greengrass", "ListGroups", peer=door)
    assert await call(admin, "greengrass", "ListGroups", peer=PUBLIC) is None


@pytest.mark.promise(1)
async def test_a_door_goes_by_all_that_a_role_is_assumed_with(account: JudgedAccount) -> None:
    await account.session("prod", tags={"tier": "prod"})
    await account.session("beta", tags={"tier": "beta"})
    prod = {"StringEquals": {"aws:ResourceTag/tier": "prod"}}
    policy = parse_policy(
        document(
            allow("*", Principal="*"),
            deny("sts:AssumeRole", Principal="*", Condition=prod),
            deny("sts:SetSourceIdentity", "sts:TagSession", Principal="*"),
        ),
        Dialect.ENDPOINT,
    )
    door = ApiPeer(PUBLIC, ApiEndpoint("vpce-plant", NamedPolicy("endpoint", policy)))
    admin = await account.user("admin", allow("*"))
    role = f"arn:aws:iam::{account.account}:role/"
    plain = {"RoleArn": f"{role}beta", "RoleSessionName": "shift"}
    tags = [{"Key": "a", "Value": "b"}]
    assert await account.refused(admin, "sts", "AssumeRole", plain, peer=door) is None
    for members in (
        {**plain, "RoleArn": f"{role}prod"},
        {**plain, "SourceIdentity": "ada"},
        {**plain, "Tags": tags},
    ):
        assert await account.refused(admin, "sts", "AssumeRole", members, peer=door)
        assert await account.refused(admin, "sts", "AssumeRole", members, peer=PUBLIC) is None


@pytest.mark.promise(1)
async def test_permission_can_be_held_to_a_private_door(account: JudgedAccount) -> None:
    inside = {"StringEquals": {"aws:SourceVpce": "vpce-plant"}}
    user = await account.user("u", allow("iot:ListThings", Condition=inside))
    plant = ApiPeer(PUBLIC, ApiEndpoint("vpce-plant"))
    other = ApiPeer(PUBLIC, ApiEndpoint("vpce-office"))
    assert await account.refused(user, "iot", "ListThings", peer=plant) is None
    for peer in (other, PUBLIC, None, "vpce-plant"):
        assert await account.refused(user, "iot", "ListThings", peer=peer)


@pytest.mark.promise(1)
@pytest.mark.parametrize(
    ("change", "allowed"),
    [
        ({"NewUserName": "carola"}, True),
        ({"NewPath": "/dev/two/"}, True),
        ({}, True),
        ({"NewPath": "/admin/"}, False),
        ({"NewPath": "/"}, False),
        ({"NewUserName": "boss", "NewPath": "/admin/"}, False),
    ],
)
async def test_a_user_cannot_be_moved_to_where_one_may_not_write(
    account: JudgedAccount, change: Mapping[str, str], *, allowed: bool
) -> None:
    await account.user("carol", path="/dev/")
    writer = await account.user(
        "writer", allow("iam:UpdateUser", on="arn:aws:iam::123456789012:user/dev/*")
    )
    refusal = await account.refused(writer, "iam", "UpdateUser", {"UserName": "carol", **change})
    assert (refusal is None) == allowed


async def test_a_refusal_is_one_readable_line_whatever_was_asked_for(
    account: JudgedAccount,
) -> None:
    nobody = await account.user("nobody")
    arn = "arn:aws:greengrass:eu-west-1:123456789012:" + "x\r\n\x1b[2J" * 300
    refusal = await account.refused(
        nobody, "greengrass", "ListTagsForResource", {"ResourceArn": arn}
    )
    assert refusal is not None
    assert refusal.message.isprintable()
    assert len(refusal.message) < 2000


@pytest.mark.promise(1)
async def test_a_tag_of_the_principal_can_be_a_part_of_a_resource(account: JudgedAccount) -> None:
    own = allow("iot:DescribeThing", on=THING + "${aws:PrincipalTag/site}-*")
    north = await account.user("north", own, tags={"site": "north"})
    untagged = await account.user("untagged", own)
    starred = await account.user("starred", own, tags={"site": "*"})
    lamp = {"thingName": "north-lamp"}
    assert await account.refused(north, "iot", "DescribeThing", lamp) is None
    assert await account.refused(north, "iot", "DescribeThing", {"thingName": "south-lamp"})
    assert await account.refused(untagged, "iot", "DescribeThing", lamp)
    assert await account.refused(starred, "iot", "DescribeThing", lamp)
