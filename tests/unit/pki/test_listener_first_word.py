"""How long a client waits for the first answer when, as most do, it leaves Nagle's algorithm on."""

import asyncio
import socket
import ssl
import time
from typing import cast

from tests.support import pki

from hedgerow.pki import TlsListener, TlsPeer, TlsSlot

SERVER = pki.new_server(pki.shared_authority())
DEVICE = pki.new_identity(pki.new_authority())
KERNELS_DELAY_S = 0.04


class AnswersOnly(asyncio.Protocol):
    """Says nothing before it is spoken to, as an MQTT broker does."""

    def __init__(self, _peer: TlsPeer) -> None:
        pass

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


def time_of_visit(port: int, context: ssl.SSLContext) -> float:
    start = time.monotonic()
    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as stream,
    ):
        stream.sendall(b"hello")
        assert stream.recv(5) == b"hello"
    return time.monotonic() - start


async def test_a_clients_first_packet_is_not_held_back_by_a_late_acknowledgement() -> None:
    listener = TlsListener(TlsSlot(pki.mutual_context(SERVER, DEVICE)), AnswersOnly)
    await listener.start("127.0.0.1", 0)
    context = DEVICE.client_context(pki.shared_authority().certificate_pem)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        times = [await asyncio.to_thread(time_of_visit, listener.port, context) for _ in range(10)]
    finally:
        await listener.stop()
    # The quickest of ten: a busy machine slows some of them, the delay would slow every one.
    assert min(times) < KERNELS_DELAY_S
