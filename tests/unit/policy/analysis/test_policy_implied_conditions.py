"""Conditions and patterns side by side: what is certain is never refuted by any request."""

import json
from itertools import product
from typing import Any, Literal

from hedgerow.policy import Dialect, context, parse_policy
from hedgerow.policy.analysis.containment import contains, may_overlap
from hedgerow.policy.analysis.implication import Held, excluded, implied
from hedgerow.policy.conditions import Condition
from hedgerow.policy.patterns import Reading, make_pattern

A, B, KEYS = "aws:RequestTag/a", "aws:RequestTag/b", "aws:TagKeys"
EFFECTS: tuple[Literal["Allow", "Deny"], ...] = ("Allow", "Deny")


def _conditions() -> list[Condition]:
    blocks: list[dict[str, Any]] = [
        {operator: {key: values}}
        for operator in (
            "StringEquals", "StringNotEquals", "StringLike", "StringNotLike",
            "StringEqualsIgnoreCase", "StringEqualsIfExists", "StringNotEqualsIgnoreCase",
        )
        for key in (A, B)
        for values in ("x", "X*", ["x", "y"], "${aws:RequestTag/b}")
    ]  # fmt: skip
    blocks += [
        {operator: {KEYS: values}}
        for operator in (
            "ForAllValues:StringEquals", "ForAnyValue:StringEquals", "StringEquals",
            "ForAllValues:StringNotEquals", "ForAnyValue:StringNotEquals",
        )
        for values in ("x", ["x", "y"])
    ]  # fmt: skip
    blocks += [{"Null": {key: value}} for key in (A, KEYS) for value in ("true", "false")]
    blocks += [
        {operator: {A: value}}
        for operator in ("NumericLessThan", "NumericGreaterThanEquals", "NumericEquals")
        for value in (1, 2)
    ]
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    texts = [
        json.dumps({"Version": "2012-10-17", "Statement": {**statement, "Condition": block}})
        for block in blocks
    ]
    return [parse_policy(one, Dialect.IDENTITY).statements[0].conditions[0] for one in texts]


VALUES = (None, "", "x", "X", "xy", "y", "z", "0", "1", "2", "3")
CONTEXTS = [
    context({key: value for key, value in zip((A, B), pair, strict=True) if value is not None})
    for pair in product(VALUES, (None, "x", "y"))
] + [context({KEYS: list(keys)}) for size in range(3) for keys in product("xyz", repeat=size)]


def test_an_implied_condition_holds_and_an_excluded_one_does_not() -> None:
    held = [(Held(one, effect), one) for one in _conditions() for effect in EFFECTS]
    facts = {
        (number): {at for at, one in enumerate(CONTEXTS) if each.holds(one, given.effect)}
        for number, (given, each) in enumerate(held)
    }
    yes = never = 0
    for (first, (given, _)), (second, (wanted, _)) in product(enumerate(held), repeat=2):
        if implied(wanted, [given]):
            yes += first != second
            assert facts[first] <= facts[second], (given, wanted)
        if excluded(wanted, [given]):
            never += 1
            assert facts[first].isdisjoint(facts[second]), (given, wanted)
    assert yes > 100
    assert never > 50


def test_what_a_pattern_contains_or_meets() -> None:
    texts = ["".join(one) for size in range(6) for one in product("ab", repeat=size)]
    alphabet = ("a", "b", "*", "?")
    patterns = [
        make_pattern("".join(one), Reading())
        for size in range(4)
        for one in product(alphabet, repeat=size)
    ]
    matched = [{one for one in texts if each.matches(one, {})} for each in patterns]
    within = meeting = 0
    for (ours, one), (theirs, other) in product(zip(matched, patterns, strict=True), repeat=2):
        if contains(one, other):
            within += 1
            assert theirs <= ours, (one, other)
        if not may_overlap(one, other):
            assert ours.isdisjoint(theirs), (one, other)
        elif ours & theirs:
            meeting += 1
    pairs = list(product(matched, repeat=2))
    assert within > 0.9 * sum(theirs <= ours for ours, theirs in pairs)
    assert meeting == sum(bool(ours & theirs) for ours, theirs in pairs)
