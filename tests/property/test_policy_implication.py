"""Conditions against trying values: what is implied always follows, what is excluded never holds.

Each condition that is said to follow from another is tried on many values of the request, with
the key absent, with one value, and with several.
"""

import json
from itertools import product
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from hedgerow.policy import Context, Dialect, context, parse_policy
from hedgerow.policy.analysis.implication import Held, excluded, implied
from hedgerow.policy.conditions import Effect

ORDERS = ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals")
DATES = ("2026-01-01T00:00:00Z", "2026-06-01", "1780272000", "2027-01-01T01:00:00+01:00")
ROLES = ("arn:aws:iam::1:role/a", "arn:aws:iam::1:role/b", "arn:aws:iam::2:role/a")
ARNS = (*ROLES, "arn:aws:iam::x:1:role/a", "arn:aws:s3:::bucket", "no ARN")
FAMILIES: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    # operators; values in policies; values in requests
    "text": (
        ("StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"),
        ("a", "b", "A", "${x:other}"),
        ("a", "b", "A", "ab", ""),
    ),
    "pattern": (
        ("StringLike", "StringNotLike", "StringEquals", "StringNotEquals"),
        ("a", "a*", "*b", "?", "*", "${x:other}*", "${x:other}"),
        ("a", "b", "ab", "aab", "", "?", "*"),
    ),
    "number": (
        tuple(f"Numeric{one}" for one in ORDERS),
        ("0", "1", "1.0", "5"),
        ("0", "1", "3", "x"),
    ),
    "moment": (tuple(f"Date{one}" for one in ORDERS), DATES, (*DATES, "2026-03-01", "never")),
    "network": (
        ("IpAddress", "NotIpAddress"),
        ("10.0.0.0/8", "10.0.0.0/24", "10.0.0.1", "0.0.0.0/0", "2001:db8::/32"),
        ("10.0.0.1", "10.0.1.1", "192.0.2.1", "2001:db8::1", "nowhere"),
    ),
    "arn": (
        ("ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"),
        (*ROLES, "arn:aws:iam::*:role/*", "arn:aws:iam::?:role/a", "arn:aws:*:*:*:role/a"),
        ARNS,
    ),
    "truth": (("Bool",), ("true", "false"), ("true", "false", "True", "maybe")),
    "bytes": (("BinaryEquals",), ("YQ==", "Yg=="), ("YQ==", "Yg==", "?")),
    "mixed": (
        ("StringEquals", "StringNotLike", "NumericEquals", "NumericNotEquals", "Bool", "Null"),
        ("true", "1", "5", "a"),
        ("true", "1", "01", "5", "a", ""),
    ),
    "presence": (("Null", "StringEquals", "StringNotLike"), ("true", "false"), ("true", "a", "")),
}
SETS = ("", "", "", "ForAllValues:", "ForAnyValue:")
EFFECTS: tuple[tuple[Effect, Effect], ...] = (
    ("Allow", "Allow"),
    ("Allow", "Deny"),
    ("Deny", "Deny"),
    ("Deny", "Allow"),
)


@st.composite
def _condition(draw: st.DrawFn, family: str) -> dict[str, Any]:
    operators, values, _ = FAMILIES[family]
    operator = draw(st.sampled_from(operators))
    listed = draw(st.lists(st.sampled_from(values), min_size=1, max_size=2))
    listed = _readable(operator, listed) if family == "mixed" else listed
    if operator != "Null":
        suffix = draw(st.sampled_from(["", "", "IfExists"]))
        operator = draw(st.sampled_from(SETS)) + operator + suffix
    return {operator: {"x:key": listed}}


def _readable(operator: str, listed: list[str]) -> list[str]:
    """Return the values that the operator can read."""
    if "Numeric" in operator:
        return [one for one in listed if one.isdigit()] or ["1"]
    if operator in ("Bool", "Null"):
        return [one for one in listed if one == "true"] or ["false"]
    return listed


def _held(block: dict[str, Any], effect: Effect) -> Held:
    statement = {"Effect": effect, "Action": "*", "Resource": "*", "Condition": block}
    text = json.dumps({"Version": "2012-10-17", "Statement": statement})
    (condition,) = parse_policy(text, Dialect.IDENTITY).statements[0].conditions
    return Held(condition, effect)


def _contexts(family: str) -> list[Context]:
    values = FAMILIES[family][2]
    several = [*product(values, repeat=2), ()]
    keys: list[dict[str, Any]] = [{}, *({"x:key": one} for one in (*values, *several))]
    others: list[dict[str, Any]] = [{}, {"x:other": "a"}, {"x:other": "A"}, {"x:other": ""}]
    return [context({**one, **other}) for one in keys for other in others]


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=120, deadline=None)
@given(st.data())
def test_what_is_implied_follows_and_what_is_excluded_never_holds(
    family: str, data: st.DataObject
) -> None:
    first, second = data.draw(_condition(family)), data.draw(_condition(family))
    effects = data.draw(st.sampled_from(EFFECTS))
    given_one, wanted = _held(first, effects[0]), _held(second, effects[1])
    follows = implied(wanted, [given_one])
    apart = excluded(_held(second, "Deny"), [_held(first, "Allow")])
    event(f"implied {follows}, excluded {apart}")
    for facts in _contexts(family):
        if follows and given_one.condition.holds(facts, effects[0]):
            assert wanted.condition.holds(facts, effects[1]), (first, second, facts)
        if apart and given_one.condition.holds(facts, "Allow"):
            assert not wanted.condition.holds(facts, "Deny"), (first, second, facts)


@pytest.mark.parametrize(
    ("given_block", "wanted_block"),
    [
        ({"StringEquals": {"k:k": "ab"}}, {"StringLike": {"k:k": "a*"}}),
        ({"StringEquals": {"k:k": "ab"}}, {"StringNotEquals": {"k:k": ["x", "y"]}}),
        ({"StringEquals": {"k:k": "A"}}, {"StringEqualsIgnoreCase": {"k:k": "a"}}),
        ({"StringEquals": {"k:k": "a"}}, {"StringEqualsIfExists": {"k:k": ["a", "b"]}}),
        ({"StringEquals": {"k:k": "a"}}, {"Null": {"k:k": "false"}}),
        ({"StringNotLike": {"k:k": "a*"}}, {"StringNotEquals": {"k:k": "ab"}}),
        ({"NumericLessThan": {"k:k": "5"}}, {"NumericLessThanEquals": {"k:k": "7"}}),
        ({"NumericEquals": {"k:k": "5"}}, {"NumericGreaterThan": {"k:k": "4.5"}}),
        ({"DateLessThan": {"k:k": "2026-01-01"}}, {"DateLessThan": {"k:k": "2027-01-01"}}),
        ({"IpAddress": {"k:k": "10.1.0.0/16"}}, {"IpAddress": {"k:k": "10.0.0.0/8"}}),
        ({"IpAddress": {"k:k": "10.1.0.0/16"}}, {"NotIpAddress": {"k:k": "192.0.2.0/24"}}),
        ({"ArnEquals": {"k:k": ROLES[0]}}, {"ArnLike": {"k:k": "arn:aws:iam::*:role/*"}}),
        ({"Bool": {"k:k": "TRUE"}}, {"Bool": {"k:k": "true"}}),
    ],
)
def test_these_follow(given_block: dict[str, Any], wanted_block: dict[str, Any]) -> None:
    assert implied(_held(wanted_block, "Allow"), [_held(given_block, "Allow")])
    assert not implied(_held(given_block, "Allow"), [_held(wanted_block, "Allow")]) or (
        "Bool" in given_block
    )


@pytest.mark.parametrize("block", ["StringEquals", "StringNotEquals", "StringNotEqualsIfExists"])
def test_conditions_on_other_keys_say_nothing(block: str) -> None:
    for first, second in product(("a", "b"), repeat=2):
        one = _held({block: {"x:key": first}}, "Allow")
        other = _held({"StringEquals": {"x:other": second}}, "Allow")
        assert not implied(other, [one])
        assert not implied(one, [other])
        assert not excluded(Held(other.condition, "Deny"), [one])
        assert not excluded(Held(one.condition, "Deny"), [other])


def test_a_deny_that_may_be_in_doubt_gives_no_allow() -> None:
    """`never` is no number: the deny's condition is taken to hold, the allow's is not."""
    deny = _held({"NumericEquals": {"x:key": "1"}}, "Deny")
    assert not implied(Held(deny.condition, "Allow"), [deny])
    assert implied(deny, [Held(deny.condition, "Allow")])


DEVICE_TEXT = "${iot:ClientId}"


def _of_device(block: dict[str, Any], effect: Effect) -> Held:
    statement = {"Effect": effect, "Action": "*", "Resource": "*", "Condition": block}
    text = json.dumps({"Version": "2012-10-17", "Statement": statement})
    (condition,) = parse_policy(text, Dialect.IOT).statements[0].conditions
    return Held(condition, effect)


def test_a_device_takes_other_values_than_others_do() -> None:
    """`+` is no client id in a policy of AWS IoT, and is one in an IAM policy."""
    key = "iot:Connection.Thing.ThingName"
    block = {"StringEquals": {key: DEVICE_TEXT}}
    ours, theirs = _of_device(block, "Allow"), _held(block, "Allow")
    assert not implied(ours, [theirs])
    plain = {"StringEquals": {key: "lamp"}}
    assert implied(_of_device(plain, "Allow"), [_held(plain, "Allow")])


def test_a_device_s_doubt_keeps_a_deny_from_being_excluded() -> None:
    key = "iot:Connection.Thing.ThingName"
    given_one = _of_device({"StringEquals": {key: DEVICE_TEXT}}, "Allow")
    unwanted = _of_device({"StringNotEquals": {key: DEVICE_TEXT}}, "Deny")
    assert not excluded(unwanted, [given_one])
