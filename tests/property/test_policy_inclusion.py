"""`includes` against trying everything: a yes is never refuted, and a witness truly separates.

Policies and requests are made of few letters, so that all short requests can be tried, and the
larger policy is often the smaller one with something changed, so that both answers turn up.
"""

import json
from itertools import product
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from hedgerow.policy import (
    AccessRequest,
    Dialect,
    MalformedPolicyError,
    NamedPolicy,
    Policy,
    context,
    decide,
    parse_policy,
)
from hedgerow.policy.analysis import includes
from hedgerow.policy.analysis.comparison import Comparison
from hedgerow.policy.analysis.pairwise import within_pairwise

PREFIX = "arn:aws:iot:r:1:"
LETTERS = "ab/"
RESOURCES = [
    *(PREFIX + "".join(tail) for length in range(4) for tail in product(LETTERS, repeat=length)),
    "arn:aws:iot:q:1:a",
    "arn:aws:iot:r:1:a:b",
    "arn:aws:iot:q:r:1:a",
    "*",
]
ACTIONS = ["iot:Get", "iot:Put", "sts:Get"]
KEYS = ("aws:username", "x:tag")
CONTEXTS = [
    context({key: value for key, value in zip((*KEYS, "x:n"), values, strict=True) if value})
    for values in product(["", "a", "b"], ["", "a", "b", "B"], ["", "1", "5"])
] + [context({"x:tag": ("a", "b")}), context({"x:tag": (), "x:n": "none"})]

Document = dict[str, Any]


# --- policies


_pieces = st.sampled_from(["a", "b", "/", "*", "?", "a", "*", "${aws:username}"])
_tails = st.lists(_pieces, min_size=1, max_size=4).map("".join)
_heads = st.sampled_from([PREFIX, PREFIX, PREFIX, "arn:aws:iot:*:1:", "arn:aws:iot:?:*:"])
_resources = st.just("*") | st.builds(str.__add__, _heads, _tails)
_actions = st.sampled_from([*ACTIONS, "*", "iot:*", "iot:?et", "sts:*"])
_values = st.sampled_from(["a", "b", "A", "${aws:username}"])
_patterns = st.sampled_from(["a", "b", "*", "?", "a*", "${aws:username}"])
_numbers = st.sampled_from(["0", "1", "2", "5"])


def _block(names: list[str], key: str, values: st.SearchStrategy[str]) -> Any:
    exists = st.sampled_from(["", "", "IfExists"])
    return st.builds(
        lambda name, suffix, listed: (name + suffix, key, listed),
        st.sampled_from(names),
        exists,
        st.lists(values, min_size=1, max_size=2),
    )


_conditions = st.lists(
    _block(["StringEquals", "StringNotEquals", "StringEqualsIgnoreCase"], "x:tag", _values)
    | _block(["StringLike", "StringNotLike"], "x:tag", _patterns)
    | _block(["ForAnyValue:StringEquals", "ForAllValues:StringNotEquals"], "x:tag", _values)
    | _block(["NumericLessThan", "NumericGreaterThanEquals", "NumericNotEquals"], "x:n", _numbers)
    | st.tuples(
        st.just("Null"), st.sampled_from(["x:tag", "x:n"]), st.sampled_from(["true", "false"])
    ),
    max_size=2,
)


def _statement(
    effect: str,
    actions: list[str],
    resources: list[str],
    conditions: list[tuple[str, str, Any]],
    negated: tuple[bool, bool],
) -> Document:
    block: dict[str, dict[str, Any]] = {}
    for name, key, values in conditions:
        block.setdefault(name, {})[key] = values
    return {
        "Effect": effect,
        "NotAction" if negated[0] else "Action": actions,
        "NotResource" if negated[1] else "Resource": resources,
        **({"Condition": block} if block else {}),
    }


_rarely = st.sampled_from([False, False, False, False, True])
_statements = st.builds(
    _statement,
    st.sampled_from(["Allow", "Allow", "Deny"]),
    st.lists(_actions, min_size=1, max_size=2),
    st.lists(_resources, min_size=1, max_size=2),
    st.just([]) | _conditions,
    st.tuples(_rarely, _rarely),
)
_documents = st.lists(_statements, min_size=1, max_size=3)


@st.composite
def _pairs(draw: st.DrawFn) -> tuple[list[Document], list[Document]]:
    """Draw two policies that have something to do with one another."""
    first = draw(_documents)
    second = [dict(statement) for statement in first]
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(second)))
        if place == len(second):
            second.append(draw(_statements))
            continue
        change = draw(st.sampled_from(["drop", "conditions", "other", "wider"]))
        if change == "drop" and len(second) > 1:
            del second[place]
        elif change == "conditions":
            second[place].pop("Condition", None)
        elif change == "wider" and "Resource" in second[place]:
            widened = [
                one.replace("a", "*") if one != "*" else one for one in second[place]["Resource"]
            ]
            second[place]["Resource"] = [one.replace("*rn:*ws", "arn:aws") for one in widened]
        else:
            second[place] = draw(_statements)
    return (first, second) if draw(st.booleans()) else (second, first)


def _identity(statements: list[Document]) -> Policy:
    text = json.dumps({"Version": "2012-10-17", "Statement": statements})
    return parse_policy(text, Dialect.IDENTITY)


_DEVICE_KEYS = {"aws:username": "iot:ClientId", "x:tag": "iot:Connection.Thing.ThingName"}


def _device(statements: list[Document]) -> Policy:
    """Return an AWS IoT policy with as much of the statements as it may hold."""
    kept: list[Document] = []
    for statement in statements:
        block = {
            name: keys
            for name, keys in statement.get("Condition", {}).items()
            if ":" not in name and "x:n" not in keys
        }
        text = json.dumps({
            "Effect": statement["Effect"],
            "Action": statement.get("Action") or statement["NotAction"],
            "Resource": statement.get("Resource") or statement["NotResource"],
            **({"Condition": block} if block else {}),
        })  # fmt: skip
        for key, known in _DEVICE_KEYS.items():
            text = text.replace(key, known)
        kept.append(json.loads(text))
    return parse_policy(json.dumps({"Version": "2012-10-17", "Statement": kept}), Dialect.IOT)


_DEVICE_CONTEXTS = [
    context({key: value for key, value in zip(_DEVICE_KEYS.values(), values, strict=True) if value})
    for values in product(["", "a", "b", "+", "a/b"], ["", "a", "b", "B", "#"])
]
GRAMMARS = {
    "identity": (_identity, list(product(ACTIONS, RESOURCES, CONTEXTS))),
    "device": (_device, list(product(ACTIONS, RESOURCES, _DEVICE_CONTEXTS))),
}


def _allowed(policy: Policy, request: AccessRequest) -> bool:
    return decide((NamedPolicy("p", policy),), request).allowed


def _certain(smaller: Policy, larger: Policy) -> bool:
    """Tell whether it is certain without any request having been tried."""
    comparison = Comparison(smaller, larger)
    doubts = [one for piece in comparison.open_pieces() for one in comparison.doubts(piece)]
    return comparison.complete and not doubts


@pytest.mark.parametrize("grammar", GRAMMARS)
@settings(max_examples=150, deadline=None)
@given(_pairs(), st.randoms(use_true_random=False))
def test_a_yes_is_never_refuted_and_a_witness_separates(
    grammar: str, pair: tuple[list[Document], list[Document]], random: Any
) -> None:
    parse, requests = GRAMMARS[grammar]
    try:
        smaller, larger = map(parse, pair)
    except MalformedPolicyError:
        event("malformed")
        return
    answer = includes(smaller, larger)
    event("yes" if answer.holds else "witness" if answer.witness else "unsure")
    certain = _certain(smaller, larger)
    if answer.witness is not None:
        assert not answer.holds
        assert not certain
        assert _allowed(smaller, answer.witness)
        assert not _allowed(larger, answer.witness)
    if answer.holds or certain or within_pairwise(smaller, larger):
        assert answer.witness is None
        for each in random.sample(requests, 600):
            request = AccessRequest(*each)
            assert not _allowed(smaller, request) or _allowed(larger, request), request


@settings(max_examples=200, deadline=None)
@given(_documents)
def test_every_policy_is_within_itself(statements: list[Document]) -> None:
    policy, again = _identity(statements), _identity(list(reversed(statements)))
    assert includes(policy, again).holds


@settings(max_examples=200, deadline=None)
@given(_documents, _statements)
def test_an_allow_more_or_a_deny_less_is_never_too_little(
    statements: list[Document], more: Document
) -> None:
    plain, other = _identity(statements), _identity([*statements, more])
    smaller, larger = (plain, other) if more["Effect"] == "Allow" else (other, plain)
    assert includes(smaller, larger).holds
