"""A core whose only way out is a proxy, and one port behind it."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.core import CloudPlace, running_core, write_root
from tests.support.core_estate import Estate, core_estate, message, watcher, watching
from tests.support.http_proxy import http_proxy
from tests.support.pki import new_authority, new_server


@pytest.fixture
async def estate(tmp_path: Path) -> AsyncIterator[Estate]:
    async with core_estate(tmp_path) as made:
        yield made


@pytest.mark.spec("I10", "I11", "B07", "X09")
async def test_a_core_deploys_and_talks_over_port_443_behind_a_proxy_with_tls_of_its_own(
    estate: Estate,
) -> None:
    """The proxy's authority stands in the root CA file beside the cloud's, after a comment."""
    port, proxys = estate.endpoints.combined_port, new_authority("the proxy's")
    assert port is not None
    server = new_server(proxys)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.key.attach(context, server.certificate_pem)
    roots = f"{estate.cloud.roots_pem}# the proxy's\n{proxys.certificate_pem}"
    async with http_proxy(credentials="Mary_Major:pass@word1357", context=context) as proxy:
        proxy.ports[443] = port
        write_root(
            estate.root,
            estate.group.core.arn,
            estate.group.core.identity,
            CloudPlace(443, 443, roots),
            networkProxy={
                "noProxyAddresses": "http://128.12.34.56,www.example.org",
                "proxy": {
                    "url": f"https://localhost:{proxy.port}",
                    "username": "Mary_Major",
                    "password": "pass@word1357",
                },
            },
        )
        async with (
            watching(estate.cloud, await watcher(estate), "t/up") as cloud,
            running_core(estate.root) as core,
        ):
            await estate.deploy(core)
            async with estate.device(core, estate.a) as a:
                await a.publish("t/up", b"through the proxy", qos=1)
                assert await message(cloud) == ("t/up", b"through the proxy")
    assert set(proxy.targets) == {"localhost:443"}
    assert b"through the proxy" not in proxy.bytes_seen
    log = (estate.root / "ggc/var/log/system/runtime.log").read_text()
    assert "pass@word1357" not in log
