"""Whether one policy is within another: what each element of the grammar does to the answer."""

import json
import time
from typing import Any

import pytest

from hedgerow.policy import (
    Dialect,
    NamedPolicy,
    Policy,
    Requester,
    context,
    decide,
    decide_trust,
    parse_policy,
)
from hedgerow.policy.analysis import Inclusion, includes
from hedgerow.policy.analysis.comparison import Comparison

ARN = "arn:aws:iot:eu-west-1:123456789012:"
NAME = "${aws:username}"
MFA = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
NO_MFA = {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}


def _policy(*statements: dict[str, Any], dialect: Dialect = Dialect.IDENTITY) -> Policy:
    text = json.dumps({"Version": "2012-10-17", "Statement": statements})
    return parse_policy(text, dialect)


def _allow(resource: Any = "*", action: Any = "iot:Publish", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def _deny(resource: Any = "*", action: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def _but(resource: Any, action: Any = "iam:*") -> dict[str, Any]:
    return {"Effect": "Allow", "NotAction": action, "NotResource": resource}


def _told_apart(answer: Inclusion, smaller: Policy, larger: Policy) -> bool:
    """Tell whether the answer is no and its witness is one by our own decisions."""
    if answer.holds or answer.witness is None:
        return False
    ours = decide([NamedPolicy("smaller", smaller)], answer.witness)
    theirs = decide([NamedPolicy("larger", larger)], answer.witness)
    return ours.allowed and not theirs.allowed


WITHIN = {
    "the same": ([_allow()], [_allow()]),
    "an action among all": ([_allow()], [_allow(action="*")]),
    "case of actions does not count": ([_allow(action="IOT:PUBLISH")], [_allow()]),
    "a part of a name": ([_allow(ARN + "topic/a/*")], [_allow(ARN + "topic/*")]),
    "in two parts": (
        [_allow(ARN + "topic/?*")],
        [_allow(ARN + "topic/?"), _allow(ARN + "topic/??*")],
    ),
    "actions and resources crosswise": (
        [_allow(ARN + "topic/*", ["iot:Publish", "iot:Receive"])],
        [_allow(ARN + "*", "iot:Receive"), _allow(ARN + "topic/*", "iot:P*")],
    ),
    "a region among all": ([_allow(ARN + "topic/x")], [_allow("arn:aws:iot:*:*:topic/*")]),
    "a variable among all": ([_allow(ARN + f"topic/{NAME}/x")], [_allow(ARN + "topic/*/x")]),
    "a variable in itself": (
        [_allow(ARN + f"topic/{NAME}/x")],
        [_allow(ARN + "topic/${AWS:UserName}/*")],
    ),
    "what is denied on both sides": (
        [_allow(ARN + "topic/*"), _deny(ARN + "topic/secret*")],
        [_allow(ARN + "topic/*"), _deny(ARN + "topic/secret/*")],
    ),
    "what is denied elsewhere": (
        [_allow(ARN + "topic/a*")],
        [_allow(ARN + "*"), _deny(ARN + "topic/b*")],
    ),
    "a denied variable on both sides": (
        [_allow(), _deny(ARN + f"topic/{NAME}*")],
        [_allow(), _deny(ARN + f"topic/{NAME}/*")],
    ),
    "all but more in all but less": ([_but(ARN + "thing/*")], [_but(ARN + "thing/a*")]),
    "a service among all but others": (
        [_allow(ARN + "topic/x", "iot:*")],
        [_but(ARN + "thing/*", ["iam:*", "sts:*"])],
    ),
    "under a condition": ([_allow(Condition=MFA)], [_allow()]),
    "under the same condition": ([_allow(Condition=MFA)], [_allow(Condition=MFA)]),
    "under a stricter condition": (
        [_allow(Condition={"IpAddress": {"aws:SourceIp": "10.1.0.0/16"}})],
        [_allow(Condition={"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "192.0.2.0/24"]}})],
    ),
    "with the second factor where others are denied": (
        [_allow(Condition=MFA)],
        [_allow(), _deny(Condition=NO_MFA)],
    ),
    "what is left by its own deny": (
        [_allow(ARN + "topic/*"), _deny(ARN + "topic/s*")],
        [_but(ARN + "topic/s*")],
    ),
    "what both exempt from a deny": (
        [_allow(), {"Effect": "Deny", "Action": "*", "NotResource": ARN + "thing/a*"}],
        [_allow(), {"Effect": "Deny", "Action": "*", "NotResource": ARN + "thing/*"}],
    ),
    "nothing": ([_deny()], [_allow(ARN + "topic/x")]),
    "what can never be": (
        [_allow(Condition={"Null": {"k:k": "true"}, "StringEquals": {"k:k": "a"}})],
        [_deny()],
    ),
}

BEYOND = {
    "all actions": ([_allow(action="*")], [_allow()]),
    "another action": ([_allow(action="iot:P*")], [_allow()]),
    "more names": ([_allow(ARN + "topic/*")], [_allow(ARN + "topic/a/*")]),
    "the name itself": ([_allow(ARN + "topic/*")], [_allow(ARN + "topic/?*")]),
    "a hole between two parts": (
        [_allow(ARN + "topic/?*")],
        [_allow(ARN + "topic/?"), _allow(ARN + "topic/???*")],
    ),
    "crosswise": (
        [_allow(ARN + "topic/*", ["iot:Publish", "iot:Receive"])],
        [_allow(ARN + "topic/*", "iot:Receive"), _allow(ARN + "topic/a*", "iot:P*")],
    ),
    "every region": ([_allow("arn:aws:iot:*:123456789012:topic/x")], [_allow(ARN + "topic/x")]),
    "a star stays in its part": (
        [_allow("arn:aws:iot:eu-west-1:9:topic:123456789012:thing/a")],
        [_allow("arn:aws:iot:*:123456789012:thing/a")],
    ),
    "a star stays in its part, of some texts": (
        [_allow("arn:aws:iot:eu-west-1:9:?:b")],
        [_allow(["arn:aws:iot:eu-west-1:9:z*", "arn:aws:iot:*:?:b"])],
    ),
    "what is exempt": ([_allow(ARN + "thing/ab")], [_but(ARN + "thing/a*")]),
    "what only the smaller exempts from its deny": (
        [_allow(), {"Effect": "Deny", "Action": "*", "NotResource": ARN + "thing/*"}],
        [_allow(), {"Effect": "Deny", "Action": "*", "NotResource": ARN + "thing/a*"}],
    ),
    "more than no region": (
        [_allow("arn:aws:iot:*:123456789012:topic/x")],
        [_allow("arn:aws:iot::123456789012:topic/x")],
    ),
    "what a deny reaches over parts": (
        [_allow("arn:aws:iot:eu-west-1:9:thing:b")],
        [_allow(), _deny("arn:aws:iot:*:thing:b")],
    ),
    "another variable": (
        [_allow(ARN + f"topic/{NAME}")],
        [_allow(ARN + "topic/${aws:PrincipalTag/team}")],
    ),
    "all but ones own, without the condition": (
        [_but(ARN + f"topic/{NAME}")],
        [{**_but(ARN + f"topic/{NAME}"), "Condition": MFA}],
    ),
    "all but what has no value": (
        [_allow(ARN + "thing/a")],
        [_but(ARN + f"topic/{NAME}")],
    ),
    "all but some in just those": ([_but(ARN + "thing/a*")], [_allow(ARN + "thing/a*", "*")]),
    "what its own deny leaves to others": (
        [_allow(ARN + "topic/*"), _deny(ARN + f"topic/{NAME}*")],
        [_allow(ARN + "thing/*"), _deny(ARN + "topic/*")],
    ),
    "what the other denies first": ([_allow()], [_deny(ARN + f"topic/{NAME}"), _allow()]),
    "any name for one": ([_allow(ARN + f"topic/{NAME}")], [_allow(ARN + "topic/bob")]),
    "one name for ones own": ([_allow(ARN + "topic/bob")], [_allow(ARN + f"topic/{NAME}")]),
    "a name that is denied": (
        [_allow(ARN + f"topic/{NAME}/x")],
        [_allow(ARN + "topic/*"), _deny(ARN + "topic/admin/*")],
    ),
    "what the other denies to ones own": ([_allow()], [_allow(), _deny(ARN + f"topic/{NAME}")]),
    "what is denied": ([_allow(ARN + "topic/*")], [_allow(), _deny(ARN + "topic/secret/*")]),
    "all but less in all but more": ([_but(ARN + "thing/a*")], [_but(ARN + "thing/*")]),
    "without the condition": ([_allow()], [_allow(Condition=MFA)]),
    "under a wider condition": (
        [_allow(Condition={"NumericLessThan": {"aws:MultiFactorAuthAge": "3600"}})],
        [_allow(Condition={"NumericLessThan": {"aws:MultiFactorAuthAge": "600"}})],
    ),
    "before a date": (
        [_allow(Condition={"DateLessThan": {"aws:CurrentTime": "2027-01-01T00:00:00Z"}})],
        [_allow(Condition={"DateLessThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}})],
    ),
    "without the second factor": ([_allow()], [_allow(), _deny(Condition=NO_MFA)]),
    "where its own deny has a condition": (
        [_allow(), _deny(Condition=MFA)],
        [_allow(), _deny()],
    ),
}


@pytest.mark.parametrize("case", WITHIN)
def test_within(case: str) -> None:
    smaller, larger = WITHIN[case]
    answer = includes(_policy(*smaller), _policy(*larger))
    assert answer == Inclusion(holds=True, witness=None, reason="everything is included")


@pytest.mark.parametrize("case", BEYOND)
def test_beyond_with_a_request_that_shows_it(case: str) -> None:
    smaller, larger = (_policy(*statements) for statements in BEYOND[case])
    answer = includes(smaller, larger)
    assert _told_apart(answer, smaller, larger), answer
    comparison = Comparison(smaller, larger)
    assert any(any(comparison.doubts(piece)) for piece in comparison.open_pieces())


def test_what_cannot_be_shown_is_no_without_a_witness() -> None:
    """Two conditions that together leave nothing out: true, but not proven here, so no."""
    either = {"StringEquals": {"k:k": "a"}}
    other = {"StringNotEquals": {"k:k": "a"}}
    answer = includes(_policy(_allow()), _policy(_allow(Condition=either), _allow(Condition=other)))
    assert not answer.holds
    assert answer.witness is None
    assert "could not be shown" in answer.reason


def test_too_many_wildcards_are_an_answer_not_a_wait() -> None:
    """An `a` so far from the end could be anywhere in a window of a thousand letters."""
    smaller = _policy(_allow(ARN + "*" + "?" * 1000))
    larger = _policy(_allow(ARN + "*a" + "?" * 1000), *(_allow(ARN + f"*{one}*") for one in "zq"))
    started = time.process_time()
    answer = includes(smaller, larger)
    assert answer == Inclusion(
        holds=False, witness=None, reason="the policies have too many wildcards to compare"
    ) or _told_apart(answer, smaller, larger)
    assert time.process_time() - started < 2


def test_what_was_not_looked_at_is_not_included(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an end of actions nor one of resources makes a yes."""
    whole = _policy(_allow(ARN + "topic/*", "iot:P*"))
    in_parts = _policy(
        _allow(ARN + "topic/*", "iot:Pu*"),
        _allow([ARN + "topic/?*", ARN + "topic/"], ["iot:P?*", "iot:P"]),
    )
    assert includes(whole, in_parts).holds
    for limit in range(1, 40):
        monkeypatch.setattr("hedgerow.policy.analysis.comparison.KIND_LIMIT", limit)
        answer = includes(whole, in_parts)
        assert answer.holds or answer.reason == "the policies have too many wildcards to compare"
        if limit < 8:
            assert not answer.holds


def test_many_wildcards_are_compared_statement_by_statement() -> None:
    """Actions by many pieces of names make too many kinds, but each statement has its larger."""

    def policy(resource: str, action: str) -> Policy:
        return _policy(
            *(
                _allow(
                    [ARN + resource.format(row, column) for column in range(10)],
                    [action.format(row, column) for column in range(10)],
                )
                for row in range(10)
            )
        )

    smaller, larger = policy("x{}{}*a*b", "iot:*{}{}*"), policy("x{}*{}*", "iot:*{}*{}*")
    assert includes(smaller, larger).holds
    assert not includes(larger, smaller).holds


def _ten_by_ten(star: int) -> Policy:
    return _policy(
        *(
            _allow(
                [f"{ARN}topic/site-{row}/line-{column}/*" for column in range(10)],
                [f"iot:Do{row}{column}{'' if column % star else '*'}" for column in range(10)],
            )
            for row in range(10)
        )
    )


def test_ten_by_ten_in_ten_by_ten_takes_at_most_50_milliseconds() -> None:
    smaller, larger = _ten_by_ten(4), _ten_by_ten(2)
    taken: list[float] = []
    for _ in range(3):
        started = time.process_time()
        assert includes(smaller, larger).holds
        assert includes(larger, smaller).witness is not None
        taken.append((time.process_time() - started) / 2)
    assert min(taken) <= 0.050


# --- principals

LAMP = "arn:aws:iam::123456789012:user/lamp"
GREENGRASS = {"Service": "greengrass.amazonaws.com"}
SOURCE = {"StringEquals": {"aws:SourceAccount": "123456789012"}}


def _trust(principal: Any, **more: Any) -> Policy:
    statement = {
        "Effect": "Allow",
        "Principal": principal,
        "Action": "sts:AssumeRole",
        **more,
    }
    return _policy(statement, dialect=Dialect.TRUST)


@pytest.mark.parametrize(
    ("smaller", "larger", "holds"),
    [
        (_trust(GREENGRASS), _trust(GREENGRASS), True),
        (_trust(GREENGRASS, Condition=SOURCE), _trust(GREENGRASS), True),
        (_trust(GREENGRASS), _trust(GREENGRASS, Condition=SOURCE), False),
        (_trust(GREENGRASS), _trust({"AWS": "123456789012"}), False),
        (_trust({"AWS": LAMP}), _trust({"AWS": [LAMP, LAMP + "2"]}), True),
        (_trust({"AWS": [LAMP, LAMP + "2"]}), _trust({"AWS": LAMP}), False),
        # To be named oneself is more than that one's account is.
        (_trust({"AWS": LAMP}), _trust({"AWS": "123456789012"}), False),
        (_trust({"AWS": "123456789012"}), _trust("*"), True),
    ],
)
def test_trust_policies(smaller: Policy, larger: Policy, *, holds: bool) -> None:
    answer = includes(smaller, larger)
    assert answer.holds is holds
    if answer.witness is not None:
        ours = decide_trust(NamedPolicy("smaller", smaller), answer.witness)
        theirs = decide_trust(NamedPolicy("larger", larger), answer.witness)
        assert ours.allowed
        assert not theirs.allowed or (theirs.by_account and not ours.by_account)
    else:
        assert holds


def test_endpoint_policies_are_for_their_principals() -> None:
    one = _policy(_allow(Principal={"AWS": LAMP}), dialect=Dialect.ENDPOINT)
    anybody = _policy(_allow(Principal="*"), dialect=Dialect.ENDPOINT)
    assert includes(one, anybody).holds
    answer = includes(anybody, one)
    assert answer.witness is not None
    assert answer.witness.principal != Requester(account="123456789012", arn=LAMP)


def test_a_witness_has_a_context_in_lower_case() -> None:
    answer = includes(_policy(_allow(Condition=MFA)), _policy(_allow(ARN + "topic/a")))
    assert answer.witness is not None
    assert answer.witness.variables == context({"aws:multifactorauthpresent": "true"})


def test_case_of_a_condition_s_value_counts_where_its_operator_says_so() -> None:
    def tagged(operator: str, value: str) -> Policy:
        return _policy(_allow(Condition={operator: {"aws:RequestTag/a": value}}))

    exact, like = tagged("StringEquals", "Red"), tagged("StringLike", "R*")
    folded = tagged("StringEqualsIgnoreCase", "rED")
    assert includes(exact, folded).holds
    assert includes(folded, tagged("StringEqualsIgnoreCase", "red")).holds
    assert includes(exact, like).holds
    for smaller, larger in ((folded, exact), (folded, like), (exact, tagged("StringLike", "r*"))):
        assert _told_apart(includes(smaller, larger), smaller, larger)
