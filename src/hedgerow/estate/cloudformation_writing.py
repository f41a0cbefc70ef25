"""An estate as a CloudFormation template, which can be read back to the same.

Account and region are pseudo parameters, so the template fits any. What CloudFormation has no
property for (group ids, addresses, members of thing groups) stands in `Metadata`, which it passes
over.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from hedgerow.estate.template_types import METADATA
from hedgerow.estate.values import Certificate, Definition, Estate, Group, Origin, Thing

FILE_NAME: Final = "estate.template"
_PLAIN: Final = re.compile(r"[^A-Za-z0-9]")

Resource = tuple[str, dict[str, Any]]


def template_of(estate: Estate) -> dict[str, bytes]:
    """Return the one file of a template."""
    ordered = estate.in_order()
    writing = _Writing(ordered.origin)
    resources = dict(writing.resources(ordered))
    document = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Metadata": {METADATA: {"Origin": msgspec.to_builtins(ordered.origin)}},
        "Resources": resources,
    }
    return {FILE_NAME: (json.dumps(document, indent=2) + "\n").encode()}


class _Writing:
    """Writes parts; `names` are the resources' names in the template, each given once."""

    def __init__(self, origin: Origin) -> None:
        self._arn = re.compile(
            rf"arn(?P<colon>:|%3A){re.escape(origin.partition)}(?P=colon)(?P<service>[a-z]+)"
            rf"(?P=colon){re.escape(origin.region)}(?P=colon){re.escape(origin.account)}(?P=colon)"
        )
        self._taken: set[str] = set()
        self._logical: dict[tuple[str, str], str] = {}

    def resources(self, estate: Estate) -> Iterator[Resource]:
        """Yield everything, in the order in which it needs each other."""
        for kind in estate.thing_types:
            properties = {
                "ThingTypeName": kind.name,
                "ThingTypeProperties": {
                    "ThingTypeDescription": kind.description,
                    "SearchableAttributes": list(kind.searchable),
                },
            }
            yield self._resource("ThingType", kind.name, "AWS::IoT::ThingType", properties)
        for group in estate.thing_groups:
            properties = {
                "ThingGroupName": group.name,
                "ThingGroupProperties": {
                    "ThingGroupDescription": group.description,
                    "AttributePayload": {"Attributes": group.attributes},
                },
            }
            more = {"Policies": list(group.policies)}
            yield self._resource("ThingGroup", group.name, "AWS::IoT::ThingGroup", properties, more)
        for policy in estate.policies:
            properties = {
                "PolicyName": policy.name,
                "PolicyDocument": self._put(json.loads(policy.document)),
            }
            yield self._resource("Policy", policy.name, "AWS::IoT::Policy", properties)
        for certificate in estate.certificates:
            yield from self._certificate(certificate)
        for thing in estate.things:
            yield from self._thing(thing)
        for one in estate.groups:
            yield from self._group(one)

    def _certificate(self, certificate: Certificate) -> Iterator[Resource]:
        properties = {
            "CertificatePem": certificate.pem,
            "CertificateMode": "SNI_ONLY",
            "Status": certificate.status,
        }
        name = certificate.id[:16]
        yield self._resource("Certificate", name, "AWS::IoT::Certificate", properties)
        arn = {"Fn::GetAtt": [self._logical["Certificate", name], "Arn"]}
        for policy in certificate.policies:
            yield self._resource(
                "Hold",
                f"{name} {policy}",
                "AWS::IoT::PolicyPrincipalAttachment",
                {"PolicyName": {"Ref": self._logical["Policy", policy]}, "Principal": arn},
            )

    def _thing(self, thing: Thing) -> Iterator[Resource]:
        properties: dict[str, Any] = {
            "ThingName": thing.name,
            "AttributePayload": {"Attributes": thing.attributes},
        }
        if thing.thing_type:
            properties["ThingTypeName"] = {"Ref": self._logical["ThingType", thing.thing_type]}
        more = {"ThingGroups": list(thing.thing_groups)}
        yield self._resource("Thing", thing.name, "AWS::IoT::Thing", properties, more)
        for identifier in thing.certificates:
            logical = self._logical["Certificate", identifier[:16]]
            yield self._resource(
                "Attachment",
                f"{thing.name} {identifier[:16]}",
                "AWS::IoT::ThingPrincipalAttachment",
                {
                    "ThingName": {"Ref": self._logical["Thing", thing.name]},
                    "Principal": {"Fn::GetAtt": [logical, "Arn"]},
                },
            )

    def _group(self, group: Group) -> Iterator[Resource]:
        arns: dict[str, Any] = {}
        for definition in group.definitions:
            yield from self._definition(group, definition)
            key = (f"{definition.kind}DefinitionVersion", group.id)
            arns[f"{definition.kind}DefinitionVersionArn"] = {"Ref": self._logical[key]}
        properties: dict[str, Any] = {"Name": group.name, "Tags": group.tags}
        if group.role_arn:
            properties["RoleArn"] = self._put(group.role_arn)
        more = {
            "Id": group.id,
            "CertificateValidityMs": group.certificate_validity_ms,
            "Addresses": msgspec.to_builtins(group.addresses),
        }
        kind = "AWS::Greengrass::Group"
        yield self._resource("Group", group.id, kind, properties, more, hint=group.name)
        version = {"GroupId": {"Ref": self._logical["Group", group.id]}, **arns}
        kind = "AWS::Greengrass::GroupVersion"
        yield self._resource("GroupVersion", group.id, kind, version, hint=group.name)

    def _definition(self, group: Group, definition: Definition) -> Iterator[Resource]:
        kind = f"{definition.kind}Definition"
        properties: dict[str, Any] = {"Tags": definition.tags}
        properties["Name"] = definition.name or f"{group.name} {definition.kind}"
        more = {"Named": definition.name is not None}
        words = f"AWS::Greengrass::{kind}"
        yield self._resource(kind, group.id, words, properties, more, hint=group.name)
        content = {
            f"{kind}Id": {"Ref": self._logical[kind, group.id]},
            **self._put(definition.content),
        }
        yield self._resource(
            f"{kind}Version", group.id, f"{words}Version", content, hint=group.name
        )

    def _resource(
        self,
        kind: str,
        name: str,
        type_name: str,
        properties: Mapping[str, Any],
        more: Mapping[str, Any] | None = None,
        *,
        hint: str = "",
    ) -> Resource:
        """Return a resource under a name of letters and digits that no other one has."""
        base = kind + "".join(
            word[:1].upper() + word[1:] for word in _PLAIN.split(hint or name) if word
        )
        logical, number = base[:200], 1
        while logical in self._taken:
            number += 1
            logical = f"{base[:200]}N{number}"
        self._taken.add(logical)
        self._logical[kind, name] = logical
        resource: dict[str, Any] = {"Type": type_name}
        if more:
            resource["Metadata"] = {METADATA: dict(more)}
        resource["Properties"] = dict(properties)
        return logical, resource

    def _put(self, value: Any) -> Any:
        """Return a value whose ARNs of this account are made by `Fn::Sub`."""
        if isinstance(value, list):
            return [self._put(one) for one in value]
        if isinstance(value, dict):
            return {key: self._put(one) for key, one in value.items()}
        if not isinstance(value, str) or not self._arn.search(value):
            return value
        escaped = value.replace("${", "${!")
        return {"Fn::Sub": self._arn.sub(_pseudo, escaped)}


def _pseudo(match: re.Match[str]) -> str:
    return match["colon"].join(
        ("arn", "${AWS::Partition}", match["service"], "${AWS::Region}", "${AWS::AccountId}", "")
    )
