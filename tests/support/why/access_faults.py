"""Faults of IAM users and roles: their policies, boundaries, sessions, doors and conditions."""

import json
from collections.abc import Iterator

from tests.support.cloud import ACCOUNT
from tests.support.why.fault import Faults
from tests.support.why.plant import DOOR, Plant, Words, allow, deny, document, greengrass

ACCESS = Faults("A user or a role")
_GROUP = greengrass("groups/d4f1c8a0-0000-4000-8000-000000000001")
_READ = "greengrass:GetGroup"
_MAY_READ = allow(_READ, _GROUP)


def ask(who: str, action: str = _READ, resource: str = _GROUP, *more: str) -> Words:
    """Return the words of a question about a user or a role."""
    return (
        "why",
        "access",
        *("--principal", who, "--action", action, "--resource", resource),
        *more,
    )


def _conditional(
    plant: Plant, operator: str, key: str, wanted: str, *given: str
) -> Iterator[Words]:
    """Let a user read under a condition: first as `given`, and then without."""
    alice = plant.user(allow(_READ, _GROUP, Condition={operator: {key: wanted}}))
    yield ask(alice, _READ, _GROUP, *given[:2])
    yield ask(alice, _READ, _GROUP, *given[2:])


@ACCESS.named("the user has no policy", step="decision", code="no-policy-allows")
def user_without_policy(plant: Plant) -> Iterator[Words]:
    alice = plant.user(_MAY_READ)
    yield ask(alice)
    plant.call("iam", "delete_user_policy", UserName=alice, PolicyName="own")
    yield ask(alice)


@ACCESS.named("the policy allows another action only", step="decision", code="no-policy-allows")
def other_action(plant: Plant) -> Iterator[Words]:
    alice = plant.user(_MAY_READ)
    yield ask(alice)
    plant.grant(alice, allow("greengrass:ListGroups"))
    yield ask(alice)


@ACCESS.named("the policy names another resource", step="decision", code="resource")
def other_resource(plant: Plant) -> Iterator[Words]:
    alice = plant.user(_MAY_READ)
    yield ask(alice)
    plant.grant(alice, allow(_READ, greengrass("groups/another")))
    yield ask(alice)


@ACCESS.named(
    "the user was taken out of the group that allowed it", step="decision", code="no-policy-allows"
)
def left_group(plant: Plant) -> Iterator[Words]:
    alice, team = plant.user(deny("s3:GetObject")), plant.fresh("operators")
    plant.call("iam", "create_group", GroupName=team)
    plant.call(
        "iam",
        "put_group_policy",
        GroupName=team,
        PolicyName="read",
        PolicyDocument=document(_MAY_READ),
    )
    plant.call("iam", "add_user_to_group", GroupName=team, UserName=alice)
    yield ask(alice)
    plant.call("iam", "remove_user_from_group", GroupName=team, UserName=alice)
    yield ask(alice)


@ACCESS.named("a statement denies it", step="decision", code="explicit-deny")
def user_denied(plant: Plant) -> Iterator[Words]:
    alice = plant.user(_MAY_READ)
    yield ask(alice)
    plant.grant(alice, _MAY_READ, deny(_READ, _GROUP, Sid="NotThisGroup"))
    yield ask(alice)


@ACCESS.named(
    "a statement denies everything that does not come by the private door",
    step="decision",
    code="explicit-deny",
)
def denied_but_by_door(plant: Plant) -> Iterator[Words]:
    only = {"StringNotEquals": {"aws:SourceVpce": DOOR}}
    alice = plant.user(_MAY_READ, deny("*", Condition=only))
    yield ask(alice, _READ, _GROUP, "--context", f"aws:SourceVpce={DOOR}")
    yield ask(alice)


@ACCESS.named("a statement denies all actions on it", step="decision", code="explicit-deny")
def all_denied(plant: Plant) -> Iterator[Words]:
    alice = plant.user(_MAY_READ)
    yield ask(alice)
    plant.grant(alice, _MAY_READ, deny("*", _GROUP))
    yield ask(alice)


@ACCESS.named(
    "an older version of the managed policy is in force", step="decision", code="no-policy-allows"
)
def older_version(plant: Plant) -> Iterator[Words]:
    alice = plant.user(deny("s3:GetObject"))
    made = plant.call(
        "iam",
        "create_policy",
        PolicyName=plant.fresh("line"),
        PolicyDocument=document(allow("greengrass:ListGroups")),
    )
    arn = made["Policy"]["Arn"]
    plant.call("iam", "attach_user_policy", UserName=alice, PolicyArn=arn)
    plant.call(
        "iam",
        "create_policy_version",
        PolicyArn=arn,
        PolicyDocument=document(_MAY_READ),
        SetAsDefault=True,
    )
    yield ask(alice)
    plant.call("iam", "set_default_policy_version", PolicyArn=arn, VersionId="v1")
    yield ask(alice)


@ACCESS.named("its permissions boundary does not allow it", step="decision", code="boundary")
def boundary(plant: Plant) -> Iterator[Words]:
    alice = plant.user(_MAY_READ)
    yield ask(alice)
    made = plant.call(
        "iam",
        "create_policy",
        PolicyName=plant.fresh("boundary"),
        PolicyDocument=document(allow("iot:*")),
    )
    plant.call(
        "iam",
        "put_user_permissions_boundary",
        UserName=alice,
        PermissionsBoundary=made["Policy"]["Arn"],
    )
    yield ask(alice)


@ACCESS.named("the session's policy does not allow it", step="decision", code="session-policy")
def session_policy(plant: Plant) -> Iterator[Words]:
    trust = json.loads(_trust(f"arn:aws:iam::{ACCOUNT}:root"))
    keeper = plant.role(trust, _MAY_READ)
    narrow = plant.policy_file(allow("greengrass:ListGroups"))
    yield ask(f"role/{keeper}", _READ, _GROUP, "--session-policy", plant.policy_file(_MAY_READ))
    yield ask(f"role/{keeper}", _READ, _GROUP, "--session-policy", narrow)


@ACCESS.named(
    "the policy of the private door does not allow it", step="decision", code="endpoint-policy"
)
def endpoint_policy(plant: Plant) -> Iterator[Words]:
    alice = plant.user(_MAY_READ)
    door = [{**one, "Principal": "*"} for one in (_MAY_READ, allow("greengrass:ListGroups"))]
    yield ask(alice, _READ, _GROUP, "--endpoint-policy", plant.policy_file(door[0]))
    yield ask(alice, _READ, _GROUP, "--endpoint-policy", plant.policy_file(door[1]))


@ACCESS.named("it asks for MFA, which was not used", step="decision", code="condition")
def without_mfa(plant: Plant) -> Iterator[Words]:
    key = "aws:MultiFactorAuthPresent"
    yield from _conditional(plant, "Bool", key, "true", "--context", f"{key}=true")


@ACCESS.named(
    "it asks for a tag that the resource does not have", step="decision", code="condition"
)
def without_tag(plant: Plant) -> Iterator[Words]:
    key = "aws:ResourceTag/hall"
    yield from _conditional(
        plant,
        "StringEquals",
        key,
        "7",
        *("--context", f"{key}=7"),
        *("--context", f"{key}=8"),
    )


@ACCESS.named(
    "it asks for a tag that was taken from the resource", step="decision", code="condition"
)
def tag_taken(plant: Plant) -> Iterator[Words]:
    group = greengrass(f"groups/{plant.group.group_id}")
    alice = plant.user(
        allow(_READ, group, Condition={"StringEquals": {"aws:ResourceTag/hall": "7"}})
    )
    plant.call("greengrass", "tag_resource", ResourceArn=group, tags={"hall": "7"})
    yield ask(alice, _READ, group)
    plant.call("greengrass", "untag_resource", ResourceArn=group, TagKeys=["hall"])
    yield ask(alice, _READ, group)


@ACCESS.named(
    "it asks for a tag of the user that has another value", step="decision", code="condition"
)
def tag_of_user(plant: Plant) -> Iterator[Words]:
    only = {"StringEquals": {"aws:PrincipalTag/team": "line"}}
    alice = plant.user(
        allow(_READ, _GROUP, Condition=only), Tags=[{"Key": "team", "Value": "line"}]
    )
    yield ask(alice)
    plant.call("iam", "tag_user", UserName=alice, Tags=[{"Key": "team", "Value": "office"}])
    yield ask(alice)


@ACCESS.named("its time is over", step="decision", code="condition")
def time_over(plant: Plant) -> Iterator[Words]:
    alice = plant.user(_until("2099-01-01T00:00:00Z"))
    yield ask(alice)
    plant.grant(alice, _until("2020-01-01T00:00:00Z"))
    yield ask(alice)


@ACCESS.named("it comes from an address that is not allowed", step="decision", code="condition")
def source_address(plant: Plant) -> Iterator[Words]:
    key = "aws:SourceIp"
    yield from _conditional(
        plant,
        "IpAddress",
        key,
        "10.0.0.0/8",
        *("--context", f"{key}=10.1.2.3"),
        *("--context", f"{key}=192.0.2.7"),
    )


@ACCESS.named("the role may not be passed", step="decision", code="no-policy-allows")
def pass_role(plant: Plant) -> Iterator[Words]:
    role = f"arn:aws:iam::{ACCOUNT}:role/Line_GroupRole"
    associate = allow("greengrass:AssociateRoleToGroup")
    alice = plant.user(associate, allow("iam:PassRole", role))
    yield ask(alice, "iam:PassRole", role)
    plant.grant(alice, associate)
    yield ask(alice, "iam:PassRole", role)


@ACCESS.named("the role may be passed to another service only", step="decision", code="condition")
def passed_to_other(plant: Plant) -> Iterator[Words]:
    role, key = f"arn:aws:iam::{ACCOUNT}:role/Line_GroupRole", "iam:PassedToService"
    given = ("--context", f"{key}=greengrass.amazonaws.com")
    alice = plant.user(_passes(role, "greengrass.amazonaws.com"))
    yield ask(alice, "iam:PassRole", role, *given)
    plant.grant(alice, _passes(role, "lambda.amazonaws.com"))
    yield ask(alice, "iam:PassRole", role, *given)


@ACCESS.named("the resource is another account's", step="account", code="other-account")
def other_account(plant: Plant) -> Iterator[Words]:
    alice = plant.user(allow(_READ))
    yield ask(alice)
    yield ask(alice, _READ, _GROUP.replace(ACCOUNT, "210987654321"))


@ACCESS.named(
    "the policy and the question name a resource that the call is never judged on",
    step="resource",
    code="not-judged-on",
)
def never_judged_on(plant: Plant) -> Iterator[Words]:
    deploy, never = "greengrass:CreateDeployment", f"{_GROUP}/deployments"
    alice = plant.user(allow(deploy, [_GROUP, f"{never}*"]))
    yield ask(alice, deploy)
    yield ask(alice, deploy, never)


def _until(moment: str) -> dict[str, object]:
    return allow(_READ, _GROUP, Condition={"DateLessThan": {"aws:CurrentTime": moment}})


def _passes(role: str, service: str) -> dict[str, object]:
    only = {"StringEquals": {"iam:PassedToService": service}}
    return allow("iam:PassRole", role, Condition=only)


def _trust(principal: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
