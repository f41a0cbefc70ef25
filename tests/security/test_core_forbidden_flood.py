"""A device that may send to the cloud what the core's policy forbids: it gains no time by that."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.core import running_core, until
from tests.support.core_estate import Estate, core_estate, row, watcher, watching
from tests.support.mqtt_client import MqttClient

from hedgerow.contract import CLOUD
from hedgerow.core.app import CoreApp
from hedgerow.pki import client_context

_IN_FORCE_S = 3.0
"""A second, and what a loaded machine takes; the pauses of the queue are longer."""

_TOPICS = 30


@pytest.fixture
async def estate(tmp_path: Path) -> AsyncIterator[Estate]:
    """Make one whose core would wait up to a minute between two attempts to connect."""
    async with core_estate(tmp_path) as made:
        path = made.root / "config/config.json"
        document = json.loads(path.read_text()) | {"mqttMaxConnectionRetryInterval": 60}
        path.write_text(json.dumps(document))
        yield made


async def _connected(estate: Estate, core: CoreApp) -> MqttClient:
    identity = estate.a.identity
    roots = await estate.group_roots(estate.a)
    context = client_context(roots, identity.key, identity.certificate_pem)
    client = await MqttClient.open(
        "127.0.0.1", core.mqtt_port, tls=context, server_hostname="127.0.0.1"
    )
    assert (await client.connect("A")).reason == 0
    return client


@pytest.mark.promise(4)
@pytest.mark.parametrize("refused", [1, 3])
async def test_a_flood_of_forbidden_topics_does_not_put_off_a_revocation(
    estate: Estate, refused: int
) -> None:
    """Each ends the core's connection to the cloud, over which it hears of revocations too.

    The core used to wait longer and longer before it came back, up to a minute.
    """
    a = estate.a
    rows = (row(a, "t/up", CLOUD), row(a, "free/#", CLOUD))
    await estate.group.new_version(a, estate.b, estate.c, rows=rows)
    async with running_core(estate.root) as core:
        await estate.deploy(core)
        async with (
            watching(estate.cloud, await watcher(estate), "t/up") as cloud,
            await _connected(estate, core) as device,
        ):
            for number in range(_TOPICS):
                await device.publish(f"free/t{number}", b"x", qos=1)
            await device.publish("t/up", b"allowed", qos=1)
            await until(lambda: core.queue.counters.refused >= refused, 40)
            await estate.cloud.iot(
                "update_certificate",
                certificateId=a.identity.certificate_id,
                newStatus="REVOKED",
            )
            answered = time.monotonic()
            await device.expect_end()
            assert time.monotonic() - answered < _IN_FORCE_S
            async with asyncio.timeout(30):
                async for received in cloud.messages:
                    assert bytes(received.payload) == b"allowed"
                    break
            await until(lambda: not core.queue.counters.waiting)
            counters = core.queue.counters
            assert (counters.sent, counters.refused) == (1, _TOPICS)
            assert any(
                "iot:Publish" in problem and ":topic/free/*" in problem for problem in core.problems
            )
