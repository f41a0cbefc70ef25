"""Many small groups deployed by one call, against simulated cores.

`python -m bench.bulk_fleet [GROUPS]` runs it alone.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
import uvloop
from tests.support.bulk import URI, execution_role, line, put_input
from tests.support.cloud import running_cloud
from tests.support.estate import spare_authority
from tests.support.pki import Identity
from tests.support.registry import HOME

from bench.bulk_cores import write_cores
from bench.fleet import ServedCloud, register, served
from bench.process import cpu_seconds, pss_mib
from bench.report import Row, Section
from hedgerow.cli.demo.waiting import until
from hedgerow.cloud.greengrass import definitions, groups
from hedgerow.cloud.greengrass.authorities import NewAuthority
from hedgerow.cloud.greengrass.kinds import KINDS_BY_PATH
from hedgerow.cloud.iot.arns import certificate_arn, thing_arn
from hedgerow.kernel import new_uuid
from hedgerow.store import Transaction

GROUPS = 1_000
DEVICES_EACH = 3
_IN_ONE_TRANSACTION = 50
_PATIENCE_SECONDS = 600.0

_METHOD = """\
`hedgerow cloud run` as a process of its own with {groups:,} groups, each of a core, {devices}
devices and {devices} subscription rows; {groups:,} simulated cores in one process, each with a
connection to the broker, do over the wire what a core does at its first deployment, a server
certificate included. One `StartBulkDeployment` names all groups. A group's time is from the record
of its `CreateDeployment` to the record of its core's success, as the API tells them."""


def measure(count: int = GROUPS) -> Section:
    """Make the groups, deploy all of them, and wait for every core."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with tempfile.TemporaryDirectory(prefix="hedgerow-bulk-") as name:
        folder = Path(name)
        role = uvloop.run(_filled(folder, count))
        with served(folder / "cloud") as cloud:
            rows = _measured(cloud, folder, role, count)
    method = _METHOD.format(groups=count, devices=DEVICES_EACH)
    return Section("A bulk deployment", method, rows)


def _measured(cloud: ServedCloud, folder: Path, role: str, count: int) -> tuple[Row, ...]:
    (folder / "cores" / "root.ca.pem").write_text(cloud.place.roots_pem)
    greengrass = cloud.client("greengrass")
    with _simulated(cloud, folder / "cores", count) as cores:
        assert cores.stdin is not None
        assert cores.stdout is not None
        cpu = cpu_seconds(cloud.daemon.pid)
        cores.stdin.write("go\n")
        cores.stdin.flush()
        bulk = greengrass.start_bulk_deployment(InputFileUri=URI, ExecutionRoleArn=role)
        bulk_id: str = bulk["BulkDeploymentId"]
        told = json.loads(cores.stdout.readline() or "{}")
        if not told:
            raise RuntimeError("the simulated cores gave up")
        cpu = cpu_seconds(cloud.daemon.pid) - cpu
        memory = pss_mib(cloud.daemon.pid)
    until(lambda: _ended(greengrass, bulk_id), "the bulk deployment", _PATIENCE_SECONDS)
    status = greengrass.get_bulk_deployment_status(BulkDeploymentId=bulk_id)
    succeeded = list(_succeeded(greengrass, bulk_id))
    cuts = statistics.quantiles(succeeded, n=100)
    return (
        Row(
            "groups deployed and in force",
            f"{len(succeeded):,}",
            f"all {count:,}, none invalid or retried",
            len(succeeded) == count and _counts(status) == (count, 0, 0),
        ),
        Row("groups per second, until the last core's success", f"{count / told['seconds']:.0f}"),
        Row("processor time of the cloud by group", f"{cpu / count * 1000:.1f} ms"),
        Row("from begun to success: p50", f"{cuts[49] * 1000:.0f} ms"),
        Row("from begun to success: p99", f"{cuts[98] * 1000:.0f} ms"),
        Row("from begun to success: longest", f"{max(succeeded) * 1000:.0f} ms"),
        Row("memory of the cloud (PSS)", f"{memory:.0f} MiB"),
    )


@contextmanager
def _simulated(cloud: ServedCloud, folder: Path, count: int) -> Iterator["subprocess.Popen[str]"]:
    ports = (str(cloud.place.https_port), str(cloud.place.mqtt_port))
    command = [sys.executable, "-m", "bench.bulk_cores", str(folder), *ports, str(count)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as cores:
        try:
            assert cores.stdout is not None
            if cores.stdout.readline().strip() != "ready":
                raise RuntimeError("the simulated cores did not connect")
            yield cores
        finally:
            cores.kill()


def _ended(greengrass: Any, bulk_id: str) -> bool:
    said = greengrass.get_bulk_deployment_status(BulkDeploymentId=bulk_id)
    if said["BulkDeploymentStatus"] not in {"Initializing", "Running", "Completed"}:
        raise RuntimeError(f"the bulk deployment ended: {said}")
    return bool(said["BulkDeploymentStatus"] == "Completed")


def _counts(status: Mapping[str, Any]) -> tuple[int, int, int]:
    metrics = status["BulkDeploymentMetrics"]
    return (
        metrics["RecordsProcessed"],
        metrics["InvalidInputRecords"],
        metrics["RetryAttempts"],
    )


def _succeeded(greengrass: Any, bulk_id: str) -> Iterator[float]:
    """Yield how long each group's deployment took, of those that succeeded."""
    token: dict[str, str] = {}
    while True:
        page = greengrass.list_bulk_deployment_detailed_reports(BulkDeploymentId=bulk_id, **token)
        for report in page["Deployments"]:
            status = greengrass.get_deployment_status(
                GroupId=report["GroupArn"].split("/groups/")[1].partition("/")[0],
                DeploymentId=report["DeploymentId"],
            )
            if status["DeploymentStatus"] == "Success":
                begun, done = map(_moment, (report["CreatedAt"], status["UpdatedAt"]))
                yield (done - begun).total_seconds()
        if "NextToken" not in page:
            return
        token = {"NextToken": page["NextToken"]}


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def _filled(folder: Path, count: int) -> str:
    """Make the groups and the input file; return the execution role's ARN."""
    names = [f"core-{number:04}" for number in range(count)]
    devices = [f"{name}-device-{n}" for name in names for n in range(DEVICES_EACH)]
    async with running_cloud(folder) as cloud:
        await cloud.service_role()
        role = await execution_role(cloud)
        made = await register(cloud, [*names, *devices])
        identities = {name: each[0] for name, each in made.items()}
        lines: list[str] = []
        for start in range(0, count, _IN_ONE_TRANSACTION):
            async with cloud.app._store.transaction() as tx:  # noqa: SLF001 - by calls: minutes
                chosen = names[start : start + _IN_ONE_TRANSACTION]
                lines += [await _group(tx, name, identities) for name in chosen]
        put_input(cloud, lines)
    write_cores(
        folder / "cores", {name: (thing_arn(HOME, name), identities[name]) for name in names}
    )
    return role


async def _group(tx: Transaction, name: str, identities: Mapping[str, Identity]) -> str:
    """Make one group with its version, and return its line of the input."""
    devices = [f"{name}-device-{n}" for n in range(DEVICES_EACH)]
    rows = [
        {"Id": str(n), "Source": thing_arn(HOME, device), "Subject": f"up/{n}", "Target": "cloud"}
        for n, device in enumerate(devices)
    ]
    arns = {
        "CoreDefinitionVersionArn": await _definition(
            tx, "cores", {"Cores": [_member(name, identities[name])]}
        ),
        "DeviceDefinitionVersionArn": await _definition(
            tx, "devices", {"Devices": [_member(each, identities[each]) for each in devices]}
        ),
        "SubscriptionDefinitionVersionArn": await _definition(
            tx, "subscriptions", {"Subscriptions": rows}
        ),
    }
    # All groups have one authority: to make a thousand keys would take minutes.
    authority = NewAuthority(new_uuid(), spare_authority())
    group = await groups.create(
        tx, HOME, {"Name": name, "InitialVersion": arns}, authority=authority
    )
    return line(group["Id"], group["LatestVersion"])


async def _definition(tx: Transaction, path: str, content: Mapping[str, Any]) -> str:
    request = {"Name": path, "InitialVersion": content}
    made = await definitions.create(KINDS_BY_PATH[path], tx, HOME, request)
    return str(made["LatestVersionArn"])


def _member(name: str, identity: Identity) -> dict[str, Any]:
    return {
        "Id": name,
        "ThingArn": thing_arn(HOME, name),
        "CertificateArn": certificate_arn(HOME, identity.certificate_id),
        "SyncShadow": False,
    }


if __name__ == "__main__":
    section = measure(*map(int, sys.argv[1:]))
    for each in section.rows:
        print(each.what, each.value, each.wanted, each.met, sep=" | ")
    sys.exit(0 if section.met else 1)
