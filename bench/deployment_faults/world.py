"""One world: a cloud, a core, two devices, and the network between cloud and core."""

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import msgspec
import structlog
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from cryptography import x509
from tests.support.cloud import CloudGroup, EnrolledThing, RunningCloud, born_cloud
from tests.support.core import CloudPlace, write_root
from tests.support.link_cutter import Cutter, cutter

from bench.deployment_faults.faults import Fault
from bench.deployment_faults.processes import EndedError, Process, Zygote
from bench.deployment_faults.small_disk import SmallDisk
from hedgerow.cloud.app import Layout
from hedgerow.core.config import load_config
from hedgerow.core.deployment import DeploymentFolder

CORE: Final = "edge"
VERSIONS: Final = 3
"""So many versions of the group there are; each lets another topic pass, and all one more."""
ALWAYS: Final = "always"
_CALLS: Final = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=20)


def topic_of(version: int) -> str:
    """Return the topic that only this version lets pass."""
    return f"only/{version}"


class NotNowError(Exception):
    """The cloud does not answer, or says that it has a trouble that passes."""


@dataclass
class World:
    """Everything of one world. `versions` are the ids of the group's versions."""

    folder: Path
    zygote: Zygote
    cloud: Process
    core: Process
    cloud_ports: dict[str, int]
    api: Any
    group: CloudGroup
    a: EnrolledThing
    b: EnrolledThing
    guest: EnrolledThing
    """A device that stays connected from run to run."""
    versions: list[str]
    group_roots: str
    links: tuple[Cutter, Cutter]
    small_disk: SmallDisk | None = None
    """The disk that the core writes to, if it is one that can be filled."""
    core_ports: dict[str, int] = field(default_factory=dict)
    clock_offset_s: float = 0.0

    @property
    def root(self) -> Path:
        """The core's folder."""
        return self.folder / "greengrass"

    def on_disk(self) -> str | None:
        """Return which deployment a core would run that starts now; a reset goes before all."""
        config = load_config(self.root)
        roots = x509.load_pem_x509_certificates((self.root / "certs/root.ca.pem").read_bytes())
        folder = DeploymentFolder(config.folders.deployment, str(config.thing_arn), roots)
        return None if folder.ledger.wiping is not None else folder.load().deployment_id

    async def call(self, operation: str, **members: Any) -> dict[str, Any]:
        """Call greengrass once. Raises `NotNowError`, or `ClientError` for what the caller did."""
        try:
            answer: dict[str, Any] = await asyncio.to_thread(
                getattr(self.api, operation), GroupId=self.group.group_id, **members
            )
        except BotoCoreError as error:
            raise NotNowError(str(error)) from error
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
                raise NotNowError(str(error)) from error
            raise
        return answer

    async def start_core(self, fault: Fault | None = None) -> None:
        """Start the core if it is not there, armed with a fault if one is given."""
        if not self.core.is_alive:
            self.core = fork_core(
                self.zygote, self.folder, clock_offset_s=self.clock_offset_s, fault=fault
            )
        try:
            self.core_ports = await self.core.ports()
        except EndedError:
            if fault is None:
                raise

    async def start_cloud(self) -> None:
        """Start the cloud if it is not there, where it was."""
        if not self.cloud.is_alive:
            self.cloud = fork_cloud(self.zygote, self.folder, self.cloud_ports)
        await self.cloud.ports()

    async def restart_core(self, *, clock_offset_s: float) -> None:
        """Stop the core, and start it with a clock that is right or wrong."""
        await self.core.end(signal.SIGTERM)
        self.clock_offset_s = clock_offset_s
        await self.start_core()


def fork_cloud(zygote: Zygote, folder: Path, ports: dict[str, int]) -> Process:
    """Start the cloud of a folder."""
    return zygote.fork("cloud", folder / "cloud", folder / "cloud.fault", ports=ports)


def fork_core(
    zygote: Zygote, folder: Path, *, clock_offset_s: float = 0.0, fault: Fault | None = None
) -> Process:
    """Start the core of a folder."""
    told = folder / "core.fault"
    if fault is not None:
        told.write_bytes(msgspec.json.encode(fault))
    return zygote.fork(
        "core",
        folder / "greengrass",
        told,
        clock_offset_s=clock_offset_s,
        is_armed=fault is not None,
    )


@asynccontextmanager
async def world(folder: Path, seed: int, *, is_small: bool = False) -> AsyncIterator[World]:
    """Make a world; nothing is deployed in it yet. `is_small`: its core has a small disk."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    await asyncio.to_thread(_make_folder, folder)
    zygote = await Zygote.start()
    disk: SmallDisk | None = None
    try:
        cloud = fork_cloud(zygote, folder, {})
        ports = await cloud.ports()
        async with (
            cutter(ports["mqtt"], seed=seed) as mqtt,
            cutter(ports["https"], seed=seed) as https,
        ):
            links = (mqtt, https)
            made = await _settled(folder, zygote, cloud, ports, links, is_small=is_small)
            disk = made.small_disk
            yield made
    finally:
        await zygote.stop()
        if disk is not None:
            await asyncio.to_thread(disk.unmount)


def _make_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True)
    shutil.copytree(born_cloud(), folder / "cloud")


async def _settled(
    folder: Path,
    zygote: Zygote,
    cloud: Process,
    ports: dict[str, int],
    links: tuple[Cutter, Cutter],
    *,
    is_small: bool,
) -> World:
    """Make the group and its core, and start that."""
    endpoints: Any = SimpleNamespace(
        api_port=ports["api"], device_https_port=ports["https"], device_mqtt_port=ports["mqtt"]
    )
    people = RunningCloud(SimpleNamespace(endpoints=endpoints), folder / "cloud")  # type: ignore[arg-type]
    a, b, guest = [await people.enrol_device(name) for name in ("A", "B", "guest")]
    group = await people.group(CORE, a, b)
    versions = []
    for version in range(VERSIONS):
        rows = tuple(_row(a, topic, b) for topic in (topic_of(version), ALWAYS))
        await group.new_version(a, b, guest, rows=rows)
        versions.append(group.version_id)
    await people.greengrass(
        "update_connectivity_info",
        ThingName=CORE,
        ConnectivityInfo=[{"Id": "1", "HostAddress": "127.0.0.1", "PortNumber": 8883}],
    )
    place = CloudPlace(
        https_port=links[1].port,
        mqtt_port=links[0].port,
        roots_pem=Layout(folder / "cloud").root_certificate.read_text(),
    )
    root = folder / "greengrass"
    small_disk = await asyncio.to_thread(SmallDisk.mounted, root / "ggc") if is_small else None
    write_root(root, group.core.arn, group.core.identity, place)
    api = await asyncio.to_thread(people.client, "greengrass", config=_CALLS)
    made = World(
        folder=folder,
        zygote=zygote,
        cloud=cloud,
        core=fork_core(zygote, folder),
        cloud_ports=ports,
        api=api,
        group=group,
        a=a,
        b=b,
        guest=guest,
        small_disk=small_disk,
        versions=versions,
        group_roots=await _roots(people, group.group_id),
        links=links,
    )
    await made.start_core()
    people.close_clients()
    return made


async def _roots(people: RunningCloud, group_id: str) -> str:
    listed = await people.greengrass("list_group_certificate_authorities", GroupId=group_id)
    (authority,) = listed["GroupCertificateAuthorities"]
    found = await people.greengrass(
        "get_group_certificate_authority",
        GroupId=group_id,
        CertificateAuthorityId=authority["GroupCertificateAuthorityId"],
    )
    return str(found["PemEncodedCertificate"])


def _row(source: EnrolledThing, subject: str, target: EnrolledThing) -> dict[str, str]:
    return {
        "Id": subject.replace("/", "-"),
        "Source": source.arn,
        "Subject": subject,
        "Target": target.arn,
    }


__all__ = ["EndedError", "NotNowError", "World", "topic_of", "world"]
