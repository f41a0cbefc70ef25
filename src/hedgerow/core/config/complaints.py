"""What is wrong with a value of `config.json`, in words that say what it may be."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

_JSON_WORDS: Final = MappingProxyType(
    {"int": "a whole number", "str": "a string", "bool": "true or false"}
)
_NOT_ALLOWED: Final = "Invalid enum value "
_NOT_A_DAY: Final = "Invalid RFC3339 encoded date"


def in_plain_words(message: str, document: type[msgspec.Struct], *, within: str = "") -> str:
    """Return a message of `msgspec`: the field first, types as JSON names them, what is allowed.

    `within` is the path of the object that the document is the shape of, with a dot at its end.
    """
    problem, _, place = message.partition(" - at ")
    path = place.strip("`").removeprefix("$").removeprefix(".")
    name = f"{within}{path}" if path else within.rstrip(".")
    if problem.startswith(_NOT_ALLOWED):
        allowed = _one_of(_allowed(document, path))
        return f"{name} is {problem.removeprefix(_NOT_ALLOWED)}; it must be {allowed}"
    if problem == _NOT_A_DAY:
        return f"{name} is not a day; write it as 2027-06-30"
    problem = re.sub(r"`(\w+)`", lambda word: _JSON_WORDS.get(word[1], word[0]), problem)
    return f"{name}: {problem}" if name else problem


def look_alikes(keys: Mapping[str, Any], wanted: str) -> tuple[str, ...]:
    """Return the keys that somebody may have written for `wanted`, without that itself."""
    return tuple(key for key in keys if key != wanted and is_near(key.lower(), wanted))


def is_near(text: str, wanted: str) -> bool:
    """Return whether at most one letter is wrong, missing, too many, or two have changed places."""
    if text == wanted:
        return True
    if abs(len(text) - len(wanted)) > 1:
        return False
    start = next((i for i, (a, b) in enumerate(zip(text, wanted, strict=False)) if a != b), None)
    if start is None:
        return True
    left, right = text[start:], wanted[start:]
    swapped = left[:2] == right[1::-1] and left[2:] == right[2:]
    return swapped or left[1:] == right or left == right[1:] or left[1:] == right[1:]


def _allowed(document: type[msgspec.Struct], path: str) -> tuple[object, ...]:
    """Return what the field at a path may be, if that is one of a few values."""
    found: msgspec.inspect.Type = msgspec.inspect.type_info(document)
    for step in re.findall(r"\w+|\[[^]]*\]", path):
        found = _plain(found)
        if isinstance(found, msgspec.inspect.StructType):
            found = next(field.type for field in found.fields if field.encode_name == step)
        elif isinstance(found, msgspec.inspect.VarTupleType):
            found = found.item_type
    found = _plain(found)
    return tuple(found.values) if isinstance(found, msgspec.inspect.LiteralType) else ()


def _plain(found: msgspec.inspect.Type) -> msgspec.inspect.Type:
    """Return the one type of a field that may be null too."""
    if isinstance(found, msgspec.inspect.UnionType):
        return next(each for each in found.types if not isinstance(each, msgspec.inspect.NoneType))
    return found


def _one_of(values: tuple[object, ...]) -> str:
    *others, last = (str(value) for value in values)
    return f"{', '.join(others)} or {last}" if others else last
