"""Clients that connect and say nothing keep nobody out."""

import asyncio
import os
import socket
import ssl

import pytest
from tests.support import pki

from hedgerow.pki import TlsListener, TlsPeer, TlsSlot, waiting_room
from hedgerow.pki.listener import MAX_HANDSHAKES
from hedgerow.pki.waiting_room import Visitor

pytestmark = [pytest.mark.both_loops]

SERVER = pki.new_server(pki.shared_authority())
DEVICE = pki.new_identity(pki.new_authority())
ROOTS = pki.shared_authority().certificate_pem
PLACES = 4
HELLO_BEGUN = bytes.fromhex("160301020001")


class Greeter(asyncio.Protocol):
    """Says hello to whoever finished the handshake."""

    def __init__(self, peer: TlsPeer) -> None:
        self._peer = peer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(b"hello\n")  # type: ignore[attr-defined]  # uvloop's is no Transport


@pytest.mark.parametrize("words", [b"", HELLO_BEGUN], ids=["silent", "stuck in the first word"])
async def test_a_crowd_of_silent_clients_makes_room_for_one_that_speaks(
    words: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting_room, "PATIENCE_S", 0.1)
    monkeypatch.setattr(waiting_room, "THINKING_S", 0.3)
    told: list[tuple[str, str]] = []
    listener = TlsListener(
        TlsSlot(pki.mutual_context(SERVER, DEVICE)),
        Greeter,
        handshake_timeout=30,
        max_handshakes=PLACES,
        on_refusal=lambda reason, address: told.append((reason, address)),
    )
    await listener.start("127.0.0.1", 0)
    crowd = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in range(PLACES)]
    for _, writer in crowd:
        writer.write(words)
    async with asyncio.timeout(15):  # half of what it takes if they are waited for
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", listener.port, ssl=DEVICE.client_context(ROOTS)
        )
        assert await reader.readline() == b"hello\n"
    assert set(told) == {("silent while others waited", "127.0.0.1")}
    assert sum(listener.refusals.values()) == len(told)
    writer.close()
    await listener.stop()
    for waiting_reader, waiting in crowd:
        assert await waiting_reader.read() == b""
        waiting.close()


async def test_silent_clients_are_left_alone_while_there_is_room() -> None:
    listener = TlsListener(
        TlsSlot(pki.mutual_context(SERVER, DEVICE)), Greeter, max_handshakes=PLACES
    )
    await listener.start("127.0.0.1", 0)
    crowd = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in range(PLACES - 1)]
    for _ in range(2 * PLACES):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", listener.port, ssl=DEVICE.client_context(ROOTS)
        )
        assert await reader.readline() == b"hello\n"
        writer.close()
    assert not listener.refusals
    for _, writer in crowd:
        writer.close()
    await listener.stop()


def test_a_client_whose_words_we_have_not_read_yet_is_not_called_silent() -> None:
    """A busy machine may be the one that is slow."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        visitor = Visitor(ours, "127.0.0.1", 0.0)
        assert visitor.is_silent()
        theirs.send(b"x")
        assert not visitor.is_silent()
        assert ours.recv(1) == b"x"
        theirs.close()
        assert visitor.is_silent()
    assert visitor.is_silent()


async def test_those_who_never_spoke_make_room_before_those_who_think(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A small device takes seconds for its answer, and keeps its place through a flood."""
    monkeypatch.setattr(waiting_room, "PATIENCE_S", 0.1)
    listener = TlsListener(
        TlsSlot(pki.mutual_context(SERVER, DEVICE)), Greeter, max_handshakes=PLACES
    )
    await listener.start("127.0.0.1", 0)
    thinker = Thinker(listener.port)
    await asyncio.to_thread(thinker.say_hello)
    crowd = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in range(PLACES)]
    for _ in range(PLACES):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", listener.port, ssl=DEVICE.client_context(ROOTS)
        )
        assert await reader.readline() == b"hello\n"
        writer.close()
    assert listener.refusals["silent while others waited"] >= 1
    assert await asyncio.to_thread(thinker.answer) == b"hello\n"
    await listener.stop()
    for _, waiting in crowd:
        waiting.close()


class Thinker:
    """A client that takes its time between the two words of its handshake."""

    def __init__(self, port: int) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = DEVICE.client_context(ROOTS).wrap_bio(
            self._incoming, self._outgoing, server_hostname="localhost"
        )
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)

    def say_hello(self) -> None:
        with pytest.raises(ssl.SSLWantReadError):
            self._tls.do_handshake()
        self._socket.sendall(self._outgoing.read())
        self._incoming.write(self._socket.recv(65536))

    def answer(self) -> bytes:
        with self._socket:
            while True:
                try:
                    self._tls.do_handshake()
                    self._socket.sendall(self._outgoing.read())
                    return self._tls.read(6)
                except ssl.SSLWantReadError:
                    self._socket.sendall(self._outgoing.read())
                    self._incoming.write(self._socket.recv(65536))


async def test_a_flood_of_half_open_connections_delays_a_device_by_seconds_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ten times as many as there are places; half of them silent, half stuck in the first word.

    HEDGEROW_FLOOD=2000 runs it at full size, with the real places and patience.
    """
    size = int(os.environ.get("HEDGEROW_FLOOD", "200"))
    places = MAX_HANDSHAKES if size >= MAX_HANDSHAKES else size // 10
    if size < MAX_HANDSHAKES:
        monkeypatch.setattr(waiting_room, "PATIENCE_S", 0.1)
        monkeypatch.setattr(waiting_room, "THINKING_S", 0.2)
    listener = TlsListener(
        TlsSlot(pki.mutual_context(SERVER, DEVICE)),
        Greeter,
        handshake_timeout=30,
        max_handshakes=places,
    )
    await listener.start("127.0.0.1", 0)
    crowd = [socket.create_connection(("127.0.0.1", listener.port)) for _ in range(size)]
    for stuck in crowd[::2]:
        stuck.sendall(HELLO_BEGUN)
    async with asyncio.timeout(25):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", listener.port, ssl=DEVICE.client_context(ROOTS)
        )
        assert await reader.readline() == b"hello\n"
    writer.close()
    assert sum(listener.refusals.values()) >= size - places
    await listener.stop()
    for one in crowd:
        one.close()
