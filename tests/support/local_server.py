"""A core's local MQTT server on a free port, with a group and certificates but without a cloud."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from tests.support.cloud_documents import Device, GroupDouble, ec_key, thing_arn
from tests.support.mqtt_client import MqttClient
from tests.support.pki import Identity

from hedgerow.core.certificates import ServerCertificate
from hedgerow.core.deployment import (
    Expectation,
    VerifiedGroup,
    VerifiedMembership,
    verify_group,
    verify_manifest,
    verify_membership,
)
from hedgerow.core.server import (
    AS_V1,
    MODERN_TLS,
    LocalOffer,
    LocalServer,
    LocalTls,
    Serving,
)
from hedgerow.kernel import Clock, SystemClock
from hedgerow.mqtt import ProtocolVersion, Tap
from hedgerow.pki import FileKey, client_context, server_certificate


def verified(double: GroupDouble) -> tuple[VerifiedGroup, VerifiedMembership]:
    """Return the proof values of a group as it is now."""
    roots, now = [double.keys.root.certificate], double.created_at
    expected = Expectation(thing_arn(double.core), double.group_id, double.deployment_id)
    manifest = verify_manifest(double.signed_manifest(), roots, now, expected)
    membership = verify_membership(
        double.signed_membership(),
        roots,
        now,
        group_id=double.group_id,
        deployment_id=double.deployment_id,
        serial_floor=0,
    )
    return verify_group(manifest, double.group_json()), membership


def certificate_for(
    double: GroupDouble, lifetime: timedelta, key: FileKey | None = None
) -> ServerCertificate:
    """Return a server certificate of the group's authority for this machine."""
    key, names = key or ec_key(), ("localhost", "127.0.0.1")
    pem = double.keys.group_ca.issue(server_certificate(names, lifetime), key.public_key)
    return ServerCertificate.of(key, pem, double.group_id, names)


@dataclass
class Local:
    """The server, the group it serves, and what it sent to the cloud."""

    double: GroupDouble
    server: LocalServer
    to_cloud: list[tuple[str, bytes]] = field(default_factory=list)

    def serve(self) -> None:
        """Put the group in force as it is now."""
        self.server.serve(Serving.of(*verified(self.double)))

    def renew_certificate(self, key: FileKey | None = None) -> ServerCertificate:
        """Give the server a new certificate, over a new EC key if none is given."""
        certificate = certificate_for(self.double, timedelta(days=7), key)
        self.server.serve_certificate(certificate)
        return certificate

    async def transport(
        self,
        identity: Device | Identity | None,
        version: ProtocolVersion = ProtocolVersion.V5,
        *,
        suite: str = "",
    ) -> MqttClient:
        """Finish a handshake as somebody; nothing is sent yet. With a suite, of TLS 1.2."""
        roots = self.double.keys.group_ca.certificate_pem
        key, pem = (identity.key, identity.certificate_pem) if identity else (None, None)
        context = client_context(roots, key, pem)
        if suite:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers(suite)
        return await MqttClient.open(
            "127.0.0.1", self.server.port, tls=context, server_hostname="localhost", version=version
        )

    async def connected(
        self, device: Device, version: ProtocolVersion = ProtocolVersion.V5
    ) -> MqttClient:
        """Return a device that was let in."""
        client = await self.transport(device, version)
        answer = await client.connect(device.name)
        assert answer.reason == 0, answer
        return client


@asynccontextmanager
async def local_server(
    *names: str,
    rows: list[tuple[str, str, str]] | None = None,
    clock: Clock | None = None,
    to_shadows: Tap = lambda _message: None,
    offer: LocalOffer = AS_V1,
    tls: LocalTls = MODERN_TLS,
) -> AsyncIterator[Local]:
    """Serve a group of devices with these names; rows have device names for ARNs."""
    double = GroupDouble()
    double.devices = [double.keys.device(name) for name in names]
    arns = {device.name: device.arn for device in double.devices}
    double.rows = [
        (arns.get(source, source), subject, arns.get(target, target))
        for source, subject, target in rows or []
    ]
    sent: list[tuple[str, bytes]] = []
    server = LocalServer(
        lambda message: sent.append((message.topic, message.payload)),
        to_shadows,
        clock=clock or SystemClock(),
        log=structlog.get_logger(),
        offer=offer,
        tls=tls,
    )
    await server.start(0)
    local = Local(double, server, sent)
    local.renew_certificate()
    local.serve()
    try:
        yield local
    finally:
        await server.stop()
