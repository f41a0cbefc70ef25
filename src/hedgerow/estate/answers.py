"""Saved answers of the AWS CLI, told apart by what is in them.

People saved them under names of their own, so the content decides. Only lists do not say what they
are about: there the file's path has to, e.g. `list-thing-principals/pump.json`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from hedgerow.estate.formats import Source
from hedgerow.estate.members import parsed_object
from hedgerow.estate.naming import parsed_arn

Body = Mapping[str, Any]

_SUFFIXES: Final = (".json", ".txt")

GROUP: Final = "get-group"
GROUP_VERSION: Final = "get-group-version"
DEFINITION: Final = "get-definition"
DEFINITION_VERSION: Final = "get-definition-version"
CERTIFICATE: Final = "describe-certificate"
THING: Final = "describe-thing"
THING_TYPE: Final = "describe-thing-type"
THING_GROUP: Final = "describe-thing-group"
POLICY: Final = "get-policy"
CONNECTIVITY: Final = "get-connectivity-info"
ROLE: Final = "get-associated-role"
CERTIFICATE_SETTING: Final = "get-group-certificate-configuration"
THING_PRINCIPALS: Final = "list-thing-principals"
ATTACHED_POLICIES: Final = "list-attached-policies"
THING_GROUPS: Final = "list-thing-groups-for-thing"
THINGS: Final = "list-things"
PRINCIPAL_THINGS: Final = "list-principal-things"
POLICY_TARGETS: Final = "list-targets-for-policy"

_ALIASES: Final[Mapping[str, str]] = {
    "list-principal-policies": ATTACHED_POLICIES,
    "list-policy-principals": POLICY_TARGETS,
}
"""Older operations that answer the same; the first name decides where a path has it."""

_GROUP_ARN: Final = re.compile(r"/greengrass/groups/[^/]+")
_GROUP_VERSION_ARN: Final = re.compile(r"/greengrass/groups/[^/]+/versions/[^/]+")
_DEFINITION_ARN: Final = re.compile(r"/greengrass/definition/[a-z]+/[^/]+")
_DEFINITION_VERSION_ARN: Final = re.compile(r"/greengrass/definition/[a-z]+/[^/]+/versions/[^/]+")


@dataclass(frozen=True, slots=True)
class Answer:
    """One saved answer: of which operation, about what (`subject`, from the path), from where."""

    operation: str
    subject: str
    body: Body
    place: str


def answers_in(source: Source) -> tuple[tuple[Answer, ...], tuple[str, ...]]:
    """Return the answers in the files, and the JSON files that are none of any known kind."""
    known: list[Answer] = []
    unknown: list[str] = []
    for path in sorted(source.files):
        if not path.lower().endswith(_SUFFIXES):
            continue
        body = parsed_object(source.files[path])
        operation = None if body is None else operation_of(body, path)
        if body is None or operation is None:
            unknown.extend([path] if path.lower().endswith(".json") else ())
        else:
            known.append(Answer(operation, _subject(path, operation), body, path))
    return tuple(known), tuple(unknown)


def operation_of(body: Body, path: str = "") -> str | None:
    """Return the operation whose answer this looks like, or None.

    Where two operations answer in the same form, the path decides.
    """
    fitting = [name for name, fits in _FORMS if fits(body)]
    named = (name for name in fitting if any(word in path for word in _words(name)))
    return next(named, next(iter(fitting), None))


def _arn(form: re.Pattern[str], *members: str) -> Callable[[Body], bool]:
    def fits(body: Body) -> bool:
        arn = parsed_arn(body.get("Arn"))
        named = arn is not None and form.fullmatch(arn.resource) is not None
        return named and all(member in body for member in members)

    return fits


def _lists_texts(member: str) -> Callable[[Body], bool]:
    def fits(body: Body) -> bool:
        entries = body.get(member)
        return isinstance(entries, list) and all(isinstance(entry, str) for entry in entries)

    return fits


def _has(*members: str) -> Callable[[Body], bool]:
    return lambda body: all(member in body for member in members)


def _lists(member: str, *fields: str) -> Callable[[Body], bool]:
    def fits(body: Body) -> bool:
        entries = body.get(member)
        return isinstance(entries, list) and all(
            isinstance(entry, dict) and all(field in entry for field in fields) for entry in entries
        )

    return fits


_FORMS: Final[Sequence[tuple[str, Callable[[Body], bool]]]] = (
    (GROUP_VERSION, _arn(_GROUP_VERSION_ARN, "Definition")),
    (GROUP, _arn(_GROUP_ARN, "Name")),
    (DEFINITION_VERSION, _arn(_DEFINITION_VERSION_ARN, "Definition")),
    (DEFINITION, _arn(_DEFINITION_ARN)),
    (CERTIFICATE, _has("certificateDescription")),
    (POLICY, _has("policyName", "policyDocument")),
    (THING_TYPE, _has("thingTypeName", "thingTypeProperties")),
    (THING_GROUP, _has("thingGroupName", "thingGroupProperties")),
    (THING, _has("thingName", "attributes")),
    (CONNECTIVITY, _has("ConnectivityInfo")),
    (ROLE, _has("RoleArn", "AssociatedAt")),
    (CERTIFICATE_SETTING, _has("CertificateExpiryInMilliseconds", "GroupId")),
    (THING_PRINCIPALS, _has("principals")),
    (ATTACHED_POLICIES, _lists("policies", "policyName")),
    (THING_GROUPS, _lists("thingGroups", "groupName")),
    (THINGS, _lists("things", "thingName")),
    (PRINCIPAL_THINGS, _lists_texts("things")),
    (POLICY_TARGETS, _lists_texts("targets")),
    (POLICY_TARGETS, _lists_texts("principals")),
)
"""How each answer is told from the others, the narrowest first."""


def _subject(path: str, operation: str) -> str:
    """Return what the path says an answer is about: the file's name without the operation's."""
    stem = PurePosixPath(path).stem
    for word in _words(operation):
        stem = stem.removeprefix(word)
    return stem.lstrip("-_. ")


def _words(operation: str) -> tuple[str, ...]:
    """Return the names that a path may call an operation by."""
    return (operation, *(alias for alias, meant in _ALIASES.items() if meant == operation))
