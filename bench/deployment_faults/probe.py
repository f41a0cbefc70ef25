"""What the devices see: which version's messages the core lets pass."""

import asyncio
import json
import ssl
from contextlib import suppress
from functools import lru_cache
from typing import Final, Self

from tests.support.cloud import EnrolledThing
from tests.support.mqtt_client import ConnectionEndedError, MqttClient

from bench.deployment_faults.processes import Process
from bench.deployment_faults.world import ALWAYS, VERSIONS, World, topic_of
from hedgerow.mqtt.codec import Publish
from hedgerow.pki import client_context

_PATIENCE_S: Final = 5.0
_REFUSED: Final = (ConnectionEndedError, ConnectionError, ssl.SSLError, AssertionError)


async def served(world: World) -> frozenset[int] | None:
    """Return the versions whose messages pass; None if no device gets in."""
    try:
        async with (
            await _connected(world, world.b) as b,
            await _connected(world, world.a) as a,
        ):
            topics = [topic_of(version) for version in range(VERSIONS)]
            await b.subscribe(*topics, ALWAYS)
            for topic in (*topics, ALWAYS):
                await a.publish(topic, b"")
            passed: set[str] = set()
            while ALWAYS not in passed:
                packet = await b.receive()
                assert isinstance(packet, Publish), packet
                passed.add(packet.topic)
            return frozenset(version for version, topic in enumerate(topics) if topic in passed)
    except _REFUSED:
        return None


async def said_to_run(world: World) -> str | None:
    """Return the deployment that the core's health API says it runs."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.core_ports["daemon"])
    try:
        writer.write(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")
        async with asyncio.timeout(_PATIENCE_S):
            answer = await reader.read()
    finally:
        writer.close()
    status = json.loads(answer.partition(b"\r\n\r\n")[2])
    found: str | None = status["deployment"]["deploymentId"]
    return found


class Guest:
    """A device that stays connected, as long as its core is not killed and its group not reset."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._client: MqttClient | None = None
        self._core: Process | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        if self._client is not None:
            self._client.abort()

    async def come(self) -> None:
        """Connect if it is not, and if there is a group to connect to."""
        if self._client is not None and not await self.has_stayed():
            return
        self._client, self._core = None, self._world.core
        with suppress(*_REFUSED):
            self._client = await _connected(self._world, self._world.guest)

    async def has_stayed(self) -> list[str]:
        """Return what is wrong if the core has dropped it, though it was there all the time."""
        if self._client is None or self._core is not self._world.core:
            self._client = None
            return []
        try:
            await self._client.sync()
        except _REFUSED as error:
            self._client = None
            return [] if await self._core.is_ending() else [f"a device was dropped: {error}"]
        return []


async def _connected(world: World, thing: EnrolledThing) -> MqttClient:
    context = _context(world.group_roots, thing)
    client = await MqttClient.open(
        "127.0.0.1", world.core_ports["mqtt"], tls=context, server_hostname="127.0.0.1"
    )
    try:
        await client.connect(thing.name)
    except BaseException:
        client.abort()
        raise
    return client


@lru_cache(maxsize=64)
def _context(roots: str, thing: EnrolledThing) -> ssl.SSLContext:
    return client_context(roots, thing.identity.key, thing.identity.certificate_pem)
