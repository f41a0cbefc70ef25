"""Discovery while the addresses of a core come and go, over both families, with a real cloud."""

import ipaddress
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.core import running_core, until
from tests.support.core_estate import Estate, core_estate, with_detector
from tests.support.mqtt_client import MqttClient

from hedgerow.contract import discovery_path
from hedgerow.core.app import CoreApp
from hedgerow.pki import client_context

FIRST, SECOND, SIXTH = (ipaddress.ip_address(each) for each in ("127.0.0.1", "127.0.0.9", "::1"))
FLAPS = 10


@pytest.fixture
async def estate(tmp_path: Path) -> AsyncIterator[Estate]:
    async with core_estate(tmp_path) as made:
        await with_detector(made)
        yield made


async def found(estate: Estate) -> list[str]:
    """Return the addresses that discovery gives device A, in its order."""
    async with estate.cloud.https(estate.a.identity) as https:
        answer = await https.get(discovery_path("A"))
    assert answer.status == 200, answer.body
    entries = answer.json["GGGroups"][0]["Cores"][0]["Connectivity"]
    return [entry["HostAddress"] for entry in entries]


async def connects(estate: Estate, core: CoreApp, host: str) -> None:
    """Connect as device A by an address, which the server has to prove."""
    identity = estate.a.identity
    roots = await estate.group_roots(estate.a)
    context = client_context(roots, identity.key, identity.certificate_pem)
    async with await MqttClient.open(
        host, core.mqtt_port, tls=context, server_hostname=host
    ) as client:
        await client.connect("A")


@pytest.mark.spec("C04", "E09", "Y03")
async def test_every_address_that_discovery_gives_can_be_proven_while_one_flaps(
    estate: Estate,
) -> None:
    """The one that flaps stays in discovery, and costs neither a certificate nor a version."""
    async with running_core(estate.root) as core:
        core.detector._pause_seconds = 0
        host = [FIRST, SECOND, SIXTH]
        core.detector._addresses = lambda: tuple(host)
        await estate.deploy(core)
        core.detector.look_again()
        await until(lambda: len(core.detector._published.connectivity_info) == 3)  # type: ignore[union-attr]
        served = core.keeper.served
        for _ in range(FLAPS):
            host.remove(SECOND)
            core.detector.look_again()
            await until(lambda: not core.detector._look.is_set())
            assert await found(estate) == ["127.0.0.1", "127.0.0.9", "::1"]
            host.append(SECOND)
            core.detector.look_again()
            await until(lambda: not core.detector._look.is_set())
        assert core.keeper.served is served
        for address in await found(estate):
            await connects(estate, core, address)
