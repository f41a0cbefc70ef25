"""The core's local MQTT server as a process of its own: `python -m bench.local_server FOLDER`.

It is the product's `LocalServer` with a verified group of ten devices and a table of 100 rows,
without a cloud. It writes everybody's keys and certificates, and the same table as mosquitto's
access list, into the folder, then `server.json`, and serves until SIGTERM.
"""

import asyncio
import json
import signal
import sys
from datetime import timedelta
from pathlib import Path

import structlog
import uvloop
from tests.support.cloud_documents import Device, GroupDouble
from tests.support.local_server import certificate_for, verified
from tests.support.pki import Identity

from bench.table import DEVICES, access_list, table
from hedgerow.core.server import LocalServer, Serving
from hedgerow.kernel import SystemClock
from hedgerow.mqtt import Message
from hedgerow.pki import FileKey, Profile, device_certificate


def main(folder: Path) -> None:
    """Prepare the folder and serve."""
    uvloop.run(_serve(folder))


async def _serve(folder: Path) -> None:
    group = GroupDouble()
    group.devices = [_device(group, name) for name in DEVICES]
    arns = {device.name: device.arn for device in group.devices}
    group.rows = [(arns[row.source], row.subject, arns[row.target]) for row in table()]
    server_key = FileKey.generate_rsa_in_memory()
    certificate = certificate_for(group, timedelta(days=7), server_key)
    _write(folder, group, Identity(server_key, certificate.pem))
    server = LocalServer(
        _to_no_cloud, _to_no_shadow, clock=SystemClock(), log=structlog.get_logger()
    )
    await server.start(0)
    server.serve_certificate(certificate)
    server.serve(Serving.of(*verified(group)))
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    # A rename, so that whoever waits for the file finds it whole.
    (folder / "server.new").write_text(json.dumps({"port": server.port}))
    (folder / "server.new").rename(folder / "server.json")
    await told.wait()
    await server.stop()


def _device(group: GroupDouble, name: str) -> Device:
    """Return a device with an RSA key, as CreateKeysAndCertificate makes them."""
    key = FileKey.generate_rsa_in_memory()
    return Device(name, key, group.keys.device_ca.issue(device_certificate(), key.public_key))


def _write(folder: Path, group: GroupDouble, server: Identity) -> None:
    (folder / "group.ca.pem").write_text(group.keys.group_ca.certificate_pem)
    (folder / "device.ca.pem").write_text(group.keys.device_ca.certificate_pem)
    (folder / "access.list").write_text(access_list())
    server.write(folder, "server")
    for device in group.devices:
        Identity(device.key, device.certificate_pem).write(folder / "hedgerow", device.name)
        # Mosquitto takes the user's name from the certificate's subject; ours are all alike.
        named = group.keys.device_ca.issue(
            Profile(device.name, timedelta(days=7), device_certificate().usage),
            device.key.public_key,
        )
        Identity(device.key, named).write(folder / "mosquitto", device.name)


def _to_no_cloud(message: Message) -> None:
    raise RuntimeError(f"no row leads to the cloud, but a message on {message.topic} does")


def _to_no_shadow(message: Message) -> None:
    raise RuntimeError(f"no row leads to the shadow service, but {message.topic} does")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
