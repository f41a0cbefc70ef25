"""An estate as a folder for people: to review, to keep under version control, to read back.

hedgerow-estate.json        what there is, one thing, certificate or group a line
certificates/ID.pem         certificates as they are
policies/NAME.json          policies as they were written
groups/NAME/group.json      a group's properties
groups/NAME/devices.json    … and each of its definitions, one entity a line
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from hedgerow.estate.findings import Finding, blocks
from hedgerow.estate.formats import Reading, Source
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

INDEX: Final = "hedgerow-estate.json"
_FORMAT: Final = 1
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_-]+")
_MAX_NAME: Final = 80


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what stands in the index."""


class _PolicyEntry(_Strict, frozen=True):
    name: str
    file: str


class _GroupEntry(_Strict, frozen=True):
    folder: str
    definitions: tuple[str, ...]


class _Index(_Strict, frozen=True, rename="camel"):
    """The index; what is long lies in files of its own, which it names."""

    format: int
    origin: Origin
    thing_types: tuple[ThingType, ...] = ()
    thing_groups: tuple[ThingGroup, ...] = ()
    things: tuple[Thing, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    policies: tuple[_PolicyEntry, ...] = ()
    groups: tuple[_GroupEntry, ...] = ()


class OwnFiles:
    """Reads and writes such folders."""

    @property
    def name(self) -> str:
        """The format's name in commands."""
        return "files"

    def recognises(self, source: Source) -> bool:
        """Tell whether the index is there."""
        return INDEX in source.files

    def write(self, estate: Estate) -> Mapping[str, bytes]:
        """Return the files."""
        return _written(estate.in_order())

    def read(self, source: Source) -> Reading:
        """Return the estate as it was written, or every file that is missing or wrong."""
        faults: list[Finding] = []
        index = _decoded(source, INDEX, _Index, faults)
        if index is None:
            return Reading(estate=None, findings=faults)
        if index.format != _FORMAT:
            message = f"the format is {index.format}; this version reads {_FORMAT}"
            return Reading(estate=None, findings=(blocks("FILE_UNREADABLE", INDEX, message),))
        estate = Estate(
            origin=index.origin,
            thing_types=index.thing_types,
            thing_groups=index.thing_groups,
            things=index.things,
            certificates=tuple(
                msgspec.structs.replace(one, pem=_text(source, _pem_file(one.id), faults))
                for one in index.certificates
            ),
            policies=tuple(
                Policy(name=one.name, document=_text(source, one.file, faults))
                for one in index.policies
            ),
            groups=tuple(
                group
                for entry in index.groups
                if (group := _group(source, entry, faults)) is not None
            ),
        )
        if faults:
            return Reading(estate=None, findings=faults)
        return Reading(estate=estate.in_order())


def _written(estate: Estate) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    taken: set[str] = set()
    policies: list[dict[str, Any]] = []
    for policy in estate.policies:
        file = f"{_free(f'policies/{_safe(policy.name)}', taken)}.json"
        files[file] = policy.document.encode()
        policies.append({"name": policy.name, "file": file})
    for certificate in estate.certificates:
        if certificate.pem:
            files[_pem_file(certificate.id)] = certificate.pem.encode()
    groups: list[dict[str, Any]] = []
    for group in estate.groups:
        folder = _free(f"groups/{_safe(group.name)}", taken)
        files[f"{folder}/group.json"] = _pretty(
            msgspec.to_builtins(msgspec.structs.replace(group, definitions=()))
        )
        for definition in group.definitions:
            files[f"{folder}/{_file_of(definition.kind)}"] = _definition_text(definition)
        groups.append({"folder": folder, "definitions": [one.kind for one in group.definitions]})
    bare = [msgspec.structs.replace(one, pem="") for one in estate.certificates]
    files[INDEX] = _lines(
        {
            "format": _FORMAT,
            "origin": msgspec.to_builtins(estate.origin),
            "thingTypes": msgspec.to_builtins(estate.thing_types),
            "thingGroups": msgspec.to_builtins(estate.thing_groups),
            "things": msgspec.to_builtins(estate.things),
            "certificates": msgspec.to_builtins(bare),
            "policies": policies,
            "groups": groups,
        }
    )
    return files


def _definition_text(definition: Definition) -> bytes:
    return _lines(
        {
            "kind": definition.kind,
            "name": definition.name,
            "tags": definition.tags,
            **{f"content.{name}": value for name, value in definition.content.items()},
        }
    )


def _group(source: Source, entry: _GroupEntry, faults: list[Finding]) -> Group | None:
    group = _decoded(source, f"{entry.folder}/group.json", Group, faults)
    definitions = [
        _definition(source, f"{entry.folder}/{_file_of(kind)}", faults)
        for kind in entry.definitions
    ]
    if group is None:
        return None
    known = tuple(one for one in definitions if one is not None)
    whole: Group = msgspec.structs.replace(group, definitions=known)
    return whole


def _definition(source: Source, file: str, faults: list[Finding]) -> Definition | None:
    members = _decoded(source, file, dict, faults)
    if members is None:
        return None
    prefix = "content."
    content = {
        name.removeprefix(prefix): value
        for name, value in members.items()
        if name.startswith(prefix)
    }
    rest = {name: value for name, value in members.items() if not name.startswith(prefix)}
    try:
        return msgspec.convert({**rest, "content": content}, Definition)
    except msgspec.ValidationError as error:
        faults.append(blocks("FILE_UNREADABLE", file, str(error)))
        return None


def _decoded(source: Source, file: str, kind: type[Any], faults: list[Finding]) -> Any:
    """Return what a file holds, or None with the fault noted."""
    data = source.files.get(file)
    if data is None:
        faults.append(blocks("FILE_MISSING", file, "the folder is not whole: this file is missing"))
        return None
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        faults.append(blocks("FILE_UNREADABLE", file, str(error)))
        return None


def _text(source: Source, file: str, faults: list[Finding]) -> str:
    """Return a file's text; a certificate's may be missing, which the plan speaks of."""
    data = source.files.get(file)
    if data is None:
        if not file.startswith("certificates/"):
            message = "the folder is not whole: this file is missing"
            faults.append(blocks("FILE_MISSING", file, message))
        return ""
    try:
        return data.decode()
    except UnicodeError:
        faults.append(blocks("FILE_UNREADABLE", file, "the file is not a text"))
        return ""


def _file_of(kind: str) -> str:
    return f"{kind.lower()}s.json"


def _pem_file(identifier: str) -> str:
    return f"certificates/{_safe(identifier)}.pem"


def _safe(name: str) -> str:
    """Return what of a name may stand in a path."""
    return _UNSAFE.sub("_", name)[:_MAX_NAME] or "_"


def _free(path: str, taken: set[str]) -> str:
    """Return the path, with a number after it if another part has it already.

    Paths that differ only by case are one path to some file systems.
    """
    candidate, number = path, 1
    while candidate.casefold() in taken:
        number += 1
        candidate = f"{path}-{number}"
    taken.add(candidate.casefold())
    return candidate


def _pretty(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _lines(members: Mapping[str, Any]) -> bytes:
    """Return JSON in which every entry of a list has a line of its own."""
    written = ",\n".join(f"  {_json(name)}: {_listed(value)}" for name, value in members.items())
    return f"{{\n{written}\n}}\n".encode()


def _listed(value: Any) -> str:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        return _json(value)
    return "[\n" + ",\n".join(_entries(value)) + "\n  ]"


def _entries(values: Iterable[Any]) -> Iterable[str]:
    return (f"    {_json(value)}" for value in values)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
