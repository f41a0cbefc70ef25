"""An estate from a CloudFormation template, in JSON or YAML.

Source: CloudFormation's references of the `AWS::Greengrass` and `AWS::IoT` resource types, and
guide page cloudformation-support. Resources have no ids before a stack is made: groups and
definitions get ids that follow from their names in the template, so that reading it again gives the
same. Account and region are those of the ARNs that are given, else any: an import puts its own in
their place.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from hedgerow.estate.certificates import certificates_of, status_of
from hedgerow.estate.cloudformation_writing import template_of
from hedgerow.estate.completion import completed
from hedgerow.estate.findings import Finding, blocks, changes
from hedgerow.estate.formats import Reading, Source
from hedgerow.estate.members import encoded_object, inner, objects, parsed_object, text, texts
from hedgerow.estate.naming import certificate_id_of
from hedgerow.estate.template_stack import Stack, origin_in
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
from hedgerow.estate.yaml_text import read_template_text
from hedgerow.kernel import CallerError, quoted

SUFFIXES: Final = (".template", ".yaml", ".yml", ".json")
_MARK: Final = b"AWS::Greengrass::"
_PRIVATE: Final = "PRIVATE KEY"


class CloudFormation:
    """Reads templates, the first file that is one, and writes them."""

    @property
    def name(self) -> str:
        """The format's name in commands."""
        return "cloudformation"

    def recognises(self, source: Source) -> bool:
        """Tell whether a file is a template that speaks of Greengrass."""
        return bool(_templates(source))

    def write(self, estate: Estate) -> Mapping[str, bytes]:
        """Return the one file of a template in JSON."""
        return template_of(estate)

    def read(self, source: Source) -> Reading:
        """Return the groups of the template with everything that it says of their members."""
        path, *others = [*_templates(source), ""]
        if not path:
            message = "no file is a template with AWS::Greengrass resources"
            return Reading(estate=None, findings=(blocks("FILE_MISSING", "", message),))
        passed = tuple(
            changes("FILE_PASSED_OVER", other, f"one template is read at a time, here {path}")
            for other in others
            if other
        )
        try:
            return _read(read_template_text(source.files[path]), source, path, passed)
        except CallerError as error:
            fault = blocks("FILE_UNREADABLE", path, error.message)
        except RecursionError:
            fault = blocks("FILE_UNREADABLE", path, "it is nested too deeply")
        return Reading(estate=None, findings=(*passed, fault))


def _templates(source: Source) -> list[str]:
    return [path for path in _candidates(source) if _MARK in source.files[path]]


def _candidates(source: Source) -> list[str]:
    return [path for path in sorted(source.files) if path.lower().endswith(SUFFIXES)]


def _read(
    template: Mapping[str, Any], source: Source, place: str, passed: tuple[Finding, ...]
) -> Reading:
    origin = origin_in(template, source)
    stack = Stack(template, source, origin)
    groups = tuple(_groups(stack, place))
    estate = Estate(
        origin=origin,
        thing_types=tuple(_thing_types(stack)),
        thing_groups=tuple(_thing_groups(stack)),
        things=tuple(_things(stack)),
        certificates=tuple(_certificates(stack)),
        policies=tuple(_policies(stack)),
        groups=groups,
    )
    findings = (
        *passed,
        *(_unknown(name, place) for name in stack.values.missing),
        *(blocks("VALUE_UNKNOWN", place, sentence) for sentence in stack.values.malformed),
        *stack.findings(place),
    )
    if not groups:
        fault = blocks("GROUP_UNKNOWN", place, "the template has no AWS::Greengrass::Group")
        return Reading(estate=None, findings=(*findings, fault))
    return completed(estate, source, findings)


def _unknown(name: str, place: str) -> Finding:
    shown = quoted(name).strip("'\"")
    message = f"nothing says what {shown} is; give --parameter {shown}=VALUE"
    return blocks("VALUE_UNKNOWN", place, message)


def _groups(stack: Stack, place: str) -> Iterator[Group]:
    versions = {
        one["GroupId"]: (logical, one)
        for logical, one in stack.of("AWS::Greengrass::GroupVersion")
        if isinstance(one.get("GroupId"), str)
    }
    contents = {kind: _contents(stack, kind) for kind in DEFINITION_NAMES}
    for name, properties in stack.of("AWS::Greengrass::Group"):
        group_id = str(stack.values.attribute(name, "Ref"))
        logical, chosen = versions.get(group_id, (name, inner(properties, "InitialVersion")))
        stack.used.add(logical)
        more = stack.more(name)
        validity = more.get("CertificateValidityMs")
        yield Group(
            id=group_id,
            name=text(properties, "Name") or name,
            tags=texts(properties.get("Tags")),
            definitions=tuple(_definitions(stack, contents, chosen, f"{place}: {logical}")),
            role_arn=text(properties, "RoleArn"),
            addresses=tuple(_addresses(more)),
            certificate_validity_ms=validity
            if isinstance(validity, int)
            else DEFAULT_CERTIFICATE_VALIDITY_MS,
        )


def _addresses(more: Mapping[str, Any]) -> Iterator[Address]:
    for one in objects(more.get("Addresses")):
        port = one.get("port")
        if isinstance(port, int):
            yield Address(
                id=text(one, "id"),
                host=text(one, "host"),
                port=port,
                metadata=text(one, "metadata"),
            )


def _definitions(
    stack: Stack,
    contents: Mapping[DefinitionName, "_Contents"],
    chosen: Mapping[str, Any],
    place: str,
) -> Iterator[Definition]:
    for kind in DEFINITION_NAMES:
        arn = chosen.get(f"{kind}DefinitionVersionArn")
        if not arn:
            continue
        found = contents[kind].get(arn) if isinstance(arn, str) else None
        if found is None:
            message = f"the template does not have the {kind} definition {quoted(str(arn))}"
            stack.notes.append(blocks("DEFINITION_MISSING", place, message))
            continue
        version, name, content = found
        stack.used.add(version)
        properties = stack.properties(name)
        unnamed = stack.more(name).get("Named") is False
        yield Definition(
            kind=kind,
            name=None if unnamed else text(properties, "Name") or None,
            tags=texts(properties.get("Tags")),
            content=dict(content),
        )


_Contents = Mapping[str, tuple[str, str, Mapping[str, Any]]]
"""By a version's ARN: the names in the template of version and definition, and the content."""


def _contents(stack: Stack, kind: DefinitionName) -> _Contents:
    found: dict[str, tuple[str, str, Mapping[str, Any]]] = {}
    definitions: dict[str, str] = {}
    member = f"{kind}DefinitionId"
    for name, properties in stack.of(f"AWS::Greengrass::{kind}Definition"):
        definitions[str(stack.values.attribute(name, "Ref"))] = name
        if "InitialVersion" in properties:
            arn = str(stack.values.attribute(name, "LatestVersionArn"))
            found[arn] = (name, name, inner(properties, "InitialVersion"))
    for name, properties in stack.of(f"AWS::Greengrass::{kind}DefinitionVersion"):
        parent = definitions.get(text(properties, member), name)
        arn = str(stack.values.attribute(name, "Ref"))
        found[arn] = (name, parent, _without(properties, member))
    return found


def _without(properties: Mapping[str, Any], member: str) -> Mapping[str, Any]:
    return {key: value for key, value in properties.items() if key != member}


def _things(stack: Stack) -> Iterator[Thing]:
    attached: dict[str, list[str]] = {}
    for name, properties in stack.of("AWS::IoT::ThingPrincipalAttachment"):
        identifier = _principal(stack, name, properties)
        if identifier is not None:
            attached.setdefault(text(properties, "ThingName"), []).append(identifier)
    names: dict[str, Mapping[str, Any]] = {}
    grouped: dict[str, Mapping[str, Any]] = {}
    for logical, properties in stack.of("AWS::IoT::Thing"):
        names[stack.named(logical, "ThingName")] = properties
        grouped[stack.named(logical, "ThingName")] = stack.more(logical)
    for name in dict.fromkeys((*names, *attached)):
        properties = names.get(name, {})
        yield Thing(
            name=name,
            attributes=texts(inner(properties, "AttributePayload").get("Attributes")),
            thing_type=text(properties, "ThingTypeName")
            or text(grouped.get(name, {}), "ThingType"),
            thing_groups=_strings(grouped.get(name, {}).get("ThingGroups")),
            certificates=tuple(dict.fromkeys(attached.get(name, ()))),
        )


def _certificates(stack: Stack) -> Iterator[Certificate]:
    governed: dict[str, list[str]] = {}
    for name, properties in stack.of("AWS::IoT::PolicyPrincipalAttachment"):
        identifier = _principal(stack, name, properties)
        if identifier is not None:
            governed.setdefault(identifier, []).append(text(properties, "PolicyName"))
    made = {
        certificate_id_of(stack.values.attribute(name, "Arn")) or name: properties
        for name, properties in stack.of("AWS::IoT::Certificate")
    }
    for identifier in dict.fromkeys((*made, *governed)):
        properties = made.get(identifier, {})
        status = text(properties, "Status") or "ACTIVE"
        yield Certificate(
            id=identifier,
            pem=_without_keys(text(properties, "CertificatePem")),
            status=status_of(status),
            policies=tuple(dict.fromkeys(governed.get(identifier, ()))),
        )


def _principal(stack: Stack, name: str, properties: Mapping[str, Any]) -> str | None:
    """Return the certificate of an attachment; what is known to be none is named."""
    principal = properties.get("Principal")
    identifier = certificate_id_of(principal)
    if identifier is None and isinstance(principal, str):
        message = f"{name}: {quoted(principal)} is no certificate's ARN; the attachment is left out"
        stack.notes.append(changes("ENTRY_LEFT_OUT", name, message))
    return identifier


def _without_keys(pem: str) -> str:
    """Return a PEM text; of one that has a private key too, the certificates alone."""
    if _PRIVATE not in pem:
        return pem
    return "".join(one.pem for one in certificates_of(pem, ""))


def _policies(stack: Stack) -> Iterator[Policy]:
    for name, properties in stack.of("AWS::IoT::Policy"):
        document = properties.get("PolicyDocument")
        if document is None:
            continue
        written = document if isinstance(document, str) else encoded_object(document)
        yield Policy(
            name=stack.named(name, "PolicyName"), document=_as_written(stack, name, written)
        )


def _as_written(stack: Stack, name: str, document: str) -> str:
    """Return a policy's text: as it was once written, if that still says the same."""
    before = stack.values.of(stack.more(name).get("Text"))
    if isinstance(before, str) and _meaning(before) == _meaning(document) is not None:
        return before
    return document


def _meaning(document: str) -> Any:
    return parsed_object(document.encode())


def _thing_types(stack: Stack) -> Iterator[ThingType]:
    for name, properties in stack.of("AWS::IoT::ThingType"):
        described = inner(properties, "ThingTypeProperties")
        searchable = described.get("SearchableAttributes")
        yield ThingType(
            name=stack.named(name, "ThingTypeName"),
            description=text(described, "ThingTypeDescription"),
            searchable=_strings(searchable),
        )


def _thing_groups(stack: Stack) -> Iterator[ThingGroup]:
    for name, properties in stack.of("AWS::IoT::ThingGroup"):
        described = inner(properties, "ThingGroupProperties")
        payload = inner(described, "AttributePayload")
        yield ThingGroup(
            name=stack.named(name, "ThingGroupName"),
            description=text(described, "ThingGroupDescription"),
            attributes=texts(payload.get("Attributes")),
            policies=_strings(stack.more(name).get("Policies")),
        )


def _strings(value: Any) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()
