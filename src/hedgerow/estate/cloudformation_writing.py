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

from hedgerow.estate.members import encoded_object, parsed_object
from hedgerow.estate.naming import certificate_arn
from hedgerow.estate.template_types import METADATA
from hedgerow.estate.template_values import DYNAMIC, reads_as_function
from hedgerow.estate.values import (
    Certificate,
    Definition,
    Estate,
    Group,
    Origin,
    Policy,
    Thing,
    ThingGroup,
    ThingType,
)

FILE_NAME: Final = "estate.template"
_BEGUN: Final = re.compile(r"\$\{((?=(?:(?!arn)[A-Za-z0-9:._-])*\}))?")
"""Two signs that begin a policy variable (then `${!Name}` keeps it as it is), or something else."""

_OPEN: Final = "HedgerowOpen"
"""A variable for the two signs where no variable begins."""

_NO_FUNCTION: Final = "HedgerowData"
_NOTHING: Final = {"Ref": "AWS::NoValue"}
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
        self._origin = origin
        self._taken: set[str] = set()
        self._logical: dict[tuple[str, str], str] = {}

    def resources(self, estate: Estate) -> Iterator[Resource]:
        """Yield everything, in the order in which it needs each other."""
        for kind in estate.thing_types:
            yield self._thing_type(kind)
        for group in estate.thing_groups:
            yield self._thing_group(group)
        for policy in estate.policies:
            yield self._policy(policy)
        for certificate in estate.certificates:
            yield from self._certificate(certificate)
        for thing in estate.things:
            yield from self._thing(thing)
        for one in estate.groups:
            yield from self._group(one)

    def _thing_type(self, kind: ThingType) -> Resource:
        properties = {
            "ThingTypeName": kind.name,
            "ThingTypeProperties": {
                "ThingTypeDescription": self._put(kind.description),
                "SearchableAttributes": self._put(list(kind.searchable)),
            },
        }
        return self._resource("ThingType", kind.name, "AWS::IoT::ThingType", properties)

    def _thing_group(self, group: ThingGroup) -> Resource:
        properties = {
            "ThingGroupName": group.name,
            "ThingGroupProperties": {
                "ThingGroupDescription": self._put(group.description),
                "AttributePayload": {"Attributes": self._put(group.attributes)},
            },
        }
        more = {"Policies": list(group.policies)}
        return self._resource("ThingGroup", group.name, "AWS::IoT::ThingGroup", properties, more)

    def _policy(self, policy: Policy) -> Resource:
        """Return a policy; where CloudFormation would write it otherwise, with its own text."""
        document = parsed_object(policy.document.encode())
        properties = {
            "PolicyName": policy.name,
            "PolicyDocument": self._put(policy.document if document is None else document),
        }
        plain = document is None or encoded_object(document) == policy.document
        more = None if plain else {"Text": self._put(policy.document)}
        return self._resource("Policy", policy.name, "AWS::IoT::Policy", properties, more)

    def _certificate(self, certificate: Certificate) -> Iterator[Resource]:
        """Yield a certificate with what holds for it; one without PEM keeps its id at least."""
        properties = {
            **({"CertificatePem": certificate.pem} if certificate.pem else {}),
            "CertificateMode": "SNI_ONLY",
            "Status": certificate.status,
        }
        short = certificate.id[:16]
        more = None if certificate.pem else {"Id": certificate.id}
        kind = "AWS::IoT::Certificate"
        yield self._resource("Certificate", certificate.id, kind, properties, more, hint=short)
        for policy in certificate.policies:
            yield self._resource(
                "Hold",
                f"{certificate.id} {policy}",
                "AWS::IoT::PolicyPrincipalAttachment",
                {
                    "PolicyName": self._reference("Policy", policy),
                    "Principal": self._principal(certificate.id),
                },
                hint=f"{short} {policy}",
            )

    def _thing(self, thing: Thing) -> Iterator[Resource]:
        properties: dict[str, Any] = {
            "ThingName": thing.name,
            "AttributePayload": {"Attributes": self._put(thing.attributes)},
        }
        more = {"ThingGroups": list(thing.thing_groups), "ThingType": thing.thing_type}
        yield self._resource("Thing", thing.name, "AWS::IoT::Thing", properties, more)
        for identifier in thing.certificates:
            yield self._resource(
                "Attachment",
                f"{thing.name} {identifier}",
                "AWS::IoT::ThingPrincipalAttachment",
                {
                    "ThingName": self._reference("Thing", thing.name),
                    "Principal": self._principal(identifier),
                },
                hint=f"{thing.name} {identifier[:16]}",
            )

    def _reference(self, kind: str, name: str) -> Any:
        """Return what names a part; one that is not in the estate is named as it is."""
        logical = self._logical.get((kind, name))
        return name if logical is None else {"Ref": logical}

    def _principal(self, identifier: str) -> Any:
        logical = self._logical.get(("Certificate", identifier))
        if logical is None:
            return self._put(certificate_arn(self._origin, identifier))
        return {"Fn::GetAtt": [logical, "Arn"]}

    def _group(self, group: Group) -> Iterator[Resource]:
        arns: dict[str, Any] = {}
        for definition in group.definitions:
            yield from self._definition(group, definition)
            key = (f"{definition.kind}DefinitionVersion", group.id)
            arns[f"{definition.kind}DefinitionVersionArn"] = {"Ref": self._logical[key]}
        properties: dict[str, Any] = {"Name": group.name, "Tags": self._put(group.tags)}
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
        properties: dict[str, Any] = {"Tags": self._put(definition.tags)}
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
        """Return a value as data: nothing in it is taken for a function, and ARNs fit any account.

        An object that looks like a function gets a second member that is none; a text that looks
        like a reference to a store is made of two.
        """
        if isinstance(value, list):
            return [self._put(one) for one in value]
        if isinstance(value, dict):
            made = {key: self._put(one) for key, one in value.items()}
            return {**made, _NO_FUNCTION: _NOTHING} if reads_as_function(value) else made
        if not isinstance(value, str):
            return value
        if DYNAMIC in value:
            return {"Fn::Join": [DYNAMIC[:2], _cut(value)]}
        if not self._arn.search(value):
            return value
        text = self._arn.sub(_pseudo, _BEGUN.sub(_kept, value))
        return {"Fn::Sub": [text, {_OPEN: "${"}] if f"${{{_OPEN}}}" in text else text}


def _kept(match: re.Match[str]) -> str:
    """Return what `Fn::Sub` makes the two signs from."""
    return f"${{{_OPEN}}}" if match[1] is None else "${!"


def _pseudo(match: re.Match[str]) -> str:
    return match["colon"].join(
        ("arn", "${AWS::Partition}", match["service"], "${AWS::Region}", "${AWS::AccountId}", "")
    )


def _cut(text: str) -> list[str]:
    """Return the pieces of a text that, with the first two signs between them, are the text."""
    first, *rest = text.split(DYNAMIC)
    return [first, *(DYNAMIC[2:] + piece for piece in rest)]
