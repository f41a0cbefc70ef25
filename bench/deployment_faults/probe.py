"""What the devices see: which version's messages the core lets pass."""

import asyncio
import ssl
from functools import lru_cache

from tests.support.cloud import EnrolledThing
from tests.support.mqtt_client import ConnectionEndedError, MqttClient

from bench.deployment_faults.world import ALWAYS, VERSIONS, World, topic_of
from hedgerow.mqtt.codec import Publish
from hedgerow.pki import client_context


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
    except (ConnectionEndedError, ConnectionError, ssl.SSLError, AssertionError):
        return None


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


async def settled(world: World, seconds: float = 5.0) -> frozenset[int] | None:
    """Return what is served; what is refused is tried again for a while."""
    end = asyncio.get_running_loop().time() + seconds
    while True:
        found = await served(world)
        if found is not None or asyncio.get_running_loop().time() > end:
            return found
        await asyncio.sleep(0.05)
