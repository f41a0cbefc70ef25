"""A core that subscribes with AtLeastOncePersistent, and a whole cloud that keeps its session."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import pytest
from tests.support.core import running_core, until
from tests.support.core_estate import (
    CORE,
    Estate,
    clients,
    core_estate,
    restarted,
    spooler,
    watcher,
    watching,
    with_functions,
)

from hedgerow.pki import client_context

SUBJECTS = f"{CORE}-c01"
"""The documented minimal policy gives the first connection `-c00`."""


@pytest.fixture
async def estate(tmp_path: Path) -> AsyncIterator[Estate]:
    async with core_estate(tmp_path) as made:
        yield made


@pytest.mark.spec("H07", "H09", "H10", "H11", "H12")
async def test_what_programs_send_while_the_core_is_away_comes_to_the_device_in_order(
    estate: Estate,
) -> None:
    """Even if the cloud is started anew meanwhile. To the device they go with QoS 0."""
    await with_functions(estate, spooler(GG_CONFIG_SUBSCRIPTION_QUALITY="AtLeastOncePersistent"))
    async with running_core(estate.root) as core:
        await estate.deploy(core)
        await until(lambda: SUBJECTS in clients(estate.cloud))
        broker = estate.cloud.app._rooms.accounts.founding.broker
        await until(lambda: "t/down" in broker._broker.subscriptions_of(SUBJECTS))
    await until(lambda: SUBJECTS not in clients(estate.cloud))
    roots = await estate.group_roots(estate.b)
    context = client_context(roots, estate.b.identity.key, estate.b.identity.certificate_pem)
    async with watching(estate.cloud, await watcher(estate), "x") as program:
        for number in range(12):
            await program.publish("t/down", b"%d" % number, qos=1)
    await estate.cloud.app.stop()
    async with (
        running_core(estate.root) as core,
        aiomqtt.Client(
            "127.0.0.1", core.mqtt_port, identifier=estate.b.name, tls_context=context
        ) as b,
    ):
        await b.subscribe("t/down", qos=1)
        await restarted(estate)
        async with asyncio.timeout(20):
            received = [await anext(b.messages) for _ in range(12)]
    assert [(bytes(m.payload), m.qos) for m in received] == [(b"%d" % n, 0) for n in range(12)]
