"""Identity policies give; a boundary, session and endpoint policies only take away."""

from itertools import product
from typing import Any

import pytest
from tests.support.policies import asking, attached, statement

from hedgerow.policy import Dialect, NamedPolicy, PolicySet, Requester, decide

ALLOW = "Allow"
DENY = "Deny"
NOTHING = "nothing"
ABSENT = "absent"
STATES = (ABSENT, ALLOW, DENY, NOTHING)
LAYERS = ("boundary", "session", "endpoint")
DIALECTS = {
    "boundary": Dialect.BOUNDARY,
    "session": Dialect.SESSION,
    "endpoint": Dialect.ENDPOINT,
}


def layer(name: str, state: str) -> tuple[NamedPolicy, ...] | None:
    if state == ABSENT:
        return None
    given: dict[str, Any] = statement(
        "Deny" if state == DENY else "Allow", "iam:*" if state == NOTHING else "iot:*"
    )
    if name == "endpoint":
        given["Principal"] = "*"
    dialect = DIALECTS.get(name, Dialect.IDENTITY)
    return (attached(given, name=f"the-{name}", dialect=dialect),)


def test_every_combination_of_layers() -> None:
    """A deny anywhere decides; otherwise each layer that is there has to allow."""
    for states in product((ALLOW, DENY, NOTHING), STATES, STATES, STATES):
        named = dict(zip(("identity", *LAYERS), states, strict=True))
        policies = PolicySet(
            identity=layer("identity", named["identity"]) or (),
            boundary=layer("boundary", named["boundary"]),
            session=layer("session", named["session"]),
            endpoint=layer("endpoint", named["endpoint"]),
        )
        decision = decide(policies, asking())
        present = {name: state for name, state in named.items() if state != ABSENT}
        if DENY in present.values():
            first = next(name for name, state in present.items() if state == DENY)
            assert (decision.effect, decision.layer) == ("explicit-deny", first)
            assert decision.policy == f"the-{first}"
        elif NOTHING in present.values():
            first = next(name for name, state in present.items() if state == NOTHING)
            assert (decision.effect, decision.layer) == ("implicit-deny", first)
        else:
            assert (decision.effect, decision.layer) == ("allow", "identity")
            assert (decision.policy, decision.statement) == ("the-identity", "Statement[0]")
        assert decision.allowed is (decision.effect == "allow")


@pytest.mark.parametrize("name", LAYERS)
def test_an_empty_layer_allows_nothing(name: str) -> None:
    policies = PolicySet(identity=layer("identity", ALLOW) or (), **{name: ()})
    decision = decide(policies, asking())
    assert not decision.allowed
    assert "is attached, so none allows iot:CreateThing" in decision.reason
    assert decision.layer == name


def test_reasons_name_the_kind_of_policy() -> None:
    identity = layer("identity", ALLOW) or ()
    reasons = {
        decide(PolicySet(identity, boundary=layer("boundary", NOTHING)), asking()).reason,
        decide(PolicySet(identity, session=layer("session", DENY)), asking()).reason,
        decide(PolicySet(identity, endpoint=layer("endpoint", NOTHING)), asking()).reason,
        decide(PolicySet(()), asking()).reason,
    }
    assert reasons == {
        "no permissions boundary allows iot:CreateThing on *",
        "explicit deny by Statement[0] of session policy the-session: iot:CreateThing on *",
        "no endpoint policy allows iot:CreateThing on *",
        "no policy is attached, so none allows iot:CreateThing on *",
    }


def test_a_boundary_alone_gives_nothing() -> None:
    assert not decide(PolicySet((), boundary=layer("boundary", ALLOW)), asking()).allowed


def test_the_guide_s_endpoint_policy_and_one_for_a_single_user() -> None:
    """Guide page vpc-interface-endpoints."""
    identity = (attached(statement(action="*")),)
    actions = ["greengrass:CreateDeployment", "greengrass:StartBulkDeployment"]
    open_to_all = attached(
        statement(action=actions, Principal="*"), dialect=Dialect.ENDPOINT, name="endpoint"
    )
    alice = Requester("111122223333", "arn:aws:iam::111122223333:user/alice")
    bob = Requester("111122223333", "arn:aws:iam::111122223333:user/bob")
    policies = PolicySet(identity, endpoint=(open_to_all,))
    assert decide(policies, asking("greengrass:CreateDeployment", principal=bob)).allowed
    assert not decide(policies, asking("greengrass:GetGroup", principal=bob)).allowed
    only_alice = attached(
        statement(action="*", Principal={"AWS": alice.arn}), dialect=Dialect.ENDPOINT
    )
    policies = PolicySet(identity, endpoint=(only_alice,))
    for _ in range(2):
        assert decide(policies, asking("greengrass:GetGroup", principal=alice)).allowed
        assert not decide(policies, asking("greengrass:GetGroup", principal=bob)).allowed
        assert not decide(policies, asking("greengrass:GetGroup")).allowed


def test_a_door_s_answer_to_one_is_not_given_to_another() -> None:
    alice = Requester("111122223333", "arn:aws:iam::111122223333:user/alice")
    bob = Requester("111122223333", "arn:aws:iam::111122223333:user/bob")
    for_alice = statement(action="iot:X", Principal={"AWS": alice.arn})
    for_all = statement(
        action="iot:X", resource="arn:aws:iot:us-east-1:111122223333:thing/a", Principal="*"
    )
    but_alice: dict[str, Any] = {"Effect": "Deny", "Action": "iot:X", "Resource": "*"}
    but_alice["NotPrincipal"] = {"AWS": alice.arn}
    identity = (attached(statement(action="*")),)
    for statements in ((for_alice, for_all), (for_all, for_alice), (for_alice, but_alice)):
        door = attached(*statements, dialect=Dialect.ENDPOINT)
        policies = PolicySet(identity, endpoint=(door,))
        for _ in range(3):
            assert decide(policies, asking("iot:X", principal=alice)).allowed
            assert not decide(policies, asking("iot:X", principal=bob)).allowed
