"""The policy simulator answers as the calls themselves would be answered."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.people import ACCOUNT, Key, People, allow, deny, people, policy

from hedgerow.cloud.iam.statement_places import Place, statement_places

ALICE = f"arn:aws:iam::{ACCOUNT}:user/alice"
LAMP = f"arn:aws:iot:eu-west-1:{ACCOUNT}:thing/lamp"
FAN = f"arn:aws:iot:eu-west-1:{ACCOUNT}:thing/fan"


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[People]:
    async with people(tmp_path) as made:
        yield made


@pytest.fixture
async def admin(cloud: People) -> Key:
    return await cloud.administrator()


async def custom(cloud: People, by: Key, *policies: str, **more: Any) -> list[dict[str, Any]]:
    """Return the results of a simulation of these policies."""
    asked = {"ActionNames": ["iot:DescribeThing"], **more}
    answer = await cloud.iam(by, "SimulateCustomPolicy", PolicyInputList=list(policies), **asked)
    results: list[dict[str, Any]] = answer["EvaluationResults"]
    return results


async def of_principal(cloud: People, by: Key, *actions: str, **more: Any) -> list[dict[str, Any]]:
    """Return the results of a simulation of alice's policies."""
    asked = {"PolicySourceArn": ALICE, "ActionNames": list(actions), **more}
    answer = await cloud.iam(by, "SimulatePrincipalPolicy", **asked)
    results: list[dict[str, Any]] = answer["EvaluationResults"]
    return results


def sources(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Return which policies a result says decided."""
    return [(one["SourcePolicyId"], one["SourcePolicyType"]) for one in result["MatchedStatements"]]


async def test_the_three_decisions_and_the_statements_that_made_them(
    cloud: People, admin: Key
) -> None:
    wide = policy(allow("iot:*"), allow("iot:Describe*"))
    narrow = policy(deny("iot:DeleteThing"))
    actions = ["iot:DescribeThing", "iot:DeleteThing", "sns:Publish"]
    allowed, denied, silent = await custom(cloud, admin, wide, narrow, ActionNames=actions)
    assert allowed["EvalDecision"] == "allowed"
    assert allowed["EvalResourceName"] == "*"
    assert sources(allowed) == [("PolicyInputList.1", "none")] * 2
    assert denied["EvalDecision"] == "explicitDeny"
    assert sources(denied) == [("PolicyInputList.2", "none")]
    assert silent["EvalDecision"] == "implicitDeny"
    assert sources(silent) == []


async def test_statements_are_pointed_at_by_line_and_column(cloud: People, admin: Key) -> None:
    text = policy(allow("sns:*"), allow("iot:*"))
    (result,) = await custom(cloud, admin, text)
    (matched,) = result["MatchedStatements"]
    start, end = matched["StartPosition"], matched["EndPosition"]
    assert (start["Line"], end["Line"]) == (1, 1)
    said = text[start["Column"] - 1 : end["Column"] - 1]
    assert said == '{"Effect": "Allow", "Action": ["iot:*"], "Resource": "*"}'


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ('{"Statement": {"a": "}"}}', [Place(1, 15, 1, 25)]),
        (
            '{\n "Version" : "x" ,\n "Statement":[ {},\n  {}\n ]}',
            [Place(3, 16, 3, 18), Place(4, 3, 4, 5)],
        ),
        ('{"Id": {"Statement": [1]}, "Statement": []}', []),
        ('{"Id": "Statement"}', []),
    ],
)
def test_places_in_a_text(text: str, places: list[Place]) -> None:
    assert list(statement_places(text)) == places


async def test_several_resources_are_answered_one_by_one(cloud: People, admin: Key) -> None:
    text = policy(allow("iot:*", on=LAMP))
    (result,) = await custom(cloud, admin, text, ResourceArns=[LAMP, FAN])
    assert result["EvalDecision"] == "implicitDeny"
    assert [
        (one["EvalResourceName"], one["EvalResourceDecision"])
        for one in result["ResourceSpecificResults"]
    ] == [(LAMP, "allowed"), (FAN, "implicitDeny")]
    (alone,) = await custom(cloud, admin, text, ResourceArns=[LAMP])
    assert (alone["EvalResourceName"], alone["EvalDecision"]) == (LAMP, "allowed")


async def test_keys_that_nobody_gave_a_value_are_told(cloud: People, admin: Key) -> None:
    condition = {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}
    text = policy(allow("iot:*", Condition=condition), allow("sns:*", Condition=condition))
    (result,) = await custom(cloud, admin, text)
    assert result["EvalDecision"] == "implicitDeny"
    assert result["MissingContextValues"] == ["aws:RequestedRegion"]
    entry = {
        "ContextKeyName": "aws:requestedregion",
        "ContextKeyValues": ["eu-west-1"],
        "ContextKeyType": "string",
    }
    (result,) = await custom(cloud, admin, text, ContextEntries=[entry])
    assert (result["EvalDecision"], result["MissingContextValues"]) == ("allowed", [])
    by_resource = (await custom(cloud, admin, text, ResourceArns=[LAMP]))[0]
    assert by_resource["MissingContextValues"] == []
    (specific,) = by_resource["ResourceSpecificResults"]
    assert specific["MissingContextValues"] == ["aws:RequestedRegion"]


async def test_lists_of_values_are_given_as_such(cloud: People, admin: Key) -> None:
    only = {"ForAllValues:StringEquals": {"aws:TagKeys": ["line", "shift"]}}
    text = policy(allow("iot:*", Condition={**only, "Null": {"aws:TagKeys": "false"}}))
    for values, decision in ((["line"], "allowed"), (["line", "owner"], "implicitDeny")):
        entry = {
            "ContextKeyName": "aws:TagKeys",
            "ContextKeyValues": values,
            "ContextKeyType": "stringList",
        }
        (result,) = await custom(cloud, admin, text, ContextEntries=[entry])
        assert result["EvalDecision"] == decision


async def test_a_boundary_only_takes_away_and_says_so(cloud: People, admin: Key) -> None:
    text = policy(allow("iot:*"))
    boundary = {"PermissionsBoundaryPolicyInputList": [policy(allow("sns:*"))]}
    (result,) = await custom(cloud, admin, text, **boundary)
    assert result["EvalDecision"] == "implicitDeny"
    assert result["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": False}
    (other,) = await custom(cloud, admin, text, ActionNames=["sns:Publish"], **boundary)
    assert other["EvalDecision"] == "implicitDeny"
    assert other["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": True}


async def test_a_users_policies_are_its_own_its_groups_and_what_is_attached(
    cloud: People, admin: Key
) -> None:
    await cloud.user(admin, "alice", allow("iot:DescribeThing"))
    await cloud.iam(admin, "CreateGroup", GroupName="crew")
    await cloud.iam(admin, "AddUserToGroup", GroupName="crew", UserName="alice")
    text = policy(allow("iot:ListThings"))
    await cloud.iam(
        admin, "PutGroupPolicy", GroupName="crew", PolicyName="lists", PolicyDocument=text
    )
    made = await cloud.iam(
        admin, "CreatePolicy", PolicyName="sns", PolicyDocument=policy(allow("sns:Publish"))
    )
    await cloud.iam(admin, "AttachUserPolicy", UserName="alice", PolicyArn=made["Policy"]["Arn"])
    aws = "arn:aws:iam::aws:policy/AWSGreengrassReadOnlyAccess"
    await cloud.iam(admin, "AttachUserPolicy", UserName="alice", PolicyArn=aws)
    actions = ["iot:DescribeThing", "iot:ListThings", "sns:Publish", "greengrass:ListGroups"]
    results = await of_principal(cloud, admin, *actions)
    assert [sources(result) for result in results] == [
        [("user_alice_own", "user")],
        [("group_crew_lists", "group")],
        [("sns", "user-managed")],
        [("AWSGreengrassReadOnlyAccess", "aws-managed")],
    ]
    (more,) = await of_principal(
        cloud, admin, "kms:Decrypt", PolicyInputList=[policy(allow("kms:*"))]
    )
    assert sources(more) == [("PolicyInputList.1", "none")]


async def test_what_is_known_of_the_user_is_known_to_the_simulation(
    cloud: People, admin: Key
) -> None:
    await cloud.user(
        admin, "alice", allow("iot:*", on=f"{LAMP}-${{aws:username}}-${{aws:PrincipalTag/line}}")
    )
    await cloud.iam(admin, "TagUser", UserName="alice", Tags=[{"Key": "line", "Value": "7"}])
    mine, other = f"{LAMP}-alice-7", f"{LAMP}-bob-7"
    (result,) = await of_principal(cloud, admin, "iot:DescribeThing", ResourceArns=[mine, other])
    decisions = [one["EvalResourceDecision"] for one in result["ResourceSpecificResults"]]
    assert decisions == ["allowed", "implicitDeny"]


async def test_the_simulation_says_what_the_calls_are_answered(cloud: People, admin: Key) -> None:
    bounds = await cloud.iam(
        admin,
        "CreatePolicy",
        PolicyName="bounds",
        PolicyDocument=policy(allow("iam:List*", "iam:GetAccountSummary"), deny("iam:ListRoles")),
    )
    alice = await cloud.user(
        admin,
        "alice",
        allow("iam:*"),
        deny("iam:ListGroups"),
        deny("iam:GetUser", on=f"{ALICE[:-5]}bob"),
    )
    await cloud.iam(
        admin,
        "PutUserPermissionsBoundary",
        UserName="alice",
        PermissionsBoundary=bounds["Policy"]["Arn"],
    )
    calls = ("ListUsers", "ListRoles", "ListGroups", "GetAccountSummary", "ListAccountAliases")
    further = ("GetAccountPasswordPolicy", "ListPolicies", "GetUser")
    results = await of_principal(cloud, admin, *(f"iam:{name}" for name in calls + further))
    for name, result in zip(calls + further, results, strict=True):
        try:
            await cloud.iam(alice, name)
            was = "allowed"
        except ClientError as error:
            code, text = error.response["Error"]["Code"], str(error)
            was = "explicitDeny" if "explicit deny" in text else "implicitDeny"
            was = was if code == "AccessDenied" else "allowed"
        assert (name, result["EvalDecision"]) == (name, was)


async def test_results_come_in_pages(cloud: People, admin: Key) -> None:
    actions = [f"iot:Describe{number}" for number in range(5)]
    asked = {"PolicyInputList": [policy(allow("iot:*"))], "ActionNames": actions, "MaxItems": 2}
    seen: list[str] = []
    answer = await cloud.iam(admin, "SimulateCustomPolicy", **asked)
    while True:
        seen += [result["EvalActionName"] for result in answer["EvaluationResults"]]
        if not answer["IsTruncated"]:
            break
        answer = await cloud.iam(admin, "SimulateCustomPolicy", **asked, Marker=answer["Marker"])
    assert seen == actions


async def test_keys_are_spelled_as_the_policies_spell_them(cloud: People, admin: Key) -> None:
    condition = {"StringEquals": {"aws:RequestTag/Line": "7", "aws:SourceVpce": "v"}}
    text = policy(allow("iot:*", on="arn:aws:iot:*:*:thing/${aws:UserName}", Condition=condition))
    found = await cloud.iam(admin, "GetContextKeysForCustomPolicy", PolicyInputList=[text])
    assert found["ContextKeyNames"] == ["aws:RequestTag/Line", "aws:SourceVpce", "aws:UserName"]
    await cloud.user(admin, "alice", allow("iot:*", Condition=condition))
    found = await cloud.iam(admin, "GetContextKeysForPrincipalPolicy", PolicySourceArn=ALICE)
    assert found["ContextKeyNames"] == ["aws:RequestTag/Line", "aws:SourceVpce"]


async def test_what_cannot_be_simulated_is_refused(cloud: People, admin: Key) -> None:
    good = policy(allow("iot:*"))
    wrong: list[dict[str, Any]] = [
        {"PolicyInputList": ["{}"]},
        {"ActionNames": ["iot:*"]},
        {"ActionNames": ["describe"]},
        {"ResourcePolicy": good},
        {"ResourceArns": [f"{LAMP}{number}" for number in range(1001)]},
        {"PermissionsBoundaryPolicyInputList": ["no policy"]},
        {
            "PolicyInputList": [policy(*[allow("iot:*")] * 101)],
            "ResourceArns": [f"{LAMP}{number}" for number in range(1000)],
        },
    ]
    for changes in wrong:
        asked = {"PolicyInputList": [good], "ActionNames": ["iot:DescribeThing"], **changes}
        with pytest.raises(ClientError) as caught:
            await cloud.iam(admin, "SimulateCustomPolicy", **asked)
        assert caught.value.response["Error"]["Code"] == "InvalidInput"
    with pytest.raises(ClientError) as caught:
        await of_principal(cloud, admin, "iot:DescribeThing")
    assert caught.value.response["Error"]["Code"] == "NoSuchEntity"
