"""The engine agrees with an oracle that is written here, naively, from the rules alone.

The oracle shares no code with the engine: it reads the JSON itself, matches wildcards by trying
everything, and knows what is unknown by a third truth value.
"""

import json
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from hedgerow.policy import AccessRequest, NamedPolicy, decide, explain, parse_policy

CLIENT_ID = "iot:ClientId"
THING_NAME = "iot:Connection.Thing.ThingName"
ATTACHED = "iot:Connection.Thing.IsAttached"
UNKNOWN = None

PREFIX = "arn:aws:iot:r:1:"
ACTIONS = ["iot:Publish", "iot:Connect", "greengrass:Discover"]

Variables = dict[str, str]


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


def _expanded(pattern: str, variables: Variables, *, wildcards: bool) -> list[str] | None:
    """Return letters and wildcards, with values as letters, or None if a value is unknown."""
    parts: list[str] = []
    rest = pattern
    while rest:
        for name in (CLIENT_ID, THING_NAME, ATTACHED):
            if rest.startswith("${" + name + "}"):
                value = variables.get(name, "")
                if value == "" or "+" in value or "#" in value:
                    return None
                parts += list(value)
                rest = rest[len(name) + 3 :]
                break
        else:
            special = {"*": "ANY", "?": "ONE"}.get(rest[0]) if wildcards else None
            parts.append(special or rest[0])
            rest = rest[1:]
    return parts


def _resource_matches(pattern: str, resource: str, variables: Variables) -> bool | None:
    parts = _expanded(pattern, variables, wildcards=True)
    if parts is not None:
        return _wild(parts, resource)
    could = pattern
    for name in (CLIENT_ID, THING_NAME, ATTACHED):
        value = variables.get(name, "")
        if value == "" or "+" in value or "#" in value:
            could = could.replace("${" + name + "}", "*")
    parts = _expanded(could, variables, wildcards=True)
    assert parts is not None
    return UNKNOWN if _wild(parts, resource) else False


def _condition_holds(name: str, key: str, values: list[str], variables: Variables) -> bool | None:
    operator = name.removesuffix("IfExists")
    negated = "Not" in operator
    if key not in variables:
        if name.endswith("IfExists"):
            return True
        if key == ATTACHED:
            return UNKNOWN
        return UNKNOWN if negated else False
    equal: bool | None = False
    for value in values:
        parts = _expanded(value, variables, wildcards="Like" in operator)
        if parts is None:
            equal = equal or UNKNOWN
        elif _wild(parts, variables[key]):
            equal = True
            break
    if equal is UNKNOWN:
        return UNKNOWN
    return (not equal) if negated else equal


def _all(answers: list[bool | None]) -> bool | None:
    if False in answers:
        return False
    return UNKNOWN if UNKNOWN in answers else True


def _statement_applies(statement: dict[str, Any], request: AccessRequest) -> bool:
    actions, resources = statement["Action"], statement["Resource"]
    if not any(
        _wild([*({"*": "ANY", "?": "ONE"}.get(c, c) for c in one.lower())], request.action.lower())
        for one in actions
    ):
        return False
    variables = {name: str(value) for name, value in request.variables.items()}
    answers = [_resource_matches(one, request.resource, variables) for one in resources]
    resource: bool | None = True if True in answers else UNKNOWN if UNKNOWN in answers else False
    conditions = [
        _condition_holds(name, key, values, variables)
        for name, keys in statement.get("Condition", {}).items()
        for key, values in keys.items()
    ]
    result = _all([resource, *conditions])
    return result is True or (result is UNKNOWN and statement["Effect"] == "Deny")


def _oracle(documents: list[dict[str, Any]], request: AccessRequest) -> str:
    effects = {
        statement["Effect"]
        for document in documents
        for statement in document["Statement"]
        if _statement_applies(statement, request)
    }
    if "Deny" in effects:
        return "explicit-deny"
    return "allow" if "Allow" in effects else "implicit-deny"


# --- policies and requests that often nearly match

_atoms = st.sampled_from(
    ["a", "b", "a", "/", "*", "?", "+", "#", "$", "${iot:ClientId}", "${" + THING_NAME + "}"]
)
_tails = st.lists(_atoms, max_size=6).map("".join)
_kinds = st.sampled_from(["topic/", "topic/", "client/"])
_resources = st.just("*") | st.builds(lambda kind, tail: PREFIX + kind + tail, _kinds, _tails)
_actions = st.sampled_from([*ACTIONS, "iot:*", "*", "IOT:PUBLISH", "iot:P?blish", "iot:*ect"])
_operators = st.sampled_from(
    ["StringEquals", "StringNotEquals", "StringLike", "StringNotLike"]
).flatmap(lambda name: st.sampled_from([name, name + "IfExists"]))
_conditions = st.dictionaries(
    _operators,
    st.dictionaries(
        st.sampled_from([CLIENT_ID, THING_NAME, ATTACHED]),
        st.lists(_tails | st.sampled_from(["true", "false"]), min_size=1, max_size=2),
        min_size=1,
        max_size=2,
    ),
    max_size=2,
)
_statements = st.builds(
    lambda effect, actions, resources, condition: {
        "Effect": effect,
        "Action": actions,
        "Resource": resources,
        **({"Condition": condition} if condition else {}),
    },
    st.sampled_from(["Allow", "Allow", "Deny"]),
    st.lists(_actions, min_size=1, max_size=2),
    st.lists(_resources, min_size=1, max_size=3),
    st.just({}) | _conditions,
)
_documents = st.lists(
    st.builds(
        lambda statements: {"Version": "2012-10-17", "Statement": statements},
        st.lists(_statements, min_size=1, max_size=4),
    ),
    max_size=3,
)
_values = st.sampled_from(["a", "b", "ab", "*", "+", "", "a/b", "?"])
_requests = st.builds(
    AccessRequest,
    action=st.sampled_from(ACTIONS),
    resource=st.builds(
        lambda kind, letters: PREFIX + kind + letters,
        _kinds,
        st.text(alphabet="aab/*+#$", max_size=6),
    ),
    variables=st.dictionaries(st.sampled_from([CLIENT_ID, THING_NAME]), _values).flatmap(
        lambda names: st.sampled_from(
            [names, {**names, ATTACHED: "true"}, {**names, ATTACHED: "false"}]
        )
    ),
)


@settings(max_examples=600, deadline=None)
@given(_documents, _requests)
def test_the_engine_decides_as_the_oracle(
    documents: list[dict[str, Any]], request: AccessRequest
) -> None:
    policies = [
        NamedPolicy(f"policy-{number}", parse_policy(json.dumps(document)))
        for number, document in enumerate(documents)
    ]
    decision = decide(policies, request)
    event(decision.effect)
    assert decision.effect == _oracle(documents, request)
    assert decision.allowed is (decision.effect == "allow")
    explanation = explain(policies, request)
    assert explanation.decision == decision
    for effect in ("Allow", "Deny"):
        applying = [one for one in explanation.statements if one.applies and one.effect == effect]
        if decision.effect == {"Allow": "allow", "Deny": "explicit-deny"}[effect]:
            first = applying[0]
            assert (first.policy, first.statement) == (decision.policy, decision.statement)


@settings(max_examples=400, deadline=None)
@given(st.text(alphabet="ab*?", max_size=14), st.text(alphabet="ab", max_size=12))
def test_the_matcher_agrees_with_trying_everything(pattern: str, text: str) -> None:
    document = {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Action": "*", "Resource": f"{PREFIX}topic/{pattern}"},
    }
    policy = NamedPolicy("p", parse_policy(json.dumps(document)))
    parts = [{"*": "ANY", "?": "ONE"}.get(letter, letter) for letter in pattern]
    request = AccessRequest("iot:Publish", f"{PREFIX}topic/{text}", {})
    assert decide([policy], request).allowed is _wild(parts, text)
