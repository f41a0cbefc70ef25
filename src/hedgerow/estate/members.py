"""JSON from elsewhere, looked into without trusting its shape or the case of its names."""

import codecs
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

MAX_JSON_BYTES = 64 * 1024 * 1024


def parsed_object(data: bytes) -> Mapping[str, Any] | None:
    """Return the JSON object in a file, or None if there is none."""
    if len(data) > MAX_JSON_BYTES:
        return None
    try:
        value = msgspec.json.decode(without_mark(data))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def without_mark(data: bytes) -> bytes:
    """Return a text without its mark; what PowerShell redirects into files is UTF-16."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16").encode()
    return data.removeprefix(codecs.BOM_UTF8)


def encoded_object(value: Any) -> str:
    """Return JSON that was saved as an object as the text that it is in the API."""
    return msgspec.json.encode(value).decode()


def member(entity: Mapping[str, Any], name: str) -> Any:
    """Return a member whatever the case of its name (`ThingArn`, `thingArn`), or None."""
    if name in entity:
        return entity[name]
    lower = name.lower()
    return next((value for key, value in entity.items() if key.lower() == lower), None)


def text(entity: Mapping[str, Any], name: str) -> str:
    """Return a member that is a text, else an empty one."""
    value = member(entity, name)
    return value if isinstance(value, str) else ""


def objects(value: Any) -> Sequence[Mapping[str, Any]]:
    """Return the objects in a list; anything else has none."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def inner(entity: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a member that is an object, else an empty one."""
    value = member(entity, name)
    return value if isinstance(value, dict) else {}


def texts(value: Any) -> dict[str, str]:
    """Return the members of an object that are texts."""
    if not isinstance(value, dict):
        return {}
    return {key: one for key, one in value.items() if isinstance(one, str)}
