"""A package of updates, made of the software that is installed here.

A package is a gzipped tar: `package.json` (its facts), one program under its documented name,
`site/`, the Python packages it runs on, and `sbom.json`, which lists those (CycloneDX). The program
takes the host's `python3`, so a package is made on the operating system and machine it is for. Two
runs over the same files give the same bytes.
"""

import gzip
import io
import itertools
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec

import hedgerow
from hedgerow.contract import encode
from hedgerow.contract.update_programs import program_text
from hedgerow.contract.updates import (
    ENTRIES,
    PACKAGE_FACTS,
    PackageFacts,
    Software,
    target_path,
)
from hedgerow.kernel import ConfigurationError

_OWN: Final = "hedgerow"
BILL: Final = "sbom.json"
_GZIP_LEVEL: Final = 6
_CLOUD_ONLY: Final = frozenset({"botocore", "pyyaml", "segno"})
"""What the cloud needs and neither core nor agent does."""

_REQUIREMENT = re.compile(r"[A-Za-z0-9._-]+")
_LAUNCH: Final = 'PYTHONPATH="$here/site" PYTHONNOUSERSITE=1 exec python3 -P -m hedgerow.cli'
_PLACES: Final = """here=$(cd "$(dirname "$0")" && pwd -P)
root=$(cd "$(dirname "$0")/../.." && pwd)
[ -f "$root/config/config.json" ] || root=$(cd "$here/../../.." && pwd)
"""
"""Where the package lies, and the root it lies in: by the documented path, or by its own."""

PROGRAMS: Final[Mapping[Software, str]] = {
    software: program_text(software, launch=_LAUNCH, root='"$root"', before=_PLACES)
    for software in ENTRIES
}
"""The programs of packages; where the root is follows from where they lie in it."""


@dataclass(frozen=True, slots=True)
class Content:
    """One file of a package."""

    name: str
    data: bytes
    is_program: bool = False


def pack(facts: PackageFacts, out: Path) -> None:
    """Write a package of the installed software; `facts.version` has to be its version."""
    target_path(facts)
    installed = metadata.version(_OWN)
    if facts.version != installed:
        raise ConfigurationError(
            f"what is installed here is version {installed}; a package of {facts.version} is made "
            "where that is installed"
        )
    names = sorted(_needed(_OWN, set()))
    bill = Content(BILL, bill_of_materials(facts, names))
    write_package(facts, PROGRAMS[facts.software], itertools.chain([bill], _site(names)), out)


def write_package(facts: PackageFacts, program: str, site: Iterator[Content], out: Path) -> None:
    """Write a package of given files."""
    contents = [
        Content(PACKAGE_FACTS, encode(facts)),
        Content(ENTRIES[facts.software], program.encode(), is_program=True),
        *sorted(site, key=lambda content: content.name),
    ]
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for content in contents:
            member = tarfile.TarInfo(content.name)
            member.size = len(content.data)
            member.mode = 0o755 if content.is_program else 0o644
            archive.addfile(member, io.BytesIO(content.data))
    out.write_bytes(gzip.compress(raw.getvalue(), _GZIP_LEVEL, mtime=0))


def bill_of_materials(facts: PackageFacts, names: Sequence[str]) -> bytes:
    """Return what a package is made of, in CycloneDX's form (version 1.5)."""
    components = [
        {
            "type": "library",
            "name": name,
            "version": metadata.version(name),
            "purl": f"pkg:pypi/{name}@{metadata.version(name)}",
        }
        for name in names
    ]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "name": facts.software,
                "version": facts.version,
            }
        },
        "components": components,
    }
    return msgspec.json.format(msgspec.json.encode(document))


def _site(names: Sequence[str]) -> Iterator[Content]:
    """Return the files of hedgerow and of every distribution it needs at the edge."""
    root = Path(next(iter(hedgerow.__path__)))
    for path in sorted(root.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield Content(f"site/{_OWN}/{path.relative_to(root).as_posix()}", path.read_bytes())
    own = metadata.distribution(_OWN)
    yield Content(
        f"site/{_OWN}-{own.version}.dist-info/METADATA",
        f"Metadata-Version: 2.1\nName: {_OWN}\nVersion: {own.version}\n".encode(),
    )
    for name in names:
        if name != _OWN:
            yield from _files(metadata.distribution(name))


def _needed(name: str, known: set[str]) -> set[str]:
    """Return the names of all distributions that one needs, itself too; extras are left out."""
    known.add(name)
    for requirement in metadata.requires(name) or ():
        wanted, _, marker = requirement.partition(";")
        found = _REQUIREMENT.match(wanted)
        if found is None or "extra" in marker:
            continue
        needed = re.sub(r"[-_.]+", "-", found[0]).lower()
        if needed not in known and needed not in _CLOUD_ONLY and _is_installed(needed):
            _needed(needed, known)
    return known


def _is_installed(name: str) -> bool:
    """Tell whether a distribution is here: some are for other systems only."""
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _files(distribution: metadata.Distribution) -> Iterator[Content]:
    for entry in distribution.files or ():
        name = PurePosixPath(str(entry))
        if ".." in name.parts or "__pycache__" in name.parts:
            continue  # programs in bin/ are not part of what is imported
        path = Path(str(distribution.locate_file(entry)))
        if path.is_file():
            yield Content(f"site/{name}", path.read_bytes())
