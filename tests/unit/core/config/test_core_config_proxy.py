import pytest

from hedgerow.core.config.documents import NetworkProxyDocument, ProxyDocument
from hedgerow.core.config.proxy import network_proxy
from hedgerow.core.config.values import NetworkProxy
from hedgerow.kernel import ConfigurationError


def proxy(url: str, exempt: str = "", **more: str) -> NetworkProxy:
    read = network_proxy(
        NetworkProxyDocument(proxy=ProxyDocument(url=url, **more), no_proxy_addresses=exempt)
    )
    assert read is not None
    return read


@pytest.mark.spec("I11")
@pytest.mark.parametrize(
    ("url", "place", "is_tls"),
    [
        ("https://my-proxy-server:1100", ("my-proxy-server", 1100), True),
        ("http://Proxy.example:3128/", ("proxy.example", 3128), False),
        ("http://10.0.0.1", ("10.0.0.1", 80), False),
        ("https://proxy", ("proxy", 443), True),
        ("http://[::1]:8080", ("::1", 8080), False),
    ],
)
def test_the_url_says_where_the_proxy_is(url: str, place: tuple[str, int], *, is_tls: bool) -> None:
    read = proxy(url)
    assert ((read.host, read.port), read.is_tls, read.username) == (place, is_tls, "")


@pytest.mark.parametrize(
    "url", ["", "proxy:1100", "socks5://proxy:1080", "http://", "http://proxy:port", "http://[::1"]
)
def test_another_kind_of_proxy_is_refused_by_the_field_and_without_the_url(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        proxy(url)
    assert "coreThing.networkProxy.proxy.url" in str(caught.value)


@pytest.mark.promise(9)
def test_credentials_in_the_url_count_and_show_nowhere() -> None:
    read = proxy("http://Mary:p%40ss@proxy", username="Joe", password="other")
    assert (read.username, read.password.reveal()) == ("Mary", "p@ss")
    assert "p@ss" not in f"{read} {read!r}"


@pytest.mark.parametrize("more", [{"username": "a:b"}, {"username": "a", "password": "x\r\ny"}])
def test_credentials_that_would_break_out_of_their_header_are_refused(more: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="control characters"):
        proxy("http://proxy", **more)


@pytest.mark.spec("I11")
def test_exempt_hosts_are_addresses_names_or_urls() -> None:
    read = proxy("http://p", "http://128.12.34.56, WWW.example.org:443 ,.corp.example,,")
    for host in ("128.12.34.56", "www.example.org", "a.corp.example", "A.B.Corp.Example"):
        assert read.exempts(host), host
    for host in ("example.org", "xwww.example.org", "corp.example", "128.12.34.5"):
        assert not read.exempts(host), host
    with pytest.raises(ConfigurationError, match="noProxyAddresses"):
        proxy("http://p", "http://")
