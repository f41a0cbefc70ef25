"""One update, from its job to its outcome, and what is left of one after a power cut.

Each step is written down before it is taken. Whatever fails after the switch leads back to the
version before, and the outcome says why.
"""

import asyncio
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from structlog.typing import FilteringBoundLogger

from hedgerow.contract.updates import Software
from hedgerow.core.updates.core_process import CoreProcess
from hedgerow.core.updates.installed import INSTALLED, InstalledSoftware
from hedgerow.core.updates.jobs import UpdateJob
from hedgerow.core.updates.journal import Entry, Journal, Outcome, Step
from hedgerow.core.updates.repository_client import RepositoryClient
from hedgerow.core.updates.scripts import RespawnScripts, When
from hedgerow.core.updates.trial import Trial
from hedgerow.core.updates.unpacking import unpack
from hedgerow.kernel import ConfigurationError, HedgerowError, UnavailableError

FREE_BYTES_NEEDED: Final = 400 * 1_000_000
"""Source: guide page core-ota-update, requirements."""

ATTEMPTS_LIMIT: Final = 3
"""How often an update is begun again that a power cut, or an end of the agent, interrupted."""


@dataclass(frozen=True, slots=True)
class Replaced:
    """The agent itself was updated: the process goes on as this program."""

    program: Path


Ended = Outcome | Replaced


def no_checkpoint(_name: str) -> None:
    """Do nothing at a checkpoint."""


class Updater:
    """Carries out updates on one root, one at a time.

    `scripts` are given if `managedRespawn` is true. `checkpoint` hears of every step that is about
    to be taken.
    """

    def __init__(
        self,
        root: Path,
        *,
        client: RepositoryClient,
        core: CoreProcess,
        journal: Journal,
        trial: Trial,
        own_version: str,
        log: FilteringBoundLogger,
        scripts: RespawnScripts | None = None,
        checkpoint: Callable[[str], None] = no_checkpoint,
        free_bytes: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free,
    ) -> None:
        self._root = root
        self._client = client
        self._core = core
        self._journal = journal
        self._trial = trial
        self._own_version = own_version
        self._log = log
        self._scripts = scripts
        self._checkpoint = checkpoint
        self._free_bytes = free_bytes
        self._installed: Mapping[Software, InstalledSoftware] = {
            "core": InstalledSoftware(root, "core"),
            "ota_agent": InstalledSoftware(root, "ota_agent"),
        }

    def adopt_host(self) -> None:
        """Make sure that there is a version to go back to, of each software."""
        for installed in self._installed.values():
            installed.adopt_host()
            installed.sweep()

    async def carry_out(self, job: UpdateJob) -> Ended:
        """Carry out an update; the outcome stays in the journal until `reported`."""
        update = job.update
        installed = self._installed[update.software]
        current = installed.current()
        if current == update.version:
            return Outcome(status="SUCCEEDED", reason=f"{update.version} is in force already")
        entry = self._begun(job, current)
        if entry.attempts > ATTEMPTS_LIMIT:
            return self._decided(entry, "it was interrupted too often")
        try:
            await self._stage(job, installed)
        except (HedgerowError, OSError) as error:
            return self._decided(entry, f"nothing was changed: {error}")
        if update.software == "core":
            return await self._update_core(entry, installed)
        return await self._update_agent(entry, installed)

    async def recover(self) -> tuple[str, Ended] | None:
        """Bring to an end what an earlier run of the agent left; None if there is nothing to tell.

        Returns the job's id and its outcome. What was interrupted before anything was changed is
        left: its job is still open, and is taken again.
        """
        entry = self._journal.read()
        if entry is None:
            return None
        if entry.outcome is not None:
            return entry.job_id, entry.outcome
        installed = self._installed[entry.software]
        is_new = installed.current() == entry.version
        if entry.step != "begun":
            self._log.info("an update is taken up again", job=entry.job_id, step=entry.step)
        if entry.step == "begun" or (entry.step == "switching" and not is_new):
            if entry.software == "core" and entry.step == "switching":
                await self._resume_quietly(entry.software)
                await self._core.faults(entry.before, None)
            return None
        if entry.software == "core" and not is_new:
            reason = "it was being taken back when the agent was interrupted"
            return entry.job_id, await self._gone_back(entry, installed, reason)
        if entry.software == "core":
            return entry.job_id, await self._taken_up(entry, installed)
        return entry.job_id, self._agent_judged(entry, installed)

    def reported(self) -> None:
        """Note that the outcome was told: only the versions that are still of use stay."""
        entry = self._journal.read()
        if entry is None:
            return
        if entry.outcome is not None:
            self._installed[entry.software].prune(entry.from_slot)
            self._client.discard()
        self._journal.clear()

    def _begun(self, job: UpdateJob, current: str | None) -> Entry:
        before = self._journal.read()
        attempts = before.attempts + 1 if before and before.job_id == job.job_id else 1
        if current is None:
            raise ConfigurationError("there is no version to go back to")
        entry = Entry(
            job_id=job.job_id,
            software=job.update.software,
            version=job.update.version,
            from_slot=current,
            attempts=attempts,
        )
        return self._write(entry, "begun")

    async def _stage(self, job: UpdateJob, installed: InstalledSoftware) -> None:
        """Check the host, fetch, verify and unpack; nothing of what runs is touched."""
        if self._scripts is not None:
            self._scripts.require()
        free = self._free_bytes(self._root)
        if free < FREE_BYTES_NEEDED:
            raise UnavailableError(
                f"an update needs {FREE_BYTES_NEEDED // 1_000_000} MB of free disk space at "
                f"{self._root}, and there are {free // 1_000_000}"
            )
        self._checkpoint("fetching")
        current = installed.current()
        version = self._own_version if current in {None, INSTALLED} else current
        package = await asyncio.to_thread(self._client.fetch, job.update, version)
        self._checkpoint("unpacking")
        staged = installed.staging()
        await asyncio.to_thread(unpack, package, staged)
        self._checkpoint("keeping")
        installed.keep(staged, job.update.version)
        self._client.discard()
        if installed.software == "ota_agent":
            self._checkpoint("trying")
            await self._trial(installed.program_of(job.update.version))

    async def _update_core(self, entry: Entry, installed: InstalledSoftware) -> Outcome:
        entry = msgspec.structs.replace(entry, before=await self._core.look())
        entry = self._write(entry, "switching")
        try:
            await self._halt()
            self._checkpoint("switch")
            installed.switch(entry.version)
            entry = self._write(entry, "judging")
            await self._resume("core")
        except (HedgerowError, OSError) as error:
            return await self._gone_back(entry, installed, str(error))
        return await self._judged(entry, installed)

    async def _taken_up(self, entry: Entry, installed: InstalledSoftware) -> Outcome:
        """Judge a new core that was left to itself, starting it if it does not run."""
        try:
            if not self._core.holders():
                await self._resume("core")
        except (HedgerowError, OSError) as error:
            return await self._gone_back(entry, installed, str(error))
        return await self._judged(entry, installed)

    async def _judged(self, entry: Entry, installed: InstalledSoftware) -> Outcome:
        """Decide whether the new core, which was started, stays."""
        self._checkpoint("judge")
        faults = await self._core.faults(entry.before, entry.version)
        if faults and await self._runs_another(entry.version):
            # Somebody started the version before while the link was changed.
            await self._core.stop()
            await self._resume_quietly("core")
            faults = await self._core.faults(entry.before, entry.version)
        if faults:
            return await self._gone_back(entry, installed, "; ".join(faults))
        return self._decided(entry, "")

    async def _gone_back(self, entry: Entry, installed: InstalledSoftware, reason: str) -> Outcome:
        """Put the version before in force again, and run it."""
        self._log.error("the update is taken back", job=entry.job_id, reason=reason)
        said = [reason]
        try:
            await self._halt()
        except (HedgerowError, OSError) as error:
            said.append(f"stopping it: {error}")
            await self._core.stop()
        self._checkpoint("switch back")
        installed.switch(entry.from_slot)
        self._checkpoint("start again")
        faults = await self._started_again(entry)
        said.append(
            f"{entry.from_slot} runs again"
            if not faults
            else f"{entry.from_slot} is in force again, and {'; '.join(faults)}"
        )
        return self._decided(entry, "; ".join(said))

    async def _started_again(self, entry: Entry) -> tuple[str, ...]:
        """Start the version before, some times if it has to be, and return what is wrong then."""
        for _ in range(ATTEMPTS_LIMIT):
            await self._resume_quietly("core")
            faults = await self._core.faults(entry.before, None)
            if not faults or self._core.holders():
                break
        return faults

    async def _update_agent(self, entry: Entry, installed: InstalledSoftware) -> Ended:
        entry = self._write(entry, "switching")
        try:
            await self._run_script("ota_agent", "pre")
            self._checkpoint("switch")
            installed.switch(entry.version)
            self._write(entry, "judging")
            await self._run_script("ota_agent", "post")
        except (HedgerowError, OSError) as error:
            installed.switch(entry.from_slot)
            return self._decided(entry, f"{error}; {entry.from_slot} is in force again")
        return Replaced(installed.program)

    def _agent_judged(self, entry: Entry, installed: InstalledSoftware) -> Ended:
        """Decide, as whoever runs now: the new agent says so itself by getting here."""
        if self._own_version == entry.version:
            return self._decided(entry, "")
        if installed.current() == entry.version and entry.attempts < ATTEMPTS_LIMIT:
            self._write(msgspec.structs.replace(entry, attempts=entry.attempts + 1), "judging")
            return Replaced(installed.program)
        installed.switch(entry.from_slot)
        return self._decided(entry, f"the agent that runs is {self._own_version}")

    async def _halt(self) -> None:
        self._checkpoint("halt")
        await self._run_script("core", "pre")
        await self._core.stop()

    async def _resume(self, software: Software) -> None:
        self._checkpoint("resume")
        if self._scripts is not None:
            await self._run_script(software, "post")
        else:
            await self._core.start(self._installed[software].program)

    async def _resume_quietly(self, software: Software) -> None:
        """Start the core if it does not run; what goes wrong is judged by how it is afterwards."""
        try:
            if not self._core.holders():
                await self._resume(software)
        except (HedgerowError, OSError) as error:
            self._log.error("the core cannot be started again", reason=str(error))

    async def _runs_another(self, version: str) -> bool:
        now = await self._core.look()
        return now is not None and now.version != version

    async def _run_script(self, software: Software, when: When) -> None:
        if self._scripts is not None:
            await self._scripts.run(software, when)

    def _write(self, entry: Entry, step: Step) -> Entry:
        self._checkpoint(step)
        return self._journal.write(msgspec.structs.replace(entry, step=step))

    def _decided(self, entry: Entry, failure: str) -> Outcome:
        outcome = Outcome(status="FAILED" if failure else "SUCCEEDED", reason=failure)
        self._write(msgspec.structs.replace(entry, outcome=outcome), "decided")
        return outcome
