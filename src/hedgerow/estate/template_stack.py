"""A template as the stack that it makes: its resources, with values put in place."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from hedgerow.estate.findings import Finding, changes
from hedgerow.estate.formats import Source
from hedgerow.estate.members import inner, text
from hedgerow.estate.naming import CERTIFICATE_ID, GROUP_ID, certificate_arn
from hedgerow.estate.template_types import (
    IOT_KINDS,
    METADATA,
    NAME_MEMBERS,
    UNUSED,
    as_modelled,
    certificate_id_in,
    certificate_parameters,
    definition_id,
    physical,
)
from hedgerow.estate.template_values import UNKNOWN, Values, known
from hedgerow.estate.values import Origin
from hedgerow.kernel import quoted

_ANY: Final = Origin(account="000000000000", region="us-east-1")
_ACCOUNT: Final = "AWS::AccountId"
_REGION: Final = "AWS::Region"
NAMES: Final = frozenset(NAME_MEMBERS.values())
_OWN_SERVICES: Final = frozenset({"iot", "greengrass"})
_ARN: Final = re.compile(
    r"\barn:(?P<partition>aws[a-z-]{0,20}):(?P<service>[a-z0-9-]{1,32})"
    r":(?P<region>[a-z]{2}[a-z0-9-]{1,30}):(?P<account>[0-9]{12}):"
)
_MACROS: Final = frozenset({"Transform"})


def origin_in(template: Mapping[str, Any], source: Source) -> Origin:
    """Return the account and region that a person gave, or that ARNs have.

    ARNs of parameters count before those that the template has as texts, and those of `iot` and
    `greengrass` before others.
    """
    written = inner(inner(inner(template, "Metadata"), METADATA), "Origin")
    found = (
        _origin_of(source.parameters.values())
        or _from_members(written)
        or _origin_of(_texts_in(inner(template, "Resources")))
        or _ANY
    )
    return Origin(
        account=source.parameters.get(_ACCOUNT, found.account),
        region=source.parameters.get(_REGION, found.region),
        partition=found.partition,
    )


def _from_members(written: Mapping[str, Any]) -> Origin | None:
    account, region = text(written, "account"), text(written, "region")
    if not account or not region:
        return None
    partition = text(written, "partition") or _ANY.partition
    return Origin(account=account, region=region, partition=partition)


def _origin_of(values: Iterable[str]) -> Origin | None:
    """Return the origin that most ARNs have."""
    own: Counter[Origin] = Counter()
    others: Counter[Origin] = Counter()
    for value in values:
        for match in _ARN.finditer(value):
            counted = own if match["service"] in _OWN_SERVICES else others
            counted[
                Origin(
                    account=match["account"], region=match["region"], partition=match["partition"]
                )
            ] += 1
    return next((one for one, _ in (own or others).most_common(1)), None)


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _texts_in(one)
    elif isinstance(value, dict):
        yield from _texts_in(list(value.values()))


class Stack:
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
        self.notes: list[Finding] = []
        """What is worth saying of parts, beside what is not used of the template."""
        self._attributes: dict[tuple[str, str], Any] = {}
        self._open: set[str] = set()
        self.values = Values(
            template,
            source.parameters,
            origin,
            self._attribute,
            stand_ins={
                name: certificate_arn(origin, certificate_id_in("", name))
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
        if name in self._open:
            self.values.fault(f"{quoted(name)} refers to itself")
            return {}
        if name not in self._put:
            self._open.add(name)
            found = self.values.of(inner(self._resources.get(name, {}), "Properties"))
            self._put[name] = as_modelled(known(found)) if isinstance(found, dict) else {}
            self._open.remove(name)
        return self._put[name]

    def named(self, name: str, member: str) -> str:
        """Return a resource's own name: the one it is given, or its name in the template."""
        return text(self.properties(name), member) or (name if member in NAMES else "")

    def type_of(self, name: str) -> str:
        """Return a resource's type."""
        return text(self._resources.get(name, {}), "Type")

    def more(self, name: str) -> Mapping[str, Any]:
        """Return what a resource has that templates have no property for."""
        return inner(inner(self._resources.get(name, {}), "Metadata"), METADATA)

    def identifier(self, name: str) -> str:
        """Return the id of a resource: the one that is written, or one by its name."""
        written = text(self.more(name), "Id")
        form = CERTIFICATE_ID if self.type_of(name) == "AWS::IoT::Certificate" else GROUP_ID
        return written if form.fullmatch(written) else definition_id(name)

    def findings(self, place: str) -> Iterator[Finding]:
        """Yield what of the template is not used."""
        yield from self.notes
        for section in _MACROS & self.values.template.keys():
            yield changes("ENTRY_LEFT_OUT", place, f"{section} is not run: macros are not read")
        for name in self._unread:
            yield changes("ENTRY_LEFT_OUT", place, f"{name} is no resource that can be read")
        for name, resource in self._resources.items():
            kind = text(resource, "Type")
            greengrass = kind.startswith("AWS::Greengrass::")
            properties = self.properties(name)
            for unused in sorted(properties.keys() & UNUSED.get(kind, frozenset())):
                yield changes(
                    "ENTRY_LEFT_OUT", place, f"{name} ({kind}): {unused} is not taken over"
                )
            if greengrass and kind.endswith("Version") and name not in self.used:
                message = f"{name} ({kind}) is of no group's newest"
                yield changes("VERSIONS_LEFT_OUT", place, message)
            if kind not in IOT_KINDS and not greengrass:
                yield changes("ENTRY_LEFT_OUT", place, f"{name} ({kind}) is no part of an estate")

    def _attribute(self, resource: str, attribute: str) -> Any:
        if resource not in self._resources:
            return UNKNOWN
        key = (resource, attribute)
        if key in self._attributes:
            return self._attributes[key]
        found: Any = physical(
            self.origin,
            self.type_of(resource),
            resource,
            attribute,
            self.named,
            self.identifier(resource),
        )
        if found is None and attribute in {"Name", "RoleArn"}:
            found = self.properties(resource).get(attribute)
        if not isinstance(found, str):
            return UNKNOWN
        if not self._open:
            self._attributes[key] = found
        return found
