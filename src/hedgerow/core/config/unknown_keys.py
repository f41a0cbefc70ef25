"""Keys of `config.json` that nothing reads, though they were probably meant to be read.

Unknown keys are tolerated, for other programs may keep their own in the file. What is told here is
only what stands in `hedgerow`, where nobody else has anything to say, and what looks like a key
that is known.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from hedgerow.core.config.complaints import is_near
from hedgerow.core.config.documents import ConfigDocument, OptionsDocument

_OPTIONS: Final = "hedgerow"


@dataclass(frozen=True, slots=True)
class MisspeltKey:
    """A key by its path, and the path that was probably meant; empty if none is like it."""

    path: str
    meant: str


def misspelt(document: Mapping[str, Any]) -> tuple[MisspeltKey, ...]:
    """Return the keys of a parsed `config.json` that were probably meant to have an effect."""
    found = list(_below("", document, ConfigDocument))
    options = document.get(_OPTIONS)
    if isinstance(options, Mapping):
        found += _below(f"{_OPTIONS}.", options, OptionsDocument, all_unknown=True)
    return tuple(found)


def _below(
    path: str, given: Mapping[str, Any], shape: type, *, all_unknown: bool = False
) -> Iterator[MisspeltKey]:
    known = {field.encode_name: field.type for field in msgspec.structs.fields(shape)}
    for key, value in given.items():
        if key in known:
            inner = _struct_of(known[key])
            if inner is not None and isinstance(value, Mapping):
                yield from _below(f"{path}{key}.", value, inner)
            continue
        meant = _meant(path, key, known)
        if meant or all_unknown:
            yield MisspeltKey(path + key, meant)


def _meant(path: str, key: str, known: Mapping[str, Any]) -> str:
    """Return the path that a key was probably meant to have."""
    near = next((name for name in known if is_near(key.lower(), name.lower())), None)
    if near is not None:
        return path + near
    return f"{_OPTIONS}, at the top," if path and is_near(key.lower(), _OPTIONS) else ""


def _struct_of(kind: Any) -> type | None:
    """Return the object that a field holds, if it holds one."""
    for one in (kind, *getattr(kind, "__args__", ())):
        if isinstance(one, type) and issubclass(one, msgspec.Struct):
            return one
    return None
