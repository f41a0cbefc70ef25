"""A cloud with a repository of updates, and a core in a process of its own that takes them."""

import asyncio
import json
import shlex
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.cloud import ACCOUNT, REGION, CloudGroup, RunningCloud, running_cloud
from tests.support.core import CloudPlace, write_root
from tests.support.http_proxy import HttpProxy, http_proxy
from tests.support.update_agent import update_of
from tests.support.updates import UpdatePlace

from hedgerow.cloud.updates.packing import PROGRAMS, Content
from hedgerow.contract import encode
from hedgerow.contract.updates import Software
from hedgerow.core.app.agent_app import AgentApp, AgentSettings
from hedgerow.core.config import load_config
from hedgerow.core.updates import CoreProcess, InstalledSoftware, Timing
from hedgerow.core.updates.journal import CoreLook
from hedgerow.kernel import SystemClock
from hedgerow.policy import core_update_policy

CORE = "edge"
_TIMING = Timing(health_seconds=20.0, settled_seconds=0.2)
_HEALTH_MS = 8_000


def package_program(software: Software = "core") -> str:
    """Return the program of a package that runs the real thing, from this environment."""
    return PROGRAMS[software].replace("python3", shlex.quote(sys.executable))


def site_of(version: str) -> list[Content]:
    """Return what makes the core say that it is of a version."""
    text = f"Metadata-Version: 2.1\nName: hedgerow\nVersion: {version}\n"
    return [Content(f"site/hedgerow-{version}.dist-info/METADATA", text.encode())]


@dataclass
class Plant:
    """A cloud with a repository, and a core that runs in a process of its own."""

    cloud: RunningCloud
    group: CloudGroup
    place: UpdatePlace
    root: Path
    log: Path
    proxy: HttpProxy

    @property
    def core(self) -> CoreProcess:
        return CoreProcess(load_config(self.root).folders, _TIMING, ("-i",))

    async def look(self) -> CoreLook:
        """Return what the core says of itself, once it has its cloud and its group."""
        async with asyncio.timeout(20):
            while True:
                look = await self.core.look()
                if look is not None and look.connected and look.deployment_id:
                    return look
                await asyncio.sleep(0.02)

    async def publish(
        self, version: str, program: str | None = None, software: Software = "core"
    ) -> None:
        """Publish a version."""
        await asyncio.to_thread(
            self.place.publish,
            version,
            software=software,
            program=program or package_program(software),
            site=site_of(version),
        )

    async def create_job(
        self, version: str, document: bytes | None = None, software: Software = "core"
    ) -> str:
        """Make a job for the core and return its id."""
        job_id = f"update-{version.replace('.', '-')}"
        await self.cloud.iot(
            "create_job",
            jobId=job_id,
            targets=[self.group.core.arn],
            document=(document or encode(update_of(version, software=software))).decode(),
        )
        return job_id

    async def create_update(self) -> str:
        """Ask for the newest version, as an administrator does, and return the job's id."""
        trust = {"Service": "iot.amazonaws.com"}
        statement = {"Effect": "Allow", "Principal": trust, "Action": "sts:AssumeRole"}
        role = await self.cloud.role("signer", {"Version": "2012-10-17", "Statement": [statement]})
        made = await self.cloud.greengrass(
            "create_software_update_job",
            S3UrlSignerRole=role,
            SoftwareToUpdate="core",
            UpdateAgentLogLevel="WARN",
            UpdateTargets=[self.group.core.arn],
            UpdateTargetsArchitecture="x86_64",
            UpdateTargetsOperatingSystem="ubuntu",
        )
        return str(made["IotJobId"])

    async def ended(self, job_id: str) -> dict[str, Any]:
        """Return a job's execution once it has ended."""
        async with asyncio.timeout(60):
            while True:
                answer = await self.cloud.iot(
                    "describe_job_execution", jobId=job_id, thingName=CORE
                )
                execution: dict[str, Any] = answer["execution"]
                if execution["status"] not in {"QUEUED", "IN_PROGRESS"}:
                    return execution
                await asyncio.sleep(0.05)

    async def begun(self, job_id: str) -> None:
        """Return once the agent has said that it takes a job."""
        async with asyncio.timeout(30):
            while True:
                answer = await self.cloud.iot(
                    "describe_job_execution", jobId=job_id, thingName=CORE
                )
                if answer["execution"]["status"] != "QUEUED":
                    return
                await asyncio.sleep(0.02)

    @asynccontextmanager
    async def agent_process(self, *words: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run the agent as a process, by its command; it is killed at the end if it runs still."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hedgerow.cli", "core", "agent", "-i"),
            *("--root", str(self.root), "--log", str(self.log), "--poll-seconds", "3600", *words),
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
            await process.wait()

    @asynccontextmanager
    async def agent(self) -> AsyncIterator[None]:
        """Run the agent."""
        settings = AgentSettings(
            root=self.root,
            log=self.log,
            poll_seconds=3600,
            start_words=("-i",),
            settled_seconds=0.5,
        )
        running = asyncio.get_running_loop().create_task(AgentApp(settings).run())
        try:
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def _core_thing(cloud: RunningCloud) -> CloudGroup:
    """Make a group whose core may take updates, and deploy it."""
    group = await cloud.group(CORE)
    updates = core_update_policy(region=REGION, account=ACCOUNT, core_thing_name=CORE)
    name = f"{CORE}-updates"
    await cloud.iot("create_policy", policyName=name, policyDocument=updates)
    await cloud.iot("attach_policy", policyName=name, target=group.core.certificate_arn)
    return group


@asynccontextmanager
async def update_plant(tmp_path: Path) -> AsyncIterator[Plant]:
    """Serve a cloud, and run a core that has its group, behind a proxy that is the only way."""
    async with running_cloud(tmp_path, combined=False) as cloud, http_proxy() as proxy:
        group = await _core_thing(cloud)
        place = UpdatePlace(tmp_path / "cloud", SystemClock())
        place.repository.create(place.keys)
        ports = cloud.endpoints
        proxy.ports = {1: ports.device_https_port, 2: ports.device_mqtt_port}
        where = CloudPlace(1, 2, cloud.roots_pem)
        proxied = {"networkProxy": {"proxy": {"url": f"http://localhost:{proxy.port}"}}}
        root = write_root(tmp_path / "root", group.core.arn, group.core.identity, where, **proxied)
        config = root / "config/config.json"
        document = json.loads(config.read_bytes())
        document["runtime"] = {"postStartHealthCheckTimeout": _HEALTH_MS}
        config.write_text(json.dumps(document))
        load_config(root).folders.updates_root.write_bytes(place.pinned)
        made = Plant(cloud, group, place, root, tmp_path / "ota.log", proxy)
        installed = InstalledSoftware(root, "core")
        installed.adopt_host()
        await made.core.start(installed.program)
        try:
            await group.deploy(succeed=False)
            await made.look()
            yield made
        finally:
            await made.core.stop()
