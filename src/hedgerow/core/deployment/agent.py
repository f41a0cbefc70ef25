"""The agent: one deployment at a time, from notice to report."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from cryptography import x509
from structlog.typing import FilteringBoundLogger

from hedgerow.contract import (
    ARTIFACT_GROUP,
    ARTIFACT_MEMBERSHIP,
    DeploymentNotice,
    DeploymentStatusReport,
)
from hedgerow.core.deployment.activation import Activation
from hedgerow.core.deployment.folder import DeploymentFolder
from hedgerow.core.deployment.ledger import Outcome
from hedgerow.core.deployment.reporting import CloudReports, Reporter, failure
from hedgerow.core.deployment.switching import OWN_FAULT, Mode, Switcher
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

_SUCCESS: Final = DeploymentStatusReport(status="Success")
_CLOCK_TOLERANCE: Final = timedelta(minutes=15)


class CloudDocuments(CloudReports, Protocol):
    """The cloud's data plane, as the agent needs it (`link.CloudHttp`)."""

    @property
    def clock_ahead(self) -> timedelta:
        """How far the cloud's clock was ahead of this machine's at its last answer."""

    async def manifest(self, group_id: str, deployment_id: str) -> bytes:
        """Fetch the signed manifest of a deployment."""

    async def artifact(self, group_id: str, deployment_id: str, name: str) -> bytes:
        """Fetch a file of a deployment."""


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
    mode: Mode = Mode.NONE
    last_failure: tuple[str, str] | None = None
    """The last deployment that failed, and why; None once one has succeeded since."""
    clock_problem: str | None = None


class DeploymentAgent:
    """Runs what the cloud wishes, as far as it can be verified and is healthy.

    A failure at any step leaves or brings back the deployment before and is reported with its
    reason; when the cloud cannot be reached the work is tried again, with growing pauses.
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
        self._folder = folder
        self._roots = roots
        self._cloud = cloud
        self._retry = retry
        self._clock = clock
        self._log = log
        self._switcher = Switcher(folder, activation, log)
        core_name = core_thing_arn.resource.removeprefix("thing/")
        self._reporter = Reporter(core_name, folder, cloud, log)
        self._notice: DeploymentNotice | None = None
        self._heard = asyncio.Event()
        self._settled: str | None = None
        self._last_failure: tuple[str, str] | None = None
        self._problem: str | None = None

    @property
    def state(self) -> AgentState:
        """The state now."""
        membership = self._switcher.membership
        problems = (self._problem, self._switcher.problem, self._reporter.problem)
        return AgentState(
            running=self._switcher.running_id,
            membership_serial=membership.membership.serial if membership else None,
            problem="; ".join(dict.fromkeys(filter(None, problems))) or None,
            mode=self._switcher.mode,
            last_failure=self._last_failure,
            clock_problem=self._clock_problem(),
        )

    def begin(self) -> None:
        """Serve what lies on disk, as far as it can be run; never fails."""
        self._switcher.begin()
        failed = list(self._folder.ledger.failed.items())
        self._last_failure = failed[-1] if failed else None
        self._note_unfit()

    def stopped(self) -> None:
        """Hear that the core is stopped on purpose."""
        self._switcher.stopped()

    def hear(self, notice: DeploymentNotice) -> None:
        """Take a notice; the newest counts, and is worked on even if it failed before.

        What was found unfit after the switch is not tried again: it takes a new deployment.
        """
        self._notice = notice
        self._settled = None
        self._heard.set()

    async def run(self) -> None:
        """Look whether the core has come up well, then work on notices until cancelled."""
        await self._check_begun()
        log = self._log
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
            except Exception:  # local work goes on; the next notice is worked on again
                log.exception("a notice could not be worked on")
                self._problem = OWN_FAULT

    async def _pause(self) -> None:
        """Wait for the retry delay, or for a newer notice."""
        try:
            async with asyncio.timeout(self._retry.next_delay()):
                await self._heard.wait()
        except TimeoutError:
            return

    async def _check_begun(self) -> None:
        group = self._switcher.group
        if await self._switcher.check_begun() and group is not None:
            self._note(group.group.group_id, group.group.deployment_id, _SUCCESS)
        self._note_unfit()

    def _note_unfit(self) -> None:
        unfit, self._switcher.unfit = self._switcher.unfit, None
        if unfit is not None:
            self._last_failure = (unfit.deployment_id, unfit.reason)
            self._note(unfit.group_id, unfit.deployment_id, failure(unfit.reason))

    def _note(self, group_id: str, deployment_id: str, report: DeploymentStatusReport) -> None:
        self._reporter.note(Outcome(group_id=group_id, deployment_id=deployment_id, report=report))

    async def _work_on(self, notice: DeploymentNotice) -> None:
        self._problem = self._reporter.problem = None
        await self._reporter.send_outcome()
        await self._switcher.look_again()
        await self._refresh_membership(notice)
        if self._is_news(notice):
            report = await self._outcome(notice)
            self._switcher.unfit = None
            self._note(notice.group_id, notice.deployment_id, report)
            self._settled = notice.deployment_id
        else:
            self._confirm(notice)
        await self._reporter.send_outcome()
        await self._reporter.send_running(
            self._switcher.group,
            self._switcher.membership,
            self._notice.role_version if self._notice is not None else "",
        )

    def _is_news(self, notice: DeploymentNotice) -> bool:
        known = {self._switcher.running_id, self._settled, *self._folder.ledger.failed}
        if notice.deployment_id in known:
            return False
        done = notice.deployment_type in RESET_TYPES and self._switcher.group is None
        return not (done and self._folder.reported() == notice.deployment_id)

    async def _outcome(self, notice: DeploymentNotice) -> DeploymentStatusReport:
        """Carry out a deployment and return what to report of it; `UnavailableError` passes."""
        log = self._log.bind(deployment_id=notice.deployment_id, group_id=notice.group_id)
        log.info("deployment begins", type=notice.deployment_type)
        try:
            await self._reporter.send(
                Outcome(
                    group_id=notice.group_id,
                    deployment_id=notice.deployment_id,
                    report=DeploymentStatusReport(status="InProgress"),
                )
            )
            await self._deploy(notice)
        except UnavailableError:
            raise
        except (HedgerowError, OSError) as error:
            return self._failed(notice, str(error))
        except Exception:  # a bug here must not leave the cloud waiting for ever
            log.exception("deployment failed by a fault of the core")
            return self._failed(notice, OWN_FAULT)
        log.info("deployment runs")
        self._last_failure = None
        return _SUCCESS

    def _failed(self, notice: DeploymentNotice, reason: str) -> DeploymentStatusReport:
        clock = self._clock_problem()
        said = f"{reason}; {clock}" if clock is not None else reason
        self._problem = f"deployment failed: {said}"
        self._last_failure = (notice.deployment_id, said)
        self._log.error("deployment failed", reason=said)
        return failure(said)

    async def _deploy(self, notice: DeploymentNotice) -> None:
        manifest = await self._fetch_manifest(notice)
        if manifest.is_reset:
            self._switcher.reset(manifest)
            return
        self._switcher.require_room(manifest)
        group = verify_group(manifest, await self._artifact(notice, ARTIFACT_GROUP))
        membership = await self._fetch_membership(group)
        self._switcher.catch_up_with_reset(manifest)
        await self._switcher.switch(group, membership)

    async def _fetch_manifest(self, notice: DeploymentNotice) -> VerifiedManifest:
        data = await self._cloud.manifest(notice.group_id, notice.deployment_id)
        newest = self._folder.newest()
        # By the cloud's clock, which made it: this machine's may be wrong, and then nothing old
        # may pass for new.
        if newest is not None and newest > self._cloud_time() + _CLOCK_TOLERANCE:
            newest = None  # it was made by a clock that was wrong; it must not shut others out
        return verify_manifest(
            data,
            self._roots,
            self._clock.now(),
            Expectation(self._core_arn, notice.group_id, notice.deployment_id),
            not_before=newest,
        )

    def _cloud_time(self) -> datetime:
        return self._clock.now() + self._cloud.clock_ahead

    def _clock_problem(self) -> str | None:
        """Return that this machine's clock is wrong, if the cloud's tells another time."""
        ahead = self._cloud.clock_ahead
        if abs(ahead) <= _CLOCK_TOLERANCE:
            return None
        side = "behind" if ahead > timedelta(0) else "ahead of"
        return (
            f"this machine's clock is {_in_words(abs(ahead))} {side} the cloud's; set it, or "
            "certificates look invalid"
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
        known = self._switcher.membership
        running = known.membership if known is not None else None
        seen = running.serial if running is not None and running.group_id == group_id else 0
        return max(seen, self._folder.serial_floor(group_id))

    async def _refresh_membership(self, notice: DeploymentNotice) -> None:
        """Fetch the list of certificates of the group that runs, if the notice tells of a newer.

        It is that of the running deployment even while another one is wished for: a revocation
        takes effect whether or not that other one can be deployed.
        """
        group = self._switcher.group
        if group is None or group.group.group_id != notice.group_id:
            return
        held = self._switcher.membership
        if held is not None and notice.membership_serial <= held.membership.serial:
            return
        try:
            membership = await self._fetch_membership(group)
            self._switcher.take_membership(membership)
        except UnavailableError:
            raise
        except (HedgerowError, OSError) as error:
            self._problem = f"the list of certificates cannot be renewed: {error}"
            self._log.error("the list of certificates cannot be renewed", reason=str(error))
            return
        self._log.info("list of certificates renewed", serial=membership.membership.serial)

    def _confirm(self, notice: DeploymentNotice) -> None:
        """Report again how a deployment ended, if the core stopped before it could."""
        if self._folder.reported() == notice.deployment_id:
            return
        unfit = self._folder.ledger.failed.get(notice.deployment_id)
        if unfit is not None:
            self._note(notice.group_id, notice.deployment_id, failure(unfit))
        elif self._switcher.running_id == notice.deployment_id:
            self._note(notice.group_id, notice.deployment_id, _SUCCESS)


def _in_words(span: timedelta) -> str:
    """Return a span of time in the largest unit that it has two of."""
    for unit, seconds in (("days", 86_400), ("hours", 3600)):
        if span.total_seconds() >= 2 * seconds:
            return f"{span.total_seconds() / seconds:.0f} {unit}"
    return f"{span.total_seconds() / 60:.0f} minutes"
