"""HTTP/1.1 on connections that somebody else accepted: bounded, exact, and nothing of AWS.

A request becomes one frozen `HttpRequest` whose path and query are as they were on the wire, since
signatures and encoded ARNs depend on that; a handler turns it into one `HttpAnswer`. Whatever
breaks HTTP or a limit is answered here and never reaches the handler.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler, RequestPayloadError
from multidict import CIMultiDict, CIMultiDictProxy

from hedgerow.aws.websocket import (
    CLOSE_TIMEOUT_S,
    MESSAGE_BYTES,
    Upgrade,
    WebSocketAnswer,
    WebSocketTransport,
    offered_subprotocols,
)
from hedgerow.kernel import PeerError

_log = structlog.get_logger("hedgerow.http")
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """What a connection may cost; reaching one of these ends the request, or the connection."""

    body_bytes: int = 10 * 1024 * 1024  # 413; 10,000 subscriptions with long names take 8 MB
    target_bytes: int = 16 * 1024  # 400: path and query
    header_bytes: int = 8 * 1024  # 400: one field
    header_count: int = 100  # 400
    idle_seconds: float = 75  # close: no complete request head within this time
    body_seconds: float = 30  # 408: the body does not arrive
    linger_seconds: float = 2  # close: reading away a refused body
    connections: int = 4096  # close at once
    drain_seconds: float = 5  # stop: requests in progress are cut


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One complete request. `peer` is whatever the accepting side proved about the other end."""

    method: str
    raw_path: str
    raw_query: str
    headers: CIMultiDictProxy[str]
    body: bytes
    source_ip: str
    peer: object = None


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """One complete answer; `content-length` is added, other headers are as given."""

    status: int
    headers: Mapping[str, str] = field(default_factory=lambda: _NO_HEADERS)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class HttpRefusal:
    """Why a request never reached the handler: a status, a stable word and a sentence.

    `address` and `peer` say whose it was, as in `HttpRequest`.
    """

    status: int
    reason: str
    message: str
    address: str = ""
    peer: object = None


Handler = Callable[[HttpRequest], Awaitable[HttpAnswer]]
Upgrader = Callable[[HttpRequest], Awaitable[HttpAnswer | Upgrade]]
"""Decides on a request to speak WebSocket: an `Upgrade`, or an answer that refuses it."""


class RefusedRequestError(PeerError):
    """The request breaks HTTP or a limit."""

    code = "BadRequest"

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message, code=reason)
        self.refusal = HttpRefusal(status, reason, message)


def json_refusal(refusal: HttpRefusal) -> HttpAnswer:
    """Answer a refusal as `{"message": …}`."""
    body = json.dumps({"message": refusal.message}).encode()
    return HttpAnswer(refusal.status, {"content-type": "application/json"}, body)


class HttpServer:
    """Serves HTTP on connections given to it: `protocol(peer)` makes the protocol for one.

    `refusals` counts by reason what was refused before the handler. `stop` lets requests in
    progress finish, for a bounded time, and closes every connection. `on_refusal` hears of each of
    them and must not raise. `upgraders` says on which paths WebSockets are spoken, and who decides.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        limits: HttpLimits | None = None,
        refuse: Callable[[HttpRefusal], HttpAnswer] = json_refusal,
        on_refusal: Callable[[HttpRefusal], None] | None = None,
        upgraders: Mapping[str, Upgrader] | None = None,
    ) -> None:
        self._upgraders = upgraders or {}
        self._websockets: set[WebSocketTransport] = set()
        self.limits = limits or HttpLimits()
        self.refusals: Counter[str] = Counter()
        self._handler = handler
        self._refuse = refuse
        self._on_refusal = on_refusal
        self._server: web.Server | None = None
        self._serving: set[asyncio.Task[Any]] = set()

    def protocol(self, peer: object = None) -> asyncio.Protocol:
        """Return the protocol for one connection that was just accepted."""
        if self._server is None:
            self._server = web.Server(self._serve)
        return _Connection(self, self._server, peer)

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._server.connections) if self._server else 0

    async def stop(self) -> None:
        """Close idle connections, wait for requests in progress, then close the rest.

        Those whose connection is gone are ended too, so that nothing is done when nobody records.
        """
        for websocket in tuple(self._websockets):
            websocket.end()
        if self._server is not None:
            self._server.pre_shutdown()
            connections = tuple(self._server.connections)
            transports = [connection.transport for connection in connections]
            await self._server.shutdown(self.limits.drain_seconds)
            for transport in transports:
                if transport is not None:
                    transport.abort()  # TLS would wait for a goodbye that may never come
        left = tuple(self._serving)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def refused(self, refusal: HttpRefusal, incoming: web.BaseRequest) -> web.Response:
        """Tell of a refusal and return its answer, after which the connection closes."""
        protocol = incoming.protocol
        peer = protocol.peer if isinstance(protocol, _Connection) else None
        self.tell(replace(refusal, address=incoming.remote or "", peer=peer))
        response = _response(self._refuse(refusal))
        response.force_close()
        return response

    def tell(self, refusal: HttpRefusal) -> None:
        """Count a refusal and pass it on."""
        self.refusals[refusal.reason] += 1
        if self._on_refusal is not None:
            self._on_refusal(refusal)

    async def _serve(self, incoming: web.BaseRequest) -> web.StreamResponse:
        try:
            request = await _complete(incoming, self.limits)
        except RefusedRequestError as wrong:
            return self.refused(wrong.refusal, incoming)
        task = asyncio.current_task()
        if task is not None:
            self._serving.add(task)
        try:
            upgrader = self._upgraders.get(request.raw_path)
            if upgrader is not None and _asks_for_websocket(request):
                return await self._upgraded(incoming, await upgrader(request))
            return _response(await self._handler(request))
        finally:
            if task is not None:
                self._serving.discard(task)

    async def _upgraded(
        self, incoming: web.BaseRequest, decided: HttpAnswer | Upgrade
    ) -> web.StreamResponse:
        """Refuse a WebSocket, or carry it until it is over."""
        if isinstance(decided, HttpAnswer):
            return _response(decided)
        offered = offered_subprotocols(incoming.headers.get("sec-websocket-protocol", ""))
        if not set(offered) & set(decided.subprotocols):
            wanted = " or ".join(decided.subprotocols)
            text = f"Offer the WebSocket subprotocol {wanted}."
            return self.refused(HttpRefusal(400, "BadSubprotocol", text), incoming)
        websocket = WebSocketAnswer(
            protocols=decided.subprotocols,
            max_msg_size=MESSAGE_BYTES,
            timeout=CLOSE_TIMEOUT_S,
            compress=False,
        )
        try:
            await websocket.prepare(incoming)
        except web.HTTPBadRequest:
            text = "The WebSocket handshake is not well-formed."
            return self.refused(HttpRefusal(400, "BadHandshake", text), incoming)
        transport = WebSocketTransport(websocket, incoming)
        self._websockets.add(transport)
        try:
            await transport.serve(decided)
        finally:
            self._websockets.discard(transport)
        return websocket


class _Connection(RequestHandler):
    """aiohttp's protocol for one connection, with our refusals in place of its error pages."""

    __slots__ = ("_owner", "peer")

    def __init__(self, owner: HttpServer, server: web.Server, peer: object) -> None:
        limits = owner.limits
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=limits.idle_seconds,
            max_line_size=limits.target_bytes,
            max_field_size=limits.header_bytes,
            max_headers=limits.header_count,
            lingering_time=limits.linger_seconds,
            access_log=None,  # type: ignore[arg-type]  # aiohttp's own way to have none
            auto_decompress=False,
        )
        self._owner = owner
        self.peer = peer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start serving, unless there are too many connections already."""
        super().connection_made(transport)
        if self._owner.connections > self._owner.limits.connections:
            address = (transport.get_extra_info("peername") or ("",))[0]
            self._owner.tell(
                HttpRefusal(
                    503, "TooManyConnections", "There are too many connections.", address, self.peer
                )
            )
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what aiohttp could not parse, or what a handler let escape."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer had begun when it failed")
        if status < 500:  # noqa: PLR2004 - the peer's fault, by HTTP's own classes
            return self._owner.refused(
                HttpRefusal(status, "BadRequest", "The request is not well-formed HTTP."), request
            )
        if not isinstance(exc, ConnectionError):
            _log.error("http handler failed", exc_info=exc, detail=message)
        return self._owner.refused(
            HttpRefusal(500, "InternalFailure", "The server failed; its log says why."), request
        )


def _asks_for_websocket(request: HttpRequest) -> bool:
    return request.method == "GET" and request.headers.get("upgrade", "").lower() == "websocket"


async def _complete(incoming: web.BaseRequest, limits: HttpLimits) -> HttpRequest:
    """Read the body and check what HTTP demands of a head, or raise `RefusedRequestError`."""
    target, headers = incoming.raw_path, incoming.headers
    if not target.startswith("/") or not target.isascii() or "#" in target:
        raise RefusedRequestError(400, "BadTarget", "The request target must be an encoded path.")
    if len(headers.getall("host", ())) != 1:
        raise RefusedRequestError(400, "BadHost", "The request needs exactly one Host header.")
    if any("\udc80" <= character <= "\udcff" for value in _unusual(headers) for character in value):
        raise RefusedRequestError(400, "BadHeader", "A header is not UTF-8.")
    raw_path, _, raw_query = target.partition("?")
    protocol = incoming.protocol
    return HttpRequest(
        method=incoming.method,
        raw_path=raw_path,
        raw_query=raw_query,
        headers=headers,
        body=await _body(incoming, limits) if incoming.can_read_body else b"",
        source_ip=incoming.remote or "",
        peer=protocol.peer if isinstance(protocol, _Connection) else None,
    )


def _unusual(headers: CIMultiDictProxy[str]) -> list[str]:
    return [value for value in headers.values() if not value.isascii()]


async def _body(incoming: web.BaseRequest, limits: HttpLimits) -> bytes:
    if (incoming.content_length or 0) > limits.body_bytes:
        raise _too_large(limits)
    await _continue(incoming)
    if incoming.content.is_eof():  # it came with the head, as small bodies do: nothing to wait for
        return _within(incoming.content.read_nowait(), limits)
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(limits.body_seconds):
            while chunk := await incoming.content.readany():
                chunks.append(chunk)
                size += len(chunk)
                if size > limits.body_bytes:
                    raise _too_large(limits)
    except TimeoutError:
        raise RefusedRequestError(408, "BodyTimeout", "The body did not arrive in time.") from None
    except RequestPayloadError:
        raise RefusedRequestError(400, "BadBody", "The body is not well-formed.") from None
    return b"".join(chunks)


def _within(body: bytes, limits: HttpLimits) -> bytes:
    if len(body) > limits.body_bytes:
        raise _too_large(limits)
    return body


def _too_large(limits: HttpLimits) -> RefusedRequestError:
    return RefusedRequestError(
        413, "BodyTooLarge", f"The body is larger than {limits.body_bytes} bytes."
    )


async def _continue(incoming: web.BaseRequest) -> None:
    expectation = incoming.headers.get("expect")
    if expectation is None:
        return
    if expectation.lower() != "100-continue":
        raise RefusedRequestError(417, "BadExpectation", "Only 100-continue can be expected.")
    if incoming.transport is not None:
        incoming.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def _response(answer: HttpAnswer) -> web.Response:
    """Build aiohttp's response; names are in lower case, since old device SDKs look for that."""
    headers: CIMultiDict[str] = CIMultiDict(answer.headers)
    headers["content-length"] = str(len(answer.body))
    headers.setdefault("server", "hedgerow")
    return web.Response(status=answer.status, headers=headers, body=answer.body)
