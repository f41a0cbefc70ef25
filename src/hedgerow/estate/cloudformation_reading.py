"""An estate from a CloudFormation template, in JSON or YAML.

Source: CloudFormation's references of the `AWS::Greengrass` and `AWS::IoT` resource types, and
guide page cloudformation-support. Resources have no ids before a stack is made: groups and
definitions get ids that follow from their names in the template, so that reading it again gives the
same. Account and region are those of the ARNs that are given, else any: an import puts its own in
their place.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from hedgerow.estate.cloudformation_writing import template_of
from hedgerow.estate.completion import completed
from hedgerow.estate.findings import Finding, blocks, changes
from hedgerow.estate.formats import Reading, Source
from hedgerow.estate.members import encoded_object, inner, objects, text, texts
from hedgerow.estate.naming import GROUP_ID, certificate_arn, certificate_id_of, origin_of
from hedgerow.estate.template_types import (
    IOT_KINDS,
    METADATA,
    as_modelled,
    certificate_parameters,
    definition_id,
    known_certificate,
    physical,
)
from hedgerow.estate.template_values import UNKNOWN, Values, known
from hedgerow.estate.values import (
    DEFAULT_CERTIFICATE_VALIDITY_MS,
    DEFINITION_NAMES,
    Address,
    Certificate,
    CertificateStatus,
    Definition,
    DefinitionName,
    Estate,
    Group,
    Origin,
    Policy,
    Thing,
    ThingGroup,
    ThingType,
)
from hedgerow.estate.yaml_text import read_template_text
from hedgerow.kernel import CallerError

SUFFIXES: Final = (".template", ".yaml", ".yml", ".json")
_ANY: Final = Origin(account="000000000000", region="us-east-1")
_ACCOUNT: Final = "AWS::AccountId"
_REGION: Final = "AWS::Region"
_STATUSES: Final[Mapping[str, CertificateStatus]] = {
    "ACTIVE": "ACTIVE",
    "INACTIVE": "INACTIVE",
    "REVOKED": "REVOKED",
}


class CloudFormation:
    """Reads templates, the first file that is one, and writes them."""

    @property
    def name(self) -> str:
        """The format's name in commands."""
        return "cloudformation"

    def recognises(self, source: Source) -> bool:
        """Tell whether a file is a template that speaks of Greengrass."""
        return any(b"AWS::Greengrass::" in source.files[path] for path in _candidates(source))

    def write(self, estate: Estate) -> Mapping[str, bytes]:
        """Return the one file of a template in JSON."""
        return template_of(estate)

    def read(self, source: Source) -> Reading:
        """Return the groups of the template with everything that it says of their members."""
        for path in _candidates(source):
            if b"AWS::Greengrass::" not in source.files[path]:
                continue
            try:
                template = read_template_text(source.files[path])
            except CallerError as error:
                fault = blocks("FILE_UNREADABLE", path, error.message)
                return Reading(estate=None, findings=(fault,))
            return _read(template, source, path)
        fault = blocks("FILE_MISSING", "", "no file is a template with AWS::Greengrass resources")
        return Reading(estate=None, findings=(fault,))


def _candidates(source: Source) -> list[str]:
    return [path for path in sorted(source.files) if path.lower().endswith(SUFFIXES)]


def _read(template: Mapping[str, Any], source: Source, place: str) -> Reading:
    origin = _origin(template, source)
    stack = _Stack(template, source, origin)
    groups = tuple(_groups(stack))
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
        *(_unknown(name, place) for name in stack.values.missing),
        *(
            blocks("VALUE_UNKNOWN", place, f"{what} is not written as it has to be")
            for what in stack.values.malformed
        ),
        *stack.findings(place),
    )
    if not groups:
        fault = blocks("GROUP_UNKNOWN", place, "the template has no AWS::Greengrass::Group")
        return Reading(estate=None, findings=(*findings, fault))
    return completed(estate, source, findings)


def _unknown(name: str, place: str) -> Finding:
    message = f"nothing says what {name} is; give --parameter {name}=VALUE"
    return blocks("VALUE_UNKNOWN", place, message)


def _origin(template: Mapping[str, Any], source: Source) -> Origin:
    """Return the account and region that a person gave, or that the given ARNs have."""
    given = [origin_of(value) for value in source.parameters.values()]
    written = inner(inner(inner(template, "Metadata"), METADATA), "Origin")
    spare = Origin(
        account=text(written, "account") or _ANY.account,
        region=text(written, "region") or _ANY.region,
        partition=text(written, "partition") or _ANY.partition,
    )
    found = next((one for one in given if one is not None), spare)
    return Origin(
        account=source.parameters.get(_ACCOUNT, found.account),
        region=source.parameters.get(_REGION, found.region),
        partition=found.partition,
    )


class _Stack:
    """The template's resources, with values put in place."""

    def __init__(self, template: Mapping[str, Any], source: Source, origin: Origin) -> None:
        self.origin = origin
        written = inner(template, "Resources")
        self._resources = {
            name: resource for name, resource in written.items() if isinstance(resource, dict)
        }
        self._unread = [name for name in written if name not in self._resources]
        self.used: set[str] = set()
        """Versions (by their names in the template) that a group consists of."""
        self.values = Values(
            template,
            source.parameters,
            origin,
            self._attribute,
            stand_ins={
                name: certificate_arn(origin, known_certificate(name, {})[0])
                for name in certificate_parameters(self._resources)
            },
        )
        self._put: dict[str, Mapping[str, Any]] = {}
        self._resources = {
            name: resource
            for name, resource in self._resources.items()
            if "Condition" not in resource or self.values.holds(resource["Condition"])
        }

    def of(self, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield the resources of a type by their names in the template."""
        for name, resource in self._resources.items():
            if resource.get("Type") == kind:
                yield name, self.properties(name)

    def properties(self, name: str) -> Mapping[str, Any]:
        """Return what a resource is made with."""
        if name not in self._put:
            self._put[name] = {}  # a resource that refers to itself has nothing there
            found = self.values.of(inner(self._resources.get(name, {}), "Properties"))
            self._put[name] = known(found) if isinstance(found, dict) else {}
        return self._put[name]

    def named(self, name: str, member: str) -> str:
        """Return a resource's own name: the one it is given, or its name in the template."""
        return text(self.properties(name), member) or name

    def type_of(self, name: str) -> str:
        """Return a resource's type."""
        return text(self._resources.get(name, {}), "Type")

    def more(self, name: str) -> Mapping[str, Any]:
        """Return what a resource has that templates have no property for."""
        return inner(inner(self._resources.get(name, {}), "Metadata"), METADATA)

    def identifier(self, name: str) -> str:
        """Return the id of a group or definition: the one that is written, or one by its name."""
        written = text(self.more(name), "Id")
        return written if GROUP_ID.fullmatch(written) else definition_id(name)

    def findings(self, place: str) -> Iterator[Finding]:
        """Yield what of the template is not used."""
        for name in self._unread:
            yield changes("ENTRY_LEFT_OUT", place, f"{name} is no resource that can be read")
        for name, resource in self._resources.items():
            kind = text(resource, "Type")
            greengrass = kind.startswith("AWS::Greengrass::")
            if greengrass and kind.endswith("Version") and name not in self.used:
                message = f"{name} ({kind}) is of no group's newest"
                yield changes("VERSIONS_LEFT_OUT", place, message)
            if kind not in IOT_KINDS and not greengrass:
                yield changes("ENTRY_LEFT_OUT", place, f"{name} ({kind}) is no part of an estate")

    def _attribute(self, resource: str, attribute: str) -> Any:
        if resource not in self._resources:
            return UNKNOWN
        identifier = self.identifier(resource)
        found = physical(
            self.origin, self.type_of(resource), resource, attribute, self.named, identifier
        )
        if found is not None:
            return found
        if attribute in {"Name", "RoleArn"}:
            return self.properties(resource).get(attribute, UNKNOWN)
        return UNKNOWN


def _groups(stack: _Stack) -> Iterator[Group]:
    versions = list(stack.of("AWS::Greengrass::GroupVersion"))
    for name, properties in stack.of("AWS::Greengrass::Group"):
        group_id = str(stack.values.attribute(name, "Ref"))
        own = [(logical, one) for logical, one in versions if one.get("GroupId") == group_id]
        logical, chosen = own[-1] if own else (name, inner(properties, "InitialVersion"))
        stack.used.add(logical)
        role = properties.get("RoleArn")
        more = stack.more(name)
        validity = more.get("CertificateValidityMs")
        yield Group(
            id=group_id,
            name=text(properties, "Name") or name,
            tags=texts(properties.get("Tags")),
            definitions=tuple(_definitions(stack, chosen)),
            role_arn=role if isinstance(role, str) else "",
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


def _definitions(stack: _Stack, chosen: Mapping[str, Any]) -> Iterator[Definition]:
    for kind in DEFINITION_NAMES:
        arn = chosen.get(f"{kind}DefinitionVersionArn")
        found = _content(stack, kind, arn) if isinstance(arn, str) else None
        if found is not None:
            name, content = found
            properties = stack.properties(name)
            yield Definition(
                kind=kind,
                name=None
                if stack.more(name).get("Named") is False
                else text(properties, "Name") or None,
                tags=texts(properties.get("Tags")),
                content=as_modelled(content),
            )


def _content(stack: _Stack, kind: DefinitionName, arn: str) -> tuple[str, Mapping[str, Any]] | None:
    """Return the definition (by its name in the template) and the content of a version's ARN."""
    definitions = {
        str(stack.values.attribute(name, "Ref")): name
        for name, _ in stack.of(f"AWS::Greengrass::{kind}Definition")
    }
    for name, properties in stack.of(f"AWS::Greengrass::{kind}DefinitionVersion"):
        if stack.values.attribute(name, "Ref") == arn:
            parent = definitions.get(text(properties, f"{kind}DefinitionId"), name)
            stack.used.add(name)
            return parent, _without(properties, f"{kind}DefinitionId")
    for name in definitions.values():
        if stack.values.attribute(name, "LatestVersionArn") == arn:
            return name, inner(stack.properties(name), "InitialVersion")
    return None


def _without(properties: Mapping[str, Any], member: str) -> Mapping[str, Any]:
    return {key: value for key, value in properties.items() if key != member}


def _things(stack: _Stack) -> Iterator[Thing]:
    attached: dict[str, list[str]] = {}
    for _, properties in stack.of("AWS::IoT::ThingPrincipalAttachment"):
        identifier = certificate_id_of(properties.get("Principal"))
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
            thing_type=text(properties, "ThingTypeName"),
            thing_groups=_strings(grouped.get(name, {}).get("ThingGroups")),
            certificates=tuple(dict.fromkeys(attached.get(name, ()))),
        )


def _certificates(stack: _Stack) -> Iterator[Certificate]:
    governed: dict[str, list[str]] = {}
    for _, properties in stack.of("AWS::IoT::PolicyPrincipalAttachment"):
        identifier = certificate_id_of(properties.get("Principal"))
        if identifier is not None:
            governed.setdefault(identifier, []).append(text(properties, "PolicyName"))
    made = {
        known_certificate(name, properties)[0]: properties
        for name, properties in stack.of("AWS::IoT::Certificate")
    }
    for identifier in dict.fromkeys((*made, *governed)):
        properties = made.get(identifier, {})
        status = text(properties, "Status") or "ACTIVE"
        yield Certificate(
            id=identifier,
            pem=text(properties, "CertificatePem"),
            status=_STATUSES.get(status, "INACTIVE"),
            policies=tuple(dict.fromkeys(governed.get(identifier, ()))),
        )


def _policies(stack: _Stack) -> Iterator[Policy]:
    for name, properties in stack.of("AWS::IoT::Policy"):
        document = properties.get("PolicyDocument")
        if document is None:
            continue
        written = document if isinstance(document, str) else encoded_object(document)
        yield Policy(name=stack.named(name, "PolicyName"), document=written)


def _thing_types(stack: _Stack) -> Iterator[ThingType]:
    for name, properties in stack.of("AWS::IoT::ThingType"):
        described = inner(properties, "ThingTypeProperties")
        searchable = described.get("SearchableAttributes")
        yield ThingType(
            name=stack.named(name, "ThingTypeName"),
            description=text(described, "ThingTypeDescription"),
            searchable=_strings(searchable),
        )


def _thing_groups(stack: _Stack) -> Iterator[ThingGroup]:
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
