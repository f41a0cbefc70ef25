"""Fetch packages from the repository, believing nothing that is not signed.

The TUF client workflow is `python-tuf`'s: a root that was pinned, then newer roots each signed by
the one before, `timestamp`, `snapshot`, `targets`; versions never go down, nothing that has expired
is believed, and a file is taken only at the length and digest that were signed. Bytes come over the
core's own link.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
from tuf.api.exceptions import DownloadError, DownloadHTTPError, RepositoryError
from tuf.api.metadata import TargetFile
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from hedgerow.contract.updates import PackageFacts, SoftwareUpdate, target_path, version_order
from hedgerow.kernel import (
    ConfigurationError,
    HedgerowError,
    PeerError,
    UnavailableError,
    quoted,
)
from hedgerow.pki import flush

PACKAGE_BYTES_LIMIT: Final = 512 * 1_048_576
_METADATA_URL: Final = "update:/metadata/"
_TARGETS_URL: Final = "update:/targets/"
_RUNS_ALSO: Final = {"armv7l": frozenset({"armv6l"})}
"""Packages of other architectures that a machine runs."""

_SEAL = object()


Fetch = Callable[[str, str], Iterator[bytes]]
"""Gives a file by kind (`metadata` or `targets`) and name, in pieces.

Raises `FileNotFoundError` if there is none, or `UnavailableError`.
"""


@dataclass(frozen=True, slots=True)
class VerifiedPackage:
    """A package that is what the repository's keys signed.

    INVARIANT: only `RepositoryClient` makes these.
    """

    path: Path
    facts: PackageFacts
    length: int
    sha256: str
    _seal: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self._seal is not _SEAL:
            raise TypeError("a VerifiedPackage comes from a RepositoryClient only")


class RepositoryClient:
    """The core's view of the repository, kept in a folder. Blocking: call it from a thread."""

    def __init__(self, folder: Path, pinned_root: Path, fetch: Fetch, machine: str) -> None:
        self._folder = folder
        self._pinned = pinned_root
        self._fetch = fetch
        self._machine = machine

    def fetch(self, update: SoftwareUpdate, current: str) -> VerifiedPackage:
        """Return the package of an update from the version `current`.

        One to an older version is refused while the current one is published: whoever can make
        jobs is not to bring back what was mended. The keeper of the offline keys allows it by
        withdrawing the current one.

        `PeerError` if the package or the metadata about it is not as it must be,
        `UnavailableError` if it cannot be fetched now.
        """
        for name in ("metadata", "downloads"):
            (self._folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            return self._verified(self._updater(), update, current)
        except DownloadHTTPError as error:
            raise PeerError(f"the repository lacks a file it should have: {error}") from error
        except DownloadError as error:
            cause = error.__cause__ if isinstance(error.__cause__, HedgerowError) else error
            raise UnavailableError(f"updates cannot be fetched: {cause}") from error
        except RepositoryError as error:
            raise PeerError(f"the update is not trusted: {error}") from error

    def discard(self) -> None:
        """Remove what was downloaded; what was learnt of the repository stays."""
        for path in (self._folder / "downloads").glob("*"):
            path.unlink()

    def _updater(self) -> Updater:
        try:
            pinned = self._pinned.read_bytes()
        except OSError as error:
            raise ConfigurationError(
                f"cannot read the root of software updates, {self._pinned}: {error.strerror}; it "
                "is the repository's 1.root.json, from whoever publishes updates"
            ) from error
        try:
            return Updater(
                str(self._folder / "metadata"),
                _METADATA_URL,
                str(self._folder / "downloads"),
                _TARGETS_URL,
                _Link(self._fetch),
                UpdaterConfig(),
                bootstrap=pinned,
            )
        except RepositoryError as error:
            raise ConfigurationError(f"{self._pinned} is no root of updates: {error}") from error

    def _verified(self, updater: Updater, update: SoftwareUpdate, current: str) -> VerifiedPackage:
        try:
            updater.refresh()
        finally:
            self._keep()
        target = updater.get_targetinfo(update.target)
        if target is None:
            raise PeerError(f"the repository offers no {quoted(update.target)}")
        facts = self._facts(target, update)
        in_force = target_path(msgspec.structs.replace(facts, version=current))
        is_older = version_order(facts.version) < version_order(current)
        if is_older and updater.get_targetinfo(in_force) is not None:
            raise PeerError(
                f"{facts.version} is older than {current}, which is in force and not withdrawn"
            )
        if target.length > PACKAGE_BYTES_LIMIT:
            raise PeerError(f"{quoted(update.target)} has over {PACKAGE_BYTES_LIMIT} bytes")
        path = Path(updater.find_cached_target(target) or updater.download_target(target))
        return VerifiedPackage(path, facts, target.length, target.hashes["sha256"], _SEAL)

    def _facts(self, target: TargetFile, update: SoftwareUpdate) -> PackageFacts:
        """Return what was signed about the target if it is what the job asks for, for this host."""
        try:
            facts = msgspec.convert(target.custom or {}, PackageFacts)
        except msgspec.ValidationError as error:
            raise PeerError(f"{quoted(target.path)} is not described: {error}") from error
        asked = (update.software, update.version, update.target)
        if asked != (facts.software, facts.version, target_path(facts)):
            raise PeerError(
                f"{quoted(target.path)} is {facts.software} {facts.version}, and the job asks for "
                f"{update.software} {quoted(update.version)}"
            )
        runs = {self._machine} | _RUNS_ALSO.get(self._machine, frozenset())
        if facts.architecture not in runs:
            raise PeerError(
                f"{quoted(target.path)} is for {facts.architecture}; this core is {self._machine}"
            )
        if "sha256" not in target.hashes:
            raise PeerError(f"{quoted(target.path)} is signed without a sha256")
        return facts

    def _keep(self) -> None:
        """Bring to the disk which versions were seen: older ones are refused even after a crash."""
        for path in (self._folder / "metadata").rglob("*"):
            flush(path)


class _Link(FetcherInterface):
    """Fetches over the core's link; errors become those that the workflow knows."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch_file = fetch

    def _fetch(self, url: str) -> Iterator[bytes]:
        for prefix, kind in ((_METADATA_URL, "metadata"), (_TARGETS_URL, "targets")):
            if url.startswith(prefix):
                return self._pieces(kind, url.removeprefix(prefix))
        raise DownloadError(f"{url} is not in the repository")

    def _pieces(self, kind: str, name: str) -> Iterator[bytes]:
        try:
            yield from self._fetch_file(kind, name)
        except FileNotFoundError as error:
            raise DownloadHTTPError(f"there is no {name}", 404) from error
        except (HedgerowError, OSError) as error:
            raise DownloadError(f"cannot fetch {name}: {error}") from error
