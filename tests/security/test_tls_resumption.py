"""Every connection proves its certificate in its own handshake: sessions are not resumed.

Where resuming is switched on, whoever comes back is judged as if for the first time.
"""

import asyncio
import contextlib
import gc
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support import pki
from tests.support.clock import ManualClock

from hedgerow.pki import (
    ServerProof,
    TlsListener,
    TlsPeer,
    TlsSlot,
    Trust,
    exact_clients,
    resumption,
)
from hedgerow.pki.doorway import ListedDoorway
from hedgerow.pki.exact_clients import ExactContext
from hedgerow.pki.openssl import context_pointer, keep_no_sessions, reachable_library

pytestmark = [pytest.mark.promise(2), pytest.mark.promise(4), pytest.mark.both_loops]

SERVER = pki.new_server(pki.shared_authority())
AUTHORITY = pki.new_authority()
DEVICE = pki.new_identity(AUTHORITY)
OTHER = pki.new_identity(AUTHORITY)
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
PROOF = ServerProof(SERVER.key, SERVER.certificate_pem, resume=True)
BOTH = Trust(exact=(DEVICE.certificate_pem, OTHER.certificate_pem))
WITHOUT_DEVICE = Trust(exact=(OTHER.certificate_pem,))
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


@asynccontextmanager
async def resuming() -> AsyncIterator[tuple[ListedDoorway, TlsListener]]:
    """Serve both devices, and resume their sessions."""
    way = ListedDoorway()
    way.open(PROOF, BOTH)
    listener = TlsListener(way.slot, Greeter)
    await listener.start("127.0.0.1", 0)
    try:
        yield way, listener
    finally:
        await listener.stop()


@pytest.mark.parametrize("version", VERSIONS)
async def test_switched_on_a_listed_device_resumes(version: ssl.TLSVersion) -> None:
    context, session = client(version), None
    async with resuming() as (_, listener):
        for turn in range(4):
            session, resumed, greeting = await asyncio.to_thread(
                visit, listener.port, context, session
            )
            assert (resumed, greeting) == (turn > 0, b"hello")
        assert not listener.refusals


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_device_that_was_revoked_since_ends_at_an_alert(version: ssl.TLSVersion) -> None:
    context = client(version)
    async with resuming() as (way, listener):
        session, _, _ = await asyncio.to_thread(visit, listener.port, context, None)
        before = way.slot.current
        way.open(PROOF, WITHOUT_DEVICE)
        assert way.slot.current is before
        with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
            await asyncio.to_thread(visit, listener.port, context, session)
        way.open(PROOF, BOTH)
        _, _, greeting = await asyncio.to_thread(visit, listener.port, context, session)
        assert greeting == b"hello"


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_device_whose_certificate_ended_since_ends_at_an_alert(
    version: ssl.TLSVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = client(version)
    async with resuming() as (_, listener):
        session, _, _ = await asyncio.to_thread(visit, listener.port, context, None)
        monkeypatch.setattr(exact_clients, "_outside_its_time", lambda *_: exact_clients._EXPIRED)
        with pytest.raises(ssl.SSLError, match="CERTIFICATE_EXPIRED"):
            await asyncio.to_thread(visit, listener.port, context, session)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_ticket_that_was_taken_wrongly_is_refused_at_the_end_of_the_handshake(
    version: ssl.TLSVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = client(version)
    async with resuming() as (way, listener):
        session, _, _ = await asyncio.to_thread(visit, listener.port, context, None)
        way.open(PROOF, WITHOUT_DEVICE)
        monkeypatch.setattr(resumption, "fault_of", lambda *_: 0)
        answer = b""
        with contextlib.suppress(OSError):
            _, _, answer = await asyncio.to_thread(visit, listener.port, context, session)
        assert answer == b""
        assert dict(listener.refusals) == {"SESSION_RESUMED": 1}


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_ticket_is_worth_nothing_after_a_renewal_or_at_another_listener(
    version: ssl.TLSVersion,
) -> None:
    context = client(version)
    async with resuming() as (way, listener), resuming() as (_, other):
        session, _, _ = await asyncio.to_thread(visit, listener.port, context, None)
        _, resumed, greeting = await asyncio.to_thread(visit, other.port, context, session)
        assert (resumed, greeting) == (False, b"hello")
        way.open(replace(PROOF), BOTH)
        _, resumed, greeting = await asyncio.to_thread(visit, listener.port, context, session)
        assert (resumed, greeting) == (False, b"hello")


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_keys_of_tickets_are_renewed_every_hour(version: ssl.TLSVersion) -> None:
    clock, context = ManualClock(), client(version)
    async with resuming() as (way, listener):
        server = way.slot.current
        assert isinstance(server, ExactContext)
        assert resumption.resume_sessions(server, clock)
        session, _, _ = await asyncio.to_thread(visit, listener.port, context, None)
        _, resumed, _ = await asyncio.to_thread(visit, listener.port, context, session)
        assert resumed
        clock.advance(timedelta(seconds=resumption.LIFETIME_S))
        await asyncio.to_thread(visit, listener.port, context, None)  # the keys are renewed for it
        _, resumed, greeting = await asyncio.to_thread(visit, listener.port, context, session)
        assert (resumed, greeting) == (False, b"hello")


async def test_what_fails_in_a_call_from_openssl_refuses_and_is_not_raised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> int:
        raise KeyError("a bug")

    context = client(ssl.TLSVersion.TLSv1_3)
    async with resuming() as (_, listener):
        session, _, _ = await asyncio.to_thread(visit, listener.port, context, None)
        monkeypatch.setattr(resumption, "fault_of", broken)
        _, resumed, greeting = await asyncio.to_thread(visit, listener.port, context, session)
        assert (resumed, greeting) == (False, b"hello")
        monkeypatch.setattr(exact_clients, "fault_of", broken)
        with pytest.raises(ssl.SSLError, match="CERTIFICATE_UNKNOWN"):
            await asyncio.to_thread(visit, listener.port, context, None)


def test_sessions_are_not_resumed_where_authorities_admit() -> None:
    """A session does not say by whom its certificate was signed."""
    context = PROOF.context(Trust(authorities=(AUTHORITY.certificate_pem,)))
    assert isinstance(context, ExactContext)
    assert not context.resumes
    assert context.num_tickets == 0
