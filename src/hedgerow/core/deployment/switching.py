"""From one deployment to the next, and back: switch, trial, health check, reset, start.

INVARIANT: whatever happens, the core runs the deployment before or the one after, never half of
each; what was found unfit is not run again by itself.
"""

import enum
from dataclasses import dataclass
from typing import Final, NoReturn

from structlog.typing import FilteringBoundLogger

from hedgerow.core.deployment.activation import Activation, UnhealthyError
from hedgerow.core.deployment.folder import DeploymentFolder, StoredDeployment
from hedgerow.core.deployment.verification import (
    VerifiedGroup,
    VerifiedManifest,
    VerifiedMembership,
)
from hedgerow.kernel import CallerError, HedgerowError

_TRIAL_STARTS: Final = 2
"""Starts with a deployment on trial; if it is not found healthy then, it is undone."""
_STARTS: Final = 5
"""Starts in a row with a deployment that was healthy once, before the one before it is tried."""
OWN_FAULT: Final = "a fault of the core; see its runtime.log"


class Mode(enum.StrEnum):
    """How the core runs, for people and programs."""

    NONE = "none"
    """No group is deployed."""
    RUNNING = "running"
    TRIAL = "trial"
    """A deployment runs that has not passed its health check yet."""
    BEHIND = "previous"
    """The deployment before runs: the last one could not be run."""
    RESCUE = "rescue"
    """Link and deployments work, no group is served: none that is stored can be run."""


@dataclass(frozen=True, slots=True)
class Unfit:
    """A deployment that was found unfit when the core began, and why."""

    deployment_id: str
    group_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Before:
    """What ran before a switch, as it is in memory."""

    group: VerifiedGroup | None
    membership: VerifiedMembership | None
    mode: Mode


class Switcher:
    """Owns what runs. It decides from the folder, and acts on the core through `Activation`."""

    def __init__(
        self, folder: DeploymentFolder, activation: Activation, log: FilteringBoundLogger
    ) -> None:
        self._folder = folder
        self._activation = activation
        self._log = log
        self.group: VerifiedGroup | None = None
        self.membership: VerifiedMembership | None = None
        self.mode = Mode.NONE
        self.problem: str | None = None
        """Why what runs is not what was deployed last."""
        self._ails = False
        self.unfit: Unfit | None = None
        """What a start found unfit, for the cloud to be told."""

    @property
    def running_id(self) -> str | None:
        """The id of the deployment that runs."""
        return self.group.group.deployment_id if self.group else None

    # ---- at start

    def begin(self) -> None:
        """Serve the last deployment that can be run; if none of those that lie here can, none.

        It never fails: a core that cannot run anything must still hear of the next deployment.
        """
        self._finish_wiping()
        self._folder.recover()
        last = self._folder.running_id()
        passed_over: set[str] = set()
        reasons: dict[str, None] = {}
        while True:
            stored = self._folder.load(passed_over)
            reasons |= dict.fromkeys(stored.rejected)
            if stored.group is None:
                break
            reason = self._reason_not_to_begin(stored, stored.group)
            if reason is None:
                self.group, self.membership = stored.group, stored.membership
                break
            deployment_id = stored.group.group.deployment_id
            reasons[f"deployment {deployment_id} cannot be run: {reason}"] = None
            passed_over.add(deployment_id)
        self._describe(last, stored, tuple(reasons))

    async def check_begun(self) -> bool:
        """Look after a start whether the core is healthy; return whether a trial ended well.

        A deployment on trial that is not healthy is undone; with another the core goes on.
        """
        group = self.group
        if group is None:
            return False
        on_trial = self._folder.ledger.trial == self.running_id
        reason = await self._illness(group)
        if reason is None:
            self._settle(group)
            return on_trial
        if on_trial:
            self._go_back(group, f"health check failed: {reason}")
        else:
            self._ails = True
            self._tell(f"this core is not healthy: {reason}")
        return False

    async def _illness(self, group: VerifiedGroup) -> str | None:
        """Return what does not work, None if all does."""
        log = self._log
        try:
            await self._activation.check(group)
        except UnhealthyError as error:
            return error.message
        except Exception:  # a check that fails must not take the core down again and again
            log.exception("the health check failed")
            return OWN_FAULT
        return None

    async def look_again(self) -> None:
        """Look once more at a core that was not healthy after its start."""
        if self._ails and self.group is not None:
            self._ails = False
            await self.check_begun()

    def _reason_not_to_begin(self, stored: StoredDeployment, group: VerifiedGroup) -> str | None:
        """Begin with a deployment, or return why not."""
        deployment_id = group.group.deployment_id
        on_trial = self._folder.ledger.trial == deployment_id
        starts, log = self._note_start(deployment_id), self._log
        if starts > (_TRIAL_STARTS if on_trial else _STARTS):
            reason = f"the core stopped {starts - 1} times before it was found healthy with it"
        else:
            try:
                self._activation.resume(stored)
            except HedgerowError as error:
                reason = error.message
            except Exception:  # whatever a stored group does, the core must come up
                log.exception("the stored deployment cannot be begun")
                reason = OWN_FAULT
            else:
                return None
            self._activation.withdraw()
        if on_trial:
            self._undo_on_disk(group, reason)
        return reason

    def stopped(self) -> None:
        """Hear that the core was stopped on purpose: a start that was not looked at counts not."""
        try:
            self._folder.forget_starts()
        except OSError as error:
            self._log.warning("a start cannot be forgotten", reason=str(error))

    def _note_start(self, deployment_id: str) -> int:
        try:
            return self._folder.note_start(deployment_id)
        except OSError as error:
            self._log.warning("a start cannot be counted", reason=str(error))
            return 1

    def _describe(
        self, last: str | None, stored: StoredDeployment, reasons: tuple[str, ...]
    ) -> None:
        """Say how the core has come up; `last` is the deployment that was to run."""
        if self._folder.lost is not None:
            self._log.error("the record of deployments is lost", reason=self._folder.lost)
        for reason in reasons:
            self._log.error("a stored deployment is passed over", reason=reason)
        said = "; ".join(reasons)
        if self.group is not None:
            on_trial = self._folder.ledger.trial == self.running_id
            self.mode = Mode.TRIAL if on_trial else Mode.RUNNING
            if self.running_id != last:
                self.mode = Mode.BEHIND
                self._tell(f"this core runs the deployment before its last one: {said}")
        elif reasons and not stored.emptied:
            self.mode = Mode.RESCUE
            self.stopped()  # the next start tries them again
            self._tell(
                "this core runs without a group, until the next deployment comes, because none "
                f"that it keeps can be run: {said}"
            )

    # ---- a deployment

    def require_room(self, manifest: VerifiedManifest) -> None:
        """Pass only if the disk takes the deployment; `CallerError` lists every fault."""
        self._folder.require_room(sum(a.size for a in manifest.manifest.artifacts))

    async def switch(self, group: VerifiedGroup, membership: VerifiedMembership) -> None:
        """Run another deployment from now on, if the core is healthy with it.

        Raises `HedgerowError` or `OSError` with the reason if not; what ran before then runs.
        """
        deployment_id, log = group.group.deployment_id, self._log
        if self.group is None:
            self._finish_wiping()
        try:
            self._folder.stage(group)
            change_over = await self._activation.prepare(group, membership)
            self._switch_on_disk(group, membership)
        except BaseException:
            self._folder.discard(deployment_id)
            raise
        before = _Before(self.group, self.membership, self.mode)
        self.mode = Mode.TRIAL
        try:
            change_over()
            self.group, self.membership = group, membership
            await self._activation.check(group)
        except UnhealthyError as error:
            self._undo(group, f"health check failed: {error.message}", before)
        except Exception:  # going back is what is right, whatever went wrong
            log.exception("the deployment cannot be changed over to")
            self._undo(group, OWN_FAULT, before)
        self._settle(group)

    def _switch_on_disk(self, group: VerifiedGroup, membership: VerifiedMembership) -> None:
        try:
            self._folder.switch(
                group, membership, before=self.running_id, leaving=self._leaving(group)
            )
        except OSError as error:
            if self._folder.running_id() not in {self.running_id, None}:
                self._undo_on_disk(group, str(error))
            raise

    def _leaving(self, group: VerifiedGroup) -> str | None:
        """Return the group that this one takes the place of, if it is another."""
        before = self.group.group.group_id if self.group is not None else None
        return before if before != group.group.group_id else None

    def take_membership(self, membership: VerifiedMembership) -> None:
        """Put a newer list of certificates in force, then on disk.

        In this order: a full disk must not keep a revoked device connected.
        """
        self.membership = membership
        self._activation.update_membership(membership)
        self._folder.store_membership(membership)

    def reset(self, manifest: VerifiedManifest) -> None:
        """Take the group away and wipe what belongs to it; `HedgerowError` names what is left."""
        try:
            self._folder.begin_wiping(manifest)
        except OSError as error:  # wiping is what makes room
            self._log.warning("the reset cannot be noted before it is done", reason=str(error))
        self._wipe()

    def catch_up_with_reset(self, manifest: VerifiedManifest) -> None:
        """Wipe what was deployed before the group's last reset, if the core was away then."""
        reset_at, running = manifest.manifest.reset_at, self.group
        if reset_at is None or running is None:
            return
        document = running.manifest.manifest
        if document.group_id == manifest.manifest.group_id and document.created_at < reset_at:
            self._log.warning("a reset that this core was away for is made up for")
            self.reset(manifest)

    def _wipe(self) -> None:
        self.group = self.membership = self.problem = None
        self.mode = Mode.NONE
        left: list[str] = []
        for step in (self._activation.wipe, self._folder.clear):
            try:
                step()
            except (HedgerowError, OSError) as error:
                left.append(str(error))
        if left:
            raise CallerError(f"not everything of the group is wiped: {'; '.join(left)}")
        self._folder.end_wiping()

    def _finish_wiping(self) -> None:
        """Go on with a reset that was interrupted, before anything is served."""
        if self._folder.ledger.wiping is None:
            return
        self._log.warning("a reset that was interrupted is finished")
        try:
            self._wipe()
        except (HedgerowError, OSError) as error:
            self._tell(f"a reset cannot be finished: {error}")

    def _settle(self, group: VerifiedGroup) -> None:
        """Keep a deployment that was found healthy."""
        if self.mode is not Mode.BEHIND:
            self.mode, self.problem = Mode.RUNNING, None
        try:
            if self._folder.ledger.leaving is not None:
                self._activation.forget_others()
            self._folder.confirm(group.group.deployment_id)
        except (HedgerowError, OSError) as error:  # it runs; the next start looks again
            self._log.warning("a deployment is not settled yet", reason=str(error))

    def _undo(self, group: VerifiedGroup, reason: str, before: _Before) -> NoReturn:
        """Go back, and raise the reason with what runs now."""
        self._go_back(group, reason, before)
        if self.group is not None and before.mode is Mode.BEHIND:
            self.mode = before.mode
        now = f"deployment {self.running_id}" if self.running_id else "no group"
        raise UnhealthyError(f"{reason}; the core runs {now} again")

    def _go_back(self, group: VerifiedGroup, reason: str, before: _Before | None = None) -> None:
        log = self._log
        log.error("the deployment is undone", reason=reason)
        stored = self._undo_on_disk(group, reason)
        if before is not None:
            stored = self._whole(stored, before)
        self.group, self.membership = stored.group, stored.membership
        try:
            self._activation.go_back(stored)
        except Exception as error:  # then the core serves nobody, and takes the next deployment
            log.exception("the deployment before cannot be run again")
            self._activation.withdraw()
            self.group = self.membership = None
            self._tell(f"the deployment before cannot be run again: {error}")
        self.mode = Mode.RUNNING if self.group is not None else Mode.NONE
        if self.problem is not None and self.group is None:
            self.mode = Mode.RESCUE

    def _whole(self, stored: StoredDeployment, before: _Before) -> StoredDeployment:
        """Return what ran before, from memory if it is not whole on disk any more."""
        group, membership = before.group, before.membership
        if group is None or stored.deployment_id == group.group.deployment_id:
            return stored
        newest = self.membership
        if newest is not None and newest.membership.group_id == group.group.group_id:
            membership = newest  # what was revoked meanwhile stays out
        try:
            self._folder.put_back(group)
        except (HedgerowError, OSError) as error:
            self._log.warning("what runs cannot be written anew", reason=str(error))
        return StoredDeployment(group, membership)

    def _undo_on_disk(self, group: VerifiedGroup, reason: str) -> StoredDeployment:
        deployment_id = group.group.deployment_id
        self.unfit = Unfit(deployment_id, group.group.group_id, reason)
        try:
            return self._folder.go_back(deployment_id, reason)
        except OSError as error:
            self._log.warning("that a deployment is unfit cannot be noted", reason=str(error))
            return self._folder.load((deployment_id,))

    def _tell(self, problem: str) -> None:
        self.problem = problem
        self._log.error(problem)
