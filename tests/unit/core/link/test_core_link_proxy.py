"""Everything to the cloud goes through a proxy, if one is configured."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from tests.support.cloud_double import CloudDouble, cloud_double, json_answer
from tests.support.core import until
from tests.support.core_link import LinkedCore
from tests.support.http_proxy import HttpProxy, http_proxy
from tests.support.pki import new_authority, new_server

from hedgerow.core.link import CloudHttp, LinkIdentity
from hedgerow.kernel import SystemClock, UnavailableError


@pytest.fixture
async def cloud() -> AsyncIterator[CloudDouble]:
    async with cloud_double() as made:
        made.answers["GET"] = json_answer({"ConnectivityInfo": []})
        yield made


def settings(proxy: HttpProxy, scheme: str = "http", **more: str) -> dict[str, Any]:
    """Return `coreThing` members that name the proxy."""
    document = {"url": f"{scheme}://localhost:{proxy.port}", **more}
    return {"networkProxy": {"proxy": document}}


def tls_of_proxy(cloud: CloudDouble) -> ssl.SSLContext:
    """Return a context of a proxy that asks for a client certificate, and would take any."""
    server = new_server(cloud.keys.root)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.key.attach(context, server.certificate_pem)
    context.load_verify_locations(cadata=cloud.keys.device_ca.certificate_pem)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["x-amzn-mqtt-ca", "x-amzn-http-ca"])
    return context


async def use(core: LinkedCore) -> None:
    """Publish over MQTT and call over HTTPS."""
    async with core.running() as link:
        await link.wait_connected()
        assert (await link.publish("t", b"confidential")).accepted
    async with CloudHttp(core.config, LinkIdentity.load(core.config), SystemClock()) as http:
        await http.connectivity()


@pytest.mark.both_loops
@pytest.mark.spec("B07", "I11")
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_mqtt_and_https_go_through_the_proxy_which_sees_neither(
    cloud: CloudDouble, tmp_path: Path, scheme: str
) -> None:
    context = tls_of_proxy(cloud) if scheme == "https" else None
    async with http_proxy(credentials="Mary:pass@1", context=context) as proxy:
        more = settings(proxy, scheme, username="Mary", password="pass@1")
        await use(LinkedCore(cloud, tmp_path, **more))
    assert proxy.targets == [f"localhost:{cloud.mqtt_port}", f"localhost:{cloud.https_port}"]
    assert b"confidential" not in proxy.bytes_seen
    assert b"connectivityInfo" not in proxy.bytes_seen
    if scheme == "https":
        assert set(map(str, proxy.certificates)) <= {"None", "{}"}
        assert set(proxy.protocols) == {None}


async def test_credentials_in_the_url_take_the_place_of_the_others(
    cloud: CloudDouble, tmp_path: Path
) -> None:
    async with http_proxy(credentials="Mary:p w") as proxy:
        more = settings(proxy, username="Joe", password="x")
        more["networkProxy"]["proxy"]["url"] = f"http://Mary:p%20w@localhost:{proxy.port}"
        await use(LinkedCore(cloud, tmp_path, **more))


@pytest.mark.promise(9)
async def test_wrong_credentials_are_named_and_never_shown(
    cloud: CloudDouble, tmp_path: Path
) -> None:
    async with http_proxy(credentials="Mary:right") as proxy:
        core = LinkedCore(cloud, tmp_path, **settings(proxy, username="Mary", password="wr0ng"))
        with structlog.testing.capture_logs() as logged:
            async with core.running() as link:
                await until(lambda: "407" in (link.problem or ""))
        problem = link.problem or ""
        assert "check username and password of coreThing.networkProxy" in problem
        async with CloudHttp(core.config, LinkIdentity.load(core.config), SystemClock()) as http:
            with pytest.raises(UnavailableError, match="407") as caught:
                await http.connectivity()
    for text in (problem, str(logged), str(caught.value), repr(core.config)):
        assert "wr0ng" not in text
        assert "TWFyeTp3cjBuZw" not in text, "nor in base64"


@pytest.mark.spec("I11")
async def test_exempt_hosts_are_reached_straight(cloud: CloudDouble, tmp_path: Path) -> None:
    async with http_proxy() as proxy:
        more = settings(proxy)
        more["networkProxy"]["noProxyAddresses"] = "http://128.12.34.56, LOCALHOST"
        await use(LinkedCore(cloud, tmp_path, **more))
    assert proxy.targets == []


async def test_a_proxy_that_is_not_there_is_named(cloud: CloudDouble, tmp_path: Path) -> None:
    """And nothing goes past it."""
    async with http_proxy() as proxy:
        pass
    core = LinkedCore(cloud, tmp_path, **settings(proxy))
    async with core.running() as link:
        await until(lambda: link.problem is not None)
        assert "cannot connect" in (link.problem or "")
    assert cloud.authority.connects == []


async def test_a_proxy_with_tls_of_another_root_is_not_talked_to(
    cloud: CloudDouble, tmp_path: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server = new_server(new_authority("somebody else"))
    server.key.attach(context, server.certificate_pem)
    async with http_proxy(context=context) as proxy:
        core = LinkedCore(cloud, tmp_path, **settings(proxy, "https", username="M", password="p"))
        async with core.running() as link:
            await until(lambda: "certificate is not trusted" in (link.problem or ""))
    assert proxy.targets == []


async def test_a_cloud_of_another_root_behind_the_proxy_is_not_talked_to(
    cloud: CloudDouble, tmp_path: Path
) -> None:
    async with http_proxy() as proxy:
        core = LinkedCore(cloud, tmp_path, **settings(proxy))
        core.config.ca_path.write_text(new_authority("another").certificate_pem)
        identity = LinkIdentity.load(core.config)
        async with CloudHttp(core.config, identity, SystemClock()) as http:
            with pytest.raises(UnavailableError, match="certificate is not trusted"):
                await http.connectivity()
    assert cloud.requests == []
