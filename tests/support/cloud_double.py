"""A small cloud for tests of the core's link: HTTPS and MQTT with client certificates.

It keeps the contract (paths, documents, shadow topics) and does what a test tells it; the real
cloud is in `tests/support/cloud.py`.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from tests.support.cloud_documents import CloudKeys, GroupDouble, cloud_keys, thing_arn
from tests.support.core import CloudPlace, write_root
from tests.support.mqtt_broker import OpenAuthority
from tests.support.pki import Identity, new_server

from hedgerow.contract import deployment_thing, shadow_topic
from hedgerow.kernel import SystemClock
from hedgerow.mqtt import Broker, Limits, Message, Peer
from hedgerow.mqtt.limits import DEFAULT_LIMITS
from hedgerow.pki import TlsListener, TlsPeer, TlsSlot, Trust, server_context

Answer = Callable[[web.Request], web.Response]


@dataclass
class CloudDouble:
    """Serves until its context ends. `answers` are by method and path prefix, longest first."""

    keys: CloudKeys
    identity: Identity
    authority: OpenAuthority
    broker: Broker
    slot: TlsSlot
    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[tuple[str, str, bytes]] = field(default_factory=list)
    https_port: int = 0
    mqtt_port: int = 0
    desired: dict[str, Any] = field(default_factory=dict)
    silent: bool = False

    def place(self) -> CloudPlace:
        """Where a core finds it."""
        return CloudPlace(self.https_port, self.mqtt_port, self.keys.root.certificate_pem)

    def root(self, folder: Path, core: str = "core-1", **core_thing: Any) -> Path:
        """Make the root folder of a core whose certificate this cloud accepts."""
        return write_root(folder, thing_arn(core), self.identity, self.place(), **core_thing)

    def context(self, *, trusting: tuple[str, ...]) -> ssl.SSLContext:
        """Return a server context that accepts exactly these certificates."""
        server = new_server(self.keys.root)
        return server_context(server.key, server.certificate_pem, Trust(trusting))

    def wish(self, group: GroupDouble) -> None:
        """Wish for a deployment, and ring the bell."""
        self.desired = {
            "GroupId": group.group_id,
            "DeploymentId": group.deployment_id,
            "DeploymentType": group.deployment_type,
            "MembershipSerial": group.serial,
        }
        topic = shadow_topic(deployment_thing(group.core), "update", "delta")
        self.broker.publish("shadow", topic, json.dumps({"state": self.desired}).encode())

    def answer_get(self, message: Message) -> None:
        """Answer the `get` of a deployment shadow, as the shadow service does."""
        if self.silent:
            return
        document = {"state": {"desired": self.desired}, "version": 1}
        found = ("accepted", document) if self.desired else ("rejected", {"code": 404})
        asyncio.get_running_loop().call_soon(
            self.broker.publish,
            "shadow",
            f"{message.topic}/{found[0]}",
            json.dumps(found[1]).encode(),
        )

    async def handle(self, request: web.Request) -> web.Response:
        """Answer an HTTPS request."""
        body = await request.read()
        call = f"{request.method} {request.rel_url.raw_path}"
        self.requests.append((request.method, request.rel_url.raw_path, body))
        for prefix in sorted(self.answers, key=len, reverse=True):
            if call.startswith(prefix):
                return self.answers[prefix](request)
        return web.json_response({"message": f"nothing answers {call}"}, status=404)


def json_answer(document: object, status: int = 200) -> Answer:
    """Answer with JSON whatever is asked."""
    return lambda _request: web.json_response(document, status=status)


def bytes_answer(make: Callable[[], bytes]) -> Answer:
    """Answer with what a function returns now."""
    return lambda _request: web.Response(body=make())


@asynccontextmanager
async def cloud_double(
    core: str = "core-1", *, limits: Limits = DEFAULT_LIMITS
) -> AsyncIterator[CloudDouble]:
    """Serve a cloud that knows one core."""
    keys = cloud_keys()
    device = keys.device(core)
    authority = OpenAuthority()
    broker = Broker(authority, limits=limits, clock=SystemClock(), name="cloud double")
    identity = Identity(device.key, device.certificate_pem)
    server = new_server(keys.root)
    slot = TlsSlot(
        server_context(server.key, server.certificate_pem, Trust((identity.certificate_pem,)))
    )
    cloud = CloudDouble(keys, identity, authority, broker, slot)
    get = shadow_topic(deployment_thing(core), "get")
    authority.tapped.append((get, cloud.answer_get))
    runner = web.ServerRunner(web.Server(cloud.handle), handle_signals=False)  # type: ignore[arg-type]
    await runner.setup()
    assert runner.server is not None
    https = TlsListener(slot, lambda _peer: runner.server())  # type: ignore[misc]
    mqtt = TlsListener(slot, lambda peer: broker.protocol(_known(peer)))
    await https.start("127.0.0.1", 0)
    await mqtt.start("127.0.0.1", 0)
    cloud.https_port, cloud.mqtt_port = https.port, mqtt.port
    try:
        yield cloud
    finally:
        await https.stop()
        await mqtt.stop()
        await broker.stop()
        await runner.cleanup()


def _known(peer: TlsPeer) -> Peer:
    return Peer(peer.certificate_id, peer.address)
