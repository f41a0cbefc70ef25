"""Where deployments lie on disk, and how one takes the place of another in one step.

    <root>/ggc/deployment/
        group     -> versions/<deployment id>      the one that runs: group/group.json
        previous  -> versions/<deployment id>      the last good one before it
        versions/<deployment id>/manifest.json     as the cloud signed it
        versions/<deployment id>/group.json        its digest is in the manifest
        membership/<group id>.json                 the newest list of certificates, as signed
        ledger.a  ledger.b                         what else is remembered: ledger.py

`group` is a symbolic link that a rename replaces, so there is never a moment without a whole
group. A file that was changed on disk no longer fits its signature and is not run. What is new is
on trial until its health check has passed: `confirm` ends the trial, `go_back` undoes the switch.
"""

import contextlib
import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
from cryptography import x509

from hedgerow.contract import ARTIFACT_GROUP, DeploymentManifest, SignedDocument
from hedgerow.core.deployment.ledger import Ledger, LedgerFile, Outcome, Wiping
from hedgerow.core.deployment.room import Demand, require_room
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
from hedgerow.core.deployment.versions import PREVIOUS, RUNNING, Versions, safe_id
from hedgerow.kernel import CallerError, PeerError
from hedgerow.pki import write_private

_MANIFEST = "manifest.json"
_MEMBERSHIP = "membership"
_EMPTIED = frozenset({b"", b"{}"})


@dataclass(frozen=True, slots=True)
class StoredDeployment:
    """What lies on disk and passed every check again; `rejected` says what did not.

    `emptied`: an administrator has replaced the group by `{}`, and wants the core to start without.
    """

    group: VerifiedGroup | None
    membership: VerifiedMembership | None
    rejected: tuple[str, ...] = ()
    emptied: bool = False

    @property
    def deployment_id(self) -> str | None:
        """The id of the deployment, None without one."""
        return self.group.group.deployment_id if self.group is not None else None


@dataclass(frozen=True, slots=True)
class Slot:
    """One of the two places; `group` is None for what is not run, and `fault` says why."""

    name: str
    group: VerifiedGroup | None
    fault: str = ""
    emptied: bool = False


class DeploymentFolder:
    """The deployments of one core. Blocking, and short: call it from the loop."""

    def __init__(self, path: Path, core_thing_arn: str, roots: Sequence[x509.Certificate]) -> None:
        self._path = path
        self._core = core_thing_arn
        self._roots = roots
        self._ledger = LedgerFile(path)
        self._versions = Versions(path)

    @property
    def running_group_file(self) -> Path:
        """The documented path of the group that runs."""
        return self._path / RUNNING / ARTIFACT_GROUP

    @property
    def ledger(self) -> Ledger:
        """What is remembered now."""
        return self._ledger.read()

    @property
    def lost(self) -> str | None:
        """What of the memory was lost, as a sentence."""
        return self._ledger.lost

    # ---- what lies here

    def load(self, passing_over: Collection[str] = ()) -> StoredDeployment:
        """Return the last good deployment, checked again, or none.

        A `group.json` that somebody replaced by `{}` means: start without a group (guide page
        gg-troubleshooting). One that was changed in any other way, that was found unfit, or whose
        id is passed over, is left for the one before it.
        """
        rejected: list[str] = []
        for slot in self.slots():
            if slot.emptied:
                return StoredDeployment(None, None, (*rejected, slot.fault), emptied=True)
            if slot.group is None:
                rejected.append(slot.fault)
            elif slot.group.group.deployment_id not in passing_over:
                return self._with_membership(slot.group, rejected)
        return StoredDeployment(None, None, tuple(rejected))

    def slots(self) -> Iterator[Slot]:
        """Yield what lies in the two places that a start looks at, in this order."""
        for name in (RUNNING, PREVIOUS):
            path = self._path / name
            if not path.is_dir():
                continue
            try:
                group = self._read_group(path)
            except PeerError as error:
                yield Slot(name, None, f"{path}: {error.message}")
                continue
            if group is None:
                yield Slot(name, None, f"{name} was emptied", emptied=True)
                continue
            deployment_id = group.group.deployment_id
            unfit = self.ledger.failed.get(deployment_id)
            if unfit is None:
                yield Slot(name, group)
            else:
                yield Slot(name, None, f"deployment {deployment_id} is not run again: {unfit}")

    def running_id(self) -> str | None:
        """Return the id that `group` points at, whatever lies there; None without one."""
        return self._versions.running_id

    def newest(self) -> datetime | None:
        """Return when the newest deployment this core has seen was made."""
        return self.ledger.newest

    def serial_floor(self, group_id: str) -> int:
        """Return the highest serial this core has seen of the group."""
        return self.ledger.serials.get(group_id, 0)

    def reported(self) -> str:
        """Return the id of the deployment whose outcome the cloud was last told."""
        return self.ledger.reported

    # ---- one deployment after another

    def require_room(self, deployment_bytes: int) -> None:
        """Pass only if the disk takes a deployment of this size; `CallerError` lists every fault.

        Its files are written beside those that run, and so is the list of certificates.
        """
        require_room((Demand(self._path, 2 * deployment_bytes, "the deployment"),))

    def stage(self, group: VerifiedGroup) -> None:
        """Write the files of a deployment beside the one that runs, and read them back.

        Raises `PeerError` if the disk does not hold what was signed.
        """
        folder = self._versions.folder(group.group.deployment_id)
        write_private(folder / _MANIFEST, group.manifest.signed)
        write_private(folder / ARTIFACT_GROUP, group.encoded)
        self._versions.flush(group.group.deployment_id)
        self._require_held(folder, group)

    def require_running(self, group: VerifiedGroup) -> None:
        """Pass only if this deployment is whole on disk, and the one a start would begin with."""
        if self.running_id() != group.group.deployment_id:
            raise PeerError(f"{self._path / RUNNING} does not lead to the deployment that runs")
        self._require_held(self._path / RUNNING, group)

    def discard(self, deployment_id: str) -> None:
        """Remove what was staged of a deployment that is not going to run."""
        self._versions.discard(deployment_id)

    def switch(
        self,
        group: VerifiedGroup,
        membership: VerifiedMembership,
        *,
        before: str | None = None,
        leaving: str | None = None,
    ) -> None:
        """Make a staged deployment the one that runs, on trial, and keep the one before it.

        `before` is the deployment that runs now, `leaving` its group if that is another one.
        """
        deployment_id = group.group.deployment_id
        self.store_membership(membership)
        failed = {name: why for name, why in self.ledger.failed.items() if name != deployment_id}
        ledger = self.ledger.with_newest(group.manifest.manifest.created_at)
        self._ledger.write(
            msgspec.structs.replace(
                ledger,
                trial=deployment_id,
                starts={},
                failed=failed,
                leaving=leaving,
                wiping=None,  # a reset that could not be finished must not take this one away
            )
        )
        self._versions.run(deployment_id, before)

    def confirm(self, deployment_id: str) -> None:
        """End the trial of a deployment that was found healthy."""
        ledger = self.ledger
        if ledger.leaving is not None:  # nothing of that group may come back by itself
            self._versions.forget_previous()
            self._forget_lists_but_of(deployment_id)
        # What failed before a good deployment is history now.
        failed = {} if ledger.trial == deployment_id else ledger.failed
        self._ledger.change(trial=None, starts={}, leaving=None, failed=failed)
        self._versions.prune()

    def go_back(self, deployment_id: str, reason: str) -> StoredDeployment:
        """Never run a deployment again, and return the one to run instead.

        It counts as undone once the ledger says so. On a full disk, where that cannot be written,
        the links are put back all the same: that takes no room.
        """
        ledger = self.ledger.with_failed(deployment_id, reason)
        try:
            self._ledger.write(msgspec.structs.replace(ledger, trial=None, starts={}, leaving=None))
        finally:
            with contextlib.suppress(OSError):
                self._versions.go_back(deployment_id)
        return self.load()

    def put_back(self, group: VerifiedGroup) -> None:
        """Write what runs anew, and let a start begin with it: it was not whole any more."""
        self.stage(group)
        self._versions.run(group.group.deployment_id, None)

    def note_start(self, deployment_id: str) -> int:
        """Count a start with a deployment, and return how many there were without good health."""
        starts = self.ledger.starts.get(deployment_id, 0) + 1
        self._ledger.change(starts={deployment_id: starts})
        return starts

    def forget_starts(self) -> None:
        """Count starts from nothing again."""
        if self.ledger.starts:
            self._ledger.change(starts={})

    # ---- what the cloud is to know, and what it says

    def store_membership(self, membership: VerifiedMembership) -> None:
        """Keep a newer list of certificates; its serial is the floor from now on."""
        document = membership.membership
        write_private(self._membership_path(document.group_id), membership.signed)
        self._ledger.write(self.ledger.with_serial(document.group_id, document.serial))

    def note_outcome(self, outcome: Outcome) -> None:
        """Remember how a deployment ended until the cloud has been told."""
        self._ledger.change(outcome=outcome)

    def mark_reported(self, deployment_id: str) -> None:
        """Remember that the cloud was told the outcome of a deployment."""
        self._ledger.change(reported=safe_id(deployment_id), outcome=None)

    # ---- a reset

    def begin_wiping(self, reset: VerifiedManifest) -> None:
        """Note that the group is about to be taken away, before anything of it is."""
        manifest = reset.manifest
        wiping = Wiping(group_id=manifest.group_id, deployment_id=manifest.deployment_id)
        ledger = self.ledger.with_newest(manifest.created_at)
        self._ledger.write(msgspec.structs.replace(ledger, wiping=wiping))

    def clear(self) -> None:
        """Take every group away; what keeps old documents out stays.

        Raises `CallerError` that names what could not be removed.
        """
        left = [str(folder) for folder in self._versions.clear()]
        lists = self._path / _MEMBERSHIP
        shutil.rmtree(lists, ignore_errors=True)
        if lists.exists():
            left.append(str(lists))
        if left:
            raise CallerError(f"{', '.join(left)} could not be removed; check who owns them")

    def end_wiping(self) -> None:
        """Note that nothing of the group is left."""
        self._ledger.change(wiping=None, trial=None, starts={}, failed={}, leaving=None)

    def recover(self) -> None:
        """Raise the floors of a lost ledger to what the signed documents that lie here say."""
        ledger = self.ledger
        if self._ledger.lost is None or ledger.serials:
            return
        for path in sorted((self._path / _MEMBERSHIP).glob("*.json")):
            with contextlib.suppress(PeerError):
                document = self._read_membership(path.stem).membership
                ledger = ledger.with_serial(document.group_id, document.serial)
        for folder in self._versions.all():
            with contextlib.suppress(PeerError):
                group = self._read_group(folder)
                if group is not None:
                    ledger = ledger.with_newest(group.manifest.manifest.created_at)
        with contextlib.suppress(OSError):
            self._ledger.write(ledger)

    # ---- inside

    def _forget_lists_but_of(self, deployment_id: str) -> None:
        """Remove the lists of certificates of all groups but a deployment's own."""
        group = self._read_group(self._versions.folder(deployment_id))
        kept = None if group is None else self._membership_path(group.group.group_id)
        for path in (self._path / _MEMBERSHIP).glob("*.json"):
            if path != kept:
                path.unlink(missing_ok=True)

    @staticmethod
    def _require_held(folder: Path, group: VerifiedGroup) -> None:
        held = (_read(folder / _MANIFEST), _read(folder / ARTIFACT_GROUP))
        if held != (group.manifest.signed, group.encoded):
            raise PeerError(f"what lies in {folder} is not what was written there; check the disk")

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

    def _membership_path(self, group_id: str) -> Path:
        return membership_path(self._path, group_id)


def membership_path(deployment: Path, group_id: str) -> Path:
    """Return where a group's newest list of certificates lies in a folder of deployments."""
    return deployment / _MEMBERSHIP / f"{safe_id(group_id)}.json"


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
