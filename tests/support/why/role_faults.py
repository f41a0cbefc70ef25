"""Faults of roles: those of Greengrass, and those that people assume."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.support.cloud import ACCOUNT, REGION, SERVICE_ROLE, SERVICE_ROLE_POLICY
from tests.support.core_estate import CORE
from tests.support.group_role import trust_of_group
from tests.support.roles import trust_policy
from tests.support.why.fault import Faults
from tests.support.why.plant import GROUP_ROLE, Plant, Words, allow, deny, document, iot

from hedgerow.policy import core_shadow_policies

ROLES = Faults("A role")
_SERVICE = ("why", "role")
_PRESS = iot("thing/press")
_SYNC = (
    *("why", "device", "--thing", CORE, "--action", "iot:UpdateThingShadow"),
    *("--resource", "thing/press"),
)


def _service_trust() -> dict[str, Any]:
    return trust_policy(account=ACCOUNT, source=f"arn:aws:greengrass:{REGION}:{ACCOUNT}:*")


def _trusts(plant: Plant, role: str, trust: Mapping[str, Any]) -> None:
    plant.call(
        "iam",
        "update_assume_role_policy",
        RoleName=role,
        PolicyDocument=json.dumps(trust),
    )


def _people(*principals: str, **more: Any) -> dict[str, Any]:
    """Return a trust policy for users and accounts."""
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": list(principals)},
        "Action": "sts:AssumeRole",
        **more,
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def _user_arn(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:user/{name}"


def assume(role: str, who: str, *more: str) -> Words:
    """Return the question whether somebody may assume a role."""
    return ("why", "role", "--role", role, "--for", who, *more)


@ROLES.named(
    "no service role is associated with the account", step="association", code="no-service-role"
)
def no_service_role(plant: Plant) -> Iterator[Words]:
    before = plant.call("greengrass", "get_service_role_for_account")["RoleArn"]
    yield _SERVICE
    plant.call("greengrass", "disassociate_service_role_from_account")
    yield _SERVICE
    plant.call("greengrass", "associate_service_role_to_account", RoleArn=before)


@ROLES.named("the service role was deleted", step="role", code="no-role")
def service_role_gone(plant: Plant) -> Iterator[Words]:
    before = plant.call("greengrass", "get_service_role_for_account")["RoleArn"]
    short = plant.role(_service_trust())
    arn = f"arn:aws:iam::{ACCOUNT}:role/{short}"
    plant.call("greengrass", "associate_service_role_to_account", RoleArn=arn)
    yield _SERVICE
    plant.call("iam", "delete_role", RoleName=short)
    yield _SERVICE
    plant.call("greengrass", "associate_service_role_to_account", RoleArn=before)


@ROLES.named("the service role does not trust Greengrass", step="trust", code="trust-policy")
def service_role_trust(plant: Plant) -> Iterator[Words]:
    yield _SERVICE
    _trusts(plant, SERVICE_ROLE, trust_policy(account=ACCOUNT, service="lambda.amazonaws.com"))
    yield _SERVICE
    _trusts(plant, SERVICE_ROLE, _service_trust())


@ROLES.named("the service role is pinned to another account", step="trust", code="trust-condition")
def service_role_account(plant: Plant) -> Iterator[Words]:
    yield _SERVICE
    _trusts(plant, SERVICE_ROLE, trust_policy(account="210987654321"))
    yield _SERVICE
    _trusts(plant, SERVICE_ROLE, _service_trust())


@ROLES.named(
    "the service role may not read the things of a group",
    step="decision",
    code="no-policy-allows",
)
def service_role_allows_too_little(plant: Plant) -> Iterator[Words]:
    before = plant.call("greengrass", "get_service_role_for_account")["RoleArn"]
    words = (*_SERVICE, "--action", "iot:DescribeThing", "--resource", _PRESS)
    yield words
    little = plant.role(_service_trust(), allow("iot:DescribeCertificate"))
    arn = f"arn:aws:iam::{ACCOUNT}:role/{little}"
    plant.call("greengrass", "associate_service_role_to_account", RoleArn=arn)
    yield words
    plant.call("greengrass", "associate_service_role_to_account", RoleArn=before)


@ROLES.named(
    "the service role denies the core a shadow that the core's own policy allows",
    step="service role",
    code="explicit-deny",
)
def service_role_denies_shadow(plant: Plant) -> Iterator[Words]:
    with _core_may_synchronise(plant):
        yield _SYNC
        _service_may(plant, deny("iot:UpdateThingShadow", _PRESS))
        yield _SYNC
        plant.call("iam", "delete_role_policy", RoleName=SERVICE_ROLE, PolicyName="own")


@ROLES.named(
    "the service role allows nothing on any shadow of the core's group",
    step="service role",
    code="no-policy-allows",
)
def service_role_without_shadows(plant: Plant) -> Iterator[Words]:
    managed = {"RoleName": SERVICE_ROLE, "PolicyArn": SERVICE_ROLE_POLICY}
    with _core_may_synchronise(plant):
        yield _SYNC
        plant.call("iam", "detach_role_policy", **managed)
        yield _SYNC
        plant.call("iam", "attach_role_policy", **managed)


@contextmanager
def _core_may_synchronise(plant: Plant) -> Iterator[None]:
    """Give the core the policy that synchronising the shadow of press takes."""
    name, target = plant.fresh("sync"), plant.group.core.certificate_arn
    [text] = core_shadow_policies(region=REGION, account=ACCOUNT, thing_names=["press"])
    plant.call("iot", "create_policy", policyName=name, policyDocument=text)
    plant.call("iot", "attach_policy", policyName=name, target=target)
    yield
    plant.call("iot", "detach_policy", policyName=name, target=target)


def _service_may(plant: Plant, *statements: dict[str, Any]) -> None:
    text = document(*statements)
    plant.call(
        "iam", "put_role_policy", RoleName=SERVICE_ROLE, PolicyName="own", PolicyDocument=text
    )


@ROLES.named("the group has no role", step="association", code="no-group-role")
def no_group_role(plant: Plant) -> Iterator[Words]:
    group = plant.group.group_id
    words = (*_SERVICE, "--group", group)
    yield words
    plant.call("greengrass", "disassociate_role_from_group", GroupId=group)
    yield words
    arn = f"arn:aws:iam::{ACCOUNT}:role/{GROUP_ROLE}"
    plant.call("greengrass", "associate_role_to_group", GroupId=group, RoleArn=arn)


@ROLES.named("the group's role is pinned to another group", step="trust", code="trust-condition")
def group_role_of_other(plant: Plant) -> Iterator[Words]:
    words = (*_SERVICE, "--group", plant.group.group_id)
    yield words
    _trusts(plant, GROUP_ROLE, trust_of_group(plant.cloud, "another"))
    yield words
    _trusts(plant, GROUP_ROLE, trust_of_group(plant.cloud, plant.group.group_id))


@ROLES.named("the group's role allows too little", step="decision", code="resource")
def group_role_allows_too_little(plant: Plant) -> Iterator[Words]:
    wanted = ("--action", "s3:GetObject", "--resource", "arn:aws:s3:::recipes/press.json")
    words = (*_SERVICE, "--group", plant.group.group_id, *wanted)

    def give(resource: str) -> None:
        plant.call(
            "iam",
            "put_role_policy",
            RoleName=GROUP_ROLE,
            PolicyName="recipes",
            PolicyDocument=json.dumps(
                {"Version": "2012-10-17", "Statement": [allow("s3:GetObject", resource)]}
            ),
        )

    give("arn:aws:s3:::recipes/*")
    yield words
    give("arn:aws:s3:::recipes")
    yield words


@ROLES.named("there is no role of this name", step="role", code="no-role")
def no_role(plant: Plant) -> Iterator[Words]:
    alice = plant.user(allow("iot:ListThings"))
    keeper = plant.role(_people(_user_arn(alice)))
    yield assume(keeper, alice)
    yield assume("keepers", alice)


@ROLES.named("the role trusts somebody else", step="trust", code="trust-policy")
def trusts_somebody_else(plant: Plant) -> Iterator[Words]:
    alice, bob = plant.user(allow("iot:ListThings")), plant.user(allow("iot:*"), name="bob")
    keeper = plant.role(_people(_user_arn(alice)))
    yield assume(keeper, alice)
    _trusts(plant, keeper, _people(_user_arn(bob)))
    yield assume(keeper, alice)


@ROLES.named("the role asks for an external id", step="trust", code="trust-condition")
def external_id(plant: Plant) -> Iterator[Words]:
    alice = plant.user(allow("iot:ListThings"))
    only = {"StringEquals": {"sts:ExternalId": "plant-7"}}
    keeper = plant.role(_people(_user_arn(alice), Condition=only))
    yield assume(keeper, alice, "--context", "sts:ExternalId=plant-7")
    yield assume(keeper, alice)


@ROLES.named("the role asks for MFA", step="trust", code="trust-condition")
def role_asks_for_mfa(plant: Plant) -> Iterator[Words]:
    alice = plant.user(allow("iot:ListThings"))
    only = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    keeper = plant.role(_people(_user_arn(alice), Condition=only))
    yield assume(keeper, alice, "--context", "aws:MultiFactorAuthPresent=true")
    yield assume(keeper, alice)


@ROLES.named("the role trusts somebody else, and asks for MFA", step="trust", code="trust-policy")
def trusts_somebody_with_mfa(plant: Plant) -> Iterator[Words]:
    alice, bob = plant.user(allow("iot:ListThings")), plant.user(allow("iot:*"), name="bob")
    keeper, mfa = plant.role(_people(_user_arn(alice))), "aws:MultiFactorAuthPresent"
    yield assume(keeper, alice)
    only = {"Bool": {mfa: "true"}}
    _trusts(plant, keeper, _people(_user_arn(bob), Condition=only))
    yield assume(keeper, alice, "--context", f"{mfa}=true")


@ROLES.named(
    "the role trusts the account, and the user's own policies do not allow to assume it",
    step="own policies",
    code="no-policy-allows",
)
def own_side_missing(plant: Plant) -> Iterator[Words]:
    keeper = plant.role(_people(f"arn:aws:iam::{ACCOUNT}:root"))
    arn = f"arn:aws:iam::{ACCOUNT}:role/{keeper}"
    alice = plant.user(allow("sts:AssumeRole", arn))
    yield assume(keeper, alice)
    plant.grant(alice, allow("iot:ListThings"))
    yield assume(keeper, alice)


@ROLES.named(
    "the role trusts the user, and a statement of the user's own policies denies it",
    step="own policies",
    code="explicit-deny",
)
def own_side_denies(plant: Plant) -> Iterator[Words]:
    alice = plant.user(allow("iot:ListThings"))
    keeper = plant.role(_people(_user_arn(alice)))
    yield assume(keeper, alice)
    plant.grant(alice, deny("sts:AssumeRole", Sid="NoRoles"))
    yield assume(keeper, alice)


@ROLES.named(
    "the role trusts another account than the one that the user is of",
    step="trust",
    code="trust-policy",
)
def trusts_other_account(plant: Plant) -> Iterator[Words]:
    keeper = plant.role(_people("arn:aws:iam::210987654321:root"))
    yield assume(keeper, "arn:aws:iam::210987654321:user/bob")
    yield assume(keeper, "arn:aws:iam::321098765432:user/bob")
