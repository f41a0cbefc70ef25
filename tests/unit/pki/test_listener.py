"""The listener on both event loops: right protocol, no lost bytes, clean stop."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import cast

import pytest
import uvloop
from tests.support import pki

from hedgerow.kernel import UnavailableError
from hedgerow.pki import TlsListener, TlsPeer, TlsSlot, Trust, server_context

Run = Callable[[Callable[[], Awaitable[None]]], None]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop

    def runner(main: Callable[[], Awaitable[None]]) -> None:
        async def to_the_end() -> None:
            await main()
            assert len(asyncio.all_tasks()) == 1, "a task was left behind"

        with asyncio.Runner(loop_factory=factory, debug=True) as loop:
            loop.run(to_the_end())

    return runner


class Echo(asyncio.Protocol):
    """Sends back what it gets, after the id of the certificate at the other end."""

    def __init__(self, peer: TlsPeer) -> None:
        self._peer = peer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write((self._peer.certificate_id or "nobody").encode() + b"\n")

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


class BufferedEcho(asyncio.BufferedProtocol):
    """The same with a buffer of its own."""

    def __init__(self, peer: TlsPeer) -> None:
        self._peer = peer
        self._buffer = bytearray(4096)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write((self._peer.certificate_id or "nobody").encode() + b"\n")

    def get_buffer(self, _size: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, count: int) -> None:
        self._transport.write(bytes(self._buffer[:count]))


SERVER = pki.new_server(pki.shared_authority())
DEVICE = pki.new_identity(pki.new_authority())
ROOTS = pki.shared_authority().certificate_pem


async def ask(port: int, context: ssl.SSLContext, words: bytes = b"") -> tuple[str, bytes, bytes]:
    """Return the certificate id the server saw, the echo, and the server's certificate."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        writer.write(words)
        seen = (await reader.readline()).decode().strip()
        echo = await reader.readexactly(len(words))
        server = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        writer.close()
    return seen, echo, server


@pytest.mark.parametrize("protocol", [Echo, BufferedEcho])
def test_the_protocol_gets_the_proven_certificate_and_every_byte(
    run: Run, protocol: type[Echo | BufferedEcho]
) -> None:
    async def main() -> None:
        listener = TlsListener(TlsSlot(pki.mutual_context(SERVER, DEVICE)), protocol)
        await listener.start("127.0.0.1", 0)
        words = b"w" * 3000
        answers = await asyncio.gather(
            *(ask(listener.port, DEVICE.client_context(ROOTS), words) for _ in range(20))
        )
        assert {answer[0] for answer in answers} == {DEVICE.certificate_id}
        assert {answer[1] for answer in answers} == {words}
        await listener.stop()

    run(main)


def test_no_packet_waits_until_the_one_before_has_arrived(run: Run) -> None:
    """Nagle's algorithm would hold each answer but the first for 40 ms."""
    at_once: list[int] = []

    class Watching(Echo):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            sock = transport.get_extra_info("socket")
            at_once.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            super().connection_made(transport)

    async def main() -> None:
        listener = TlsListener(TlsSlot(pki.mutual_context(SERVER, DEVICE)), Watching)
        await listener.start("127.0.0.1", 0)
        await ask(listener.port, DEVICE.client_context(ROOTS))
        await listener.stop()

    run(main)
    assert at_once == [1]


def test_both_addresses_of_localhost_are_served_on_one_port(run: Run) -> None:
    async def main() -> None:
        listener = TlsListener(TlsSlot(pki.mutual_context(SERVER, DEVICE)), Echo)
        await listener.start("localhost", 0)
        assert (await ask(listener.port, DEVICE.client_context(ROOTS)))[0] == DEVICE.certificate_id
        await listener.stop()

    run(main)


def test_a_taken_port_is_said_in_words(run: Run) -> None:
    async def main() -> None:
        slot = TlsSlot(pki.mutual_context(SERVER, DEVICE))
        first, second = TlsListener(slot, Echo), TlsListener(slot, Echo)
        await first.start("127.0.0.1", 0)
        with pytest.raises(UnavailableError, match="another program"):
            await second.start("127.0.0.1", first.port)
        await first.stop()

    run(main)


def test_an_address_of_another_machine_is_said_in_words(run: Run) -> None:
    async def main() -> None:
        listener = TlsListener(TlsSlot(pki.mutual_context(SERVER, DEVICE)), Echo)
        with pytest.raises(UnavailableError, match="address of this machine"):
            await listener.start("203.0.113.1", 0)

    run(main)


def test_a_silent_client_is_cut_and_others_are_served_meanwhile(run: Run) -> None:
    async def main() -> None:
        refused: asyncio.Queue[str] = asyncio.Queue()
        listener = TlsListener(
            TlsSlot(pki.mutual_context(SERVER, DEVICE)),
            Echo,
            handshake_timeout=0.5,
            on_refusal=lambda reason, _address: refused.put_nowait(reason),
        )
        await listener.start("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        assert (await ask(listener.port, DEVICE.client_context(ROOTS)))[0] == DEVICE.certificate_id
        assert await asyncio.wait_for(reader.read(), 5) == b""
        assert await asyncio.wait_for(refused.get(), 5) in listener.refusals
        writer.close()
        await listener.stop()

    run(main)


def test_without_a_client_certificate_asked_for_the_peer_is_nobody(run: Run) -> None:
    async def main() -> None:
        context = server_context(
            SERVER.key, SERVER.certificate_pem, Trust(), require_client_certificate=False
        )
        listener = TlsListener(TlsSlot(context), Echo)
        await listener.start("127.0.0.1", 0)
        assert (await ask(listener.port, DEVICE.client_context(ROOTS)))[0] == "nobody"
        await listener.stop()

    run(main)
