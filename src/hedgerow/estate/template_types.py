"""The resource types of templates that an estate knows: what they refer to and how they are typed.

Source: CloudFormation's references of `AWS::Greengrass` and `AWS::IoT` (return values). Ids that a
stack would give follow from the names in the template.
"""

import hashlib
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from hedgerow.estate.certificates import certificates_of
from hedgerow.estate.members import inner
from hedgerow.estate.naming import CERTIFICATE_ID, certificate_arn, printed_arn
from hedgerow.estate.template_values import text_of
from hedgerow.estate.values import DEFINITION_NAMES, Origin

_NAMESPACE: Final = uuid.UUID("6f0d9a3e-5f43-5d0b-9a54-0c1b6a6f7a11")
"""Ids in templates are made in this namespace (RFC 9562, version 5)."""

METADATA: Final = "Hedgerow"
"""Under this name stands what templates have no property for."""

_GREENGRASS: Final = "AWS::Greengrass::"
NAME_MEMBERS: Final[Mapping[str, str]] = {
    "AWS::IoT::Thing": "ThingName",
    "AWS::IoT::ThingType": "ThingTypeName",
    "AWS::IoT::ThingGroup": "ThingGroupName",
    "AWS::IoT::Policy": "PolicyName",
}
"""The property that names a resource; `Ref` gives it."""

IOT_KINDS: Final = frozenset(
    {
        *NAME_MEMBERS,
        "AWS::IoT::Certificate",
        "AWS::IoT::PolicyPrincipalAttachment",
        "AWS::IoT::ThingPrincipalAttachment",
    }
)
_ARN_KINDS: Final[Mapping[str, str]] = {
    "AWS::IoT::Thing": "thing",
    "AWS::IoT::ThingType": "thingtype",
    "AWS::IoT::ThingGroup": "thinggroup",
    "AWS::IoT::Policy": "policy",
}
UNUSED: Final[Mapping[str, frozenset[str]]] = {
    "AWS::IoT::Thing": frozenset(),
    "AWS::IoT::ThingType": frozenset({"DeprecateThingType", "Tags"}),
    "AWS::IoT::ThingGroup": frozenset({"ParentGroupName", "QueryString", "Tags"}),
    "AWS::IoT::Policy": frozenset({"Tags"}),
    "AWS::IoT::Certificate": frozenset({"CACertificatePem", "CertificateSigningRequest"}),
}
"""Properties that an estate has no place for."""

_FLAGS: Final = frozenset({"SyncShadow", "Pinned", "AccessSysfs", "AutoAddGroupOwner"})
_FLAG_TEXTS: Final = {"true": True, "false": False}
_NUMBERS: Final = frozenset({"MemorySize", "Timeout", "Uid", "Gid", "Space"})
_NUMBER: Final = re.compile(r"-?[0-9]{1,18}")
_TEXT_MAPS: Final = frozenset({"Variables", "Parameters", "Tags", "Attributes"})
"""Members in which every value is a text, whatever its name is."""

_AS_IT_IS: Final = "PolicyDocument"


def certificate_id_in(pem: str, name: str, written: str = "") -> str:
    """Return a certificate's id by its PEM; without one, the id that is written.

    Without either the id only stands for the certificate in the template.
    """
    for found in certificates_of(pem, name):
        return found.id
    if not pem and CERTIFICATE_ID.fullmatch(written):
        return written
    return hashlib.sha256(f"certificate {name}".encode()).hexdigest()


def certificate_parameters(resources: Mapping[str, Any]) -> frozenset[str]:
    """Return the parameters that a core, a device or an attachment names its certificate by."""
    return frozenset(
        name
        for resource in resources.values()
        for reference in _certificate_references(inner(resource, "Properties"))
        if isinstance(reference, dict) and isinstance(name := reference.get("Ref"), str)
    )


def _certificate_references(value: Any) -> Iterator[Any]:
    """Yield what stands where a certificate's ARN belongs, at any depth."""
    if isinstance(value, list):
        for one in value:
            yield from _certificate_references(one)
    elif isinstance(value, dict):
        for key, one in value.items():
            if key in {"CertificateArn", "Principal"}:
                yield one
            else:
                yield from _certificate_references(one)


def definition_id(name: str) -> str:
    """Return the id that a definition or group of this name in a template has."""
    return str(uuid.uuid5(_NAMESPACE, name))


def physical(
    origin: Origin,
    kind: str,
    name: str,
    attribute: str,
    named: Callable[[str, str], str],
    identifier: str,
) -> str | None:
    """Return an attribute that follows from a resource's type, names and id, or None."""
    if kind in NAME_MEMBERS:
        own = named(name, NAME_MEMBERS[kind])
        if attribute in {"Ref", "Name"}:
            return own
        arn = printed_arn(origin, "iot", f"{_ARN_KINDS[kind]}/{own}")
        return arn if attribute == "Arn" else None
    if kind == "AWS::IoT::Certificate":
        own = certificate_id_in(named(name, "CertificatePem"), name, identifier)
        if attribute in {"Ref", "Id"}:
            return own
        return certificate_arn(origin, own) if attribute == "Arn" else None
    if kind.startswith(_GREENGRASS):
        return _greengrass(origin, kind.removeprefix(_GREENGRASS), identifier, attribute)
    return None


def as_modelled(content: Any) -> Any:
    """Return properties in the API's types; in templates numbers may be texts and texts numbers."""
    if isinstance(content, list):
        return [as_modelled(one) for one in content]
    if not isinstance(content, dict):
        return text_of(content) if isinstance(content, bool | int | float) else content
    return {key: _typed(key, value) for key, value in content.items()}


def _typed(key: str, value: Any) -> Any:
    if key == _AS_IT_IS:
        return value
    if key in _TEXT_MAPS and isinstance(value, dict):
        return {name: as_modelled(one) for name, one in value.items()}
    if key in _FLAGS:
        return _FLAG_TEXTS.get(text_of(value).lower(), value)
    if key in _NUMBERS:
        written = text_of(value)
        return int(written) if _NUMBER.fullmatch(written) else value
    return as_modelled(value)


def _greengrass(origin: Origin, kind: str, identifier: str, attribute: str) -> str | None:
    if kind == "Group":
        base = f"/greengrass/groups/{identifier}"
    elif kind == "GroupVersion":
        return _arn(origin, f"/greengrass/groups/versions/{identifier}", attribute)
    else:
        word = kind.removesuffix("Version").removesuffix("Definition")
        if word not in DEFINITION_NAMES:
            return None
        base = f"/greengrass/definition/{word.lower()}s/{identifier}"
        if kind.endswith("Version"):
            return _arn(origin, f"{base}/versions/{identifier}", attribute)
    found = {
        "Ref": identifier,
        "Id": identifier,
        "Arn": _arn(origin, base, "Arn"),
        "LatestVersionArn": _arn(origin, f"{base}/versions/{identifier}", "Arn"),
    }
    return found.get(attribute)


def _arn(origin: Origin, resource: str, attribute: str) -> str | None:
    if attribute not in {"Ref", "Arn"}:
        return None
    return printed_arn(origin, "greengrass", resource)
