"""A core on a root folder, in this process; and what tests of cores share."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.pki import Identity

from hedgerow.core.app import CoreApp
from hedgerow.kernel import Clock, SystemClock
from hedgerow.pki import write_private


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Return once the condition holds; for states that no event tells of."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the parts under test have no such event
            await asyncio.sleep(0.005)


@dataclass(frozen=True)
class CloudPlace:
    """Where a core finds its cloud, and what it trusts it by."""

    https_port: int
    mqtt_port: int
    roots_pem: str
    host: str = "localhost"


def write_root(
    root: Path, thing_arn: str, identity: Identity, place: CloudPlace, **core_thing: Any
) -> Path:
    """Make a Greengrass root folder as provisioning does; free ports, quick reconnects."""
    certs = root / "certs"
    write_private(certs / "core.private.key", identity.key.pem().reveal())
    (certs / "core.cert.pem").write_text(identity.certificate_pem)
    (certs / "root.ca.pem").write_text(place.roots_pem)
    document = {
        "coreThing": {
            "caPath": "root.ca.pem",
            "certPath": "core.cert.pem",
            "keyPath": "core.private.key",
            "thingArn": thing_arn,
            "iotHost": place.host,
            "ggHost": place.host,
            "iotMqttPort": place.mqtt_port,
            "iotHttpPort": place.https_port,
            "ggHttpPort": place.https_port,
            "ggMqttPort": 0,
            "ggDaemonPort": 0,
            "keepAlive": 600,
            **core_thing,
        },
        "crypto": {
            "caPath": f"file://{certs}/root.ca.pem",
            "principals": {
                "IoTCertificate": {
                    "privateKeyPath": f"file://{certs}/core.private.key",
                    "certificatePath": f"file://{certs}/core.cert.pem",
                },
                "SecretsManager": {"privateKeyPath": f"file://{certs}/core.private.key"},
            },
        },
        "mqttMaxConnectionRetryInterval": 1,
    }
    (root / "config").mkdir(parents=True, exist_ok=True)
    (root / "config/config.json").write_text(json.dumps(document, indent=2))
    return root


@asynccontextmanager
async def running_core(root: Path, *, clock: Clock | None = None) -> AsyncIterator[CoreApp]:
    """Run a core on a root folder; a fault of it fails the test."""
    core = CoreApp(root, clock=clock or SystemClock(), insecure_skip_link_protection=True)
    await core.start()
    try:
        yield core
    finally:
        await core.stop()
