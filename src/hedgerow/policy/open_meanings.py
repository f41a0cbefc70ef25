"""What a reader of a policy should know: meanings that AWS leaves open, and traps.

A document with one of these is accepted; what it says here is written beside each. They are
found when it is parsed, so that nothing has to be guessed when it is used.
Sources: IAM User Guide, "Resource", "Multivalued context keys", "Policy variables with no value",
"NotPrincipal", "The confused deputy problem".
"""

from collections.abc import Iterator
from typing import Final

from hedgerow.kernel import quoted
from hedgerow.policy.conditions import Condition
from hedgerow.policy.dialects import Dialect
from hedgerow.policy.documents import Statement
from hedgerow.policy.parse_patterns import ARN_PARTS, LIST_KEYS, arn_parts
from hedgerow.policy.patterns import Pattern

_GLOBAL_KEYS: Final = LIST_KEYS | frozenset(
    "aws:" + name
    for name in (
        "calledviafirst", "calledvialast", "currenttime", "ec2instancesourceprivateipv4",
        "ec2instancesourcevpc", "epochtime", "federatedprovider", "multifactorauthage",
        "multifactorauthpresent", "principalaccount", "principalarn", "principalisawsservice",
        "principalorgid", "principalservicename", "principaltype", "referer", "requestedregion",
        "resourceaccount", "resourceorgid", "securetransport", "sourceaccount", "sourcearn",
        "sourceidentity", "sourceip", "sourceorgid", "sourcevpc", "sourcevpcarn", "sourcevpce",
        "tokenissuetime", "useragent", "userid", "username", "viaawsservice", "vpcsourceip",
    )
)  # fmt: skip
_TAG_KEYS: Final = ("aws:principaltag/", "aws:requesttag/", "aws:resourcetag/")
_WITHOUT_TYPES: Final = frozenset({"s3", "sns", "sqs", "execute-api"})
"""Services whose resources have names without a type before them."""
_OF_SERVICES: Final = frozenset({"aws:sourceaccount", "aws:sourcearn", "aws:sourceorgid"})


def warnings_of(
    statement: Statement, place: str, dialect: Dialect, *, variables: bool
) -> Iterator[str]:
    """Return what a reader should know of a statement."""
    for pattern in statement.resources:
        if not variables and "${" in pattern.source:
            yield f"{place}: {_as_it_stands(pattern.source)}"
        if pattern.exact is None and pattern.prefix is None:
            yield from _of_resource(pattern, statement, place, dialect)
    for condition in statement.conditions:
        if not variables:
            yield from _of_plain_values(condition, place)
        if dialect is not Dialect.IOT:
            yield from _of_condition(condition, statement, place)
    if statement.principals is not None:
        yield from _of_principals(statement, place)


def is_uncommon(pattern: Pattern) -> bool:
    """Tell, quickly, whether there may be something to say of a resource without a `${`.

    There is not if its first wildcard stands behind the resource's type.
    """
    text = pattern.source
    star, one = text.find("*"), text.find("?")
    head = text[: star if one < 0 or 0 <= star < one else one]
    colons = head.count(":")
    return not (colons >= ARN_PARTS or (colons == ARN_PARTS - 1 and "/" in head))


def _of_resource(
    pattern: Pattern, statement: Statement, place: str, dialect: Dialect
) -> Iterator[str]:
    text = pattern.source
    if text == "*":
        return
    parts = arn_parts(text)
    if len(parts) == ARN_PARTS and parts[2] not in _WITHOUT_TYPES and _type_is_open(parts[5]):
        yield (
            f"{place}: {quoted(text)} has a wildcard within the resource's type; AWS leaves open "
            "what that matches, here it matches as text"
        )
    if dialect is Dialect.IOT and ("*" in parts[2] or "?" in parts[2]):
        yield (
            f"{place}: {quoted(text)} has a wildcard for the service; AWS leaves open what that "
            "matches, here it matches as text"
        )
    if statement.not_resources and statement.effect == "Allow" and _lacks_default(pattern):
        yield (
            f"{place}: without a value for the variable in {quoted(text)} it is not known what "
            "NotResource takes away, and the statement allows nothing; give the variable a default"
        )


def _type_is_open(resource: str) -> bool:
    for character in resource:
        if character in "/:":
            return False
        if character in "*?":
            rest = resource[resource.index(character) :]
            return "/" in rest or ":" in rest
        if character == "$":
            return False
    return False


def _lacks_default(pattern: Pattern) -> bool:
    return any(one.default is None for one in pattern.variables)


def _of_plain_values(condition: Condition, place: str) -> Iterator[str]:
    for value in condition.values:
        if "${" in value.source:
            yield f"{_at(condition, place)}: {_as_it_stands(value.source)}"


def _as_it_stands(text: str) -> str:
    return f"{quoted(text)} is taken as it stands; policy variables need Version 2012-10-17"


def _at(condition: Condition, place: str) -> str:
    return f"{place}.Condition.{condition.name}.{condition.shown}"


def _of_condition(condition: Condition, statement: Statement, place: str) -> Iterator[str]:
    key = condition.key
    at = _at(condition, place)
    if condition.each == "one" and key in LIST_KEYS and condition.operator.kind != "presence":
        yield (
            f"{at}: the key has several values, and AWS leaves open which must match without "
            "ForAllValues or ForAnyValue; here an allow needs all of them, a deny any"
        )
    if (
        condition.each == "all"
        and statement.effect == "Allow"
        and not _is_demanded(key, statement.conditions)
    ):
        yield (
            f"{at}: ForAllValues is met by a request without the key; add "
            f'"Null": {{"{condition.shown}": "false"}} if the key must be there'
        )
    if key.startswith("aws:") and key not in _GLOBAL_KEYS and not key.startswith(_TAG_KEYS):
        yield f"{at}: AWS has no such key, so no request has a value for it"


def _is_demanded(key: str, conditions: tuple[Condition, ...]) -> bool:
    return any(
        one.operator.kind == "presence"
        and one.key == key
        and all(value.source.lower() == "false" for value in one.values)
        for one in conditions
    )


def _of_principals(statement: Statement, place: str) -> Iterator[str]:
    principals = statement.principals
    if principals is None:
        return
    if principals.negated:
        yield (
            f"{place}.NotPrincipal: a session is exempt by its own ARN or its role's; AWS wants "
            "both, and the account's, listed"
        )
    keys = {condition.key for condition in statement.conditions}
    if statement.effect == "Allow" and principals.services and keys.isdisjoint(_OF_SERVICES):
        yield (
            f"{place}: {', '.join(sorted(principals.services))} may assume the role on anybody's "
            "behalf; add conditions on aws:SourceAccount and aws:SourceArn"
        )
