"""`coreThing.networkProxy`, read.

Source: guide page gg-core, "networkProxy object".
"""

from urllib.parse import SplitResult, unquote, urlsplit

from hedgerow.core.config.documents import NetworkProxyDocument, ProxyDocument
from hedgerow.core.config.values import NetworkProxy
from hedgerow.kernel import ConfigurationError, Secret, quoted

_DEFAULT_PORTS = {"http": 80, "https": 443}
_FIELD = "coreThing.networkProxy"


def network_proxy(document: NetworkProxyDocument | None) -> NetworkProxy | None:
    """Return the proxy, or raise `ConfigurationError` that names the field at fault.

    A user name in the URL takes the place of `username` and `password`.
    """
    if document is None:
        return None
    parts, port = _url(document.proxy)
    in_url = parts.username is not None
    username = unquote(parts.username or "") if in_url else document.proxy.username
    password = unquote(parts.password or "") if in_url else document.proxy.password
    if ":" in username or any(ord(c) < ord(" ") for c in username + password):
        raise ConfigurationError(
            f"{_FIELD}.proxy: a user name has no colon, and neither it nor the password has "
            "control characters"
        )
    return NetworkProxy(
        host=(parts.hostname or "").lower(),
        port=port,
        is_tls=parts.scheme == "https",
        username=username,
        password=Secret(password),
        exempt=tuple(
            host
            for entry in document.no_proxy_addresses.split(",")
            if (host := _exempt_host(entry.strip()))
        ),
    )


def _url(document: ProxyDocument) -> tuple[SplitResult, int]:
    try:
        parts = urlsplit(document.url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ConfigurationError(
            f"{_FIELD}.proxy.url is of the form http://host:port or https://host:port"
        )
    return parts, port or _DEFAULT_PORTS[parts.scheme]


def _exempt_host(text: str) -> str:
    """Return the host of an entry, which may be written as a URL."""
    if not text:
        return ""
    try:
        host = urlsplit(text if "://" in text else f"//{text}").hostname
    except ValueError:
        host = None
    if not host:
        raise ConfigurationError(
            f"{_FIELD}.noProxyAddresses names {quoted(text)}, which is neither an address nor a "
            "host name"
        )
    return host
