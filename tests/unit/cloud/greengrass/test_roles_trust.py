"""What a trust policy says of Greengrass, and what is missing in it."""

import json
from typing import Any

import pytest
from tests.support.roles import trust_policy

from hedgerow.cloud.greengrass.trust import TrustFindings, trust_findings

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"
GROUP = f"arn:aws:greengrass:eu-west-1:{ACCOUNT}:/greengrass/groups/g"


def findings(document: dict[str, Any]) -> TrustFindings:
    return trust_findings(json.dumps(document), role_arn=ROLE, account=ACCOUNT, source=GROUP)


@pytest.mark.spec("L11")
@pytest.mark.parametrize("source", [GROUP, f"arn:aws:greengrass:eu-west-1:{ACCOUNT}:*"])
def test_the_guides_form_has_nothing_to_find(source: str) -> None:
    found = findings(trust_policy(account=ACCOUNT, source=source))
    assert found == TrustFindings(trusts_greengrass=True, warnings=())


@pytest.mark.spec("L11")
def test_what_is_not_pinned_is_named_with_what_to_add() -> None:
    found = findings(trust_policy())
    assert found.trusts_greengrass
    assert len(found.warnings) == 2
    assert f"StringEquals aws:SourceAccount {ACCOUNT}" in found.warnings[0]
    assert f"ArnLike aws:SourceArn {GROUP}" in found.warnings[1]
    (only,) = findings(trust_policy(account=ACCOUNT)).warnings
    assert "aws:SourceArn" in only
    (only,) = findings(trust_policy(source=GROUP)).warnings
    assert "aws:SourceAccount" in only


@pytest.mark.spec("L12")
def test_keys_of_two_accounts_in_one_statement_can_never_match() -> None:
    other = GROUP.replace(ACCOUNT, "999999999999")
    (only,) = findings(trust_policy(account=ACCOUNT, source=other)).warnings
    assert "can never match" in only
    assert "999999999999" in only
    assert findings(trust_policy(account=ACCOUNT, source=GROUP.replace(ACCOUNT, "*"))) == (
        TrustFindings(trusts_greengrass=True, warnings=())
    )


@pytest.mark.parametrize("service", ["lambda.amazonaws.com", "greengrass.amazonaws.com.evil"])
def test_a_role_of_another_service_is_not_greengrasss(service: str) -> None:
    found = findings(trust_policy(account=ACCOUNT, source=GROUP, service=service))
    assert not found.trusts_greengrass
    assert "does not trust greengrass.amazonaws.com" in found.warnings[0]


def test_a_deny_or_another_action_is_no_trust() -> None:
    for member, value in (("Effect", "Deny"), ("Action", "sts:TagSession")):
        document = trust_policy(account=ACCOUNT, source=GROUP)
        document["Statement"][0][member] = value
        assert not findings(document).trusts_greengrass


@pytest.mark.parametrize(
    "condition",
    [
        {"StringNotEquals": {"aws:SourceAccount": ACCOUNT}, "ArnLike": {"aws:SourceArn": GROUP}},
        {"StringEqualsIfExists": {"aws:SourceAccount": ACCOUNT}, "ArnLike": {"aws:SourceArn": "*"}},
        {"Null": {"aws:SourceAccount": "false", "aws:SourceArn": "false"}},
    ],
)
def test_an_operator_that_holds_nobody_to_anything_does_not_count(
    condition: dict[str, Any],
) -> None:
    document = trust_policy()
    document["Statement"][0]["Condition"] = condition
    assert any("aws:SourceAccount" in warning for warning in findings(document).warnings)


def test_every_statement_counts_in_any_spelling() -> None:
    """One that is pinned does not make up for one that is not."""
    loose, tight = trust_policy(), trust_policy(account=ACCOUNT, source=GROUP)
    loose["Statement"] += tight["Statement"]
    assert len(findings(loose).warnings) == 2
    single = tight | {"Statement": tight["Statement"][0]}
    single["Statement"]["Principal"] = {
        "Service": ["lambda.amazonaws.com", "greengrass.amazonaws.com"]
    }
    single["Statement"]["Action"] = ["STS:assumerole"]
    single["Statement"]["Condition"] = {
        "stringequals": {"AWS:SOURCEACCOUNT": [ACCOUNT]},
        "arnequals": {"aws:sourcearn": [GROUP]},
    }
    assert findings(single) == TrustFindings(trusts_greengrass=True, warnings=())
