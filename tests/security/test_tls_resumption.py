"""Every connection proves its certificate in its own handshake: sessions are not resumed."""

import asyncio
import contextlib
import gc
import socket
import ssl

import pytest
from tests.support import pki

from hedgerow.pki import TlsListener, TlsPeer, TlsSlot
from hedgerow.pki.openssl import context_pointer, keep_no_sessions, reachable_library

pytestmark = [pytest.mark.promise(2), pytest.mark.promise(4), pytest.mark.both_loops]

SERVER = pki.new_server(pki.shared_authority())
DEVICE = pki.new_identity(pki.new_authority())
ROOTS = pki.shared_authority().certificate_pem
SET_SESSION_CACHE_MODE, CACHE_SERVER = 44, 2


class Greeter(asyncio.Protocol):
    """Says hello to whoever finished the handshake."""

    def __init__(self, peer: TlsPeer) -> None:
        self._peer = peer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(b"hello")  # type: ignore[attr-defined]  # uvloop's is no Transport


def visit(
    port: int, context: ssl.SSLContext, session: ssl.SSLSession | None
) -> tuple[ssl.SSLSession | None, bool | None, bytes]:
    """Connect, part politely; return the session, whether one was resumed, and the greeting."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost", session=session) as stream,
    ):
        greeting = stream.recv(5)
        offered, resumed = stream.session, stream.session_reused
        with contextlib.suppress(OSError):
            stream.unwrap()
    return offered, resumed, greeting


def client(version: ssl.TLSVersion) -> ssl.SSLContext:
    context = DEVICE.client_context(ROOTS)
    context.minimum_version = context.maximum_version = version
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_an_offered_session_is_passed_over_for_a_whole_handshake(
    version: ssl.TLSVersion,
) -> None:
    listener = TlsListener(TlsSlot(pki.mutual_context(SERVER, DEVICE)), Greeter)
    await listener.start("127.0.0.1", 0)
    context, session = client(version), None
    try:
        for _ in range(3):
            session, resumed, greeting = await asyncio.to_thread(
                visit, listener.port, context, session
            )
            assert not resumed
            assert greeting == b"hello"
    finally:
        await listener.stop()
    assert not listener.refusals


async def test_where_sessions_cannot_be_switched_off_a_resumed_one_is_refused() -> None:
    made = pki.mutual_context(SERVER, DEVICE)
    remember_sessions(made)
    listener = TlsListener(TlsSlot(made), Greeter)
    await listener.start("127.0.0.1", 0)
    context = client(ssl.TLSVersion.TLSv1_2)
    try:
        session, _, greeting = await asyncio.to_thread(visit, listener.port, context, None)
        assert greeting == b"hello"
        answer = b""
        with contextlib.suppress(OSError):
            _, _, answer = await asyncio.to_thread(visit, listener.port, context, session)
        assert answer == b""
        assert dict(listener.refusals) == {"SESSION_RESUMED": 1}
        # The refusal has ended the session too: with a later attempt the client is in.
        gc.collect()
        _, resumed, greeting = await asyncio.to_thread(visit, listener.port, context, session)
        assert (resumed, greeting) == (False, b"hello")
    finally:
        await listener.stop()


def remember_sessions(context: ssl.SSLContext) -> None:
    """Undo `keep_no_sessions`."""
    library = reachable_library()
    assert library is not None
    library.SSL_CTX_ctrl(context_pointer(context), SET_SESSION_CACHE_MODE, CACHE_SERVER, None)


def test_this_python_lets_us_switch_sessions_off() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    assert keep_no_sessions(context)
