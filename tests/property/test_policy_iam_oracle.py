"""IAM policies in layers agree with an oracle that is written here, naively, from the rules.

The oracle shares no code with the engine: it reads the JSON itself, matches wildcards by trying
everything, tries every statement, and puts variables in before it matches.
"""

import json
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from hedgerow.policy import (
    AccessRequest,
    Dialect,
    NamedPolicy,
    PolicySet,
    context,
    decide,
    explain,
    parse_policy,
)

Facts = dict[str, str | list[str]]
ARN = "arn:aws:iot:"
NAME = "aws:username"
TAG = "aws:RequestTag/env"
TAGS = "aws:TagKeys"
AGE = "aws:MultiFactorAuthAge"
PARTS = 6


# --- the oracle


def _wild(pattern: list[str], text: str) -> bool:
    """Match letters, ANY and ONE by trying every length for ANY (a table keeps it finite)."""
    reached = {0}
    for part in pattern:
        if part == "ANY":
            reached = {end for start in reached for end in range(start, len(text) + 1)}
        elif part == "ONE":
            reached = {start + 1 for start in reached if start < len(text)}
        else:
            reached = {at + 1 for at in reached if at < len(text) and text[at] == part}
    return len(text) in reached


def _put_in(pattern: str, facts: Facts, *, wildcards: bool = True) -> list[str] | None:
    """Return letters and wildcards, with values as letters; None if one has no value.

    An empty text is no value.
    """
    letters: list[str] = []
    while pattern:
        for written, key, default in (
            ("${aws:username}", NAME, None),
            ("${aws:username, 'b'}", NAME, "b"),
        ):
            if pattern.startswith(written):
                value = facts.get(key) or default
                if not isinstance(value, str):
                    return None
                letters += list(value)
                pattern = pattern[len(written) :]
                break
        else:
            kinds = {"*": "ANY", "?": "ONE"} if wildcards else {}
            letters.append(kinds.get(pattern[0], pattern[0]))
            pattern = pattern[1:]
    return letters


def _by_part(pattern: list[str], resource: str) -> bool:
    parts: list[list[str]] = [[]]
    for letter in pattern:
        if letter == ":" and len(parts) < PARTS:
            parts.append([])
        else:
            parts[-1].append(letter)
    subjects = resource.split(":", PARTS - 1)
    return len(subjects) == PARTS and all(
        _wild(part, subject) for part, subject in zip(parts, subjects, strict=True)
    )


def _one_resource(pattern: str, resource: str, facts: Facts, *, more: bool) -> bool:
    if pattern == "*":
        return True
    letters = _put_in(pattern, facts)
    if letters is None:
        return False
    return _wild(letters, resource) if more else _by_part(letters, resource)


def _resource(statement: dict[str, Any], resource: str, facts: Facts) -> bool:
    deny = statement["Effect"] == "Deny"
    if "Resource" in statement:
        return any(_one_resource(p, resource, facts, more=deny) for p in statement["Resource"])
    exempt = statement["NotResource"]
    if not deny and any(_put_in(pattern, facts) is None for pattern in exempt):
        return False
    return not any(_one_resource(p, resource, facts, more=not deny) for p in exempt)


def _action(statement: dict[str, Any], action: str) -> bool:
    listed = statement["Action"] if "Action" in statement else statement["NotAction"]
    found = any(
        _wild([{"*": "ANY", "?": "ONE"}.get(c, c) for c in one.lower()], action.lower())
        for one in listed
    )
    return found is ("Action" in statement)


def _equal(operator: str, wanted: str, value: str, facts: Facts) -> bool | None:
    if operator.startswith("Numeric"):
        if not value.lstrip("-").isdigit():
            return None
        return int(value) < int(wanted) if "Less" in operator else int(value) == int(wanted)
    letters = _put_in(wanted, facts, wildcards="Like" in operator)
    if letters is None:
        return False
    if "IgnoreCase" in operator:
        return _wild([one.lower() for one in letters], value.lower())
    return _wild(letters, value)


def _one_value(operator: str, wanted: list[str], value: str, facts: Facts, effect: str) -> bool:
    answers = [_equal(operator, one, value, facts) for one in wanted]
    if True in answers:
        return "Not" not in operator
    if None in answers:
        return effect == "Deny"
    return "Not" in operator


def _condition(name: str, key: str, wanted: list[str], facts: Facts, effect: str) -> bool:
    which, _, operator = name.rpartition(":")
    given = facts.get(key)
    values = [] if given is None else [given] if isinstance(given, str) else given
    if operator == "Null":
        return ("true" if not values else "false") in wanted
    if not values:
        if operator.endswith("IfExists") or which == "ForAllValues":
            return True
        return which != "ForAnyValue" and "Not" in operator
    if which == "ForAllValues" and effect == "Deny":
        values = [value for value in values if value]
    answers = [_one_value(operator, wanted, value, facts, effect) for value in values]
    if which == "ForAnyValue" or (not which and effect == "Deny"):
        return any(answers)
    return all(answers)


def _applies(statement: dict[str, Any], action: str, resource: str, facts: Facts) -> bool:
    return (
        _action(statement, action)
        and _resource(statement, resource, facts)
        and all(
            _condition(name, key, wanted, facts, statement["Effect"])
            for name, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    )


def _effects(layer: list[Any], action: str, resource: str, facts: Facts) -> set[str]:
    return {
        statement["Effect"]
        for document in layer
        for statement in document["Statement"]
        if _applies(statement, action, resource, facts)
    }


def _oracle(layers: dict[str, Any], action: str, resource: str, facts: Facts) -> tuple[str, str]:
    told = {
        name: _effects(layer, action, resource, facts)
        for name, layer in layers.items()
        if layer is not None
    }
    for name, effects in told.items():
        if "Deny" in effects:
            return "explicit-deny", name
    for name, effects in told.items():
        if "Allow" not in effects:
            return "implicit-deny", name
    return "allow", "identity"


# --- policies and requests that often nearly match

_atoms = st.sampled_from(
    ["a", "b", "a", "/", ":", "*", "?", "${aws:username}", "${aws:username, 'b'}"]
)
_tails = st.lists(_atoms, max_size=5).map("".join)
_resources = st.just("*") | st.builds(
    lambda region, account, kind, tail: f"{ARN}{region}:{account}:{kind}/{tail}",
    st.sampled_from(["r", "*", "r", "?"]),
    st.sampled_from(["1", "1", "*"]),
    st.sampled_from(["thing", "t*", "thing"]),
    _tails,
)
_texts = st.lists(st.sampled_from(["a", "b", "ab", "A", "${aws:username}", "*"]), min_size=1,
                  max_size=2)  # fmt: skip
_numbers = st.lists(st.sampled_from(["0", "5", "-1"]), min_size=1, max_size=2)
_plain = st.sampled_from(
    ["StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase"]
)
_text_operators = st.builds(
    lambda which, name, ending: which + name + ending,
    st.sampled_from(["", "", "ForAllValues:", "ForAnyValue:"]),
    _plain,
    st.sampled_from(["", "", "IfExists"]),
)
_text_conditions = st.tuples(
    _text_operators, st.dictionaries(st.sampled_from([NAME, TAG, TAGS]), _texts, min_size=1)
)
_number_conditions = st.tuples(
    st.sampled_from(["NumericLessThan", "NumericEquals", "NumericNotEquals",
                     "NumericLessThanIfExists"]),
    st.fixed_dictionaries({AGE: _numbers}),
)  # fmt: skip
_null_conditions = st.tuples(
    st.just("Null"),
    st.fixed_dictionaries({TAGS: st.sampled_from([["true"], ["false"], ["true", "false"]])}),
)
_conditions = st.lists(_text_conditions | _number_conditions | _null_conditions, max_size=2).map(
    dict
)


def _statement(
    effect: str, names: tuple[str, str], actions: Any, resources: Any, condition: Any
) -> dict[str, Any]:
    made = {"Effect": effect, names[0]: actions, names[1]: resources}
    return {**made, "Condition": condition} if condition else made


_statements = st.builds(
    _statement,
    st.sampled_from(["Allow", "Allow", "Deny"]),
    st.tuples(
        st.sampled_from(["Action", "Action", "NotAction"]),
        st.sampled_from(["Resource", "Resource", "NotResource"]),
    ),
    st.lists(st.sampled_from(["iot:Get", "iot:Put", "iot:*", "IOT:?ET", "*"]), min_size=1,
             max_size=2),
    st.lists(_resources, min_size=1, max_size=3),
    _conditions,
)  # fmt: skip
_layers = st.lists(
    st.builds(
        lambda statements: {"Version": "2012-10-17", "Statement": statements},
        st.lists(_statements, min_size=1, max_size=9),
    ),
    max_size=2,
)
_facts = st.fixed_dictionaries(
    {},
    optional={
        NAME: st.sampled_from(["a", "b", "*", ""]),
        TAG: st.sampled_from(["a", "b", "A", ""]),
        TAGS: st.lists(st.sampled_from(["a", "b", "ab", ""]), max_size=2),
        AGE: st.sampled_from(["0", "5", "-2", "x", ""]),
    },
)
_wanted = st.builds(
    lambda region, account, tail: f"{ARN}{region}:{account}:thing/{tail}",
    st.sampled_from(["r", "r", "s"]),
    st.sampled_from(["1", "1", "2"]),
    st.text(alphabet="aab/:*1", max_size=5),
)


def _named(layer: list[Any], dialect: Dialect) -> tuple[NamedPolicy, ...]:
    return tuple(
        NamedPolicy(f"policy-{number}", parse_policy(json.dumps(document), dialect, limit=100_000))
        for number, document in enumerate(layer)
    )


@settings(max_examples=150, deadline=None)
@given(_layers, st.none() | _layers, st.none() | _layers,
       st.sampled_from(["iot:Get", "iot:Put", "iam:Get"]), _wanted, _facts)  # fmt: skip
def test_the_engine_decides_as_the_oracle(
    identity: list[Any],
    boundary: list[Any] | None,
    session: list[Any] | None,
    action: str,
    resource: str,
    facts: Facts,
) -> None:
    policies = PolicySet(
        identity=_named(identity, Dialect.IDENTITY),
        boundary=None if boundary is None else _named(boundary, Dialect.BOUNDARY),
        session=None if session is None else _named(session, Dialect.SESSION),
    )
    request = AccessRequest(action, resource, context(facts))
    layers = {"identity": identity, "boundary": boundary, "session": session}
    expected = _oracle(layers, action, resource, facts)
    for _ in range(2):  # made for this request, and remembered
        decision = decide(policies, request)
        assert (decision.effect, decision.layer) == expected
    event(decision.effect)
    explanation = explain(policies, request)
    assert explanation.decision == decision
    if decision.policy is not None:
        wanted = "Deny" if decision.effect == "explicit-deny" else "Allow"
        first = next(
            one
            for one in explanation.statements
            if one.applies and one.effect == wanted and one.layer == decision.layer
        )
        assert (first.policy, first.statement) == (decision.policy, decision.statement)
