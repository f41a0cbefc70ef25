"""AssumeRole: who may, for how long, and what the session is."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tests.support.people import ACCOUNT, OTHER, Key, People, allow, deny, people, policy, trusting

ROOT = f"arn:aws:iam::{ACCOUNT}:root"
ASSUME = allow("sts:AssumeRole")


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[People]:
    async with people(tmp_path) as made:
        yield made


@pytest.fixture
async def admin(cloud: People) -> Key:
    return await cloud.administrator()


async def refused(cloud: People, by: Key, role: str, **more: object) -> str:
    """Return the sentence with which AssumeRole is refused."""
    with pytest.raises(ClientError) as caught:
        await cloud.assume(by, role, **more)
    assert caught.value.response["Error"]["Code"] == "AccessDenied"
    return str(caught.value.response["Error"]["Message"])


async def failed(cloud: People, by: Key, role: str, **more: object) -> str:
    """Return the code with which AssumeRole fails."""
    with pytest.raises(ClientError) as caught:
        await cloud.assume(by, role, **more)
    return str(caught.value.response["Error"]["Code"])


async def test_a_session_is_the_role_and_may_what_the_role_may(cloud: People, admin: Key) -> None:
    role = await cloud.role(admin, "reader", trusting(ROOT), allow("iam:ListUsers"))
    answer = await cloud.sts(admin, "AssumeRole", RoleArn=role, RoleSessionName="shift-1")
    who = await cloud.sts(Key.of(answer["Credentials"]), "GetCallerIdentity")
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/reader/shift-1"
    assert who["Arn"] == answer["AssumedRoleUser"]["Arn"] == arn
    assert who["UserId"] == answer["AssumedRoleUser"]["AssumedRoleId"]
    assert who["UserId"].startswith("AROA")
    assert who["UserId"].endswith(":shift-1")
    assert answer["Credentials"]["AccessKeyId"].startswith("ASIA")
    assert answer["Credentials"]["Expiration"] == cloud.clock.now() + timedelta(hours=1)
    session = Key.of(answer["Credentials"])
    assert (await cloud.iam(session, "ListUsers"))["Users"]
    with pytest.raises(ClientError, match=f"User: {arn} is not authorized to perform: iam:ListRo"):
        await cloud.iam(session, "ListRoles")


async def test_a_trust_of_the_account_leaves_it_to_the_callers_policies(
    cloud: People, admin: Key
) -> None:
    role = await cloud.role(admin, "reader", trusting(ROOT))
    nobody = await cloud.user(admin, "nobody")
    somebody = await cloud.user(admin, "somebody", ASSUME)
    arn = f"arn:aws:iam::{ACCOUNT}:user/nobody"
    assert await refused(cloud, nobody, role) == (
        f"User: {arn} is not authorized to perform: sts:AssumeRole on resource: {role} "
        "because no identity-based policy allows the sts:AssumeRole action"
    )
    assert (await cloud.assume(somebody, role)).token


async def test_a_trust_that_names_the_user_is_enough_unless_one_of_its_policies_denies(
    cloud: People, admin: Key
) -> None:
    named = await cloud.user(admin, "named")
    denied = await cloud.user(admin, "denied", deny("sts:AssumeRole"))
    users = [f"arn:aws:iam::{ACCOUNT}:user/{name}" for name in ("named", "denied")]
    role = await cloud.role(admin, "reader", trusting(*users))
    assert (await cloud.assume(named, role)).token
    assert "explicit deny in an identity-based policy" in await refused(cloud, denied, role)
    assert "no resource-based policy allows" in await refused(cloud, admin, role)


async def test_a_role_that_is_named_itself_is_held_by_its_session_policy(
    cloud: People, admin: Key
) -> None:
    first = await cloud.role(admin, "first", trusting(ROOT))
    second = await cloud.role(admin, "second", trusting(first))
    narrow = policy(allow("iam:ListUsers"))
    assert (await cloud.assume(await cloud.assume(admin, first), second)).token
    held = await cloud.assume(admin, first, Policy=narrow)
    assert "no session policy allows" in await refused(cloud, held, second)


async def test_a_role_that_is_not_there_reads_as_one_that_does_not_trust(
    cloud: People, admin: Key
) -> None:
    await cloud.role(admin, "closed", trusting(f"arn:aws:iam::{OTHER}:root"))
    there = await refused(cloud, admin, f"arn:aws:iam::{ACCOUNT}:role/closed")
    missing = await refused(cloud, admin, f"arn:aws:iam::{ACCOUNT}:role/absent")
    assert there.replace("closed", "absent") == missing


async def test_what_is_no_role_is_said_to_be_invalid(cloud: People, admin: Key) -> None:
    for arn in (f"arn:aws:iam::{ACCOUNT}:user/administrator", "x" * 20, f"{ROOT}"):
        assert await failed(cloud, admin, arn) == "ValidationError"


async def test_across_accounts_both_sides_have_to_allow(cloud: People, admin: Key) -> None:
    other = await cloud.administrator(OTHER)
    role = f"arn:aws:iam::{OTHER}:role/guest"
    silent = await cloud.user(admin, "silent")
    allowed = await cloud.user(admin, "allowed", ASSUME)
    names = [f"arn:aws:iam::{ACCOUNT}:user/{name}" for name in ("silent", "allowed")]
    assert "no resource-based policy" in await refused(cloud, allowed, role)
    await cloud.role(other, "guest", trusting(*names))
    assert "no identity-based policy" in await refused(cloud, silent, role)
    session = await cloud.assume(allowed, role)
    assert (await cloud.sts(session, "GetCallerIdentity"))["Account"] == OTHER


async def test_an_external_id_has_to_be_the_one_agreed(cloud: People, admin: Key) -> None:
    condition = {"StringEquals": {"sts:ExternalId": "agreed-7"}}
    role = await cloud.role(admin, "guarded", trusting(ROOT, Condition=condition))
    assert (await cloud.assume(admin, role, ExternalId="agreed-7")).token
    await refused(cloud, admin, role)
    await refused(cloud, admin, role, ExternalId="guessed")


async def test_the_record_of_a_refusal_says_what_the_trust_policy_lacks(
    cloud: People, admin: Key
) -> None:
    condition = {"StringEquals": {"sts:ExternalId": "agreed-7"}}
    role = await cloud.role(admin, "guarded", trusting(ROOT, Condition=condition))
    sentence = await refused(cloud, admin, role, ExternalId="guessed")
    decision = cloud.records[-1].decision
    assert decision is not None
    assert (decision["layer"], decision["effect"]) == ("trust", "implicit-deny")
    assert decision["nearest"] == {"policy": "role/guarded#trust", "statement": "Statement[0]"}
    (objection,) = decision["objections"]
    assert "sts:ExternalId" in objection
    assert "guessed" in objection
    assert "ExternalId" not in sentence


async def test_a_session_lasts_as_long_as_asked_for_and_the_role_allows(
    cloud: People, admin: Key
) -> None:
    role = await cloud.role(admin, "long", trusting(ROOT), MaxSessionDuration=7200)
    asked = {"RoleArn": role, "RoleSessionName": "shift", "DurationSeconds": 7200}
    answer = await cloud.sts(admin, "AssumeRole", **asked)
    assert answer["Credentials"]["Expiration"] == cloud.clock.now() + timedelta(hours=2)
    assert await failed(cloud, admin, role, DurationSeconds=7201) == "ValidationError"
    assert await failed(cloud, admin, role, DurationSeconds=899) == "ValidationError"
    assert await failed(cloud, admin, role, DurationSeconds=43_201) == "ValidationError"


async def test_a_chain_of_roles_goes_on_for_an_hour_at_most(cloud: People, admin: Key) -> None:
    first = await cloud.role(admin, "first", trusting(ROOT), ASSUME, MaxSessionDuration=43_200)
    second = await cloud.role(admin, "second", trusting(first), MaxSessionDuration=43_200)
    session = await cloud.assume(admin, first, DurationSeconds=43_200)
    assert (await cloud.assume(session, second, DurationSeconds=3600)).token
    assert await failed(cloud, session, second, DurationSeconds=3601) == "ValidationError"


async def test_a_session_policy_narrows_and_never_widens(cloud: People, admin: Key) -> None:
    role = await cloud.role(admin, "wide", trusting(ROOT), allow("iam:List*"))
    session = await cloud.assume(admin, role, Policy=policy(allow("iam:ListUsers", "iam:Get*")))
    assert await cloud.iam(session, "ListUsers")
    with pytest.raises(ClientError, match="no session policy allows the iam:ListRoles"):
        await cloud.iam(session, "ListRoles")
    with pytest.raises(ClientError, match="no identity-based policy allows the iam:GetAccount"):
        await cloud.iam(session, "GetAccountSummary")


async def test_a_managed_session_policy_counts_as_it_is_now(cloud: People, admin: Key) -> None:
    role = await cloud.role(admin, "wide", trusting(ROOT), allow("iam:*"))
    made = await cloud.iam(
        admin, "CreatePolicy", PolicyName="narrow", PolicyDocument=policy(allow("iam:ListUsers"))
    )
    arn = made["Policy"]["Arn"]
    session = await cloud.assume(admin, role, PolicyArns=[{"arn": arn}])
    assert await cloud.iam(session, "ListUsers")
    with pytest.raises(ClientError, match="no session policy"):
        await cloud.iam(session, "ListRoles")
    await cloud.iam(
        admin,
        "CreatePolicyVersion",
        PolicyArn=arn,
        PolicyDocument=policy(allow("iam:ListRoles")),
        SetAsDefault=True,
    )
    assert await cloud.iam(session, "ListRoles")
    with pytest.raises(ClientError, match="no session policy"):
        await cloud.iam(session, "ListUsers")
    await cloud.iam(admin, "DeletePolicyVersion", PolicyArn=arn, VersionId="v1")
    await cloud.iam(admin, "DeletePolicy", PolicyArn=arn)
    with pytest.raises(ClientError, match="explicit deny in a session policy"):
        await cloud.iam(session, "ListRoles")


async def test_session_policies_have_to_be_sound_and_small(cloud: People, admin: Key) -> None:
    role = await cloud.role(admin, "wide", trusting(ROOT), allow("iam:*"))
    foreign = f"arn:aws:iam::{OTHER}:policy/theirs"
    large = policy(*[allow(f"iam:Get{number:0100}") for number in range(20)])
    assert await failed(cloud, admin, role, Policy="{}") == "MalformedPolicyDocument"
    assert await failed(cloud, admin, role, Policy=large) == "PackedPolicyTooLarge"
    assert await failed(cloud, admin, role, PolicyArns=[{"arn": foreign}]) == "ValidationError"


async def test_how_much_room_is_taken_is_told_in_per_cent(cloud: People, admin: Key) -> None:
    role = await cloud.role(admin, "wide", trusting(ROOT), allow("iam:*"))
    asked = {"RoleArn": role, "RoleSessionName": "shift"}
    bare = await cloud.sts(admin, "AssumeRole", **asked)
    some = await cloud.sts(admin, "AssumeRole", **asked, Policy=policy(allow("iam:ListUsers")))
    assert "PackedPolicySize" not in bare
    assert 0 < some["PackedPolicySize"] <= 100


async def test_tags_of_a_session_need_a_permission_of_both_sides(cloud: People, admin: Key) -> None:
    tags = [{"Key": "line", "Value": "7"}]
    bare = await cloud.role(admin, "bare", trusting(ROOT))
    both = ("sts:AssumeRole", "sts:TagSession")
    tagged = await cloud.role(
        admin,
        "tagged",
        trusting(ROOT, actions=both),
        allow("iam:ListUsers", Condition={"StringEquals": {"aws:PrincipalTag/line": "7"}}),
    )
    assert "sts:TagSession" in await refused(cloud, admin, bare, Tags=tags)
    assert await cloud.iam(await cloud.assume(admin, tagged, Tags=tags), "ListUsers")
    with pytest.raises(ClientError):
        await cloud.iam(await cloud.assume(admin, tagged), "ListUsers")


async def test_transitive_tags_and_the_source_identity_stay_along_a_chain(
    cloud: People, admin: Key
) -> None:
    all_three = ("sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity")
    first = await cloud.role(admin, "first", trusting(ROOT, actions=all_three), allow("sts:*"))
    plain = await cloud.role(admin, "plain", trusting(first))
    only_line_7 = allow("iam:ListUsers", Condition={"StringEquals": {"aws:PrincipalTag/line": "7"}})
    by_ada = allow("iam:ListRoles", Condition={"StringEquals": {"aws:SourceIdentity": "ada"}})
    last = await cloud.role(admin, "last", trusting(first, actions=all_three), only_line_7, by_ada)
    tags = [{"Key": "line", "Value": "7"}, {"Key": "shift", "Value": "late"}]
    session = await cloud.assume(
        admin, first, Tags=tags, TransitiveTagKeys=["line"], SourceIdentity="ada"
    )
    assert "sts:TagSession" in await refused(cloud, session, plain)
    again = await cloud.assume(session, last, Tags=[{"Key": "shift", "Value": "early"}])
    assert await cloud.iam(again, "ListUsers")
    assert await cloud.iam(again, "ListRoles")
    other_line = [{"Key": "Line", "Value": "8"}]
    assert await failed(cloud, session, last, Tags=other_line) == "InvalidParameterValue"
    assert await failed(cloud, session, last, SourceIdentity="bob") == "InvalidParameterValue"


async def test_a_trust_policy_can_ask_for_tags_of_the_caller_and_for_the_account(
    cloud: People, admin: Key
) -> None:
    other = await cloud.administrator(OTHER)
    team = {"StringEquals": {"aws:PrincipalTag/team": "north", "aws:ResourceAccount": OTHER}}
    role = await cloud.role(other, "guest", trusting(ROOT, Condition=team))
    ada = await cloud.user(admin, "ada", ASSUME)
    await refused(cloud, ada, role)
    await cloud.iam(admin, "TagUser", UserName="ada", Tags=[{"Key": "Team", "Value": "north"}])
    assert (await cloud.assume(ada, role)).token


async def test_a_source_identity_needs_a_permission_and_can_be_asked_for(
    cloud: People, admin: Key
) -> None:
    plain = await cloud.role(admin, "plain", trusting(ROOT))
    assert "sts:SetSourceIdentity" in await refused(cloud, admin, plain, SourceIdentity="ada")
    condition = {"StringEquals": {"sts:SourceIdentity": "ada"}}
    both = ("sts:AssumeRole", "sts:SetSourceIdentity")
    named = await cloud.role(admin, "named", trusting(ROOT, actions=both, Condition=condition))
    asked = {"RoleArn": named, "RoleSessionName": "shift", "SourceIdentity": "ada"}
    assert (await cloud.sts(admin, "AssumeRole", **asked))["SourceIdentity"] == "ada"
    await refused(cloud, admin, named, SourceIdentity="bob")
    await refused(cloud, admin, named)


async def test_tags_that_make_no_sense_are_refused(cloud: People, admin: Key) -> None:
    role = await cloud.role(admin, "r", trusting(ROOT, actions=("sts:*",)))
    twice = [{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}]
    reserved = [{"Key": "aws:x", "Value": "1"}]
    one = [{"Key": "a", "Value": "1"}]
    assert await failed(cloud, admin, role, Tags=twice) == "InvalidParameterValue"
    assert await failed(cloud, admin, role, Tags=reserved) == "InvalidParameterValue"
    code = await failed(cloud, admin, role, Tags=one, TransitiveTagKeys=["b"])
    assert code == "InvalidParameterValue"


async def test_the_root_assumes_no_role(cloud: People, admin: Key) -> None:
    role = await cloud.role(admin, "r", trusting(ROOT))
    assert await refused(cloud, await cloud.root(), role) == (
        "Roles may not be assumed by root accounts."
    )
