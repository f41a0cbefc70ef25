"""A revocation in a full group: `python -m bench.membership [DEVICES]`.

From the answer of `UpdateCertificate` to the end of the device's connection at the core.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import structlog
import uvloop
from tests.support.core import running_core, until
from tests.support.core_estate import Estate, core_estate
from tests.support.mqtt_client import MqttClient

from bench.fleet import register
from bench.report import Row, Section
from hedgerow.core.app import CoreApp
from hedgerow.pki import client_context

DEVICES = 2500
CERTIFICATES_EACH = 2
TIMES = 6
WANTED_S = 1.0

_METHOD = """\
A cloud and a core in one process; a group of as many devices as V1 allows, each with two active
RSA certificates. A device's certificate is made INACTIVE and ACTIVE again by the API; the time is
from the API's answer to the end of the device's connection at the core, with making, signing,
fetching, verifying and keeping the list of all certificates in between."""


def measure(devices: int = DEVICES) -> Section:
    """Fill a group, then revoke and give back one certificate several times."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with tempfile.TemporaryDirectory(prefix="hedgerow-membership-") as folder:
        rows = uvloop.run(_measure(Path(folder), devices))
    return Section("Revocation in a full group", _METHOD, rows)


async def _measure(folder: Path, devices: int) -> tuple[Row, ...]:
    async with core_estate(folder) as estate:
        names = [f"D{number}" for number in range(devices - 3)]
        await register(estate.cloud, names, certificates_each=CERTIFICATES_EACH)
        await _group(estate, names)
        async with running_core(estate.root) as core:
            began = time.monotonic()
            await estate.deploy(core)
            deployed = time.monotonic() - began
            listed = len(core.server.authority.serving.members)
            cuts, returns = [], []
            for _ in range(TIMES):
                cuts.append(await _cut(estate, core))
                returns.append(await _given_back(estate, core))
            size = sum(file.stat().st_size for file in estate.root.rglob("membership/*.json"))
    return (
        Row("certificates on the list", f"{listed}"),
        Row("the signed list", f"{size / 1e6:.1f} MB, fetched as gzip"),
        Row("the deployment", f"{deployed:.1f} s"),
        Row(
            "revoked, then cut: median and slowest",
            f"{sorted(cuts)[len(cuts) // 2]:.2f} s, {max(cuts):.2f} s",
            f"under {WANTED_S:.0f} s",
            max(cuts) < WANTED_S,
        ),
        Row("given back, then admitted: slowest", f"{max(returns):.2f} s"),
    )


async def _group(estate: Estate, names: list[str]) -> None:
    known = (estate.a, estate.b, estate.c)
    arn = estate.a.arn.rpartition("/")[0]
    certificate = estate.a.certificate_arn
    members: list[dict[str, Any]] = [
        {"Id": name, "ThingArn": f"{arn}/{name}", "CertificateArn": certificate} for name in names
    ]
    call = estate.cloud.greengrass
    version = await call(
        "get_group_version", GroupId=estate.group.group_id, GroupVersionId=estate.group.version_id
    )
    made = await call(
        "create_device_definition",
        InitialVersion={"Devices": [*(thing.member() for thing in known), *members]},
    )
    changed = await call(
        "create_group_version",
        GroupId=estate.group.group_id,
        **version["Definition"] | {"DeviceDefinitionVersionArn": made["LatestVersionArn"]},
    )
    estate.group.version_id = changed["Version"]


async def _cut(estate: Estate, core: CoreApp) -> float:
    roots = await estate.group_roots(estate.b)
    identity = estate.a.identity
    context = client_context(roots, identity.key, identity.certificate_pem)
    client = await MqttClient.open(
        "127.0.0.1", core.mqtt_port, tls=context, server_hostname="127.0.0.1"
    )
    async with client:
        await client.connect("A")
        await _set(estate, "INACTIVE")
        answered = time.monotonic()
        await client.expect_end()
        return time.monotonic() - answered


async def _given_back(estate: Estate, core: CoreApp) -> float:
    await _set(estate, "ACTIVE")
    answered = time.monotonic()
    identity = estate.a.identity.certificate_id
    await until(lambda: core.server.authority.serving.member(identity, "A") is not None)
    return time.monotonic() - answered


async def _set(estate: Estate, status: str) -> None:
    await estate.cloud.iot(
        "update_certificate",
        certificateId=estate.a.identity.certificate_id,
        newStatus=status,
    )


if __name__ == "__main__":
    section = measure(*map(int, sys.argv[1:]))
    for each in section.rows:
        print(each.what, each.value, each.wanted, sep=" | ")
    sys.exit(0 if section.met else 1)
