"""One update agent: its parts, joined."""

import asyncio
import logging
import platform
import signal
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import IO, Final

from structlog.typing import FilteringBoundLogger

from hedgerow.contract.job_topics import jobs_notice_topic
from hedgerow.core.app.lock import RootLock
from hedgerow.core.app.log import RotatingFile, system_log
from hedgerow.core.config import load_config
from hedgerow.core.link import Backoff, CloudHttp, LinkIdentity, listening_connection
from hedgerow.core.updates import (
    AgentLevel,
    CloudJobs,
    CoreProcess,
    Journal,
    Replaced,
    RepositoryClient,
    RepositoryFiles,
    RespawnScripts,
    Timing,
    UpdateAgent,
    Updater,
    try_agent,
)
from hedgerow.kernel import Clock, ConfigurationError, SystemClock

DEFAULT_LOG: Final = Path("/var/log/greengrass/ota/ggc_ota.txt")
"""Source: guide page core-ota-update."""

CLIENT_NAME: Final = "ota"
"""The agent hears of jobs as the client `<core>-ota`."""

_LONGEST_PAUSE_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """How an agent runs."""

    root: Path
    log: Path = DEFAULT_LOG
    poll_seconds: float = 30.0
    start_words: tuple[str, ...] = ()
    """What the core is started with beside `start`."""
    settled_seconds: float = 3.0
    script_owner: int = 0


class AgentApp:
    """The update agent on a root folder: `run` it, or let a new one try itself with `check`."""

    def __init__(
        self, settings: AgentSettings, *, clock: Clock | None = None, echo: IO[str] | None = None
    ) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._echo = echo
        self._config = load_config(settings.root)
        self._identity = LinkIdentity.load(self._config)

    async def run(self) -> Replaced:
        """Take updates; return when the agent itself was replaced.

        `ConfigurationError` if another agent runs on the root, or something of it is wrong.
        """
        folders = self._config.folders
        with ExitStack() as held:
            lock = RootLock(folders.state, "agent")
            lock.take()
            held.callback(lock.release)
            file = _opened(self._settings.log)
            held.callback(file.close)
            level = AgentLevel()
            log = system_log(
                file, self._clock, self._echo, admits=level.admits, lowest=logging.DEBUG
            )
            log.info("the update agent runs", version=own_version())
            if not folders.updates_root.exists():
                log.warning(
                    "every update is refused: no root of updates is pinned",
                    file=str(folders.updates_root),
                )
            async with self._http() as http:
                source = CloudJobs(http, log, self._settings.poll_seconds)
                agent = UpdateAgent(
                    source,
                    self._updater(http, log),
                    retry=Backoff(_LONGEST_PAUSE_SECONDS),
                    log=log,
                    level=level,
                )
                try:
                    return await self._beside_notices(source, agent, log)
                except OSError as error:
                    raise ConfigurationError(
                        f"updates need to write in {folders.root}, and cannot: {error}"
                    ) from error

    async def check(self) -> None:
        """Reach the cloud as the core; raise what is in the way of that. Changes nothing."""
        async with self._http() as http:
            await http.thing_jobs("GET", "")

    async def _beside_notices(
        self, source: CloudJobs, agent: UpdateAgent, log: FilteringBoundLogger
    ) -> Replaced:
        """Run the agent, and look for jobs at once when the cloud says that there are some."""
        notices = listening_connection(
            self._config,
            self._identity,
            CLIENT_NAME,
            [jobs_notice_topic(self._config.thing_name)],
            source.call,
            clock=self._clock,
            log=log,
        )
        listening = asyncio.get_running_loop().create_task(notices.run(), name="notices of jobs")
        try:
            return await agent.run()
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    def _http(self) -> CloudHttp:
        return CloudHttp(self._config, self._identity, self._clock)

    def _updater(self, http: CloudHttp, log: FilteringBoundLogger) -> Updater:
        config, settings = self._config, self._settings
        root, folders = config.folders.root, config.folders
        timing = Timing(
            health_seconds=config.runtime.post_start_health_check_timeout.total_seconds(),
            settled_seconds=settings.settled_seconds,
        )
        fetch = RepositoryFiles(http, asyncio.get_running_loop()).pieces
        return Updater(
            root,
            client=RepositoryClient(
                folders.updates, folders.updates_root, fetch, platform.machine()
            ),
            core=CoreProcess(folders, timing, settings.start_words),
            journal=Journal(folders.updates / "journal.json"),
            trial=try_agent,
            own_version=own_version(),
            log=log,
            scripts=RespawnScripts(root, log, owner=settings.script_owner)
            if config.managed_respawn
            else None,
        )


async def run_agent(
    settings: AgentSettings, *, echo: IO[str] | None = sys.stderr
) -> Replaced | None:
    """Run an agent until SIGTERM or SIGINT (None), or until it replaced itself."""
    agent = AgentApp(settings, echo=echo)
    loop = asyncio.get_running_loop()
    running = loop.create_task(agent.run(), name="update agent")
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    try:
        return await running
    except asyncio.CancelledError:
        return None
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def own_version() -> str:
    """Return the version of the software that runs here."""
    return metadata.version("hedgerow")


def _opened(path: Path) -> RotatingFile:
    try:
        return RotatingFile(path)
    except OSError as error:
        raise ConfigurationError(
            f"cannot write the log {path}: {error.strerror}; name another one with --log"
        ) from error
