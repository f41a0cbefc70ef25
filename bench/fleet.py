"""A cloud with a large registry, made quickly and then run by the `hedgerow` command.

15,000 API calls would take minutes, so the registry is filled through the store, in a few
transactions, while the cloud runs inside the benchmark; what is measured runs as processes.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from tests.support.cloud import RunningCloud
from tests.support.core import CloudPlace
from tests.support.pki import Identity, new_authority, new_key

from hedgerow.cli.demo.processes import Daemon
from hedgerow.cli.environment import environment
from hedgerow.cloud.iot.documents import CERTIFICATE, THING, Certificate, Thing
from hedgerow.kernel import SystemClock
from hedgerow.pki import FileKey, certificate_id, device_certificate

POLICY = "fleet"
"""The one policy that every certificate of a fleet has; the cloud's decisions are measured
elsewhere."""

_KEYS = 4
"""Each certificate is one of its own, over one of so many keys: no server sees the difference."""
_IN_ONE_TRANSACTION = 250
_ANY_PORTS = ("--api-port=0", "--device-https-port=0", "--device-mqtt-port=0", "--combined-port=0")


def anything_policy() -> str:
    """Return a policy that allows everything."""
    statement = {"Effect": "Allow", "Action": ["iot:*", "greengrass:*"], "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


async def register(
    cloud: RunningCloud, names: Sequence[str], *, certificates_each: int = 1, rsa: bool = True
) -> dict[str, tuple[Identity, ...]]:
    """Register things with ACTIVE certificates of somebody else's authority, and `POLICY`."""
    await cloud.iot("create_policy", policyName=POLICY, policyDocument=anything_policy())
    authority = new_authority("the old cloud")
    make = FileKey.generate_rsa_in_memory if rsa else new_key
    keys = [make() for _ in range(_KEYS)]
    made: dict[str, tuple[Identity, ...]] = {}
    for number, name in enumerate(names):
        chosen = (keys[(number + which) % _KEYS] for which in range(certificates_each))
        made[name] = tuple(
            Identity(key, authority.issue(device_certificate(), key.public_key)) for key in chosen
        )
    for start in range(0, len(names), _IN_ONE_TRANSACTION):
        await _keep(
            cloud, {name: made[name] for name in names[start : start + _IN_ONE_TRANSACTION]}
        )
    return made


async def _keep(cloud: RunningCloud, things: dict[str, tuple[Identity, ...]]) -> None:
    now = SystemClock().now()
    async with cloud.app._store.transaction() as tx:  # noqa: SLF001 - see above
        for name, identities in things.items():
            ids = tuple(certificate_id(each.certificate_pem) for each in identities)
            for identifier, identity in zip(ids, identities, strict=True):
                document = Certificate(
                    pem=identity.certificate_pem,
                    status="ACTIVE",
                    issued_here=False,
                    not_before=now,
                    not_after=now + timedelta(days=365),
                    things=(name,),
                    policies=(POLICY,),
                )
                await tx.insert(CERTIFICATE, cloud.account, identifier, document)
            await tx.insert(THING, cloud.account, name, Thing(thing_id=name, principals=ids))


@dataclass(frozen=True, slots=True)
class ServedCloud:
    """A cloud that runs as a process of its own."""

    daemon: Daemon
    place: CloudPlace
    variables: dict[str, str]

    def client(self, service: str) -> Any:
        """Return a boto3 client of the administrator."""
        return boto3.Session().client(
            service,
            endpoint_url=self.variables["AWS_ENDPOINT_URL"],
            verify=self.variables["AWS_CA_BUNDLE"],
            region_name=self.variables["AWS_DEFAULT_REGION"],
            aws_access_key_id=self.variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.variables["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"total_max_attempts": 1}, read_timeout=120),
        )


@contextmanager
def served(data: Path) -> Iterator[ServedCloud]:
    """Run the cloud of a data folder until the block ends."""
    run = ("cloud", "run", "--data", str(data), "--host", "127.0.0.1")
    daemon = Daemon("the cloud", run, data / "endpoints.json", data.parent / "cloud.log")
    try:
        said = daemon.start(*_ANY_PORTS)
        variables = environment(data)
        roots = Path(variables["AWS_CA_BUNDLE"]).read_text()
        place = CloudPlace(said["device_https_port"], said["device_mqtt_port"], roots)
        yield ServedCloud(daemon, place, variables)
    finally:
        daemon.stop_if_running()


@contextmanager
def served_core(root: Path, log: Path) -> Iterator[tuple[Daemon, dict[str, Any]]]:
    """Run the core of a root folder until the block ends; also tell where it serves."""
    endpoints = root / "ggc" / "var" / "state" / "endpoints.json"
    core = Daemon("the core", ("core", "run", "-i", "--root", str(root)), endpoints, log)
    try:
        yield core, core.start()
    finally:
        core.stop_if_running()
