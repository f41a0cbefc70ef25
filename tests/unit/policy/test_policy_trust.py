"""Trust policies: who is named, how, and what a deny does."""

from typing import Any

import pytest
from tests.support.policies import asking, attached

from hedgerow.policy import (
    AccessRequest,
    Dialect,
    NamedPolicy,
    Requester,
    decide,
    decide_trust,
)

ACCOUNT = "111122223333"
ALICE = Requester(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/alice")
SESSION = Requester(
    ACCOUNT,
    f"arn:aws:sts::{ACCOUNT}:assumed-role/Deployer/run-1",
    role_arn=f"arn:aws:iam::{ACCOUNT}:role/Deployer",
)
OTHER = Requester("444455556666", "arn:aws:iam::444455556666:user/alice")
GREENGRASS = Requester("", "", service="greengrass.amazonaws.com")
ROLE = f"arn:aws:iam::{ACCOUNT}:role/Wanted"


def trusting(principal: Any, effect: str = "Allow", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Principal": principal, "Action": "sts:AssumeRole", **more}


def trust(*statements: Any) -> NamedPolicy:
    return attached(*statements, name="role/Wanted", dialect=Dialect.TRUST)


def assuming(who: Requester | None, **values: str) -> AccessRequest:
    return asking("sts:AssumeRole", ROLE, principal=who, **values)


@pytest.mark.parametrize(
    ("principal", "directly", "by_account"),
    [
        ({"AWS": ACCOUNT}, [], [ALICE, SESSION]),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, [], [ALICE, SESSION]),
        ({"AWS": ALICE.arn}, [ALICE], []),
        ({"AWS": SESSION.role_arn}, [SESSION], []),
        ({"AWS": SESSION.arn}, [SESSION], []),
        ({"AWS": [ALICE.arn, "444455556666"]}, [ALICE], [OTHER]),
        ({"AWS": [ALICE.arn, ACCOUNT]}, [ALICE], [SESSION]),
        ({"Service": "greengrass.amazonaws.com"}, [GREENGRASS], []),
        ({"Service": "iot.amazonaws.com"}, [], []),
        ({"Federated": ALICE.arn, "CanonicalUser": ACCOUNT}, [], []),
        ("*", [], [ALICE, SESSION, OTHER, GREENGRASS, None]),
        ({"AWS": "*"}, [], [ALICE, SESSION, OTHER, GREENGRASS, None]),
    ],
)
def test_a_principal_is_named_directly_or_by_the_account(
    principal: Any, directly: list[Requester], by_account: list[Requester | None]
) -> None:
    policy = trust(trusting(principal))
    for who in (ALICE, SESSION, OTHER, GREENGRASS, None):
        decision = decide_trust(policy, assuming(who))
        assert decision.allowed is (who in directly or who in by_account), who
        assert decision.by_account is (who in by_account), who
        assert decision.layer == "trust"


def test_a_service_cannot_be_taken_for_an_account_nor_an_account_for_a_service() -> None:
    assert not decide_trust(trust(trusting({"AWS": ACCOUNT})), assuming(GREENGRASS)).allowed
    posing = Requester(ACCOUNT, "greengrass.amazonaws.com")
    policy = trust(trusting({"Service": "greengrass.amazonaws.com"}))
    assert not decide_trust(policy, assuming(posing)).allowed


def test_to_be_named_directly_counts_more_than_by_the_account() -> None:
    policy = trust(trusting({"AWS": ACCOUNT}), trusting({"AWS": ALICE.arn}, Sid="Alice"))
    decision = decide_trust(policy, assuming(ALICE))
    assert (decision.statement, decision.by_account) == ("Alice", False)
    assert decision.reason == "allowed by Alice of trust policy role/Wanted"
    assert decide_trust(policy, assuming(SESSION)).by_account


def test_a_deny_wins_and_other_actions_are_not_meant() -> None:
    policy = trust(trusting({"AWS": ACCOUNT}), trusting({"AWS": ALICE.arn}, "Deny", Sid="NotAlice"))
    decision = decide_trust(policy, assuming(ALICE))
    assert decision.effect == "explicit-deny"
    assert decision.reason == (
        f"explicit deny by NotAlice of trust policy role/Wanted: sts:AssumeRole on {ROLE}"
    )
    assert decide_trust(policy, assuming(SESSION)).allowed
    tagging = asking("sts:TagSession", ROLE, principal=SESSION)
    assert decide_trust(policy, tagging).reason == (
        f"no trust policy allows sts:TagSession on {ROLE}"
    )


def test_not_principal_denies_everybody_else() -> None:
    policy = trust(
        trusting("*"),
        {
            "Effect": "Deny",
            "NotPrincipal": {"AWS": [ALICE.arn, str(SESSION.role_arn)]},
            "Action": "sts:*",
        },
    )
    assert decide_trust(policy, assuming(ALICE)).allowed
    assert decide_trust(policy, assuming(SESSION)).allowed
    for who in (OTHER, GREENGRASS, None):
        assert decide_trust(policy, assuming(who)).effect == "explicit-deny"
    accounts = trust(
        trusting("*"),
        {"Effect": "Deny", "NotPrincipal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"},
    )
    assert decide_trust(accounts, assuming(ALICE)).allowed
    assert not decide_trust(accounts, assuming(OTHER)).allowed


def test_the_guide_s_service_role_is_safe_from_a_confused_deputy() -> None:
    """Guide pages service-role and cross-service-confused-deputy-prevention."""
    policy = trust(
        trusting(
            {"Service": "greengrass.amazonaws.com"},
            Condition={
                "StringEquals": {"aws:SourceAccount": ACCOUNT},
                "ArnLike": {"aws:SourceArn": f"arn:aws:greengrass:us-east-1:{ACCOUNT}:*"},
            },
        )
    )
    assert policy.policy.warnings == ()
    group = "/greengrass/groups/g"
    for account, source, allowed in (
        (ACCOUNT, f"arn:aws:greengrass:us-east-1:{ACCOUNT}:{group}", True),
        ("444455556666", f"arn:aws:greengrass:us-east-1:{ACCOUNT}:{group}", False),
        (ACCOUNT, f"arn:aws:greengrass:us-east-1:444455556666:{group}", False),
        (ACCOUNT, f"arn:aws:greengrass:eu-west-1:{ACCOUNT}:{group}", False),
    ):
        request = assuming(GREENGRASS, aws__SourceAccount=account, aws__SourceArn=source)
        assert decide_trust(policy, request).allowed is allowed
    assert not decide_trust(policy, assuming(GREENGRASS)).allowed


def test_an_external_id_and_mfa_can_be_asked_for() -> None:
    policy = trust(
        trusting(
            {"AWS": OTHER.account},
            Condition={
                "StringEquals": {"sts:ExternalId": "s3cret"},
                "Bool": {"aws:MultiFactorAuthPresent": "true"},
            },
        )
    )
    both = {"sts__ExternalId": "s3cret", "aws__MultiFactorAuthPresent": "true"}
    assert decide_trust(policy, assuming(OTHER, **both)).allowed
    for name in both:
        less = {key: value for key, value in both.items() if key != name}
        assert not decide_trust(policy, assuming(OTHER, **less)).allowed


def test_every_statement_is_read_whatever_those_before_it_speak_of() -> None:
    unmet = trusting({"AWS": ALICE.arn}, Condition={"StringEquals": {"sts:ExternalId": "x"}})
    others = [trusting({"AWS": OTHER.arn}), unmet]
    assert decide_trust(trust(*others, trusting({"AWS": ACCOUNT})), assuming(ALICE)).allowed
    denied = trust(trusting({"AWS": ACCOUNT}), *others, trusting({"AWS": ALICE.arn}, "Deny"))
    assert decide_trust(denied, assuming(ALICE)).effect == "explicit-deny"


@pytest.mark.parametrize("principal", [ALICE.arn, ACCOUNT])
def test_the_first_statement_that_allows_is_the_one_that_is_named(principal: str) -> None:
    policy = trust(*(trusting({"AWS": principal}, Sid=sid) for sid in ("One", "Two")))
    assert decide_trust(policy, assuming(ALICE)).statement == "One"


def test_principals_are_shown_in_order() -> None:
    names = [f"arn:aws:iam::{ACCOUNT}:user/{name}" for name in "dcba"]
    policy = trust(trusting({"AWS": [*names, "444455556666"], "Service": "iot.amazonaws.com"}))
    shown = str(policy.policy.statements[0].principals)
    assert shown == ", ".join(["444455556666", *sorted(names), "iot.amazonaws.com"])
    anybody = trust(trusting({"AWS": ["*", ACCOUNT]}))
    assert str(anybody.policy.statements[0].principals) == f"*, {ACCOUNT}"


@pytest.mark.parametrize("dialect", [Dialect.TRUST, Dialect.ENDPOINT])
def test_all_but_everybody_is_nobody(dialect: Dialect) -> None:
    """Whom `*` leaves out is nobody, so that nobody is denied; to whom it gives is everybody."""
    resource = {} if dialect is Dialect.TRUST else {"Resource": "*"}
    policy = attached(
        trusting("*", **resource),
        {"Effect": "Deny", "NotPrincipal": "*", "Action": "sts:*", **resource},
        dialect=dialect,
    )
    for who in (ALICE, SESSION, GREENGRASS, None):
        assert decide_trust(policy, assuming(who)).allowed
        assert decide([policy], assuming(who)).allowed
        assert decide([policy], assuming(who)) is decide([policy], assuming(who))


@pytest.mark.parametrize("effect", ["Allow", "Deny"])
def test_a_statement_without_resources_is_found_among_many(effect: str) -> None:
    """They are looked up by their resources where there are many, and speak of every one."""
    many = [trusting({"AWS": OTHER.arn}, effect, Sid=f"S{number}") for number in range(9)]
    policy = trust(
        trusting({"AWS": [ALICE.arn, ACCOUNT]}), *many, trusting({"AWS": ALICE.arn}, effect)
    )
    wanted = "allow" if effect == "Allow" else "explicit-deny"
    assert decide([policy], assuming(ALICE)).effect == wanted
    assert decide([policy], assuming(SESSION)).allowed
