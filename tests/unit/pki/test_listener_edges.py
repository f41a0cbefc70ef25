"""The listener at the edges of a connection's life, on both event loops."""

import asyncio
import gc
import socket
import ssl
from typing import cast

import pytest
from tests.support import pki

from hedgerow.pki import TlsListener, TlsPeer, TlsSlot

pytestmark = pytest.mark.both_loops

SERVER = pki.new_server(pki.shared_authority())
DEVICE = pki.new_identity(pki.new_authority())
ROOTS = pki.shared_authority().certificate_pem


class Echo(asyncio.Protocol):
    """Sends back what it gets."""

    def __init__(self, peer: TlsPeer) -> None:
        self.peer = peer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


def with_the_last_word_of_the_handshake(port: int, words: bytes) -> bytes:
    """Send `words` in one segment with the client's end of the handshake; return the echo."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    stream = DEVICE.client_context(ROOTS).wrap_bio(incoming, outgoing, server_hostname="localhost")
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        while True:
            try:
                stream.do_handshake()
                break
            except ssl.SSLWantReadError:
                plain.sendall(outgoing.read())
                incoming.write(plain.recv(65_536))
        stream.write(words)
        plain.sendall(outgoing.read())
        while True:
            try:
                return stream.read(len(words))
            except ssl.SSLWantReadError:
                incoming.write(plain.recv(65_536))


async def test_words_that_come_with_the_end_of_the_handshake_are_not_lost() -> None:
    listener = TlsListener(TlsSlot(pki.mutual_context(SERVER, DEVICE)), Echo)
    await listener.start("127.0.0.1", 0)
    for words in (b"w", b"w" * 4000):
        assert words == await asyncio.to_thread(
            with_the_last_word_of_the_handshake, listener.port, words
        )
    await listener.stop()


@pytest.mark.parametrize("turns", range(6))
async def test_stopping_among_arrivals_closes_every_connection(turns: int) -> None:
    """A socket left open would be a ResourceWarning, which fails the test."""
    listener = TlsListener(TlsSlot(pki.mutual_context(SERVER, DEVICE)), Echo)
    await listener.start("127.0.0.1", 0)
    arrivals = [socket.create_connection(("127.0.0.1", listener.port), 10) for _ in range(20)]
    for _ in range(turns):
        await asyncio.sleep(0)
    await listener.stop()
    gc.collect()
    for arrival in arrivals:
        with arrival:
            assert await asyncio.to_thread(end_of, arrival) == b""


def end_of(connection: socket.socket) -> bytes:
    try:
        return connection.recv(1)
    except ConnectionResetError:
        return b""


async def test_a_protocol_that_cannot_be_made_ends_its_connection_and_no_other() -> None:
    fails = [True]
    unseen: list[str] = []

    def factory(peer: TlsPeer) -> Echo:
        if fails:
            fails.pop()
            raise RuntimeError("no protocol today")
        return Echo(peer)

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: unseen.append(str(context["exception"])))
    listener = TlsListener(TlsSlot(pki.mutual_context(SERVER, DEVICE)), factory)
    await listener.start("127.0.0.1", 0)
    client = DEVICE.client_context(ROOTS)
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port, ssl=client)
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
    echo = await asyncio.to_thread(with_the_last_word_of_the_handshake, listener.port, b"next")
    assert echo == b"next"
    assert unseen == ["no protocol today"], "told once, by the loop"
    assert not listener.refusals
    await listener.stop()
    gc.collect()
    assert len(unseen) == 1
