"""The example policies of the guide behave as its pages say."""

from typing import Any

import pytest
from tests.support.policies import asking, attached, statement

from hedgerow.policy import NamedPolicy, decide

GROUP = "arn:aws:greengrass:us-west-2:111122223333:/greengrass/groups/g-1"
USERS = "arn:aws:iam::111122223333:user/"


def allowed(policies: list[NamedPolicy], action: str, resource: str, **values: Any) -> bool:
    return decide(policies, asking(action, resource, **values)).allowed


def test_only_what_is_tagged_beta_and_the_tag_itself_is_safe() -> None:
    """Guide page tagging: full access to resources tagged env=beta, and no untagging of them."""
    policies = [
        attached(
            statement(
                action="greengrass:*",
                Condition={"StringEquals": {"greengrass:ResourceTag/env": "beta"}},
            ),
            statement(
                "Deny",
                "greengrass:UntagResource",
                Condition={"StringEquals": {"aws:ResourceTag/env": "beta"}},
            ),
        )
    ]

    def tagged(action: str, env: str | None) -> bool:
        keys = ("greengrass:ResourceTag/env", "aws:ResourceTag/env")
        values = {} if env is None else {key.replace(":", "__"): env for key in keys}
        return allowed(policies, f"greengrass:{action}", GROUP, **values)

    assert tagged("GetGroup", "beta")
    assert tagged("DeleteGroup", "beta")
    assert tagged("TagResource", "beta")
    assert not tagged("UntagResource", "beta")
    for env in ("prod", "Beta", "", None):
        assert not tagged("GetGroup", env)


def test_whoever_creates_must_tag() -> None:
    """Guide page tagging: creating and tagging need aws:RequestTag/env to be beta."""
    condition = {"StringEquals": {"aws:RequestTag/env": "beta"}}
    policies = [
        attached(
            statement(action="greengrass:TagResource", Condition=condition),
            statement(action="greengrass:CreateGroup", Condition=condition),
        )
    ]
    for action in ("greengrass:TagResource", "greengrass:CreateGroup"):
        assert allowed(policies, action, "*", **{"aws__RequestTag/env": "beta"})
        assert not allowed(policies, action, "*", **{"aws__RequestTag/env": "prod"})
        assert not allowed(policies, action, "*")


@pytest.mark.parametrize(("keys", "may"), [(["env"], True), (["env", "team"], True),
                                           (["env", "cost"], False), ([], True)])  # fmt: skip
def test_only_certain_tag_keys(keys: list[str], *, may: bool) -> None:
    condition = {"ForAllValues:StringEquals": {"aws:TagKeys": ["env", "team"]}}
    policies = [attached(statement(action="greengrass:TagResource", Condition=condition))]
    assert allowed(policies, "greengrass:TagResource", GROUP, aws__TagKeys=keys) is may


def test_users_see_themselves() -> None:
    """Guide page security_iam_id-based-policy-examples: view their own permissions."""
    policies = [
        attached(
            statement(
                action=["iam:GetUserPolicy", "iam:ListAttachedUserPolicies", "iam:GetUser"],
                resource=["arn:aws:iam::*:user/${aws:username}"],
                Sid="ViewOwnUserInfo",
            ),
            statement(action=["iam:ListUsers", "iam:GetPolicy"], Sid="NavigateInConsole"),
        )
    ]
    assert allowed(policies, "iam:GetUser", USERS + "alice", aws__username="alice")
    assert not allowed(policies, "iam:GetUser", USERS + "bob", aws__username="alice")
    assert not allowed(policies, "iam:GetUser", USERS + "alice")
    assert not allowed(policies, "iam:DeleteUser", USERS + "alice", aws__username="alice")
    assert allowed(policies, "iam:ListUsers", "*", aws__username="alice")


def test_a_role_is_passed_to_the_service_it_is_meant_for() -> None:
    role = "arn:aws:iam::111122223333:role/Greengrass_ServiceRole"
    condition = {"StringEquals": {"iam:PassedToService": "greengrass.amazonaws.com"}}
    policies = [attached(statement(action="iam:PassRole", resource=role, Condition=condition))]
    to_greengrass = {"iam__PassedToService": "greengrass.amazonaws.com"}
    assert allowed(policies, "iam:PassRole", role, **to_greengrass)
    assert not allowed(policies, "iam:PassRole", role, iam__PassedToService="ec2.amazonaws.com")
    assert not allowed(policies, "iam:PassRole", role)
    assert not allowed(policies, "iam:PassRole", role + "2", **to_greengrass)


def test_without_mfa_next_to_nothing() -> None:
    """A deny with BoolIfExists holds for those without the key as well: access keys have none."""
    until_mfa = {
        "Effect": "Deny",
        "NotAction": ["iam:EnableMFADevice", "sts:GetSessionToken"],
        "Resource": "*",
        "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}},
    }
    policies = [attached(statement(action="*"), until_mfa)]
    assert allowed(policies, "iot:ListThings", "*", aws__MultiFactorAuthPresent="true")
    assert allowed(policies, "sts:GetSessionToken", "*")
    assert not allowed(policies, "iot:ListThings", "*", aws__MultiFactorAuthPresent="false")
    assert not allowed(policies, "iot:ListThings", "*")
