"""An estate from the answers of `aws greengrass get-*` and `aws iot` calls that were saved.

Source of the forms: botocore's models of `greengrass` and `iot`, as the AWS CLI prints them. Of a
group the newest version counts (`LatestVersion`), or the only one that was saved.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from hedgerow.estate import answers
from hedgerow.estate.answers import Answer, answers_in
from hedgerow.estate.certificates import status_of
from hedgerow.estate.completion import completed
from hedgerow.estate.findings import Finding, blocks, changes
from hedgerow.estate.formats import Reading, Source
from hedgerow.estate.members import encoded_object, inner, member, objects, text, texts
from hedgerow.estate.naming import (
    CERTIFICATE_ID,
    certificate_id_of,
    group_id_of,
    origin_of,
    thing_name_of,
)
from hedgerow.estate.values import (
    DEFAULT_CERTIFICATE_VALIDITY_MS,
    DEFINITION_NAMES,
    Address,
    Certificate,
    Definition,
    DefinitionName,
    Estate,
    Group,
    Policy,
    Thing,
    ThingGroup,
    ThingType,
)

_CHANGED: Final = "LastUpdatedTimestamp"
_MAX_PORT: Final = 65_535


_Part = TypeVar("_Part")


class SavedAnswers:
    """Reads a folder of saved answers, one JSON file each."""

    @property
    def name(self) -> str:
        """The format's name in commands."""
        return "saved-answers"

    def recognises(self, source: Source) -> bool:
        """Tell whether a group's answer is among the files."""
        known, _ = answers_in(source)
        return any(one.operation in {answers.GROUP, answers.GROUP_VERSION} for one in known)

    def read(self, source: Source) -> Reading:
        """Return everything that the answers speak of."""
        known, unknown = answers_in(source)
        findings: list[Finding] = [
            changes("FILE_PASSED_OVER", path, "the file is not an answer that is used here")
            for path in unknown
        ]
        saved = _Saved(known)
        origins = [origin_of(member(one.body, "Arn")) for one in known]
        origin = next((one for one in origins if one is not None), None)
        if origin is None:
            fault = blocks(
                "GROUP_UNKNOWN", "", "no file is the answer of get-group or get-group-version"
            )
            return Reading(estate=None, findings=(*findings, fault))
        groups, faults = _groups(saved, source.group_name)
        estate = Estate(
            origin=origin,
            thing_types=_once(_thing_types(saved), lambda one: one.name),
            thing_groups=_once(_thing_groups(saved), lambda one: one.name),
            things=tuple(_things(saved)),
            certificates=_once(_certificates(saved), lambda one: one.id),
            policies=_once(_policies(saved), lambda one: one.name),
            groups=groups,
        )
        return completed(estate, source, (*findings, *faults, *_unused(saved, groups)))


def _once(parts: Iterable[_Part], key: Callable[[_Part], str]) -> tuple[_Part, ...]:
    """Return the parts without those that say the same again, as when an answer was saved twice."""
    found: dict[str, list[_Part]] = {}
    for part in parts:
        same = found.setdefault(key(part), [])
        if part not in same:
            same.append(part)
    return tuple(part for same in found.values() for part in same)


class _Saved:
    """The answers, by operation."""

    def __init__(self, known: Iterable[Answer]) -> None:
        self._by_operation: dict[str, list[Answer]] = {}
        self._by_subject: dict[tuple[str, str], Answer] = {}
        for one in known:
            self._by_operation.setdefault(one.operation, []).append(one)
            self._by_subject.setdefault((one.operation, one.subject), one)
        self._policies: defaultdict[str, list[str]] = defaultdict(list)
        for one in self.of(answers.POLICY_TARGETS):
            for arn in one.body.get("targets", one.body.get("principals", ())):
                self._policies[arn.rpartition("/")[2]].append(one.subject)
        self._certificates: defaultdict[str, list[str]] = defaultdict(list)
        for one in self.of(answers.PRINCIPAL_THINGS):
            for name in one.body["things"] if CERTIFICATE_ID.fullmatch(one.subject) else ():
                self._certificates[name].append(one.subject)

    def of(self, operation: str) -> tuple[Answer, ...]:
        """Return the answers of an operation."""
        return tuple(self._by_operation.get(operation, ()))

    def about(self, operation: str, subject: str) -> Answer | None:
        """Return the answer of an operation about this subject, or None."""
        return self._by_subject.get((operation, subject))

    def policies_of(self, subject: str) -> Sequence[str]:
        """Return the policies whose lists of targets name a certificate or thing group."""
        return self._policies.get(subject, ())

    def certificates_of(self, thing_name: str) -> Sequence[str]:
        """Return the certificates whose lists of things name a thing."""
        return self._certificates.get(thing_name, ())


def _groups(saved: _Saved, spare_name: str) -> tuple[tuple[Group, ...], tuple[Finding, ...]]:
    by_age = sorted(saved.of(answers.GROUP), key=lambda one: text(one.body, _CHANGED))
    described = {text(one.body, "Id"): one for one in by_age}
    versions: dict[str, list[Answer]] = {}
    for one in saved.of(answers.GROUP_VERSION):
        versions.setdefault(group_id_of(one.body["Arn"]) or "", []).append(one)
    groups: list[Group] = []
    findings: list[Finding] = []
    for group_id in dict.fromkeys((*described, *versions)):
        head = described.get(group_id)
        chosen = _chosen(head, versions.get(group_id, []))
        if chosen is None:
            findings.append(
                blocks("VERSION_MISSING", group_id, "no version of the group is in the files")
            )
            continue
        group, faults = _group(saved, group_id, head, chosen, spare_name)
        groups.append(group)
        findings.extend(faults)
        older = len(versions[group_id]) - 1
        if older:
            findings.append(
                changes("VERSIONS_LEFT_OUT", group_id, f"{older} older versions are left out")
            )
    return tuple(groups), tuple(findings)


def _chosen(head: Answer | None, versions: list[Answer]) -> Answer | None:
    """Return the version that the group names as its newest, else the newest that was saved."""
    latest = "" if head is None else text(head.body, "LatestVersion")
    named = [one for one in versions if latest and text(one.body, "Version") == latest]
    by_age = sorted(versions, key=lambda one: text(one.body, "CreationTimestamp"))
    return next(iter(named or by_age[-1:]), None)


def _group(
    saved: _Saved, group_id: str, head: Answer | None, version: Answer, spare_name: str
) -> tuple[Group, tuple[Finding, ...]]:
    definitions: list[Definition] = []
    findings: list[Finding] = []
    for kind in DEFINITION_NAMES:
        arn = text(inner(version.body, "Definition"), f"{kind}DefinitionVersionArn")
        if not arn:
            continue
        definition = _definition(saved, kind, arn)
        if definition is None:
            message = f"no file is the answer of get-{kind.lower()}-definition-version of {arn}"
            findings.append(blocks("DEFINITION_MISSING", version.place, message))
        else:
            definitions.append(definition)
    name = (text(head.body, "Name") if head is not None else "") or spare_name
    if not name:
        name = group_id
        findings.append(
            changes("GROUP_NAME_UNKNOWN", version.place, "the group is called by its id")
        )
    group = Group(
        id=group_id,
        name=name,
        tags=texts(member(head.body, "tags")) if head is not None else {},
        definitions=tuple(definitions),
        addresses=tuple(_addresses(saved, definitions)),
        role_arn=_role(saved, group_id),
        certificate_validity_ms=_validity(saved, group_id),
    )
    return group, tuple(findings)


def _definition(saved: _Saved, kind: DefinitionName, arn: str) -> Definition | None:
    found = [one for one in saved.of(answers.DEFINITION_VERSION) if text(one.body, "Arn") == arn]
    if not found:
        return None
    parent = arn.partition("/versions/")[0]
    heads = [one for one in saved.of(answers.DEFINITION) if text(one.body, "Arn") == parent]
    head: Mapping[str, Any] = heads[0].body if heads else {}
    return Definition(
        kind=kind,
        name=text(head, "Name") or None,
        tags=texts(member(head, "tags")),
        content=dict(inner(found[0].body, "Definition")),
    )


def _unused(saved: _Saved, groups: tuple[Group, ...]) -> Iterator[Finding]:
    """Yield the definition versions that no group consists of."""
    used = [one.content for group in groups for one in group.definitions]
    for one in saved.of(answers.DEFINITION_VERSION):
        if dict(inner(one.body, "Definition")) not in used:
            yield changes(
                "FILE_PASSED_OVER", one.place, "the version is not of the group's newest version"
            )


def _addresses(saved: _Saved, definitions: Iterable[Definition]) -> Iterator[Address]:
    """Yield the addresses of the core: of the file that names it, or of the only one there is."""
    cores = [
        thing_name_of(entity.get("ThingArn"))
        for definition in definitions
        if definition.kind == "Core"
        for entity in objects(definition.content.get("Cores"))
    ]
    everything = saved.of(answers.CONNECTIVITY)
    named = [one for one in everything if one.subject in cores]
    for answer in named or (everything if len(everything) == 1 else ()):
        for entry in objects(member(answer.body, "ConnectivityInfo")):
            port = member(entry, "PortNumber")
            if isinstance(port, int) and 0 < port <= _MAX_PORT:
                yield Address(
                    id=text(entry, "Id"),
                    host=text(entry, "HostAddress"),
                    port=port,
                    metadata=text(entry, "Metadata"),
                )


def _role(saved: _Saved, group_id: str) -> str:
    found = saved.of(answers.ROLE)
    own = saved.about(answers.ROLE, group_id) or (found[0] if len(found) == 1 else None)
    return "" if own is None else text(own.body, "RoleArn")


def _validity(saved: _Saved, group_id: str) -> int:
    for one in saved.of(answers.CERTIFICATE_SETTING):
        digits = text(one.body, "CertificateExpiryInMilliseconds")
        if text(one.body, "GroupId") == group_id and digits.isdecimal():
            return int(digits)
    return DEFAULT_CERTIFICATE_VALIDITY_MS


def _things(saved: _Saved) -> Iterator[Thing]:
    described = {text(one.body, "thingName"): one for one in saved.of(answers.THING)}
    listed = {
        text(entry, "thingName"): entry
        for one in saved.of(answers.THINGS)
        for entry in objects(one.body["things"])
    }
    holders = [one.subject for one in saved.of(answers.THING_PRINCIPALS)]
    held = [name for one in saved.of(answers.PRINCIPAL_THINGS) for name in one.body["things"]]
    for name in dict.fromkeys((*described, *listed, *holders, *held)):
        body: Mapping[str, Any] = (
            described[name].body if name in described else listed.get(name, {})
        )
        groups = saved.about(answers.THING_GROUPS, name)
        yield Thing(
            name=name,
            attributes=texts(member(body, "attributes")),
            thing_type=text(body, "thingTypeName"),
            thing_groups=tuple(
                text(one, "groupName")
                for one in objects(None if groups is None else groups.body["thingGroups"])
            ),
            certificates=_principals(saved, name),
        )


def _principals(saved: _Saved, thing_name: str) -> tuple[str, ...]:
    answer = saved.about(answers.THING_PRINCIPALS, thing_name)
    listed = member(answer.body, "principals") if answer is not None else ()
    ids = [certificate_id_of(arn) for arn in listed] if isinstance(listed, list) else []
    ids += saved.certificates_of(thing_name)
    return tuple(dict.fromkeys(one for one in ids if one is not None))


def _certificates(saved: _Saved) -> Iterator[Certificate]:
    for one in saved.of(answers.CERTIFICATE):
        body = inner(one.body, "certificateDescription")
        identifier = text(body, "certificateId")
        yield Certificate(
            id=identifier,
            pem=text(body, "certificatePem"),
            status=status_of(text(body, "status")),
            policies=_attached(saved, identifier),
        )


def _attached(saved: _Saved, subject: str) -> tuple[str, ...]:
    """Return the policies of a certificate or thing group, as either side lists them."""
    answer = saved.about(answers.ATTACHED_POLICIES, subject)
    listed = objects(None if answer is None else answer.body["policies"])
    names = [text(one, "policyName") for one in listed]
    return tuple(dict.fromkeys((*names, *saved.policies_of(subject))))


def _policies(saved: _Saved) -> Iterator[Policy]:
    for one in saved.of(answers.POLICY):
        document = member(one.body, "policyDocument")
        written = document if isinstance(document, str) else encoded_object(document)
        yield Policy(name=text(one.body, "policyName"), document=written)


def _thing_types(saved: _Saved) -> Iterator[ThingType]:
    for one in saved.of(answers.THING_TYPE):
        properties = inner(one.body, "thingTypeProperties")
        searchable = member(properties, "searchableAttributes")
        yield ThingType(
            name=text(one.body, "thingTypeName"),
            description=text(properties, "thingTypeDescription"),
            searchable=tuple(searchable) if isinstance(searchable, list) else (),
        )


def _thing_groups(saved: _Saved) -> Iterator[ThingGroup]:
    for one in saved.of(answers.THING_GROUP):
        name = text(one.body, "thingGroupName")
        properties = inner(one.body, "thingGroupProperties")
        yield ThingGroup(
            name=name,
            description=text(properties, "thingGroupDescription"),
            attributes=texts(member(inner(properties, "attributePayload"), "attributes")),
            policies=_attached(saved, name),
        )
