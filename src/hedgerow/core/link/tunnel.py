"""TLS to the cloud: straight there, or through a proxy by CONNECT (RFC 9110, 9.3.6).

The proxy sees host, port and bytes; the core's certificate and every message are for the cloud
alone. Source: guide page gg-core, "Connect on port 443 or through a network proxy".
"""

import asyncio
import base64
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import aiohttp
from aiohttp.client_proto import ResponseHandler

from hedgerow.core.config import NetworkProxy
from hedgerow.kernel import UnavailableError

_HEADER_BYTES_LIMIT = 16 * 1024
_STATUS_LINE_PARTS = 3
_CREDENTIALS_WANTED = 407
_TEXT_LIMIT = 100

P = TypeVar("P", bound=asyncio.Protocol)


@dataclass(frozen=True, slots=True)
class Way:
    """How to reach the cloud; `proxy_context` is for a proxy that speaks TLS itself."""

    proxy: NetworkProxy | None = None
    proxy_context: ssl.SSLContext | None = None

    def leads_through_proxy(self, host: str) -> bool:
        """Tell whether connections to this host go through the proxy."""
        return self.proxy is not None and not self.proxy.exempts(host)


STRAIGHT = Way()


async def open_tls(
    factory: Callable[[], P], host: str, port: int, *, context: ssl.SSLContext, way: Way
) -> P:
    """Return a protocol whose TLS connection to the host stands.

    Raises `OSError` (with it `ssl.SSLError`) or `UnavailableError` in words if it does not.
    """
    if way.proxy is None or not way.leads_through_proxy(host):
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_connection(
            factory, host, port, ssl=context, server_hostname=host
        )
        return protocol
    return await _through(way.proxy, way, factory, host, port, context)


async def _through(
    proxy: NetworkProxy,
    way: Way,
    factory: Callable[[], P],
    host: str,
    port: int,
    context: ssl.SSLContext,
) -> P:
    loop = asyncio.get_running_loop()
    transport, tunnel = await loop.create_connection(
        lambda: _Tunnel(proxy, host, port),
        proxy.host,
        proxy.port,
        ssl=way.proxy_context if proxy.is_tls else None,
        server_hostname=proxy.host if proxy.is_tls else None,
    )
    try:
        await tunnel.opened
        protocol = factory()
        inner = await loop.start_tls(transport, protocol, context, server_hostname=host)
    except BaseException:
        transport.abort()
        raise
    if inner is None:
        raise UnavailableError(f"the proxy {proxy} closed the connection")
    protocol.connection_made(inner)
    return protocol


class _Tunnel(asyncio.Protocol):
    """Asks a proxy for a connection; `opened` is done when bytes go through."""

    def __init__(self, proxy: NetworkProxy, host: str, port: int) -> None:
        self._proxy = proxy
        self._place = f"{host}:{port}"
        self._header = bytearray()
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        transport.write(_request(self._proxy, self._place))  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Read the answer; behind it nothing may come before we have spoken."""
        self._header += data
        end = self._header.find(b"\r\n\r\n")
        if end < 0 and len(self._header) <= _HEADER_BYTES_LIMIT:
            return
        if self.opened.done():
            return
        refusal = _refusal(self._header, end)
        if refusal is None:
            self.opened.set_result(None)
        else:
            self._fail(f"the proxy {self._proxy} does not connect to {self._place}: {refusal}")

    def connection_lost(self, exc: BaseException | None) -> None:
        """Fail, if it ended before it answered."""
        reason = str(exc) if exc is not None else "it closed the connection"
        self._fail(f"the proxy {self._proxy} does not connect to {self._place}: {reason}")

    def _fail(self, text: str) -> None:
        if not self.opened.done():
            self.opened.set_exception(UnavailableError(text))


def _request(proxy: NetworkProxy, place: str) -> bytes:
    lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
    if proxy.username:
        pair = f"{proxy.username}:{proxy.password.reveal()}".encode()
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(pair).decode()}")
    return "\r\n".join([*lines, "", ""]).encode()


def _refusal(header: bytearray, end: int) -> str | None:
    """Return why an answer to CONNECT opens no tunnel, or None if it does."""
    line = bytes(header[:_TEXT_LIMIT]).split(b"\r\n")[0].decode("ascii", "replace")
    parts = line.split(" ", 2)
    if end < 0 or len(parts) < _STATUS_LINE_PARTS - 1 or not parts[0].startswith("HTTP/1."):
        return "it does not speak HTTP"
    status = int(parts[1]) if parts[1].isascii() and parts[1].isdecimal() else 0
    if status == _CREDENTIALS_WANTED:
        return f"{line}; check username and password of coreThing.networkProxy"
    if not 200 <= status <= 299:  # noqa: PLR2004 - any 2xx opens the tunnel (RFC 9110)
        return line
    return "it sent more than its answer" if len(header) > end + 4 else None


class TunnelConnector(aiohttp.BaseConnector):
    """Connections of `aiohttp` to one endpoint through the proxy."""

    def __init__(
        self, way: Way, context: ssl.SSLContext, *, limit: int, connect_seconds: float
    ) -> None:
        super().__init__(limit=limit)
        self._way = way
        self._context = context
        self._connect_seconds = connect_seconds

    async def _create_connection(
        self, req: aiohttp.ClientRequest, _traces: object, _timeout: object
    ) -> ResponseHandler:
        async with asyncio.timeout(self._connect_seconds):
            return await open_tls(
                self._factory,
                str(req.url.raw_host),
                int(req.url.port or 0),
                context=self._context,
                way=self._way,
            )
