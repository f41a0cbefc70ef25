"""What the cloud is told of deployments: how each ended, whenever that is; and what runs now."""

from typing import Protocol

import msgspec
from structlog.typing import FilteringBoundLogger

from hedgerow.contract import DeploymentNotice, DeploymentStatusReport, deployment_thing
from hedgerow.core.deployment.folder import DeploymentFolder
from hedgerow.core.deployment.ledger import Outcome
from hedgerow.core.deployment.verification import VerifiedGroup, VerifiedMembership
from hedgerow.kernel import HedgerowError, UnavailableError

_ERROR_MESSAGE_LIMIT = 1000


class CloudReports(Protocol):
    """The cloud's data plane, as it takes reports (`link.CloudHttp`)."""

    async def report_status(
        self, group_id: str, deployment_id: str, report: DeploymentStatusReport
    ) -> None:
        """Say how a deployment goes."""

    async def report_shadow(self, thing_name: str, reported: object) -> None:
        """Set the reported state of a thing's shadow."""


def failure(reason: str) -> DeploymentStatusReport:
    """Return the report of a deployment that failed for this reason."""
    return DeploymentStatusReport(status="Failure", error_message=reason[:_ERROR_MESSAGE_LIMIT])


class Reporter:
    """Tells each outcome until the cloud has heard it, also after a stop in between.

    `UnavailableError` passes: the cloud is told the next time.
    """

    def __init__(
        self,
        core_name: str,
        folder: DeploymentFolder,
        cloud: CloudReports,
        log: FilteringBoundLogger,
    ) -> None:
        self._core_name = core_name
        self._folder = folder
        self._cloud = cloud
        self._log = log
        self._outcome = folder.ledger.outcome
        self._shadow: DeploymentNotice | None = None
        self.problem: str | None = None

    def note(self, outcome: Outcome) -> None:
        """Keep an outcome for `send_outcome`, on disk if that takes it."""
        self._outcome = outcome
        try:
            self._folder.note_outcome(outcome)
        except OSError as error:
            self._log.warning("an outcome is not kept over a stop", reason=str(error))

    async def send_outcome(self) -> None:
        """Tell the outcome that was not told yet, if there is one."""
        outcome = self._outcome
        if outcome is None:
            return
        if await self.send(outcome):
            try:
                self._folder.mark_reported(outcome.deployment_id)
            except OSError as error:
                self._log.warning("a report cannot be noted", reason=str(error))
        self._outcome = None

    async def send(self, outcome: Outcome) -> bool:
        """Report; a refusal is logged with the cloud's words and does not undo what runs."""
        try:
            await self._cloud.report_status(outcome.group_id, outcome.deployment_id, outcome.report)
        except UnavailableError:
            raise
        except HedgerowError as error:
            self.problem = error.message
            self._log.error("the deployment's state cannot be reported", reason=error.message)
            return False
        return True

    async def send_running(
        self,
        group: VerifiedGroup | None,
        membership: VerifiedMembership | None,
        role_version: str,
    ) -> None:
        """Say in the core's own shadow what runs, if that is another than was said last."""
        if group is None or membership is None:
            return
        manifest = group.manifest.manifest
        running = DeploymentNotice(
            group_id=manifest.group_id,
            deployment_id=manifest.deployment_id,
            deployment_type=manifest.deployment_type,
            membership_serial=membership.membership.serial,
            role_version=role_version,
        )
        if running == self._shadow:
            return
        try:
            await self._cloud.report_shadow(
                deployment_thing(self._core_name), msgspec.to_builtins(running)
            )
        except UnavailableError:
            raise
        except HedgerowError as error:
            self.problem = error.message
            self._log.error("the shadow cannot be reported", reason=error.message)
        self._shadow = running
