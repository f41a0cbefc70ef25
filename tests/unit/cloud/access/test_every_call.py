"""What the authorizer asks policies, and what it says of their decision."""

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.access import JudgedAccount, allow, deny, document, judged_account

from hedgerow.aws import AccessDeniedError, Principal
from hedgerow.cloud.access import ApiEndpoint, ApiPeer
from hedgerow.cloud.cloudtrail.documents import TRAIL_SETTINGS, TrailSettings
from hedgerow.cloud.iam.documents import USER
from hedgerow.pki import TlsPeer
from hedgerow.policy import Dialect, NamedPolicy, parse_policy

THING = "arn:aws:iot:eu-west-1:123456789012:thing/"
GROUP = "arn:aws:greengrass:eu-west-1:123456789012:/greengrass/groups/"
PUBLIC = TlsPeer(certificate_der=None, certificate_id=None, alpn=None, address="192.0.2.7")


@pytest.fixture
async def account(tmp_path: Path) -> AsyncIterator[JudgedAccount]:
    async with judged_account(tmp_path) as opened:
        yield opened


def private(*statements: Mapping[str, Any]) -> ApiPeer:
    policy = parse_policy(document(*statements), Dialect.ENDPOINT)
    return ApiPeer(PUBLIC, ApiEndpoint("vpce-plant", NamedPolicy("endpoint", policy)))


async def test_an_allowed_call_says_what_allowed_it(account: JudgedAccount) -> None:
    alice = await account.user("alice", allow("iot:DescribeThing", Sid="Look"))
    facts = await account.call(alice, "iot", "DescribeThing", {"thingName": "lamp"})
    assert facts == {
        "action": "iot:DescribeThing",
        "resource": f"{THING}lamp",
        "effect": "allow",
        "layer": "identity",
        "policy": "user/alice#own",
        "statement": "Look",
    }


async def test_every_permission_that_a_call_needs_is_in_the_facts(account: JudgedAccount) -> None:
    alice = await account.user("alice", allow("iot:*"))
    facts = await account.call(
        alice, "iot", "AddThingToThingGroup", {"thingName": "lamp", "thingGroupName": "hall"}
    )
    (further,) = facts["further"]
    assert {facts["resource"], further["resource"]} == {
        f"{THING}lamp",
        "arn:aws:iot:eu-west-1:123456789012:thinggroup/hall",
    }


async def test_a_refusal_names_the_nearest_statement_in_the_facts_only(
    account: JudgedAccount,
) -> None:
    alice = await account.user("alice", allow("iot:DescribeThing", on=f"{THING}lamp", Sid="Lamp"))
    refusal = await account.refused(alice, "iot", "DescribeThing", {"thingName": "door"})
    assert refusal is not None
    assert refusal.message == (
        f"User: {alice.arn} is not authorized to perform: iot:DescribeThing on resource: "
        f"{THING}door because no identity-based policy allows the iot:DescribeThing action"
    )
    assert refusal.decision["nearest"] == {"policy": "user/alice#own", "statement": "Lamp"}
    assert refusal.decision["objections"]
    assert "Lamp" not in refusal.message


async def test_all_resources_of_a_call_have_to_be_allowed(account: JudgedAccount) -> None:
    alice = await account.user("alice", allow("iot:AddThingToThingGroup", on=f"{THING}*"))
    members = {"thingName": "lamp", "thingGroupName": "hall"}
    refusal = await account.refused(alice, "iot", "AddThingToThingGroup", members)
    assert refusal is not None
    assert refusal.decision["resource"].endswith(":thinggroup/hall")


async def test_what_an_input_does_not_name_is_judged_on_everything(account: JudgedAccount) -> None:
    alice = await account.user("alice", allow("iot:GetEffectivePolicies", on="arn:aws:iot:*:*:*"))
    assert await account.refused(alice, "iot", "GetEffectivePolicies", {})
    bob = await account.user("bob", allow("iot:GetEffectivePolicies"))
    assert await account.refused(bob, "iot", "GetEffectivePolicies", {}) is None


async def test_a_user_is_named_with_its_path(account: JudgedAccount) -> None:
    await account.user("carol", path="/ops/")
    admin = await account.user(
        "admin", allow("iam:GetUser", on="arn:aws:iam::123456789012:user/ops/*")
    )
    assert await account.refused(admin, "iam", "GetUser", {"UserName": "carol"}) is None
    assert await account.refused(admin, "iam", "GetUser", {"UserName": "admin"})


async def test_who_names_no_user_means_themselves(account: JudgedAccount) -> None:
    carol = await account.user(
        "carol",
        allow("iam:GetUser", on="arn:aws:iam::*:user/ops/${aws:username}"),
        path="/ops/",
    )
    assert await account.refused(carol, "iam", "GetUser", {}) is None


async def test_the_root_may_do_everything_and_is_flagged(account: JudgedAccount) -> None:
    facts = await account.call(account.root, "iot", "DeleteThing", {"thingName": "lamp"})
    assert facts["root"] is True
    assert facts["effect"] == "allow"


async def test_the_root_has_to_pass_the_endpoint_too(account: JudgedAccount) -> None:
    door = private(allow("iot:DescribeThing", Principal="*"))
    members = {"thingName": "lamp"}
    assert await account.refused(account.root, "iot", "DescribeThing", members, peer=door) is None
    refusal = await account.refused(account.root, "iot", "DeleteThing", members, peer=door)
    assert refusal is not None
    assert refusal.message.endswith(
        "because no VPC endpoint policy allows the iot:DeleteThing action"
    )


async def test_a_user_that_is_gone_may_nothing(account: JudgedAccount) -> None:
    ghost = Principal("IAMUser", account.account, "arn:aws:iam::1:user/x", "AIDAGHOST", name="x")
    refusal = await account.refused(ghost, "iot", "ListThings")
    assert refusal is not None
    assert refusal.decision["gone"] is True


async def test_a_policy_that_cannot_be_read_allows_nothing(account: JudgedAccount) -> None:
    alice = await account.user("alice", allow("iot:*"))
    record = await account.store.get(USER, account.account, alice.id)
    assert record is not None
    broken = type(record.document)(name="alice", inline={"own": "{"})
    async with account.store.transaction() as tx:
        await tx.update(record, broken)
    refusal = await account.refused(alice, "iot", "ListThings")
    assert refusal is not None
    assert "own" in refusal.decision["reason"]
    assert "own" not in refusal.message


async def test_a_change_of_a_policy_holds_for_the_next_call(account: JudgedAccount) -> None:
    alice = await account.user("alice", allow("iot:ListThings"))
    assert await account.refused(alice, "iot", "ListThings") is None
    record = await account.store.get(USER, account.account, alice.id)
    assert record is not None
    async with account.store.transaction() as tx:
        await tx.update(record, type(record.document)(name="alice"))
    assert await account.refused(alice, "iot", "ListThings")


async def test_an_operation_without_a_row_is_refused_to_all(account: JudgedAccount) -> None:
    refusal = await account.refused(account.root, "iot", "BoilWater")
    assert refusal is not None
    assert refusal.decision["layer"] == "table"


async def test_identity_needs_no_permission_but_the_endpoint_counts(
    account: JudgedAccount,
) -> None:
    nobody = await account.user("nobody")
    assert await account.refused(nobody, "sts", "GetCallerIdentity") is None
    door = private(allow("greengrass:*", Principal="*"))
    assert await account.refused(nobody, "sts", "GetCallerIdentity", peer=door)


async def test_an_explicit_deny_is_said_to_be_one(account: JudgedAccount) -> None:
    alice = await account.user("alice", allow("iot:*"), deny("iot:DeleteThing", Sid="Keep"))
    refusal = await account.refused(alice, "iot", "DeleteThing", {"thingName": "lamp"})
    assert refusal is not None
    assert refusal.message.endswith("with an explicit deny in an identity-based policy")
    assert refusal.decision["statement"] == "Keep"


async def test_a_boundary_limits_and_is_named(account: JudgedAccount) -> None:
    alice = await account.user("alice", allow("*"), boundary=[allow("iot:*")])
    assert await account.refused(alice, "iot", "ListThings") is None
    refusal = await account.refused(alice, "greengrass", "ListGroups")
    assert refusal is not None
    assert refusal.message.endswith(
        "because no permissions boundary allows the greengrass:ListGroups action"
    )


async def test_session_policies_limit_and_are_named(account: JudgedAccount) -> None:
    shift = await account.session(
        "operator", allow("iot:*"), policies=(document(allow("iot:List*")),)
    )
    assert await account.refused(shift, "iot", "ListThings") is None
    refusal = await account.refused(shift, "iot", "DeleteThing", {"thingName": "lamp"})
    assert refusal is not None
    assert refusal.message.endswith("because no session policy allows the iot:DeleteThing action")


async def test_a_session_policy_that_cannot_be_read_leaves_nothing(
    account: JudgedAccount,
) -> None:
    shift = await account.session("operator", allow("iot:*"), policies=("{",))
    assert await account.refused(shift, "iot", "ListThings")


async def test_a_federated_user_without_session_policies_has_nothing(
    account: JudgedAccount,
) -> None:
    alice = await account.user("alice", allow("*"))
    shift = await account.session("unused", issuer_id=alice.id, issuer_arn=alice.arn)
    arn = f"arn:aws:sts::{account.account}:federated-user/guest"
    guest = Principal("FederatedUser", account.account, arn, "1:guest", session=shift.session)
    assert await account.refused(guest, "iot", "ListThings")


@pytest.mark.parametrize(
    ("key", "value", "other"),
    [
        ("aws:PrincipalArn", "arn:aws:iam::123456789012:role/operator", "arn:aws:sts::*"),
        ("aws:PrincipalAccount", "123456789012", "111122223333"),
        ("aws:PrincipalType", "AssumedRole", "User"),
        ("aws:userid", "AROAOPERATOR:shift", "AROAOPERATOR"),
        ("aws:TokenIssueTime", "2026-10-07T12:00:00Z", "2026-10-08T12:00:00Z"),
        ("aws:PrincipalTag/Site", "north", "south"),
        ("aws:PrincipalTag/team", "night", "day"),
        ("aws:SourceIdentity", "carol", "bob"),
        ("aws:RequestedRegion", "eu-west-1", "us-east-1"),
        ("aws:UserAgent", "aws-cli/2", "curl"),
        ("aws:SourceVpce", "vpce-plant", "vpce-other"),
    ],
)
async def test_condition_keys_of_a_session(
    account: JudgedAccount, key: str, value: str, other: str
) -> None:
    condition = {"StringLike": {key: value}}
    contrary = {"StringLike": {key: other}}
    shift = await account.session(
        "operator",
        allow("iot:ListThings", Condition=condition),
        allow("iot:ListPolicies", Condition=contrary),
        tags={"site": "north", "team": "day"},
        source_identity="carol",
    )
    assert shift.session is not None
    object.__setattr__(shift.session, "tags", {"Team": "night"})
    door = private(allow("*", Principal="*"))
    assert await account.refused(shift, "iot", "ListThings", peer=door) is None
    assert await account.refused(shift, "iot", "ListPolicies", peer=door)


async def test_a_user_has_no_keys_of_a_session(account: JudgedAccount) -> None:
    absent = dict.fromkeys(
        ("aws:MultiFactorAuthPresent", "aws:MultiFactorAuthAge", "aws:TokenIssueTime"), "true"
    )
    alice = await account.user("alice", allow("iot:ListThings", Condition={"Null": absent}))
    assert await account.refused(alice, "iot", "ListThings") is None


async def test_how_long_ago_a_code_was_proven(account: JudgedAccount) -> None:
    fresh = {
        "Bool": {"aws:MultiFactorAuthPresent": "true"},
        "NumericLessThan": {"aws:MultiFactorAuthAge": "300"},
    }
    statement = allow("iot:ListThings", Condition=fresh)
    proven = await account.session("a", statement, mfa_at=account.clock.now())
    unproven = await account.session("b", statement)
    assert await account.refused(proven, "iot", "ListThings") is None
    assert await account.refused(unproven, "iot", "ListThings")
    account.clock.advance(timedelta(minutes=6))
    assert await account.refused(proven, "iot", "ListThings")


async def test_boundaries_of_others_can_be_a_condition(account: JudgedAccount) -> None:
    limit = f"arn:aws:iam::{account.account}:policy/bob-limit"
    await account.user("bob", boundary=[allow("iot:*")])
    await account.user("carol")
    admin = await account.user(
        "admin",
        allow(
            "iam:PutUserPolicy",
            "iam:CreateUser",
            Condition={"StringEquals": {"iam:PermissionsBoundary": limit}},
        ),
    )
    inline = {"PolicyName": "more", "PolicyDocument": "{}"}
    made = {"UserName": "dave", "PermissionsBoundary": limit}
    bob, carol = {"UserName": "bob", **inline}, {"UserName": "carol", **inline}
    assert await account.refused(admin, "iam", "PutUserPolicy", bob) is None
    assert await account.refused(admin, "iam", "PutUserPolicy", carol)
    assert await account.refused(admin, "iam", "CreateUser", made) is None
    assert await account.refused(admin, "iam", "CreateUser", {"UserName": "dave"})


async def test_resource_tags_are_read_only_if_a_policy_speaks_of_them(
    account: JudgedAccount,
) -> None:
    asked: list[str] = []

    class Listening:
        async def tags_of(self, arn: str) -> Mapping[str, str] | None:
            asked.append(arn)
            return {"env": "beta"}

    account.authorizer._questions._tags = Listening()
    plain = await account.user("plain", allow("greengrass:*"))
    await account.call(plain, "greengrass", "GetGroup", {"GroupId": "g"})
    assert not asked
    condition = {"StringEquals": {"greengrass:ResourceTag/env": "beta"}}
    beta = await account.user("beta", allow("greengrass:*", Condition=condition))
    await account.call(
        beta, "greengrass", "GetGroupVersion", {"GroupId": "g", "GroupVersionId": "v"}
    )
    assert asked == [f"{GROUP}g"]


async def test_what_a_session_can_never_do_no_policy_allows(account: JudgedAccount) -> None:
    shift = await account.session("operator", allow("*"))
    refusal = await account.refused(shift, "sts", "GetSessionToken")
    assert refusal is not None
    assert refusal.message == "Cannot call GetSessionToken with session credentials"
    assert refusal.decision["layer"] == "credentials"


async def test_a_call_is_explained_step_by_step(account: JudgedAccount) -> None:
    alice = await account.user("alice", allow("iot:AddThingToThingGroup", on=f"{THING}*"))
    asked = account.asked(
        alice, "iot", "AddThingToThingGroup", {"thingName": "lamp", "thingGroupName": "hall"}
    )
    explained = await account.authorizer.explain(asked)
    assert not explained.allowed
    assert explained.row.operation == "AddThingToThingGroup"
    assert [(step.resource, step.explanation.decision.allowed) for step in explained.steps] == [
        (f"{THING}lamp", True),
        ("arn:aws:iot:eu-west-1:123456789012:thinggroup/hall", False),
    ]


async def test_an_explanation_says_what_no_policy_can_change(account: JudgedAccount) -> None:
    foreign = {"ResourceArn": "arn:aws:greengrass:eu-west-1:444455556666:/greengrass/groups/g"}
    asked = account.asked(account.root, "greengrass", "ListTagsForResource", foreign)
    explained = await account.authorizer.explain(asked)
    assert not explained.allowed
    assert [step.foreign for step in explained.steps] == [True]
    shift = await account.session("operator", allow("*"))
    explained = await account.authorizer.explain(account.asked(shift, "sts", "GetSessionToken"))
    assert not explained.allowed
    assert explained.beyond


async def test_a_call_that_is_allowed_is_explained_as_allowed(account: JudgedAccount) -> None:
    alice = await account.user("alice", allow("iot:ListThings"))
    explained = await account.authorizer.explain(account.asked(alice, "iot", "ListThings"))
    assert explained.allowed
    with pytest.raises(AccessDeniedError):
        await account.authorizer.explain(account.asked(alice, "iot", "BoilWater"))


async def test_the_endpoint_judges_which_role_is_assumed(account: JudgedAccount) -> None:
    """The rest is judged by the operation itself, of roles of other accounts as well."""
    theirs = "arn:aws:iam::444455556666:role/theirs"
    alice = await account.user("alice")
    condition = {"StringEquals": {"aws:PrincipalAccount": "123456789012"}}
    door = private(allow("sts:AssumeRole", on=theirs, Principal="*", Condition=condition))
    members = {"RoleArn": theirs, "RoleSessionName": "x"}
    other = {**members, "RoleArn": "arn:aws:iam::444455556666:role/other"}
    assert await account.refused(alice, "sts", "AssumeRole", members, peer=door) is None
    assert await account.refused(alice, "sts", "AssumeRole", other, peer=door)
    assert await account.refused(alice, "sts", "AssumeRole", other) is None


async def test_which_roles_may_be_passed_can_be_held_to_their_tags(
    account: JudgedAccount,
) -> None:
    await account.session("plant", tags={"team": "night"})
    await account.session("office")
    condition = {"StringEquals": {"iam:ResourceTag/team": "night"}}
    alice = await account.user(
        "alice", allow("greengrass:*"), allow("iam:PassRole", Condition=condition)
    )
    for role, allowed in (("plant", True), ("office", False)):
        members = {"RoleArn": f"arn:aws:iam::{account.account}:role/{role}"}
        operation = "AssociateServiceRoleToAccount"
        refusal = await account.refused(alice, "greengrass", operation, members)
        assert (refusal is None) == allowed


async def test_trails_can_be_held_to_their_tags(account: JudgedAccount) -> None:
    async with account.store.transaction() as tx:
        for name, tags in (("plant", {"team": "night"}), ("office", {})):
            await tx.insert(
                TRAIL_SETTINGS, account.account, name, TrailSettings(bucket="b", tags=tags)
            )
    condition = {"StringEquals": {"aws:ResourceTag/team": "night"}}
    alice = await account.user("alice", allow("cloudtrail:*", Condition=condition))
    arn = f"arn:aws:cloudtrail:eu-west-1:{account.account}:trail/plant"
    for name, allowed in (("plant", True), (arn, True), ("office", False), ("other", False)):
        refusal = await account.refused(alice, "cloudtrail", "GetTrail", {"Name": name})
        assert (refusal is None) == allowed


@pytest.mark.parametrize(("retain", "allowed"), [(True, False), (False, True), (None, True)])
async def test_a_retained_publication_needs_more_than_a_publication(
    account: JudgedAccount, *, retain: bool | None, allowed: bool
) -> None:
    alice = await account.user("alice", allow("iot:Publish"))
    members = {"topic": "a/b"} if retain is None else {"topic": "a/b", "retain": retain}
    refusal = await account.refused(alice, "iot-data", "Publish", members)
    assert (refusal is None) == allowed
    if refusal is not None:
        assert refusal.decision["action"] == "iot:RetainPublish"
        assert refusal.decision["resource"] == "arn:aws:iot:eu-west-1:123456789012:topic/a/b"
