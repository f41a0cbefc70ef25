"""The agent: one deployment at a time, from notice to report."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import msgspec
from cryptography import x509
from structlog.typing import FilteringBoundLogger

from hedgerow.contract import (
    ARTIFACT_GROUP,
    ARTIFACT_MEMBERSHIP,
    DeploymentNotice,
    DeploymentStatusReport,
    deployment_thing,
)
from hedgerow.core.deployment.folder import DeploymentFolder, StoredDeployment
from hedgerow.core.deployment.verification import (
    RESET_TYPES,
    Expectation,
    VerifiedGroup,
    VerifiedManifest,
    VerifiedMembership,
    verify_group,
    verify_manifest,
    verify_membership,
)
from hedgerow.kernel import Arn, Clock, HedgerowError, UnavailableError

_ERROR_MESSAGE_LIMIT = 1000
_CLOCK_TOLERANCE = timedelta(minutes=15)


class CloudDocuments(Protocol):
    """The cloud's data plane, as the agent needs it (`link.CloudHttp`)."""

    async def manifest(self, group_id: str, deployment_id: str) -> bytes:
        """Fetch the signed manifest of a deployment."""

    async def artifact(self, group_id: str, deployment_id: str, name: str) -> bytes:
        """Fetch a file of a deployment."""

    async def report_status(
        self, group_id: str, deployment_id: str, report: DeploymentStatusReport
    ) -> None:
        """Say how a deployment goes."""

    async def report_shadow(self, thing_name: str, reported: object) -> None:
        """Set the reported state of a thing's shadow."""


class Activation(Protocol):
    """What a deployment does to the running core."""

    async def prepare(
        self, group: VerifiedGroup, membership: VerifiedMembership
    ) -> Callable[[], None]:
        """Make everything ready, change nothing, and return the step that changes over.

        Raises `HedgerowError` if the group cannot run here. The step must not fail.
        """

    def update_membership(self, membership: VerifiedMembership) -> None:
        """Put a newer list of certificates in force at once."""

    def reset(self) -> None:
        """Stop serving the group."""


class Retry(Protocol):
    """Delays between attempts (`link.Backoff`)."""

    def next_delay(self) -> float:
        """Return the seconds to wait now."""

    def reset(self) -> None:
        """Start again from the shortest delay."""


@dataclass(frozen=True, slots=True)
class AgentState:
    """What the agent can tell of itself."""

    running: str | None
    membership_serial: int | None
    problem: str | None


class DeploymentAgent:
    """Runs what the cloud wishes, as far as it can be verified and made ready.

    A failure at any step leaves the running deployment as it is and is reported with its reason;
    when the cloud cannot be reached the work is tried again, with growing pauses.
    """

    def __init__(
        self,
        core_thing_arn: Arn,
        *,
        folder: DeploymentFolder,
        roots: Sequence[x509.Certificate],
        cloud: CloudDocuments,
        activation: Activation,
        retry: Retry,
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self._core_arn = str(core_thing_arn)
        self._core_name = core_thing_arn.resource.removeprefix("thing/")
        self._folder = folder
        self._roots = roots
        self._cloud = cloud
        self._activation = activation
        self._retry = retry
        self._clock = clock
        self._log = log
        self._group: VerifiedGroup | None = None
        self._membership: VerifiedMembership | None = None
        self._notice: DeploymentNotice | None = None
        self._heard = asyncio.Event()
        self._settled: str | None = None
        self._unreported: tuple[DeploymentNotice, DeploymentStatusReport] | None = None
        self._shadow_reported: DeploymentNotice | None = None
        self._problem: str | None = None

    @property
    def state(self) -> AgentState:
        """The state now."""
        return AgentState(
            running=self._running_id,
            membership_serial=self._membership.membership.serial if self._membership else None,
            problem=self._problem,
        )

    def take_up(self, stored: StoredDeployment) -> None:
        """Begin from what lies on disk; the caller has put it in force."""
        self._group, self._membership = stored.group, stored.membership

    def hear(self, notice: DeploymentNotice) -> None:
        """Take a notice; the newest counts, and is worked on even if it failed before."""
        self._notice = notice
        self._settled = None
        self._heard.set()

    async def run(self) -> None:
        """Work on notices until cancelled."""
        while True:
            await self._heard.wait()
            self._heard.clear()
            notice = self._notice
            if notice is None:
                continue
            try:
                await self._work_on(notice)
                self._retry.reset()
            except UnavailableError as error:
                self._problem = error.message
                self._log.info("the deployment is tried again", reason=error.message)
                await self._pause()
                self._heard.set()

    async def _pause(self) -> None:
        """Wait for the retry delay, or for a newer notice."""
        try:
            async with asyncio.timeout(self._retry.next_delay()):
                await self._heard.wait()
        except TimeoutError:
            return

    async def _work_on(self, notice: DeploymentNotice) -> None:
        self._problem = None
        await self._send_unreported()
        await self._refresh_membership(notice)
        if self._is_news(notice):
            self._unreported = (notice, await self._outcome(notice))
            self._settled = notice.deployment_id
            await self._send_unreported()
        elif self._running_id == notice.deployment_id:
            await self._confirm(notice)
        await self._report_shadow()

    def _is_news(self, notice: DeploymentNotice) -> bool:
        if notice.deployment_id in {self._running_id, self._settled}:
            return False
        done = notice.deployment_type in RESET_TYPES and self._group is None
        return not (done and self._folder.reported() == notice.deployment_id)

    async def _outcome(self, notice: DeploymentNotice) -> DeploymentStatusReport:
        """Carry out a deployment and return what to report of it; `UnavailableError` passes."""
        log = self._log.bind(deployment_id=notice.deployment_id, group_id=notice.group_id)
        log.info("deployment begins", type=notice.deployment_type)
        try:
            await self._send(notice, DeploymentStatusReport(status="InProgress"))
            await self._deploy(notice)
        except UnavailableError:
            raise
        except (HedgerowError, OSError) as error:
            self._complain("deployment failed", str(error))
            return self._failure(str(error))
        except Exception:  # a bug here must not leave the cloud waiting for ever
            self._problem = "deployment failed by a fault of the core"
            log.exception(self._problem)
            return self._failure("a fault of the core; see its runtime.log")
        log.info("deployment runs")
        return DeploymentStatusReport(status="Success")

    async def _deploy(self, notice: DeploymentNotice) -> None:
        manifest = await self._fetch_manifest(notice)
        if manifest.is_reset:
            self._activation.reset()
            self._folder.clear(manifest)
            self._group = self._membership = None
            return
        group = verify_group(manifest, await self._artifact(notice, ARTIFACT_GROUP))
        membership = await self._fetch_membership(group)
        self._folder.stage(group)
        change_over = await self._activation.prepare(group, membership)
        self._folder.switch(group, membership)
        change_over()
        self._group, self._membership = group, membership

    async def _fetch_manifest(self, notice: DeploymentNotice) -> VerifiedManifest:
        data = await self._cloud.manifest(notice.group_id, notice.deployment_id)
        now, newest = self._clock.now(), self._folder.newest()
        if newest is not None and newest > now + _CLOCK_TOLERANCE:
            newest = None  # it was made by a clock that was wrong; it must not shut others out
        return verify_manifest(
            data,
            self._roots,
            now,
            Expectation(self._core_arn, notice.group_id, notice.deployment_id),
            not_before=newest,
        )

    async def _artifact(self, notice: DeploymentNotice, name: str) -> bytes:
        return await self._cloud.artifact(notice.group_id, notice.deployment_id, name)

    async def _fetch_membership(self, group: VerifiedGroup) -> VerifiedMembership:
        group_id, deployment_id = group.group.group_id, group.group.deployment_id
        data = await self._cloud.artifact(group_id, deployment_id, ARTIFACT_MEMBERSHIP)
        membership = verify_membership(
            data,
            self._roots,
            self._clock.now(),
            group_id=group_id,
            deployment_id=deployment_id,
            serial_floor=self._serial_floor(group_id),
        )
        for complaint in membership.ignored:
            self._log.error("a certificate of the group is passed over", reason=complaint)
        return membership

    def _serial_floor(self, group_id: str) -> int:
        """Return the highest serial of the group, on disk or in force."""
        running = self._membership.membership if self._membership is not None else None
        seen = running.serial if running is not None and running.group_id == group_id else 0
        return max(seen, self._folder.serial_floor(group_id))

    async def _refresh_membership(self, notice: DeploymentNotice) -> None:
        """Fetch the list of certificates of the group that runs, if the notice tells of a newer.

        It is that of the running deployment even while another one is wished for: a revocation
        takes effect whether or not that other one can be deployed.
        """
        group = self._group
        if group is None or group.group.group_id != notice.group_id:
            return
        known = self._membership.membership.serial if self._membership else -1
        if notice.membership_serial <= known:
            return
        try:
            membership = await self._fetch_membership(group)
            # In force first, then on disk: a full one must not keep a revoked device connected.
            self._membership = membership
            self._activation.update_membership(membership)
            self._folder.store_membership(membership)
        except UnavailableError:
            raise
        except (HedgerowError, OSError) as error:
            self._problem = f"the list of certificates cannot be renewed: {error}"
            self._log.error("the list of certificates cannot be renewed", reason=str(error))
            return
        self._log.info("list of certificates renewed", serial=membership.membership.serial)

    async def _confirm(self, notice: DeploymentNotice) -> None:
        """Report the success of what runs, if the core stopped before it could."""
        if self._folder.reported() != notice.deployment_id:
            self._unreported = (notice, DeploymentStatusReport(status="Success"))
            await self._send_unreported()

    async def _send_unreported(self) -> None:
        if self._unreported is None:
            return
        notice, report = self._unreported
        if await self._send(notice, report):
            self._folder.mark_reported(notice.deployment_id)
        self._unreported = None

    async def _send(self, notice: DeploymentNotice, report: DeploymentStatusReport) -> bool:
        """Report; a refusal is logged with the cloud's words and does not undo what runs."""
        try:
            await self._cloud.report_status(notice.group_id, notice.deployment_id, report)
        except UnavailableError:
            raise
        except HedgerowError as error:
            self._problem = error.message
            self._log.error("the deployment's state cannot be reported", reason=error.message)
            return False
        return True

    async def _report_shadow(self) -> None:
        if self._group is None or self._membership is None:
            return
        manifest, heard = self._group.manifest.manifest, self._notice
        reported = DeploymentNotice(
            group_id=manifest.group_id,
            deployment_id=manifest.deployment_id,
            deployment_type=manifest.deployment_type,
            membership_serial=self._membership.membership.serial,
            role_version=heard.role_version if heard is not None else "",
        )
        if reported == self._shadow_reported:
            return
        try:
            await self._cloud.report_shadow(
                deployment_thing(self._core_name), msgspec.to_builtins(reported)
            )
        except UnavailableError:
            raise
        except HedgerowError as error:
            self._problem = error.message
            self._log.error("the shadow cannot be reported", reason=error.message)
        self._shadow_reported = reported

    def _complain(self, what: str, reason: str) -> None:
        self._problem = f"{what}: {reason}"
        self._log.error(what, reason=reason)

    @staticmethod
    def _failure(reason: str) -> DeploymentStatusReport:
        return DeploymentStatusReport(status="Failure", error_message=reason[:_ERROR_MESSAGE_LIMIT])

    @property
    def _running_id(self) -> str | None:
        return self._group.group.deployment_id if self._group else None
