"""Serving TLS with whatever context is current, and choosing the protocol by who has connected.

A context given to `create_server` cannot be changed. This listener accepts the raw socket itself
and attaches the newest context to it: new connections get the newest certificate and trust, old
ones go on undisturbed.
"""

import asyncio
import errno
import hashlib
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from hedgerow.kernel import UnavailableError
from hedgerow.pki.handshake import HandshakeRefusal, refusal_of_this_handshake
from hedgerow.pki.slot import TlsSlot
from hedgerow.pki.sockets import listening_sockets
from hedgerow.pki.waiting_room import Visitor, WaitingRoom

MAX_HANDSHAKES = 512
"""They hold some 60 KiB each."""
HANDSHAKE_TIMEOUT_S = 10.0
LINGER_S = 0.5
"""How long a refused client may take to read its alert and go."""
_ACCEPT_PAUSE_S = 0.1
_ACCEPTED_AT_ONCE = 4
"""In one turn of the loop. A handshake takes about half a millisecond, and what comes and goes on
connections that stand has its turn after so many of them, however many wait outside."""
_ADVICE: Final = {
    errno.EADDRINUSE: "; another program uses it, so stop that or choose another port",
    errno.EADDRNOTAVAIL: "; it has to be an address of this machine",
    errno.EACCES: "; ports below 1024 are for root, so choose another",
}

AnyProtocol = asyncio.Protocol | asyncio.BufferedProtocol


@dataclass(frozen=True, slots=True)
class TlsPeer:
    """Who is at the other end, proven by a finished handshake. Made by `TlsListener` only.

    `certificate_id` is the SHA-256 of the client certificate in hex, None if none was asked for.
    `version` and `suite` are what was negotiated, in OpenSSL's words.
    """

    certificate_der: bytes | None
    certificate_id: str | None
    alpn: str | None
    address: str
    version: str = ""
    suite: str = ""


class TlsListener:
    """Accepts TCP connections, finishes their handshakes, and hands each one to a protocol.

    At most `max_handshakes` handshakes are under way. Further connections wait in the kernel's
    queue, and clients that have connected and are silent make room for them. `refusals` counts
    handshakes that failed, by OpenSSL's reason; `on_refusal` is told (reason, address) of each.
    """

    def __init__(
        self,
        slot: TlsSlot,
        protocol_factory: Callable[[TlsPeer], AnyProtocol],
        *,
        handshake_timeout: float = HANDSHAKE_TIMEOUT_S,
        max_handshakes: int = MAX_HANDSHAKES,
        on_refusal: Callable[[str, str], None] | None = None,
        receive_bytes: int | None = None,
    ) -> None:
        """`receive_bytes` is how much may wait in the kernel for each connection at most."""
        self._slot = slot
        self._factory = protocol_factory
        self._timeout = handshake_timeout
        self._room = WaitingRoom(max_handshakes, self._turned_away)
        self._on_refusal = on_refusal
        self._receive_bytes = receive_bytes
        self._sockets: list[socket.socket] = []
        self._pause: asyncio.TimerHandle | None = None
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
            addresses = dict.fromkeys((family, address) for family, _, _, _, address in found)
            self._sockets = listening_sockets(list(addresses), port, self._receive_bytes)
        except OSError as error:
            raise UnavailableError(
                f"cannot listen on {host or 'all addresses'} port {port}: {error.strerror}"
                + _ADVICE.get(error.errno or 0, "")
            ) from error
        self._accept_on()

    @property
    def port(self) -> int:
        """The port in force."""
        number: int = self._sockets[0].getsockname()[1]
        return number

    @property
    def is_listening(self) -> bool:
        """Tell whether connections can come in."""
        return bool(self._sockets) and all(sock.fileno() >= 0 for sock in self._sockets)

    async def stop(self) -> None:
        """Stop accepting and end unfinished handshakes; established connections go on."""
        self._accept_off()
        for sock in self._sockets:
            sock.close()
        self._sockets.clear()
        await self._room.clear()

    def _accept_on(self) -> None:
        """Accept again, if nothing else speaks against it."""
        self._end_pause()
        loop = asyncio.get_running_loop()
        for sock in self._sockets:
            loop.add_reader(sock, self._accept, sock)

    def _accept_off(self) -> None:
        self._end_pause()
        loop = asyncio.get_running_loop()
        for sock in self._sockets:
            loop.remove_reader(sock)

    def _rest(self) -> None:
        """Leave newcomers in the kernel's queue for a moment, or until a handshake has ended."""
        self._accept_off()
        self._pause = asyncio.get_running_loop().call_later(_ACCEPT_PAUSE_S, self._accept_on)

    def _end_pause(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None

    def _accept(self, listening: socket.socket) -> None:
        now = asyncio.get_running_loop().time()
        for _ in range(_ACCEPTED_AT_ONCE):
            if not self._room.has_place(now):
                self._rest()
                return
            try:
                connection, address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:
                self._rest()  # out of file descriptors: some may be free in a moment
                return
            visitor = Visitor(connection, str(address[0]), now)
            self._room.enter(visitor, self._handshake, self._handshake_ended)

    def _handshake_ended(self) -> None:
        if self._pause is not None:
            self._accept_on()

    async def _handshake(self, visitor: Visitor) -> None:
        refusal_of_this_handshake.set(HandshakeRefusal(self._refused, visitor))
        connection = visitor.connection
        connection.settimeout(0)
        # From here on the loop owns the socket and closes it, however the handshake ends. Closing
        # it here as well would free its number for the next connection while the loop still has
        # the old one registered under it.
        visitor.is_loops = True
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                partial(_Handover, self._factory, visitor),
                connection,
                ssl=self._slot.current,
                ssl_handshake_timeout=self._timeout,
            )
        except OSError as error:
            self._count_refusal(_reason(error), visitor)
        except Exception:
            # If the protocol could not be made, the loop has told of it and closed the connection.
            if not visitor.admitted:
                raise

    def _refused(self, visitor: Visitor, reason: str) -> None:
        self._count_refusal(reason, visitor)
        asyncio.get_running_loop().call_later(LINGER_S, self._room.dismiss, visitor)

    def _turned_away(self, visitor: Visitor) -> None:
        self._count_refusal("silent while others waited", visitor)

    def _count_refusal(self, reason: str, visitor: Visitor) -> None:
        if visitor.told or visitor.admitted:
            return
        visitor.told = True
        self.refusals[reason] += 1
        if self._on_refusal is not None:
            self._on_refusal(reason, visitor.address)


class _Handover(asyncio.Protocol):
    """Stands in during the handshake, then puts the real protocol in its place.

    asyncio and uvloop call `connection_made` when the handshake is complete and before they
    deliver any data, so nothing is lost.
    """

    def __init__(self, factory: Callable[[TlsPeer], AnyProtocol], visitor: Visitor) -> None:
        self._factory = factory
        self._visitor = visitor

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._visitor.admitted = True
        # In TLS 1.3 the client has the last word of the handshake. Most clients then hold their
        # first packet back until that word is acknowledged, and the kernel takes 40 ms for it.
        connection = self._visitor.connection
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        protocol = self._factory(_peer(transport, self._visitor.address))
        transport.set_protocol(protocol)
        protocol.connection_made(transport)


def _peer(transport: asyncio.BaseTransport, address: str) -> TlsPeer:
    connection: Any = transport.get_extra_info("ssl_object")
    der: bytes | None = connection.getpeercert(binary_form=True)
    suite, _, _ = connection.cipher()
    return TlsPeer(
        certificate_der=der,
        certificate_id=hashlib.sha256(der).hexdigest() if der else None,
        alpn=connection.selected_alpn_protocol(),
        address=address,
        version=connection.version(),
        suite=suite,
    )


def _reason(error: BaseException) -> str:
    if isinstance(error, ConnectionAbortedError):  # the loops' word for it
        return "handshake timed out"
    return "connection lost in the handshake"
