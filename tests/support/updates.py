"""Repositories and packages of software updates."""

import io
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.support.clock import ManualClock

from hedgerow.cloud.updates import UpdateRepository
from hedgerow.cloud.updates.packing import Content, write_package
from hedgerow.contract.updates import PackageFacts, Software
from hedgerow.kernel import Clock, SystemClock

FACTS = PackageFacts(
    software="core", version="1.1.0", operating_system="ubuntu", architecture="x86_64"
)


def make_package(
    folder: Path,
    version: str = "1.1.0",
    *,
    software: Software = "core",
    program: str = "#!/bin/sh\nexit 0\n",
    site: Iterable[Content] = (),
    architecture: str = "x86_64",
) -> Path:
    """Write a package and return its path."""
    facts = replace_facts(version, software, architecture)
    out = folder / f"{software}-{version}.tar.gz"
    write_package(facts, program, iter(site), out)
    return out


def replace_facts(version: str, software: Software, architecture: str = "x86_64") -> PackageFacts:
    """Return the facts of a package."""
    return PackageFacts(
        software=software,
        version=version,
        operating_system="ubuntu",
        architecture=architecture,
    )


def make_archive(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    """Write a gzipped tar with exactly these members, which may be anything."""
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        for member, data in members:
            member.size = len(data) if member.isreg() else 0
            archive.addfile(member, io.BytesIO(data) if member.isreg() else None)
    return path


@dataclass
class UpdatePlace:
    """A repository, its offline keys, and packages to publish."""

    folder: Path
    clock: Clock

    @property
    def files(self) -> Path:
        """The repository's own folder."""
        return self.folder / "updates"

    @property
    def keys(self) -> Path:
        """The offline keys."""
        return self.folder / "offline"

    @property
    def repository(self) -> UpdateRepository:
        """The repository."""
        return UpdateRepository(self.files, self.clock)

    @property
    def pinned(self) -> bytes:
        """The first root, as cores have it pinned."""
        return self.repository.first_root.read_bytes()

    def publish(
        self,
        version: str = "1.1.0",
        *,
        software: Software = "core",
        program: str = "#!/bin/sh\nexit 0\n",
        site: Iterable[Content] = (),
        architecture: str = "x86_64",
    ) -> str:
        """Publish a package and return its target path."""
        package = make_package(
            self.folder,
            version,
            software=software,
            program=program,
            site=site,
            architecture=architecture,
        )
        self.repository.publish(package, self.keys)
        return f"{software}/{version}/ubuntu-{architecture}.tar.gz"

    def at(self, ago: timedelta) -> "UpdatePlace":
        """Return the same place, where it is so long ago."""
        return replace(self, clock=ManualClock(datetime.now(UTC) - ago))  # noqa: TID251 - TUF asks the system


def new_place(folder: Path, clock: Clock | None = None) -> UpdatePlace:
    """Make an empty repository."""
    place = UpdatePlace(folder, clock or SystemClock())
    place.repository.create(place.keys)
    return place
