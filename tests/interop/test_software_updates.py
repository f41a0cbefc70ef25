"""A core and its agent take updates from a cloud: everything real, the core in its own process."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.support.cloud import ACCOUNT, REGION, CloudGroup, RunningCloud, running_cloud
from tests.support.core import CloudPlace, write_root
from tests.support.http_proxy import HttpProxy, http_proxy
from tests.support.update_agent import update_of
from tests.support.updates import UpdatePlace

from hedgerow.cloud.updates.packing import Content
from hedgerow.contract import encode
from hedgerow.core.app.agent_app import AgentApp, AgentSettings
from hedgerow.core.config import load_config
from hedgerow.core.updates import CoreProcess, InstalledSoftware, Timing
from hedgerow.core.updates.journal import CoreLook
from hedgerow.kernel import SystemClock
from hedgerow.policy import core_update_policy

pytestmark = pytest.mark.timeout(120)
_CORE = "edge"
_TIMING = Timing(health_seconds=20.0, settled_seconds=0.2)
_HEALTH_MS = 8_000


def _package_program() -> str:
    """Return the program of a package that runs the real core, from this environment."""
    return f"""#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd -P)
root=$(cd "$(dirname "$0")/../.." && pwd)
case "$1" in
run) shift; PYTHONPATH="$here/site" exec {sys.executable} -m hedgerow.cli core run \\
    --root "$root" "$@" ;;
start) shift; "$0" run "$@" </dev/null >/dev/null 2>&1 & ;;
esac
"""


def _site(version: str) -> list[Content]:
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

    async def publish(self, version: str, program: str | None = None) -> None:
        """Publish a version of the core."""
        await asyncio.to_thread(
            self.place.publish, version, program=program or _package_program(), site=_site(version)
        )

    async def create_job(self, version: str, document: bytes | None = None) -> str:
        """Make a job for the core and return its id."""
        job_id = f"update-{version.replace('.', '-')}"
        await self.cloud.iot(
            "create_job",
            jobId=job_id,
            targets=[self.group.core.arn],
            document=(document or encode(update_of(version))).decode(),
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
                    "describe_job_execution", jobId=job_id, thingName=_CORE
                )
                execution: dict[str, Any] = answer["execution"]
                if execution["status"] not in {"QUEUED", "IN_PROGRESS"}:
                    return execution
                await asyncio.sleep(0.05)

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
    group = await cloud.group(_CORE)
    updates = core_update_policy(region=REGION, account=ACCOUNT, core_thing_name=_CORE)
    name = f"{_CORE}-updates"
    await cloud.iot("create_policy", policyName=name, policyDocument=updates)
    await cloud.iot("attach_policy", policyName=name, target=group.core.certificate_arn)
    return group


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
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


@pytest.mark.spec("T01", "T02", "T05", "T07", "T08")
async def test_a_core_takes_an_update_and_goes_back_from_a_bad_one(plant: Plant) -> None:
    """All of it behind a proxy, which V1's agent could not be, and there is no other way."""
    before = await plant.look()
    await plant.publish("7.1.0")
    other = await plant.create_job("0.0.0", b'{"operation": "something else"}')
    async with plant.agent():
        good = await plant.ended(await plant.create_update())
        assert good["status"] == "SUCCEEDED", good
        after = await plant.look()
        assert (after.version, after.deployment_id) == ("7.1.0", before.deployment_id)
        await plant.publish("7.2.0", program="#!/bin/sh\nexit 3\n")
        bad = await plant.ended(await plant.create_job("7.2.0"))
        assert bad["status"] == "FAILED"
        details = bad["statusDetails"]["detailsMap"]
        assert details["reason"].endswith("start failed with exit code 3; 7.1.0 runs again")
        assert (await plant.look()).version == "7.1.0"
    assert set(plant.proxy.targets) == {"localhost:1", "localhost:2"}
    untouched = await plant.cloud.iot("describe_job_execution", jobId=other, thingName=_CORE)
    assert untouched["execution"]["status"] == "QUEUED"
