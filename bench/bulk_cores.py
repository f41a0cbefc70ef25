"""Simulated cores: `python -m bench.bulk_cores FOLDER HTTPS_PORT MQTT_PORT COUNT`.

Each has a connection to the cloud's broker and, while it has work, one to the data plane, under a
certificate of its own. Each does over the wire what a core does at its first deployment: hears the
notice, asks what to run, reports that it begins, fetches the signed manifest, the group and the
list of certificates, has a server certificate issued, reports success, and notes it in its shadow.
It says `ready` once all are connected, and on the last success how long that took after `go`.
"""

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop
from tests.support.cloud import DeviceHttps, signing_request
from tests.support.mqtt_client import MqttClient
from tests.support.pki import Identity, new_key

from hedgerow.contract import (
    ARTIFACT_GROUP,
    ARTIFACT_MEMBERSHIP,
    CERTIFICATE_PATH,
    CertificateRequest,
    DeploymentNotice,
    artifact_path,
    deployment_path,
    deployment_status_path,
    deployment_thing,
    encode,
    shadow_http_path,
)
from hedgerow.core.deployment import Heard, ask_topic, notice_filters, read_notice
from hedgerow.mqtt.codec import Publish
from hedgerow.pki import FileKey, client_context

_HOST = "localhost"
_OK = 200
_AT_ONCE = 20
"""So many connections are opened at the same time."""
_PATIENCE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class SimulatedCore:
    """A core without a group, as far as the cloud can tell."""

    name: str
    arn: str
    identity: Identity

    async def connected(self, port: int, roots: str) -> MqttClient:
        """Connect, and listen for notices."""
        context = client_context(roots, self.identity.key, self.identity.certificate_pem)
        client = await MqttClient.open(_HOST, port, tls=context, server_hostname=_HOST)
        await client.connect(self.name, keep_alive_s=0)
        await client.subscribe(*notice_filters(self.name), qos=1)
        return client

    async def serve(self, client: MqttClient, https_port: int, roots: str, csr: str) -> None:
        """Wait for the deployment, and carry it out."""
        notice = await self._notice(client)
        context = client_context(roots, self.identity.key, self.identity.certificate_pem)
        group, deployment = notice.group_id, notice.deployment_id
        status = deployment_status_path(group, deployment, self.arn)
        shadow = {"state": {"reported": {"DeploymentId": deployment}}}
        request = CertificateRequest(group_id=group, certificate_signing_request=csr)
        async with DeviceHttps(https_port, context) as https:
            for method, path, body in (
                ("PUT", status, b'{"Status":"InProgress"}'),
                ("GET", deployment_path(group, deployment), b""),
                ("GET", artifact_path(group, deployment, ARTIFACT_GROUP), b""),
                ("GET", artifact_path(group, deployment, ARTIFACT_MEMBERSHIP), b""),
                ("POST", CERTIFICATE_PATH, encode(request)),
                ("PUT", status, b'{"Status":"Success"}'),
                ("POST", shadow_http_path(deployment_thing(self.name)), _json(shadow)),
            ):
                answer = await https.request(method, path, body)
                if answer.status != _OK:
                    raise RuntimeError(f"{self.name}: {method} {path}: {answer.body!r}")

    async def _notice(self, client: MqttClient) -> DeploymentNotice:
        while True:
            packet = await client.receive(_PATIENCE_SECONDS)
            if not isinstance(packet, Publish):
                continue
            heard = read_notice(self.name, packet.topic, packet.payload)
            if isinstance(heard, DeploymentNotice):
                return heard
            if heard is Heard.ASK:
                await client.send(Publish(ask_topic(self.name), b""))


def write_cores(folder: Path, cores: Mapping[str, tuple[str, Identity]]) -> None:
    """Write the names, ARNs and identities of cores for this process to read."""
    keys: dict[FileKey, int] = {}
    listed = []
    for name, (arn, identity) in cores.items():
        number = keys.setdefault(identity.key, len(keys))
        listed.append([name, arn, number, identity.certificate_pem])
    pems = [key.pem().reveal().decode() for key in keys]
    folder.mkdir(mode=0o700)
    (folder / "cores.json").write_text(json.dumps({"cores": listed, "keys": pems}))


def _read_cores(folder: Path, count: int) -> list[SimulatedCore]:
    said = json.loads((folder / "cores.json").read_text())
    keys = []
    for number, pem in enumerate(said["keys"]):
        path = folder / f"{number}.key"
        path.touch(mode=0o600)
        path.write_text(pem)
        keys.append(FileKey.load(path))
    return [
        SimulatedCore(name, arn, Identity(keys[number], pem))
        for name, arn, number, pem in said["cores"][:count]
    ]


async def _run(folder: Path, https_port: int, mqtt_port: int, count: int) -> None:
    roots = (folder / "root.ca.pem").read_text()
    gate, csr = asyncio.Semaphore(_AT_ONCE), signing_request(new_key())
    cores = _read_cores(folder, count)

    async def opened(core: SimulatedCore) -> MqttClient:
        async with gate:
            return await core.connected(mqtt_port, roots)

    clients = await asyncio.gather(*map(opened, cores))
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for core, client in zip(cores, clients, strict=True):
            group.create_task(core.serve(client, https_port, roots, csr))
    print(json.dumps({"seconds": time.monotonic() - began}), flush=True)
    for client in clients:
        client.abort()


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


if __name__ == "__main__":
    uvloop.run(_run(Path(sys.argv[1]), *map(int, sys.argv[2:5])))
