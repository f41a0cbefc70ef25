"""From the text of an AWS IoT policy to a `Policy`, or to an error that names the place.

Nothing is skipped and nothing is guessed: a field we do not know could be the one that was meant
to deny. Sources: guide page device-auth; AWS IoT Developer Guide, "AWS IoT Core policies" (fields,
operators, the limit of 2048 characters); IAM User Guide, "Grammar of the IAM JSON policy".
"""

import json
import string
from collections.abc import Callable
from typing import Any, Final, cast

from hedgerow.kernel import quoted
from hedgerow.policy.conditions import IF_EXISTS, OPERATORS, Condition, Effect, Operator
from hedgerow.policy.documents import Policy, Statement
from hedgerow.policy.errors import MalformedPolicyError
from hedgerow.policy.patterns import Pattern, Token, UnclosedVariableError, Variable, tokens
from hedgerow.policy.variables import condition_key, placeholder

DOCUMENT_LIMIT: Final = 2048
"""Bytes a policy may have, white space not counted (AWS IoT's quota)."""

_TEXT_LIMIT: Final = 65_536
"""Characters a policy may have with its white space, so that reading it is bounded."""

_VERSION_WITH_VARIABLES: Final = "2012-10-17"
_VERSIONS: Final = (_VERSION_WITH_VARIABLES, "2008-10-17")
_SID_LIMIT: Final = 128
_ARN_PARTS: Final = 6
_POLICY_FIELDS: Final = frozenset({"Version", "Id", "Statement"})
_STATEMENT_FIELDS: Final = frozenset({"Sid", "Effect", "Action", "Resource", "Condition"})
_REFUSED_FIELDS: Final = {
    "NotAction": "AWS IoT policies have no NotAction; list the actions in Action",
    "NotResource": "AWS IoT policies have no NotResource; list the resources in Resource",
    "Principal": "an AWS IoT policy names no principal; it is attached to a certificate",
    "NotPrincipal": "an AWS IoT policy names no principal; it is attached to a certificate",
}
_SERVICE_CHARACTERS: Final = frozenset(string.ascii_letters + string.digits + "-")
_OPERATION_CHARACTERS: Final = _SERVICE_CHARACTERS | frozenset("*?")


def parse_policy(text: str) -> Policy:
    """Return the policy, or raise `MalformedPolicyError` that names the place and the problem."""
    document = _object(_read_json(text), "", "a policy is a JSON object")
    _require_known_fields(document, _POLICY_FIELDS, "")
    version = _version(document)
    _optional_text(document, "Id", "")
    if "Statement" not in document:
        raise MalformedPolicyError("Statement", "it is missing; a policy has at least one")
    given = document["Statement"]
    statements = given if isinstance(given, list) else [given]
    if not statements:
        raise MalformedPolicyError("Statement", "it is empty; a policy has at least one")
    variables = version == _VERSION_WITH_VARIABLES
    return Policy(
        version=version,
        statements=tuple(
            _statement(statement, f"Statement[{position}]", variables=variables)
            for position, statement in enumerate(statements)
        ),
    )


def _read_json(text: str) -> Any:
    if len(text) > _TEXT_LIMIT:
        raise MalformedPolicyError("", f"the policy is longer than {_TEXT_LIMIT} characters")
    size = len("".join(text.split()).encode("utf-8", "surrogatepass"))
    if size > DOCUMENT_LIMIT:
        raise MalformedPolicyError(
            "", f"the policy has {size} bytes without white space; {DOCUMENT_LIMIT} are allowed"
        )
    try:
        return json.loads(text, object_pairs_hook=_unique_fields, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise MalformedPolicyError(place, f"not JSON: {error.msg}") from None
    except RecursionError:
        raise MalformedPolicyError("", "not a policy: it is nested too deeply") from None


def _unique_fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise MalformedPolicyError("", f"the field {quoted(twice)} stands twice in one object")
    return fields


def _no_constant(name: str) -> None:
    raise MalformedPolicyError("", f"not JSON: {name}")


def _version(document: dict[str, Any]) -> str:
    version = document.get("Version")
    if version not in _VERSIONS:
        shown = "it is missing" if version is None else f"{_shown(version)} is not a version"
        raise MalformedPolicyError("Version", f"{shown}; write {_VERSION_WITH_VARIABLES}")
    return cast("str", version)


def _statement(given: Any, place: str, *, variables: bool) -> Statement:
    fields = _object(given, place, "a statement is a JSON object")
    for name, problem in _REFUSED_FIELDS.items():
        if name in fields:
            raise MalformedPolicyError(f"{place}.{name}", problem)
    _require_known_fields(fields, _STATEMENT_FIELDS, place)
    sid = _optional_text(fields, "Sid", place)
    return Statement(
        label=sid or place,
        effect=_effect(fields, place),
        actions=_each(fields, "Action", place, _action),
        resources=_each(
            fields, "Resource", place, lambda text, at: _resource(text, at, variables=variables)
        ),
        conditions=_conditions(fields, f"{place}.Condition", variables=variables),
    )


def _effect(fields: dict[str, Any], place: str) -> Effect:
    effect = fields.get("Effect")
    if effect not in ("Allow", "Deny"):
        shown = "it is missing" if "Effect" not in fields else f"{_shown(effect)} is not an effect"
        raise MalformedPolicyError(f"{place}.Effect", f"{shown}; write Allow or Deny")
    return cast("Effect", effect)


def _each(
    fields: dict[str, Any], name: str, place: str, read: Callable[[str, str], Pattern]
) -> tuple[Pattern, ...]:
    """Read a field that holds a text or a list of texts, at least one."""
    if name not in fields:
        raise MalformedPolicyError(f"{place}.{name}", "it is missing")
    given = fields[name]
    if isinstance(given, str):
        return (read(given, f"{place}.{name}"),)
    if not isinstance(given, list) or not given:
        raise MalformedPolicyError(
            f"{place}.{name}", f"{_shown(given)} is neither a text nor a list of texts"
        )
    return tuple(
        read(_text(one, f"{place}.{name}[{position}]"), f"{place}.{name}[{position}]")
        for position, one in enumerate(given)
    )


def _action(text: str, place: str) -> Pattern:
    service, colon, operation = text.partition(":")
    if text != "*" and not (
        colon
        and service
        and operation
        and _SERVICE_CHARACTERS.issuperset(service)
        and _OPERATION_CHARACTERS.issuperset(operation)
    ):
        raise MalformedPolicyError(
            place, f"{quoted(text)} is not an action; the form is iot:Publish, iot:* or *"
        )
    return Pattern(text, tuple(tokens(text, variables=False)), folded=True)


def _resource(text: str, place: str, *, variables: bool) -> Pattern:
    parts = text.split(":", _ARN_PARTS - 1)
    is_arn = len(parts) == _ARN_PARTS and parts[0] == "arn" and parts[1] and parts[2] and parts[5]
    if text != "*" and not is_arn:
        raise MalformedPolicyError(
            place,
            f"{quoted(text)} is not a resource; the form is arn:aws:iot:region:account:topic/name, "
            "wildcards are allowed within each part, and * alone is every resource",
        )
    return Pattern(text, _tokens(text, place, variables=variables))


def _conditions(fields: dict[str, Any], place: str, *, variables: bool) -> tuple[Condition, ...]:
    if "Condition" not in fields:
        return ()
    conditions: list[Condition] = []
    blocks = _object(fields["Condition"], place, "a condition block is a JSON object")
    for name, given in blocks.items():
        operator = OPERATORS.get(name.removesuffix(IF_EXISTS))
        if operator is None:
            known = ", ".join(OPERATORS)
            raise MalformedPolicyError(
                place, f"{quoted(name)} is not an operator that can be judged here; use {known}"
            )
        keys = _object(given, f"{place}.{name}", "an operator takes a JSON object")
        if not keys:
            raise MalformedPolicyError(f"{place}.{name}", "it names no key to compare")
        conditions += (
            _condition(name, operator, keys, key, f"{place}.{name}", variables=variables)
            for key in keys
        )
    return tuple(conditions)


def _condition(
    name: str,
    operator: Operator,
    keys: dict[str, Any],
    key: str,
    place: str,
    *,
    variables: bool,
) -> Condition:
    known = condition_key(key)
    if known is None:
        raise MalformedPolicyError(
            place, f"{quoted(key)} is not a key that is known here, so it could never be judged"
        )
    given = keys[key]
    listed = given if isinstance(given, list) else [given]
    if not listed:
        raise MalformedPolicyError(f"{place}.{key}", "it has no value to compare with")
    return Condition(
        name=name,
        operator=operator,
        if_exists=name.endswith(IF_EXISTS),
        key=known,
        values=tuple(
            _value(one, operator, f"{place}.{key}", variables=variables) for one in listed
        ),
    )


def _value(given: Any, operator: Operator, place: str, *, variables: bool) -> Pattern:
    text = str(given).lower() if isinstance(given, bool) and operator.boolean else given
    text = _text(text, place)
    if operator.boolean and text.lower() not in ("true", "false"):
        raise MalformedPolicyError(place, f"{quoted(text)} is neither true nor false")
    parts = _tokens(text, place, variables=variables, wildcards=operator.wildcards)
    return Pattern(text, parts, folded=operator.folded)


def _tokens(text: str, place: str, *, variables: bool, wildcards: bool = True) -> tuple[Token, ...]:
    try:
        parts = tuple(tokens(text, variables=variables, wildcards=wildcards))
    except UnclosedVariableError:
        raise MalformedPolicyError(place, f"a ${{ in {quoted(text)} has no }}") from None
    return tuple(
        _variable(part.name, place) if isinstance(part, Variable) else part for part in parts
    )


def _variable(name: str, place: str) -> Variable:
    known = placeholder(name)
    if known is None:
        raise MalformedPolicyError(place, f"{quoted('${' + name + '}')} is not a policy variable")
    return Variable(known)


def _object(given: Any, place: str, otherwise: str) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise MalformedPolicyError(place, f"{otherwise}, not {_shown(given)}")
    return given


def _text(given: Any, place: str) -> str:
    if not isinstance(given, str):
        raise MalformedPolicyError(place, f"{_shown(given)} is not a text")
    return given


def _optional_text(fields: dict[str, Any], name: str, place: str) -> str:
    at = f"{place}.{name}" if place else name
    text = _text(fields.get(name, ""), at)
    if len(text) > _SID_LIMIT:
        raise MalformedPolicyError(at, f"it is longer than {_SID_LIMIT} characters")
    return text


def _require_known_fields(fields: dict[str, Any], known: frozenset[str], place: str) -> None:
    for name in fields:
        if name not in known:
            raise MalformedPolicyError(
                place, f"the field {quoted(name)} is unknown; known are {', '.join(sorted(known))}"
            )


def _shown(given: Any) -> str:
    return quoted(given if isinstance(given, str) else json.dumps(given))
