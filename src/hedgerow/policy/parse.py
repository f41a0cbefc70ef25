"""From the text of a policy to a `Policy`, or to an error that names the place.

Nothing is skipped and nothing is guessed: a field we do not know could be the one that was meant
to deny. Sources: guide page device-auth; AWS IoT Developer Guide, "AWS IoT Core policies"; IAM
User Guide, "Grammar of the IAM JSON policy language" and "IAM and AWS STS quotas".
"""

import string
from collections.abc import Callable
from functools import partial
from typing import Any, Final, cast

from hedgerow.kernel import quoted
from hedgerow.policy.conditions import Condition, Effect
from hedgerow.policy.dialects import RULES, Dialect, Rules
from hedgerow.policy.documents import Policy, Statement
from hedgerow.policy.errors import MalformedPolicyError
from hedgerow.policy.fields import json_shown, require_object, require_text, require_texts
from hedgerow.policy.open_meanings import is_uncommon, warnings_of
from hedgerow.policy.parse_conditions import read_conditions
from hedgerow.policy.parse_patterns import read_action, read_resource, resource_reading
from hedgerow.policy.parse_principals import read_principals
from hedgerow.policy.patterns import Pattern
from hedgerow.policy.principals import Principals
from hedgerow.policy.reading import read_document

_VERSION_WITH_VARIABLES: Final = "2012-10-17"
_VERSIONS: Final = (_VERSION_WITH_VARIABLES, "2008-10-17")
_SID_LIMIT: Final = 128
_SID_CHARACTERS: Final = frozenset(string.ascii_letters + string.digits)
_POLICY_FIELDS: Final = frozenset({"Version", "Id", "Statement"})
_STATEMENT_FIELDS: Final = frozenset(
    {
        "Sid",
        "Effect",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Principal",
        "NotPrincipal",
        "Condition",
    }
)

_FIELDS: Final = {
    dialect: _STATEMENT_FIELDS.difference(rules.refused) for dialect, rules in RULES.items()
}


def parse_policy(text: str, dialect: Dialect = Dialect.IOT, *, limit: int | None = None) -> Policy:
    """Return the policy, or raise `MalformedPolicyError` that names the place and the problem.

    `limit` takes the place of the dialect's limit on the document's size.
    """
    rules = RULES[dialect]
    document = require_object(
        read_document(text, rules, rules.limit if limit is None else limit),
        "",
        "a policy is a JSON object",
    )
    if not _POLICY_FIELDS.issuperset(document):
        _require_known_fields(document, _POLICY_FIELDS)
    version = _version(document, rules)
    _text_field(document, "Id", "")
    if "Statement" not in document:
        raise MalformedPolicyError("Statement", "it is missing; a policy has at least one")
    given = document["Statement"]
    listed = given if isinstance(given, list) else [given]
    if not listed:
        raise MalformedPolicyError("Statement", "it is empty; a policy has at least one")
    reader = _StatementReader(dialect, rules, variables=version == _VERSION_WITH_VARIABLES)
    statements = tuple(reader.read(one, position) for position, one in enumerate(listed))
    return Policy(
        version=version,
        dialect=dialect,
        statements=statements,
        keys=frozenset(reader.keys),
        warnings=tuple(reader.warnings),
    )


def _version(document: dict[str, Any], rules: Rules) -> str:
    version = document.get("Version")
    if version is None and "Version" not in document and not rules.needs_version:
        return _VERSIONS[-1]
    if version not in _VERSIONS:
        shown = "it is missing" if version is None else f"{json_shown(version)} is not a version"
        raise MalformedPolicyError("Version", f"{shown}; write {_VERSION_WITH_VARIABLES}")
    return cast("str", version)


class _StatementReader:
    """Reads the statements of one document; places in its errors begin at the statement."""

    def __init__(self, dialect: Dialect, rules: Rules, *, variables: bool) -> None:
        self.keys: set[str] = set()
        self.warnings: list[str] = []
        self._dialect = dialect
        self._rules = rules
        self._variables = variables
        self._fields = _FIELDS[dialect]
        self._action = partial(read_action, rules.services)
        self._resource = partial(
            read_resource, resource_reading(variables=variables, device=rules.device)
        )
        self._sids: set[str] = set()

    def read(self, given: Any, position: int) -> Statement:
        """Return a statement, or raise `MalformedPolicyError`."""
        place = f"Statement[{position}]"
        try:
            statement = self._statement(given, place)
        except MalformedPolicyError as error:
            raise MalformedPolicyError(f"{place}{error.place}", error.problem) from None
        if self._needs_care(statement):
            self._note_keys(statement)
            self.warnings += warnings_of(statement, place, self._dialect, variables=self._variables)
        return statement

    def _statement(self, given: Any, place: str) -> Statement:
        fields = require_object(given, "", "a statement is a JSON object")
        if not self._fields.issuperset(fields):
            self._refuse(fields)
        sid = self._sid(fields) if "Sid" in fields else ""
        effect = _effect(fields)
        action = _one_of(fields, "Action", "NotAction")
        actions = _each(fields[action], action, self._action)
        resource = ""
        resources: tuple[Pattern, ...] = ()
        if self._rules.needs_resource:
            resource = _one_of(fields, "Resource", "NotResource")
            resources = _each(fields[resource], resource, self._resource)
        conditions: tuple[Condition, ...] = ()
        if "Condition" in fields:
            conditions = read_conditions(
                fields["Condition"], device=self._rules.device, variables=self._variables
            )
        return Statement(
            label=sid or place,
            effect=effect,
            actions=actions,
            resources=resources,
            conditions=conditions,
            not_actions=action == "NotAction",
            not_resources=resource == "NotResource",
            principals=self._principals(fields, effect) if self._rules.needs_principal else None,
        )

    def _refuse(self, fields: dict[str, Any]) -> None:
        for name, problem in self._rules.refused.items():
            if name in fields:
                raise MalformedPolicyError(f".{name}", problem)
        _require_known_fields(fields, self._fields)

    def _sid(self, fields: dict[str, Any]) -> str:
        sid = _text_field(fields, "Sid", ".")
        if self._rules.device:
            return sid
        if not _SID_CHARACTERS.issuperset(sid):
            raise MalformedPolicyError(".Sid", f"{quoted(sid)} has more than letters and digits")
        if sid in self._sids:
            raise MalformedPolicyError(".Sid", f"{quoted(sid)} stands at two statements")
        if sid:
            self._sids.add(sid)
        return sid

    def _principals(self, fields: dict[str, Any], effect: Effect) -> Principals:
        if "Principal" in fields and "NotPrincipal" in fields:
            raise MalformedPolicyError(".NotPrincipal", "it stands beside Principal; keep one")
        if "NotPrincipal" in fields:
            if effect == "Allow":
                raise MalformedPolicyError(
                    ".NotPrincipal", "with Allow it would let in everybody else; write Principal"
                )
            return read_principals(fields["NotPrincipal"], ".NotPrincipal", negated=True)
        if "Principal" not in fields:
            raise MalformedPolicyError(".Principal", "it is missing")
        return read_principals(fields["Principal"], ".Principal", negated=False)

    def _needs_care(self, statement: Statement) -> bool:
        """Tell whether the statement has more than plain and common patterns."""
        if statement.conditions or statement.principals is not None or statement.not_resources:
            return True
        for pattern in statement.resources:
            if "${" in pattern.source:
                return True
            if pattern.exact is None and pattern.prefix is None and is_uncommon(pattern):
                return True
        return False

    def _note_keys(self, statement: Statement) -> None:
        for pattern in statement.resources:
            if pattern.variables:
                self.keys.update(one.name for one in pattern.variables)
        for condition in statement.conditions:
            self.keys.add(condition.key)
            for value in condition.values:
                if isinstance(value, Pattern):
                    self.keys.update(one.name for one in value.variables)


def _one_of(fields: dict[str, Any], name: str, other: str) -> str:
    """Return which of two fields is there."""
    if name not in fields:
        if other not in fields:
            raise MalformedPolicyError(f".{name}", "it is missing")
        return other
    if other in fields:
        raise MalformedPolicyError(f".{other}", f"it stands beside {name}; keep one")
    return name


def _each(given: Any, name: str, read: Callable[[str], Pattern]) -> tuple[Pattern, ...]:
    """Read a field that holds a text or a list of texts, at least one."""
    if given.__class__ is str:
        try:
            return (read(given),)
        except MalformedPolicyError as error:
            raise MalformedPolicyError(f".{name}", error.problem) from None
    texts = require_texts(given, f".{name}")
    patterns: list[Pattern] = []
    try:
        for text in texts:
            patterns.append(read(text))  # noqa: PERF401 - how many were read is the place
    except MalformedPolicyError as error:
        raise MalformedPolicyError(f".{name}[{len(patterns)}]", error.problem) from None
    return tuple(patterns)


def _effect(fields: dict[str, Any]) -> Effect:
    effect = fields.get("Effect")
    if effect not in ("Allow", "Deny"):
        shown = (
            "it is missing" if "Effect" not in fields else f"{json_shown(effect)} is not an effect"
        )
        raise MalformedPolicyError(".Effect", f"{shown}; write Allow or Deny")
    return cast("Effect", effect)


def _text_field(fields: dict[str, Any], name: str, before: str) -> str:
    if name not in fields:
        return ""
    text = require_text(fields[name], f"{before}{name}")
    if len(text) > _SID_LIMIT:
        raise MalformedPolicyError(f"{before}{name}", f"it is longer than {_SID_LIMIT} characters")
    return text


def _require_known_fields(fields: dict[str, Any], known: frozenset[str]) -> None:
    for name in fields:
        if name not in known:
            raise MalformedPolicyError(
                "", f"the field {quoted(name)} is unknown; known are {', '.join(sorted(known))}"
            )
