"""What a package file says it is."""

import tarfile
from pathlib import Path
from typing import Final

from hedgerow.contract import decode
from hedgerow.contract.updates import ENTRIES, PACKAGE_FACTS, PackageFacts, target_path
from hedgerow.kernel import ConfigurationError, PeerError

_FACTS_BYTES_LIMIT: Final = 64 * 1024


def read_facts(package: Path) -> PackageFacts:
    """Return what a package says of itself, or raise `ConfigurationError` if it is none."""
    try:
        with tarfile.open(package, "r:gz") as archive:
            facts = decode(_member(archive, PACKAGE_FACTS), PackageFacts)
            target_path(facts)
            _require_program(archive, ENTRIES[facts.software])
            return facts
    except (OSError, EOFError, tarfile.TarError, KeyError, PeerError) as error:
        raise ConfigurationError(f"{package} is not a package of updates: {error}") from error


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.getmember(name)
    file = archive.extractfile(member)
    if file is None or member.size > _FACTS_BYTES_LIMIT:
        raise PeerError(f"{name} is no file, or a very large one")
    return file.read()


def _require_program(archive: tarfile.TarFile, name: str) -> None:
    member = archive.getmember(name)
    if not member.isfile() or not member.mode & 0o100:
        raise PeerError(f"{name} is not a program")
