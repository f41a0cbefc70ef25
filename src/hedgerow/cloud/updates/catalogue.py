"""What is published: the newest version of a software for an operating system and machine."""

from dataclasses import dataclass
from pathlib import Path

from hedgerow.cloud.updates.repository import UpdateRepository
from hedgerow.contract.updates import PackageFacts, Software, target_path, version_order
from hedgerow.kernel import Clock


@dataclass(frozen=True, slots=True)
class Published:
    """A version that cores can be told to take, and its path in the repository."""

    version: str
    target: str


class UpdateCatalogue:
    """Looks up what is published in a folder. It reads small files: call it from a thread."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._repository = UpdateRepository(folder, clock)

    def newest(
        self, software: Software, operating_system: str, architecture: str
    ) -> Published | None:
        """Return the newest version of a software for a pair, or None if there is none."""
        if not self._repository.is_there:
            return None
        fitting = [
            facts
            for facts in self._repository.packages()
            if _fits(facts, software, operating_system, architecture)
        ]
        if not fitting:
            return None
        newest = max(fitting, key=lambda facts: version_order(facts.version))
        return Published(newest.version, target_path(newest))


def _fits(
    facts: PackageFacts, software: Software, operating_system: str, architecture: str
) -> bool:
    wanted = (software, operating_system, architecture)
    return (facts.software, facts.operating_system, facts.architecture) == wanted
