"""Where deployments lie on disk, and how one takes the place of another in one step.

    <root>/ggc/deployment/
        group     -> versions/<deployment id>      the one that runs: group/group.json
        previous  -> versions/<deployment id>      the last good one before it
        versions/<deployment id>/manifest.json     as the cloud signed it
        versions/<deployment id>/group.json        its digest is in the manifest
        membership/<group id>.json                 the newest list of certificates, as signed
        serials.json                               the highest serial seen of each group
        reported                                   the last deployment the cloud heard the end of
        newest                                     when the newest deployment seen was made

`group` is a symbolic link that a rename replaces, so there is never a moment without a whole
group. A file that was changed on disk no longer fits its signature and is not run.
"""

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
from cryptography import x509

from hedgerow.contract import ARTIFACT_GROUP, DeploymentManifest, SignedDocument
from hedgerow.core.deployment.verification import (
    Expectation,
    VerifiedGroup,
    VerifiedManifest,
    VerifiedMembership,
    signing_time,
    verify_group,
    verify_manifest,
    verify_membership,
)
from hedgerow.kernel import ConfigurationError, PeerError, new_token, quoted
from hedgerow.pki import write_private

_RUNNING = "group"
_PREVIOUS = "previous"
_MANIFEST = "manifest.json"
_REPORTED = "reported"
_NEWEST = "newest"
_SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,127}", re.ASCII)
_EMPTIED = frozenset({b"", b"{}"})


@dataclass(frozen=True, slots=True)
class StoredDeployment:
    """What lies on disk and passed every check again; `rejected` says what did not."""

    group: VerifiedGroup | None
    membership: VerifiedMembership | None
    rejected: tuple[str, ...] = ()


class DeploymentFolder:
    """The deployments of one core. Blocking, and short: call it from the loop."""

    def __init__(self, path: Path, core_thing_arn: str, roots: Sequence[x509.Certificate]) -> None:
        self._path = path
        self._core = core_thing_arn
        self._roots = roots

    @property
    def running_group_file(self) -> Path:
        """The documented path of the group that runs."""
        return self._path / _RUNNING / ARTIFACT_GROUP

    def load(self) -> StoredDeployment:
        """Return the last good deployment, checked again, or none.

        A `group.json` that somebody replaced by `{}` means: start without a group (guide page
        gg-troubleshooting). One that was changed in any other way is passed over for the one
        before it.
        """
        rejected: list[str] = []
        for link in (_RUNNING, _PREVIOUS):
            if not (self._path / link).is_dir():
                continue
            try:
                group = self._read_group(self._path / link)
            except PeerError as error:
                rejected.append(f"{self._path / link}: {error.message}")
                continue
            if group is None:
                return StoredDeployment(None, None, (*rejected, f"{link} was emptied"))
            return self._with_membership(group, rejected)
        return StoredDeployment(None, None, tuple(rejected))

    def stage(self, group: VerifiedGroup) -> None:
        """Write the files of a deployment beside the one that runs."""
        folder = self._version(group.group.deployment_id)
        write_private(folder / _MANIFEST, group.manifest.signed)
        write_private(folder / ARTIFACT_GROUP, group.encoded)

    def switch(self, group: VerifiedGroup, membership: VerifiedMembership) -> None:
        """Make a staged deployment the one that runs, and keep the one before it."""
        version = self._version(group.group.deployment_id)
        self._note_newest(group.manifest)
        self.store_membership(membership)
        running = self._path / _RUNNING
        if running.is_symlink():
            before = running.readlink()
            if before != version.relative_to(self._path):
                self._point(_PREVIOUS, before)
        elif running.exists():
            running.rename(self._path / f"group.replaced-{new_token(32)}")
        self._point(_RUNNING, version.relative_to(self._path))
        self._prune()

    def store_membership(self, membership: VerifiedMembership) -> None:
        """Keep a newer list of certificates; its serial is the floor from now on."""
        document = membership.membership
        write_private(self._membership_path(document.group_id), membership.signed)
        self._raise_floor(document.group_id, document.serial)

    def serial_floor(self, group_id: str) -> int:
        """Return the highest serial this core has seen of the group."""
        return self._serials().get(group_id, 0)

    def reported(self) -> str:
        """Return the id of the deployment whose outcome the cloud was last told."""
        try:
            return (self._path / _REPORTED).read_text(encoding="ascii").strip()
        except (FileNotFoundError, UnicodeDecodeError):
            return ""

    def mark_reported(self, deployment_id: str) -> None:
        """Remember that the cloud was told the outcome of a deployment."""
        write_private(self._path / _REPORTED, _safe(deployment_id).encode())

    def newest(self) -> datetime | None:
        """Return when the newest deployment this core has seen was made."""
        try:
            text = (self._path / _NEWEST).read_text(encoding="ascii")
            return datetime.fromisoformat(text.strip())
        except (FileNotFoundError, ValueError):
            return None

    def _note_newest(self, manifest: VerifiedManifest) -> None:
        made, newest = manifest.manifest.created_at, self.newest()
        if newest is None or made > newest:
            write_private(self._path / _NEWEST, made.isoformat().encode())

    def clear(self, reset: VerifiedManifest) -> None:
        """Take the group away, as a reset asks; what keeps old documents out stays."""
        self._note_newest(reset)
        for link in (_RUNNING, _PREVIOUS):
            (self._path / link).unlink(missing_ok=True)
        for folder in ("versions", "membership"):
            shutil.rmtree(self._path / folder, ignore_errors=True)

    def _with_membership(self, group: VerifiedGroup, rejected: list[str]) -> StoredDeployment:
        """Add the list of certificates; without a good one the group runs and admits nobody."""
        try:
            membership = self._read_membership(group.group.group_id)
        except PeerError as error:
            return StoredDeployment(group, None, (*rejected, error.message))
        return StoredDeployment(group, membership, tuple(rejected))

    def _read_group(self, folder: Path) -> VerifiedGroup | None:
        encoded = _read(folder / ARTIFACT_GROUP)
        if encoded.strip() in _EMPTIED:
            return None
        signed = _read(folder / _MANIFEST)
        claimed = _claimed(signed)
        expected = Expectation(self._core, claimed.group_id, claimed.deployment_id)
        manifest = verify_manifest(signed, self._roots, signing_time(signed), expected)
        return verify_group(manifest, encoded)

    def _read_membership(self, group_id: str) -> VerifiedMembership:
        signed = _read(self._membership_path(group_id))
        return verify_membership(
            signed,
            self._roots,
            signing_time(signed),
            group_id=group_id,
            deployment_id=None,
            serial_floor=self.serial_floor(group_id),
        )

    def _point(self, name: str, target: Path) -> None:
        temporary = self._path / f".{name}.{new_token(32)}"
        temporary.symlink_to(target, target_is_directory=True)
        temporary.replace(self._path / name)
        _sync_folder(self._path)

    def _prune(self) -> None:
        """Remove every version but the one that runs and the one before it."""
        kept = {link.readlink().name for link in self._links()}
        for folder in (self._path / "versions").iterdir():
            if folder.name not in kept:
                shutil.rmtree(folder, ignore_errors=True)

    def _links(self) -> Iterator[Path]:
        for name in (_RUNNING, _PREVIOUS):
            if (self._path / name).is_symlink():
                yield self._path / name

    def _version(self, deployment_id: str) -> Path:
        return self._path / "versions" / _safe(deployment_id)

    def _membership_path(self, group_id: str) -> Path:
        return membership_path(self._path, group_id)

    def _serials(self) -> dict[str, int]:
        path = self._path / "serials.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=dict[str, int])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError) as error:
            raise ConfigurationError(
                f"{path} cannot be read ({error}); it holds the serials of certificate lists this "
                "core has seen: remove it only if you trust the network until the next deployment"
            ) from error

    def _raise_floor(self, group_id: str, serial: int) -> None:
        serials = self._serials()
        if serials.get(group_id, -1) < serial:
            serials[group_id] = serial
            write_private(self._path / "serials.json", msgspec.json.encode(serials))


def membership_path(deployment: Path, group_id: str) -> Path:
    """Return where a group's newest list of certificates lies in a folder of deployments."""
    return deployment / "membership" / f"{_safe(group_id)}.json"


def _claimed(signed: bytes) -> DeploymentManifest:
    """Return what a stored manifest says of itself, for `verify_manifest` to judge."""
    try:
        payload = msgspec.json.decode(signed, type=SignedDocument).payload
        return msgspec.json.decode(payload, type=DeploymentManifest)
    except msgspec.DecodeError as error:
        raise PeerError(f"{_MANIFEST} is not in the form of a signed manifest") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PeerError(f"cannot read {path}: {error.strerror}") from error


def _safe(identifier: str) -> str:
    """Return an identifier that may be a file name, or raise `PeerError`."""
    if not _SAFE_ID.fullmatch(identifier):
        raise PeerError(f"{quoted(identifier)} is not the form of an identifier")
    return identifier


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
