"""A core's local server that rotates when told: `python -m tests.support.rotating_server N FOLDER`.

It is the product's server and certificate keeper, with a group of N devices in a ring and QoS 1
for them; the cloud is the group's authority in this process. Whatever devices need stands in
FOLDER/devices.json. A line `rotate` on its input has the keeper renew, as after a change of
addresses; each certificate that serves is told by its SHA-256 in a line of JSON.
"""

import asyncio
import hashlib
import json
import ssl
import sys
from datetime import timedelta
from pathlib import Path

import structlog
import uvloop
from tests.support.cloud_documents import GroupDouble
from tests.support.local_server import verified

from hedgerow.contract import (
    CertificateAnswer,
    CertificateRequest,
    ConnectivityEntry,
    ConnectivityInfo,
)
from hedgerow.core.certificates import (
    CertificateKeeper,
    ServerCertificate,
    ServerCertificateStore,
)
from hedgerow.core.server import LocalOffer, LocalServer, Serving
from hedgerow.kernel import DeniedError, SystemClock
from hedgerow.mqtt import Message
from hedgerow.pki import load_certificate, load_csr, server_certificate

NEWCOMERS = ("new-0", "new-1")
"""Devices that come and go; they are in no row."""


class Desk:
    """Issues what is asked for, and says that the addresses are others each time."""

    def __init__(self, group: GroupDouble) -> None:
        self._group = group
        self.turn = 0

    @property
    def hosts(self) -> tuple[str, ...]:
        return ("localhost", "127.0.0.1", f"turn-{self.turn}.example")

    async def connectivity(self) -> ConnectivityInfo:
        return ConnectivityInfo(
            connectivity_info=tuple(
                ConnectivityEntry(id=host, host_address=host, port_number=8883)
                for host in self.hosts
            )
        )

    async def server_certificate(self, request: CertificateRequest) -> CertificateAnswer:
        authority = self._group.keys.group_ca
        profile = server_certificate(self.hosts, timedelta(days=7))
        pem = authority.issue(profile, load_csr(request.certificate_signing_request))
        ends = load_certificate(pem).not_valid_after_utc
        return CertificateAnswer(
            certificate=pem, authority=authority.certificate_pem, not_after=ends
        )

    async def own_authority(self, request: CertificateRequest) -> CertificateAnswer:
        raise DeniedError(f"none for {request.group_id}")


def main(count: int, folder: Path) -> None:
    """Serve until the input ends."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    uvloop.run(_serve(count, folder))


async def _serve(count: int, folder: Path) -> None:
    group = _group(count)
    _write(group, folder / "devices.json")
    server = LocalServer(
        _to_nobody, _to_nobody, clock=SystemClock(), log=structlog.get_logger(),
        offer=LocalOffer(qos=1),
    )  # fmt: skip
    desk = Desk(group)
    keeper = CertificateKeeper(
        ServerCertificateStore(folder / "server", None),
        desk,
        server.serve_certificate,
        clock=SystemClock(),
        log=structlog.get_logger(),
    )
    await server.start(0)
    server.serve(Serving.of(*verified(group)))
    (await keeper.prepare(group.group_id))()
    _say(port=server.port, certificate=_digest(keeper.served))
    while (await asyncio.to_thread(sys.stdin.readline)).strip() == "rotate":
        desk.turn += 1
        keeper.addresses_changed()
        await keeper.check()
        _say(certificate=_digest(keeper.served), sessions=len(server.broker.sessions))
    await server.stop()


def _group(count: int) -> GroupDouble:
    group = GroupDouble()
    names = (*(f"D{number}" for number in range(count)), *NEWCOMERS)
    group.devices = [group.keys.device(name) for name in names]
    ring = group.devices[:count]
    group.rows = [
        (one.arn, f"to/{after.name}", after.arn)
        for one, after in zip(ring, (*ring[1:], ring[0]), strict=True)
    ]
    return group


def _write(group: GroupDouble, path: Path) -> None:
    devices = [
        (device.name, device.key.pem().reveal().decode(), device.certificate_pem)
        for device in group.devices
    ]
    path.touch(mode=0o600)
    path.write_text(json.dumps({"ca": group.keys.group_ca.certificate_pem, "devices": devices}))


def _digest(served: ServerCertificate | None) -> str:
    assert served is not None
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(served.pem)).hexdigest()


def _say(**words: object) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def _to_nobody(message: Message) -> None:
    raise RuntimeError(f"no row leads out of the ring, but {message.topic} does")


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
