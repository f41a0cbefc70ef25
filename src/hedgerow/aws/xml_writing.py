"""From a model's types to the XML of the query protocol."""

import re
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from botocore.model import Shape

from hedgerow.aws.text_writing import scalar_text
from hedgerow.aws.timestamps import ISO

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def element(name: str, inside: str, attributes: str = "") -> str:
    """Return an element around text that is XML already."""
    return f"<{name}{attributes}>{inside}</{name}>"


def text_element(name: str, text: str) -> str:
    """Return an element around plain text; what XML cannot hold becomes `U+FFFD`."""
    return element(name, escape(_NOT_XML.sub("\ufffd", text), {"\r": "&#xD;"}))


def members_xml(shape: Shape, value: Mapping[str, Any]) -> str:
    """Return the elements of a structure's members, without one around them."""
    parts = []
    for name, inner in value.items():
        if name not in shape.members:
            raise LookupError(f"{shape.name} has no member {name}")
        member = shape.members[name]
        if inner is not None and not member.serialization.get("xmlAttribute"):
            parts.append(_member(name, member, inner))
    return "".join(parts)


def namespace(uri: str | None, prefix: str | None = None) -> str:
    """Return the attribute that declares an XML namespace, or nothing."""
    if not uri:
        return ""
    return f" xmlns{':' + prefix if prefix else ''}={quoteattr(uri)}"


def _member(name: str, shape: Shape, value: Any) -> str:
    wire = shape.serialization.get("name", name)
    flattened = shape.serialization.get("flattened")
    if shape.type_name == "list":
        item_name = shape.member.serialization.get("name")
        if flattened:
            return "".join(_value(item_name or wire, shape.member, item) for item in value)
        inside = "".join(_value(item_name or "member", shape.member, item) for item in value)
        return element(wire, inside, _declared(shape))
    if shape.type_name == "map":
        entries = [_entry(shape, key, inner) for key, inner in value.items()]
        if flattened:
            return "".join(element(wire, entry) for entry in entries)
        inside = "".join(element("entry", entry) for entry in entries)
        return element(wire, inside, _declared(shape))
    return _value(wire, shape, value)


def _entry(shape: Shape, key: str, value: Any) -> str:
    key_name = shape.key.serialization.get("name", "key")
    value_name = shape.value.serialization.get("name", "value")
    return text_element(key_name, key) + _member(value_name, shape.value, value)


def _value(name: str, shape: Shape, value: Any) -> str:
    if shape.type_name == "structure":
        return element(
            name, members_xml(shape, value), _declared(shape) + _attributes(shape, value)
        )
    if shape.type_name in ("list", "map"):
        return _member(name, shape, value)
    return text_element(name, scalar_text(shape, value, ISO))


def _attributes(shape: Shape, value: Mapping[str, Any]) -> str:
    return "".join(
        f" {member.serialization.get('name', name)}"
        f"={quoteattr(scalar_text(member, value[name], ISO))}"
        for name, member in shape.members.items()
        if member.serialization.get("xmlAttribute") and value.get(name) is not None
    )


def _declared(shape: Shape) -> str:
    declared = shape.serialization.get("xmlNamespace") or {}
    if isinstance(declared, str):
        return namespace(declared)
    return namespace(declared.get("uri"), declared.get("prefix"))
