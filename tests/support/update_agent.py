"""An update agent on a root folder, with doubles that keep its protocols."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from structlog.typing import FilteringBoundLogger
from tests.support.updates import UpdatePlace, new_place

from hedgerow.contract.updates import ENTRIES, Software, SoftwareUpdate
from hedgerow.core.config import CoreFolders
from hedgerow.core.updates import (
    CoreProcess,
    InstalledSoftware,
    JobStatus,
    Journal,
    RepositoryClient,
    RespawnScripts,
    Timing,
    UpdateJob,
    Updater,
)

IN_FULL = "HEDGEROW_UPDATE_CUTS" in os.environ
"""Whether updates are interrupted at every step, and not at a few of them."""

QUICK = Timing(
    health_seconds=1.5,
    settled_seconds=0.1,
    stop_seconds=1.0,
    start_seconds=5.0,
    look_interval_seconds=0.02,
)


def quiet_log() -> FilteringBoundLogger:
    """Return a log that nobody reads."""
    log: FilteringBoundLogger = structlog.wrap_logger(structlog.ReturnLogger())
    return log


def update_of(
    version: str, target: str | None = None, *, software: Software = "core"
) -> SoftwareUpdate:
    """Return a job's document."""
    return SoftwareUpdate(
        operation="greengrass-software-update",
        software=software,
        version=version,
        target=target or f"{software}/{version}/ubuntu-x86_64.tar.gz",
    )


def files_of(repository: Path) -> Callable[[str, str], Iterator[bytes]]:
    """Return a fetch that reads the repository's files where they are."""

    def fetch(kind: str, name: str) -> Iterator[bytes]:
        data = (repository / kind / name).read_bytes()
        for start in range(0, len(data), 4096):
            yield data[start : start + 4096]

    return fetch


class PowerCut(BaseException):
    """The machine is gone: nothing of the program runs any more."""


@dataclass
class Checkpoints:
    """Cuts the power, or fails, at the n-th step, and knows all that were passed."""

    cut_at: int = -1
    passed: list[str] = field(default_factory=list)
    failure: type[BaseException] = PowerCut

    def __call__(self, name: str) -> None:
        self.passed.append(name)
        if len(self.passed) - 1 == self.cut_at:
            raise self.failure(name)


SMALL_CORE = """
import fcntl, http.server, json, os, signal, sys
root, version, behaviour = sys.argv[1:4]
state = os.path.join(root, "ggc/var/state")
os.makedirs(state, exist_ok=True)
lock = os.open(os.path.join(state, "core.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    sys.exit("another core runs")
if behaviour == "dies":
    sys.exit(1)
if behaviour == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({
            "version": version,
            "cloud": {"connected": behaviour != "cut off"},
            "deployment": {"deploymentId": None if behaviour == "forgets" else "d"},
            "mqtt": {"open": behaviour != "deaf"},
        }).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Health)
endpoints = os.path.join(state, "endpoints.json")
with open(endpoints + ".new", "w") as file:
    json.dump({"ggMqttPort": 1, "ggDaemonPort": server.server_port, "pid": os.getpid()}, file)
os.replace(endpoints + ".new", endpoints)
server.serve_forever()
"""
"""A process that looks to the agent like a core, and starts in a few milliseconds."""


def core_program(root: Path, version: str, behaviour: str = "well") -> str:
    """Return a package's program that runs a small core; it behaves as it is told.

    One that `refuses` ends with an error when it is started.
    """
    if behaviour == "refuses":
        return "#!/bin/sh\nexit 1\n"
    (root / "small_core.py").write_text(SMALL_CORE)
    words = f"'{sys.executable}' -S -E '{root}/small_core.py' '{root}' {version} '{behaviour}'"
    return f"""#!/bin/sh
case "$1" in
start) exec 3>&-; {words} </dev/null >/dev/null 2>&1 & ;;
esac
"""


@dataclass
class UpdateStage:
    """A root folder with a small core that runs, and a repository to update it from."""

    folder: Path
    place: UpdatePlace
    fetch: Callable[[str, str], Iterator[bytes]]
    free: int = 10**12
    own_version: str = "1.0.0"
    checkpoints: Checkpoints = field(default_factory=Checkpoints)
    managed: bool = False
    tried: list[Path] = field(default_factory=list)

    @property
    def root(self) -> Path:
        """The Greengrass root."""
        return self.folder / "root"

    @property
    def folders(self) -> CoreFolders:
        """The folders of the core."""
        return CoreFolders(root=self.root, write=self.root / "ggc")

    @property
    def core(self) -> CoreProcess:
        """The core's process."""
        return CoreProcess(self.folders, QUICK)

    @property
    def journal(self) -> Journal:
        """The agent's journal."""
        return Journal(self.folders.updates / "journal.json")

    def installed(self, software: Software = "core") -> InstalledSoftware:
        """Return the versions in the root."""
        return InstalledSoftware(self.root, software)

    def updater(self) -> Updater:
        """Return an updater as a newly started agent has it."""
        return Updater(
            self.root,
            client=self.client(),
            core=self.core,
            journal=self.journal,
            trial=self._trial,
            own_version=self.own_version,
            log=quiet_log(),
            scripts=RespawnScripts(self.root, quiet_log(), owner=os.getuid())
            if self.managed
            else None,
            checkpoint=self.checkpoints,
            free_bytes=lambda _path: self.free,
        )

    def client(self) -> RepositoryClient:
        """Return the core's view of the repository."""
        return RepositoryClient(
            self.folders.updates, self.folders.updates_root, self.fetch, "x86_64"
        )

    def publish(self, version: str, behaviour: str = "well") -> SoftwareUpdate:
        """Publish a core that behaves in a way, and return the update to it."""
        self.place.publish(version, program=core_program(self.root, version, behaviour))
        return update_of(version)

    def job(self, version: str, *, software: Software = "core", job_id: str = "job") -> UpdateJob:
        """Return a job for a version."""
        return UpdateJob(job_id, update_of(version, software=software))

    async def begin(self, version: str = "1.0.0") -> None:
        """Have a core of a version in force, running."""
        for software in ENTRIES:
            installed = self.installed(software)
            if installed.current() == version:
                continue
            staged = installed.staging()
            staged.mkdir(parents=True)
            program = staged / installed.program.name
            program.write_text(core_program(self.root, version))
            program.chmod(0o755)
            installed.keep(staged, version)
            installed.switch(version)
        await self.core.start(self.installed().program)
        assert await self.core.faults(None, version) == ()

    async def running(self) -> str | None:
        """Return the version of the core that runs."""
        look = await self.core.look()
        return look.version if look is not None and self.core.holders() else None

    def write_scripts(self, pre: str = "", post: str = "") -> Path:
        """Write the four scripts; they note that they ran. Returns the file of notes."""
        folder, notes = self.root / "usr/scripts", self.folder / "notes"
        folder.mkdir(parents=True, exist_ok=True)
        for name, more in (
            ("ggc_pre_update.sh", pre),
            ("ggc_post_update.sh", post),
            ("ota_pre_update.sh", ""),
            ("ota_post_update.sh", ""),
        ):
            script = folder / name
            script.write_text(f"#!/bin/sh\necho {name} >> {notes}\n{more}\n")
            script.chmod(0o700)
        return notes

    async def _trial(self, program: Path) -> None:
        assert os.access(program, os.X_OK)
        self.tried.append(program)


def new_stage(folder: Path) -> UpdateStage:
    """Make a root with a pinned root of updates, and an empty repository."""
    place = new_place(folder)
    stage = UpdateStage(folder, place, files_of(place.files))
    (stage.root / "certs").mkdir(parents=True)
    (stage.root / "config").mkdir()
    stage.folders.updates_root.write_bytes(place.pinned)
    return stage


@dataclass
class ListedJobs:
    """Jobs from a list; keeps the promises of `JobSource`."""

    jobs: list[UpdateJob]
    reports: list[tuple[str, JobStatus, Mapping[str, str]]] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    idle: asyncio.Event = field(default_factory=asyncio.Event)

    async def next(self) -> UpdateJob | None:
        return self.jobs[0] if self.jobs else None

    async def report(self, job_id: str, status: JobStatus, details: Mapping[str, str]) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.reports.append((job_id, status, details))
        if status != "IN_PROGRESS":
            self.jobs = [job for job in self.jobs if job.job_id != job_id]

    async def wait(self) -> None:
        self.idle.set()
        await asyncio.Event().wait()

    @property
    def statuses(self) -> list[tuple[str, str]]:
        """What was reported, without details."""
        return [(job_id, status) for job_id, status, _ in self.reports]


def as_json(path: Path) -> Any:
    """Return a file's JSON."""
    return json.loads(path.read_bytes())
