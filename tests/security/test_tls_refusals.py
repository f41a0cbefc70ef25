"""Nobody gets past the TLS handshake but the exact certificates a server trusts."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest
from tests.support import pki

from hedgerow.pki import (
    TlsListener,
    TlsPeer,
    TlsSlot,
    Trust,
    certificate_id,
    server_certificate,
    server_context,
)

pytestmark = [pytest.mark.promise(1), pytest.mark.promise(2), pytest.mark.both_loops]

AUTHORITY = pki.new_authority("devices")
SERVER = pki.new_server(pki.shared_authority())
DEVICE = pki.new_identity(AUTHORITY)
SELF_SIGNED_DEVICE = pki.self_signed()
EXPIRED_BUT_LISTED = pki.expired()
FUTURE_BUT_LISTED = pki.not_yet_valid()
ROOTS = pki.shared_authority().certificate_pem


class Greeter(asyncio.Protocol):
    """Says hello to whoever finished the handshake."""

    def __init__(self, peer: TlsPeer) -> None:
        self._peer = peer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(b"hello\n")  # type: ignore[attr-defined]  # uvloop's is no Transport


@pytest.fixture
async def listener() -> AsyncIterator[TlsListener]:
    context = pki.mutual_context(
        SERVER, DEVICE, SELF_SIGNED_DEVICE, EXPIRED_BUT_LISTED, FUTURE_BUT_LISTED
    )
    made = TlsListener(TlsSlot(context), Greeter)
    await made.start("127.0.0.1", 0)
    yield made
    await made.stop()


async def greeting(port: int, context: ssl.SSLContext) -> bytes:
    """Connect and return what the server says; with TLS 1.3 a refusal shows at the first read."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        return await asyncio.wait_for(reader.readline(), 5)
    finally:
        writer.close()


@pytest.mark.parametrize("identity", [DEVICE, SELF_SIGNED_DEVICE])
async def test_a_listed_certificate_is_admitted_whoever_signed_it(
    listener: TlsListener, identity: pki.Identity
) -> None:
    assert await greeting(listener.port, identity.client_context(ROOTS)) == b"hello\n"


@pytest.mark.spec("B08")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    ("make", "alert"),
    [
        (lambda: pki.new_identity(pki.new_authority("stranger")), "UNKNOWN_CA"),
        (lambda: pki.new_identity(AUTHORITY), "UNKNOWN_CA"),
        (pki.self_signed, "UNKNOWN_CA"),
        (lambda: EXPIRED_BUT_LISTED, "CERTIFICATE_EXPIRED"),
        (lambda: FUTURE_BUT_LISTED, "BAD_CERTIFICATE"),
        (lambda: pki.new_server(AUTHORITY), "UNKNOWN_CA"),
    ],
    ids=["other authority", "unlisted sibling", "self-signed", "expired", "future", "server's"],
)
async def test_any_other_certificate_ends_at_a_tls_alert(
    listener: TlsListener,
    make: Callable[[], pki.Identity],
    alert: str,
    version: ssl.TLSVersion,
) -> None:
    context = make().client_context(ROOTS)
    context.minimum_version = context.maximum_version = version
    with pytest.raises(ssl.SSLError) as refusal:
        await greeting(listener.port, context)
    assert alert in str(refusal.value.reason)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_no_certificate_at_all_ends_at_a_tls_alert(
    listener: TlsListener, version: ssl.TLSVersion
) -> None:
    context = ssl.create_default_context(cadata=ROOTS)
    context.minimum_version = context.maximum_version = version
    with pytest.raises((ssl.SSLError, ConnectionError)):
        assert await greeting(listener.port, context) == b"hello\n"
    assert sum(listener.refusals.values()) == 1


async def test_a_plain_text_client_gets_no_byte_of_the_protocol(listener: TlsListener) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02me")
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    assert b"hello" not in answer
    assert sum(listener.refusals.values()) == 1


@pytest.mark.parametrize(
    ("suite", "version"),
    [
        ("AES128-GCM-SHA256", ssl.TLSVersion.TLSv1_2),
        ("AES256-SHA", ssl.TLSVersion.TLSv1_2),
        ("DHE-RSA-AES256-GCM-SHA384", ssl.TLSVersion.TLSv1_2),
        ("ALL:@SECLEVEL=0", ssl.TLSVersion.TLSv1_1),
        ("ALL:@SECLEVEL=0", ssl.TLSVersion.TLSv1),
    ],
)
@pytest.mark.spec("B06")
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_old_versions_and_suites_without_forward_secrecy_are_refused(
    listener: TlsListener, suite: str, version: ssl.TLSVersion
) -> None:
    context = DEVICE.client_context(ROOTS)
    context.minimum_version = context.maximum_version = version
    context.set_ciphers(suite)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await greeting(listener.port, context)


@pytest.mark.promise(5)
@pytest.mark.spec("C05")
async def test_a_swap_drops_nobody_and_shows_the_new_certificate_to_every_newcomer() -> None:
    slot = TlsSlot(pki.mutual_context(SERVER, DEVICE))
    listener = TlsListener(slot, Greeter)
    await listener.start("127.0.0.1", 0)
    kept = []
    for _ in range(10):
        identity = pki.new_server(pki.shared_authority())
        slot.replace(pki.mutual_context(identity, DEVICE))
        for _ in range(5):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", listener.port, ssl=DEVICE.client_context(ROOTS)
            )
            shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            assert certificate_id(shown) == identity.certificate_id
            assert await reader.readline() == b"hello\n"
            kept.append((reader, writer))
    assert not [reader for reader, _ in kept if reader.at_eof()]
    for _, writer in kept:
        writer.close()
    await listener.stop()


@pytest.mark.promise(4)
async def test_after_a_trust_swap_the_removed_certificate_is_refused() -> None:
    slot = TlsSlot(pki.mutual_context(SERVER, DEVICE, SELF_SIGNED_DEVICE))
    listener = TlsListener(slot, Greeter)
    await listener.start("127.0.0.1", 0)
    assert await greeting(listener.port, DEVICE.client_context(ROOTS)) == b"hello\n"
    slot.replace(pki.mutual_context(SERVER, SELF_SIGNED_DEVICE))
    with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
        await greeting(listener.port, DEVICE.client_context(ROOTS))
    await listener.stop()


@pytest.mark.spec("C10")
async def test_a_client_refuses_a_server_of_another_authority_or_name(
    listener: TlsListener,
) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        await greeting(listener.port, DEVICE.client_context(pki.new_authority().certificate_pem))
    wrong_name = pki.new_server(pki.shared_authority(), "elsewhere.example")
    other = TlsListener(TlsSlot(pki.mutual_context(wrong_name, DEVICE)), Greeter)
    await other.start("127.0.0.1", 0)
    with pytest.raises(ssl.SSLCertVerificationError, match="not valid for"):
        await greeting(other.port, DEVICE.client_context(ROOTS))
    await other.stop()


@pytest.mark.spec("C10")
async def test_a_client_refuses_a_server_whose_certificate_has_expired() -> None:
    past = pki.new_authority("past", -timedelta(days=30))
    expired = pki.new_identity(past, server_certificate(pki.LOCAL_NAMES, timedelta(days=7)))
    listener = TlsListener(TlsSlot(pki.mutual_context(expired, DEVICE)), Greeter)
    await listener.start("127.0.0.1", 0)
    with pytest.raises(ssl.SSLCertVerificationError, match="certificate has expired"):
        await greeting(listener.port, DEVICE.client_context(past.certificate_pem))
    await listener.stop()


async def test_an_authority_in_the_trust_admits_what_it_signed_and_nothing_else() -> None:
    context = server_context(
        SERVER.key, SERVER.certificate_pem, Trust((AUTHORITY.certificate_pem,))
    )
    listener = TlsListener(TlsSlot(context), Greeter)
    await listener.start("127.0.0.1", 0)
    assert await greeting(listener.port, pki.new_identity(AUTHORITY).client_context(ROOTS))
    with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
        await greeting(listener.port, pki.self_signed().client_context(ROOTS))
    await listener.stop()


async def test_nobody_is_admitted_when_nobody_is_trusted() -> None:
    listener = TlsListener(TlsSlot(pki.mutual_context(SERVER)), Greeter)
    await listener.start("127.0.0.1", 0)
    with pytest.raises(ssl.SSLError):
        await greeting(listener.port, DEVICE.client_context(ROOTS))
    await listener.stop()
