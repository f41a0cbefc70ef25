"""The demonstration sees what happens: it neither misses a message nor takes a refusal for none."""

import asyncio
import ssl
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.support.pki import Identity, new_identity, new_server, self_signed, shared_authority

from hedgerow.cli.demo.inbox import Inbox, Message
from hedgerow.cli.demo.stranger import Attempt, KeyPair, attempt, make_certificate
from hedgerow.cli.demo.waiting import until
from hedgerow.kernel import SystemClock, UnavailableError
from hedgerow.pki import Trust, server_context

CONNACK = b"\x20\x02\x00\x00"
REFUSED = b"\x20\x02\x00\x05"


def test_an_inbox_finds_what_came_before_and_what_comes_later() -> None:
    inbox: Inbox[Message] = Inbox()
    early, late = Message("a", b"1"), Message("b", b"2")
    inbox.put(early)
    assert inbox.wait(lambda message: message.topic == "a", "a") == early
    threading.Thread(target=inbox.put, args=(late,)).start()
    assert inbox.wait(lambda message: message.topic == "b", "b") == late
    assert inbox.items() == (early, late)


def test_waiting_in_vain_says_for_what() -> None:
    with pytest.raises(UnavailableError, match="the message"):
        Inbox[Message]().wait(lambda _: True, "the message", 0.01)
    with pytest.raises(UnavailableError, match="the file"):
        until(lambda: False, "the file", 0.01)


def test_until_tells_how_long_it_took() -> None:
    assert until(lambda: True, "nothing") < 1


async def attempt_at(context: ssl.SSLContext, answer: bytes, pair: KeyPair | None) -> Attempt:
    """Try against a server that gives this answer to whoever finishes the handshake."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    host, port = server.sockets[0].getsockname()
    async with server:
        ca = shared_authority().certificate_pem
        return await asyncio.to_thread(
            attempt, (host, port), ca, "meter", pair.files if pair else None
        )


@pytest.fixture
def server() -> Identity:
    return new_server(shared_authority(), "127.0.0.1")


@pytest.mark.parametrize(
    ("answer", "reason"), [(CONNACK, "let in"), (REFUSED, "CONNACK 05"), (b"", "closed")]
)
async def test_an_attempt_tells_the_answers_of_a_broker_apart(
    server: Identity, tmp_path: Path, answer: bytes, reason: str
) -> None:
    device = new_identity(shared_authority())
    certificate, key = device.write(tmp_path, "device")
    context = server_context(server.key, server.certificate_pem, Trust((device.certificate_pem,)))
    signing_key = device.key.signing_key()
    assert isinstance(signing_key, ec.EllipticCurvePrivateKey)
    pair = KeyPair(signing_key, device.certificate, certificate, key)
    tried = await attempt_at(context, answer, pair)
    assert tried.let_in == (answer == CONNACK)
    assert reason in tried.reason


@pytest.mark.parametrize(
    "make",
    [
        lambda _: None,
        lambda folder: make_certificate(
            folder, "own", SystemClock().now() - timedelta(hours=1), timedelta(days=1)
        ),
    ],
)
async def test_an_attempt_with_a_stranger_or_nothing_ends_at_tls(
    server: Identity, tmp_path: Path, make: Callable[[Path], KeyPair | None]
) -> None:
    context = server_context(
        server.key, server.certificate_pem, Trust((self_signed().certificate_pem,))
    )
    tried = await attempt_at(context, CONNACK, make(tmp_path))
    assert not tried.let_in
    assert tried.reason.startswith("TLS alert: ")
