"""A group as large as V1 allows: from its definitions to a core that serves it, and discovery.

`python -m bench.full_group [DEVICES [ROWS]]` runs it alone.
"""

import asyncio
import contextlib
import ssl
import sys
import tempfile
import threading
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import structlog
import uvloop
from tests.support.cloud import EnrolledThing, running_cloud
from tests.support.core import write_root
from tests.support.mqtt_client import ConnectionEndedError, MqttClient
from tests.support.pki import Identity

from bench.discovery import Figures, discovered
from bench.fleet import ServedCloud, register, served, served_core
from bench.process import cpu_seconds, pss_mib
from bench.report import Row, Section
from hedgerow.cli.demo.waiting import until
from hedgerow.mqtt.codec import Publish
from hedgerow.pki import client_context

DEVICES = 2_500
ROWS = 10_000
CORE = "full-core"
CHANGES = 5
CONNECTED = 100
"""So many devices are connected to the core while it is deployed to again."""
DISCOVERING = 32
"""So many devices ask for discovery, each over a connection that it keeps."""

WANTED_DEPLOYED_S = 10.0
WANTED_CHANGED_S = 2.0
WANTED_DISCOVERIES = 2_000
WANTED_P99_MS = 20.0

_POLL_SECONDS = 0.02
_PUBLISH_SECONDS = 0.005
_PATIENCE_SECONDS = 60.0

_METHOD = """\
`hedgerow cloud run` and `hedgerow core run` as processes of their own, and boto3; {devices:,}
registered things with an RSA certificate each, {rows:,} subscription rows. The first deployment is
in force when the core has reported it, which it does after the change. Then one row of all is
changed, {changes} times over: the new version of the definition, the version of the group and its
deployment are asked for; it is in force when a message along the new row reaches a device that was
connected all the time. {connected} devices stay connected meanwhile, and answer at the end.
Discovery is asked for by {discovering} devices of that group at once, each over one connection that
it keeps, while the core serves the group; the generator shares the machine with the cloud."""


@dataclass(slots=True)
class Taken:
    """How long each step took, in seconds."""

    steps: dict[str, float] = field(default_factory=dict)

    def step(self, name: str, began: float) -> None:
        """Note a step that ends now."""
        self.steps[name] = time.monotonic() - began

    @property
    def total(self) -> float:
        """All of them, one after the other."""
        return sum(self.steps.values())


@dataclass(slots=True)
class Site:
    """The full group, by the calls of an administrator."""

    greengrass: Any
    group_id: str
    core: EnrolledThing
    devices: dict[str, Identity]
    base_arn: str
    subscriptions_id: str = ""
    versions: dict[str, str] = field(default_factory=dict)

    def rows(self, count: int, changed: str) -> list[dict[str, str]]:
        """Return the rows; the first one's subject is `changed`."""
        names = list(self.devices)
        rows = []
        for number in range(count):
            source = number % len(names)
            subject = f"plant/{source}/unit-{number // len(names)}/#"
            rows.append(
                {
                    "Id": f"row-{number}",
                    "Source": f"{self.base_arn}:thing/{names[source]}",
                    "Subject": subject if number else changed,
                    "Target": f"{self.base_arn}:thing/{names[(source + 1) % len(names)]}",
                }
            )
        return rows

    def deploy(self, taken: Taken) -> str:
        """Make a version of the group and begin its deployment."""
        began = time.monotonic()
        version = self.greengrass.create_group_version(GroupId=self.group_id, **self.versions)
        taken.step("the group's version", began)
        began = time.monotonic()
        deployment: str = self.greengrass.create_deployment(
            GroupId=self.group_id,
            DeploymentType="NewDeployment",
            GroupVersionId=version["Version"],
        )["DeploymentId"]
        taken.step("the deployment begun", began)
        return deployment

    def succeeded(self, deployment: str) -> bool:
        """Tell whether the core has said so; a failure is raised."""
        said = self.greengrass.get_deployment_status(GroupId=self.group_id, DeploymentId=deployment)
        if said["DeploymentStatus"] == "Failure":
            raise RuntimeError(f"the deployment failed: {said.get('ErrorMessage')}")
        return bool(said["DeploymentStatus"] == "Success")


def measure(devices: int = DEVICES, rows: int = ROWS) -> Section:
    """Make the group, deploy it, change a row of it, and ask for discovery."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with tempfile.TemporaryDirectory(prefix="hedgerow-full-group-") as name:
        folder = Path(name)
        core, group_id, identities = uvloop.run(_filled(folder, devices))
        with served(folder / "cloud") as cloud:
            site = Site(
                greengrass=cloud.client("greengrass"),
                group_id=group_id,
                core=core,
                devices=identities,
                base_arn=core.arn.rpartition(":")[0],
            )
            root = write_root(folder / "greengrass", core.arn, core.identity, cloud.place)
            with served_core(root, folder / "core.log") as (daemon, ports):
                figures = _measured(cloud, site, daemon.pid, ports["ggMqttPort"], rows)
    method = _METHOD.format(
        devices=devices,
        rows=rows,
        changes=CHANGES,
        connected=CONNECTED,
        discovering=DISCOVERING,
    )
    return Section("A full group", method, figures)


def _measured(
    cloud: ServedCloud, site: Site, core_pid: int, mqtt_port: int, rows: int
) -> tuple[Row, ...]:
    pids = {"cloud": cloud.daemon.pid, "core": core_pid}
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    first = _first(site, rows)
    used = {name: cpu_seconds(pid) - before[name] for name, pid in pids.items()}
    site.greengrass.update_connectivity_info(
        ThingName=CORE,
        ConnectivityInfo=[{"Id": "here", "HostAddress": "127.0.0.1", "PortNumber": mqtt_port}],
    )
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    changed, dropped = uvloop.run(_changed(cloud, site, mqtt_port, rows))
    each = {name: (cpu_seconds(pid) - before[name]) / CHANGES for name, pid in pids.items()}
    ordered = sorted(changed, key=lambda taken: taken.total)
    slowest, median = ordered[-1], ordered[len(ordered) // 2]
    found = uvloop.run(_discovered(cloud, site))
    meanwhile = uvloop.run(_discovered_meanwhile(cloud, site, rows))
    memory = {name: pss_mib(pid) for name, pid in pids.items()}
    return (
        *(Row(name, f"{seconds:.2f} s") for name, seconds in first.steps.items()),
        _wanted("in all, until it is in force", first.total, WANTED_DEPLOYED_S),
        Row("processor time of cloud and core", f"{used['cloud']:.1f} s, {used['core']:.1f} s"),
        *(Row(f"one row changed: {name}", f"{s:.2f} s") for name, s in slowest.steps.items()),
        _wanted("one row changed, until it is in force: slowest", slowest.total, WANTED_CHANGED_S),
        Row("one row changed: median", f"{median.total:.2f} s"),
        Row(
            "one row changed: processor time of cloud and core",
            f"{each['cloud']:.2f} s, {each['core']:.2f} s",
        ),
        Row(
            f"of {CONNECTED} connected devices, cut by it",
            f"{dropped}",
            "none",
            dropped == 0,
        ),
        Row(
            "discovery: requests per second",
            f"{found.rate:,.0f}",
            f"at least {WANTED_DISCOVERIES:,}",
            found.rate >= WANTED_DISCOVERIES,
        ),
        Row(
            f"discovery: p99 (p50 {found.percentile_ms(50):.1f} ms)",
            f"{found.percentile_ms(99):.1f} ms",
            f"at most {WANTED_P99_MS:.0f} ms",
            found.percentile_ms(99) <= WANTED_P99_MS,
        ),
        Row(
            "discovery: requests per second of the cloud's processor time",
            f"{found.rate_of_processor:,.0f}",
        ),
        Row(
            f"discovery while rows are changed: p99 (p50 {meanwhile.percentile_ms(50):.1f} ms)",
            f"{meanwhile.percentile_ms(99):.1f} ms",
        ),
        Row("memory of cloud and core (PSS)", f"{memory['cloud']:.0f}, {memory['core']:.0f} MiB"),
    )


def _wanted(what: str, seconds: float, limit: float) -> Row:
    return Row(what, f"{seconds:.2f} s", f"at most {limit:.0f} s", seconds <= limit)


async def _filled(folder: Path, devices: int) -> tuple[EnrolledThing, str, dict[str, Identity]]:
    async with running_cloud(folder) as cloud:
        group = await cloud.group(CORE)
        names = [f"device-{number:04}" for number in range(devices)]
        made = await register(cloud, names)
        return group.core, group.group_id, {name: each[0] for name, each in made.items()}


def _first(site: Site, rows: int) -> Taken:
    """Have everything made and deployed for the first time."""
    taken = Taken()
    cores = {"Cores": [site.core.member()]}
    made = site.greengrass.create_core_definition(InitialVersion=cores)
    site.versions["CoreDefinitionVersionArn"] = made["LatestVersionArn"]
    members = [
        EnrolledThing(
            name=name,
            arn=f"{site.base_arn}:thing/{name}",
            certificate_arn=f"{site.base_arn}:cert/{identity.certificate_id}",
            identity=identity,
        ).member()
        for name, identity in site.devices.items()
    ]
    table = site.rows(rows, _subject(0))
    began = time.monotonic()
    made = site.greengrass.create_device_definition(InitialVersion={"Devices": members})
    taken.step(f"{len(members):,} devices accepted", began)
    site.versions["DeviceDefinitionVersionArn"] = made["LatestVersionArn"]
    began = time.monotonic()
    made = site.greengrass.create_subscription_definition(InitialVersion={"Subscriptions": table})
    taken.step(f"{len(table):,} subscriptions accepted", began)
    site.subscriptions_id = made["Id"]
    site.versions["SubscriptionDefinitionVersionArn"] = made["LatestVersionArn"]
    deployment = site.deploy(taken)
    began = time.monotonic()
    until(lambda: site.succeeded(deployment), "the first deployment", _PATIENCE_SECONDS)
    taken.step("built, fetched, verified, in force and reported", began)
    return taken


async def _changed(
    cloud: ServedCloud, site: Site, mqtt_port: int, rows: int
) -> tuple[list[Taken], int]:
    """Change a row while devices are connected; return the times, and how many were cut."""
    roots = await _group_roots(cloud, site)
    async with AsyncExitStack() as closing:
        connected = []
        for name in list(site.devices)[:CONNECTED]:
            client = await _connected(site.devices[name], roots, mqtt_port)
            await closing.enter_async_context(client)
            await client.connect(name)
            connected.append(client)
        sender, receiver, *others = connected
        await receiver.subscribe("#")
        taken = [await _one_change(site, sender, receiver, rows, n) for n in range(1, CHANGES + 1)]
        dropped = 0
        for client in others:
            try:
                await client.sync()
            except ConnectionEndedError:
                dropped += 1
        return taken, dropped


async def _one_change(
    site: Site, sender: MqttClient, receiver: MqttClient, rows: int, number: int
) -> Taken:
    taken, subject = Taken(), _subject(number)
    async with asyncio.TaskGroup() as group:
        arrival = group.create_task(_arrival(sender, receiver, subject))
        table = site.rows(rows, subject)
        deployment = await asyncio.to_thread(_change, site, table, taken)
        began = time.monotonic()
        taken.steps["built, fetched, verified and in force"] = await arrival - began
    what = "the core's report"
    await asyncio.to_thread(until, lambda: site.succeeded(deployment), what, _PATIENCE_SECONDS)
    return taken


def _change(site: Site, table: list[dict[str, str]], taken: Taken) -> str:
    began = time.monotonic()
    made = site.greengrass.create_subscription_definition_version(
        SubscriptionDefinitionId=site.subscriptions_id, Subscriptions=table
    )
    taken.step(f"{len(table):,} subscriptions accepted", began)
    site.versions["SubscriptionDefinitionVersionArn"] = made["Arn"]
    return site.deploy(taken)


async def _arrival(sender: MqttClient, receiver: MqttClient, subject: str) -> float:
    """Return when the first message along a row arrives; one is sent every few milliseconds."""
    topic = subject.replace("#", "x")
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while True:
            await sender.publish(topic, b"now")
            with contextlib.suppress(TimeoutError):
                received = await receiver.receive(_PUBLISH_SECONDS)
                if isinstance(received, Publish) and received.topic == topic:
                    return time.monotonic()


def _subject(number: int) -> str:
    return f"changed/{number}/#"


async def _group_roots(cloud: ServedCloud, site: Site) -> str:
    name, identity = next(iter(site.devices.items()))
    place, context = cloud.place, _cloud_context(cloud, identity)
    document = await discovered(place.host, place.https_port, context, name)
    return "".join(document["GGGroups"][0]["CAs"])


async def _connected(identity: Identity, roots: str, port: int) -> MqttClient:
    context = client_context(roots, identity.key, identity.certificate_pem)
    return await MqttClient.open("127.0.0.1", port, tls=context, server_hostname="127.0.0.1")


async def _discovered(cloud: ServedCloud, site: Site) -> Figures:
    names = list(site.devices)
    step = max(len(names) // DISCOVERING, 1)
    askers = [
        (name, _cloud_context(cloud, site.devices[name])) for name in names[::step][:DISCOVERING]
    ]
    return await Figures.of(cloud.place.host, cloud.place.https_port, askers, cloud.daemon.pid)


async def _discovered_meanwhile(cloud: ServedCloud, site: Site, rows: int) -> Figures:
    """Ask for discovery while one deployment after the other is made."""
    over = threading.Event()

    def change() -> None:
        number = CHANGES
        while not over.is_set():
            number += 1
            deployment = _change(site, site.rows(rows, _subject(number)), Taken())
            until(partial(site.succeeded, deployment), "the core's report", _PATIENCE_SECONDS)

    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.to_thread(change))
        figures = await _discovered(cloud, site)
        over.set()
    return figures


def _cloud_context(cloud: ServedCloud, identity: Identity) -> ssl.SSLContext:
    return client_context(cloud.place.roots_pem, identity.key, identity.certificate_pem)


if __name__ == "__main__":
    section = measure(*map(int, sys.argv[1:]))
    for each in section.rows:
        print(each.what, each.value, each.wanted, each.met, sep=" | ")
    sys.exit(0 if section.met else 1)
