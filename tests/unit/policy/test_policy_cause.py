"""Every explanation of a refusal has one word for what kind of thing decided."""

import json
from typing import Any

import pytest

from hedgerow.policy import (
    AccessRequest,
    Dialect,
    NamedPolicy,
    PolicySet,
    Requester,
    context,
    explain,
    explain_trust,
    parse_policy,
)

THING = "arn:aws:iot:eu-west-1:123456789012:thing/press"
ACTION = "iot:DescribeThing"


def policy(dialect: Dialect, effect: str = "Allow", **elements: Any) -> NamedPolicy:
    statement = {"Effect": effect, "Action": ACTION, **elements}
    if dialect is not Dialect.TRUST:
        statement.setdefault("Resource", THING)
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    return NamedPolicy("p", parse_policy(text, dialect))


ALLOWS = policy(Dialect.IDENTITY)
OTHER = {"Action": "iot:ListThings", "Resource": "*"}
REQUEST = AccessRequest(
    action=ACTION,
    resource=THING,
    variables=context({"aws:SourceIp": "192.0.2.7"}),
    principal=Requester(account="123456789012", arn="arn:aws:iam::123456789012:user/alice"),
)
OFFICE = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}


@pytest.mark.parametrize(
    ("policies", "cause"),
    [
        (PolicySet(identity=(ALLOWS,)), None),
        (PolicySet(identity=()), "no-policy-allows"),
        (PolicySet(identity=(policy(Dialect.IDENTITY, **OTHER),)), "no-policy-allows"),
        (PolicySet(identity=(policy(Dialect.IDENTITY, Resource=THING + "es"),)), "resource"),
        (
            PolicySet(identity=(policy(Dialect.IDENTITY, Resource=f"{THING}${{aws:username}}"),)),
            "variable",
        ),
        (PolicySet(identity=(policy(Dialect.IDENTITY, Condition=OFFICE),)), "condition"),
        (PolicySet(identity=(ALLOWS, policy(Dialect.IDENTITY, "Deny"))), "explicit-deny"),
        (
            PolicySet(identity=(ALLOWS,), boundary=(policy(Dialect.BOUNDARY, **OTHER),)),
            "boundary",
        ),
        (
            PolicySet(identity=(ALLOWS,), session=(policy(Dialect.SESSION, **OTHER),)),
            "session-policy",
        ),
        (
            PolicySet(
                identity=(ALLOWS,),
                endpoint=(policy(Dialect.ENDPOINT, Principal="*", **OTHER),),
            ),
            "endpoint-policy",
        ),
        (
            PolicySet(identity=(ALLOWS,), boundary=(policy(Dialect.BOUNDARY, "Deny"),)),
            "explicit-deny",
        ),
    ],
)
def test_what_decided_has_a_word(policies: PolicySet, cause: str | None) -> None:
    assert explain(policies, REQUEST).cause == cause


@pytest.mark.parametrize(
    ("elements", "cause"),
    [
        ({"Principal": {"AWS": "arn:aws:iam::123456789012:user/alice"}}, None),
        ({"Principal": {"AWS": "arn:aws:iam::123456789012:user/bob"}}, "trust-policy"),
        ({"Principal": {"AWS": "*"}, "Action": "sts:TagSession"}, "trust-policy"),
        (
            {"Principal": {"AWS": "123456789012"}, "Condition": OFFICE},
            "trust-condition",
        ),
        (
            {"Principal": {"AWS": "arn:aws:iam::123456789012:user/bob"}, "Condition": OFFICE},
            "trust-policy",
        ),
    ],
)
def test_a_trust_policy_names_somebody_else_or_asks_for_more(
    elements: dict[str, Any], cause: str | None
) -> None:
    given = {"Action": "sts:AssumeRole", **elements}
    trust = policy(Dialect.TRUST, **given)
    request = AccessRequest(
        action="sts:AssumeRole",
        resource="arn:aws:iam::123456789012:role/keeper",
        variables=REQUEST.variables,
        principal=REQUEST.principal,
    )
    assert explain_trust(trust, request).cause == cause
