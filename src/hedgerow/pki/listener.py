"""Serving TLS with whatever context is current, and choosing the protocol by who has connected.

A context given to `create_server` cannot be changed. This listener accepts the raw socket itself
and attaches the newest context to it: new connections get the newest certificate and trust, old
ones go on undisturbed.
"""

import asyncio
import contextlib
import hashlib
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hedgerow.kernel import UnavailableError
from hedgerow.pki.handshake import HandshakeRefusal, refusal_of_this_handshake

BACKLOG = 1024
MAX_HANDSHAKES = 256
HANDSHAKE_TIMEOUT_S = 10.0
LINGER_S = 0.5
"""How long a refused client may take to read its alert and go."""
_ACCEPT_PAUSE_S = 0.1

AnyProtocol = asyncio.Protocol | asyncio.BufferedProtocol


class TlsSlot:
    """Holds the context that new connections get."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._current = context

    @property
    def current(self) -> ssl.SSLContext:
        """The context in force."""
        return self._current

    def replace(self, context: ssl.SSLContext) -> None:
        """Give this context to every connection from now on."""
        self._current = context


@dataclass(frozen=True, slots=True)
class TlsPeer:
    """Who is at the other end, proven by a finished handshake. Made by `TlsListener` only.

    `certificate_id` is the SHA-256 of the client certificate in hex, None if none was asked for.
    """

    certificate_der: bytes | None
    certificate_id: str | None
    alpn: str | None
    address: str


class TlsListener:
    """Accepts TCP connections, finishes their handshakes, and hands each one to a protocol.

    At most `MAX_HANDSHAKES` handshakes are under way; further connections wait in the kernel's
    queue. `refusals` counts handshakes that failed, by OpenSSL's reason.
    """

    def __init__(
        self,
        slot: TlsSlot,
        protocol_factory: Callable[[TlsPeer], AnyProtocol],
        *,
        handshake_timeout: float = HANDSHAKE_TIMEOUT_S,
        max_handshakes: int = MAX_HANDSHAKES,
        on_refusal: Callable[[str, str], None] | None = None,
    ) -> None:
        self._slot = slot
        self._factory = protocol_factory
        self._timeout = handshake_timeout
        self._free = asyncio.Semaphore(max_handshakes)
        self._on_refusal = on_refusal
        self._sockets: list[socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._handshakes: set[asyncio.Task[None]] = set()
        self.refusals: Counter[str] = Counter()

    async def start(self, host: str, port: int) -> None:
        """Listen on every address of `host`; port 0 takes a free one.

        Raises `UnavailableError` if the address or port cannot be had.
        """
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(
                host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
            for family, _, _, _, address in dict.fromkeys(found):
                own_port = self.port if self._sockets and not port else port
                self._sockets.append(_listening(family, (address[0], own_port, *address[2:])))
        except OSError as error:
            self._close_sockets()
            raise UnavailableError(
                f"cannot listen on {host or 'all addresses'} port {port}: {error.strerror}; "
                "is another program using it?"
            ) from error
        for sock in self._sockets:
            self._accepting.append(loop.create_task(self._accept(sock), name="tls-accept"))

    @property
    def port(self) -> int:
        """The port in force."""
        number: int = self._sockets[0].getsockname()[1]
        return number

    async def stop(self) -> None:
        """Stop accepting and end unfinished handshakes; established connections go on."""
        tasks = [*self._accepting, *self._handshakes]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._accepting.clear()
        self._close_sockets()

    def _close_sockets(self) -> None:
        for sock in self._sockets:
            sock.close()
        self._sockets.clear()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._free.acquire()
            try:
                connection, address = await loop.sock_accept(listening)
            except OSError:
                # Out of file descriptors, or the peer has gone already: neither is fatal.
                self._free.release()
                await asyncio.sleep(_ACCEPT_PAUSE_S)
                continue
            except BaseException:
                self._free.release()
                raise
            task = loop.create_task(self._handshake(connection, str(address[0])), name="tls")
            self._handshakes.add(task)
            task.add_done_callback(self._handshake_ended)

    def _handshake_ended(self, task: "asyncio.Task[None]") -> None:
        self._handshakes.discard(task)
        self._free.release()

    async def _handshake(self, connection: socket.socket, address: str) -> None:
        try:
            async with asyncio.timeout(self._timeout) as deadline:
                refusal_of_this_handshake.set(
                    HandshakeRefusal(lambda reason: self._refused(reason, address, deadline))
                )
                await self._finish_handshake(connection, address)
        except (OSError, TimeoutError) as error:
            if not refusal_of_this_handshake.get().told:
                self._count_refusal(_reason(error), address)

    async def _finish_handshake(self, connection: socket.socket, address: str) -> None:
        try:
            connection.settimeout(0)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            connection.close()
            raise
        # From here on the loop owns the socket and closes it, however the handshake ends. Closing
        # it here as well would free its number for the next connection while the loop still has
        # the old one registered under it.
        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: _Handover(self._factory, connection, address),
            connection,
            ssl=self._slot.current,
            ssl_handshake_timeout=self._timeout,
        )

    def _refused(self, reason: str, address: str, deadline: asyncio.Timeout) -> None:
        self._count_refusal(reason, address)
        deadline.reschedule(asyncio.get_running_loop().time() + LINGER_S)

    def _count_refusal(self, reason: str, address: str) -> None:
        self.refusals[reason] += 1
        if self._on_refusal is not None:
            self._on_refusal(reason, address)


class _Handover(asyncio.Protocol):
    """Stands in during the handshake, then puts the real protocol in its place.

    asyncio and uvloop call `connection_made` when the handshake is complete and before they
    deliver any data, so nothing is lost.
    """

    def __init__(
        self, factory: Callable[[TlsPeer], AnyProtocol], connection: socket.socket, address: str
    ) -> None:
        self._factory = factory
        self._connection = connection
        self._address = address

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # In TLS 1.3 the client has the last word of the handshake. Most clients then hold their
        # first packet back until that word is acknowledged, and the kernel takes 40 ms for it.
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        protocol = self._factory(_peer(transport, self._address))
        transport.set_protocol(protocol)
        protocol.connection_made(transport)


def _peer(transport: asyncio.BaseTransport, address: str) -> TlsPeer:
    connection: Any = transport.get_extra_info("ssl_object")
    der: bytes | None = connection.getpeercert(binary_form=True)
    return TlsPeer(
        certificate_der=der,
        certificate_id=hashlib.sha256(der).hexdigest() if der else None,
        alpn=connection.selected_alpn_protocol(),
        address=address,
    )


def _listening(family: int, address: tuple[Any, ...]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
        sock.settimeout(0)
    except BaseException:
        sock.close()
        raise
    return sock


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "handshake timed out"
    return "connection lost in the handshake"
