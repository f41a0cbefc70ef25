"""A certificate opens TLS only for what it was made for, and never lends its identity."""

import asyncio
import ssl
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from tests.support import pki

from hedgerow.kernel import SystemClock
from hedgerow.pki import (
    CertificateAuthority,
    TlsListener,
    TlsPeer,
    TlsSlot,
    Trust,
    device_certificate,
    server_context,
    signing_certificate,
)

pytestmark = [pytest.mark.promise(1), pytest.mark.promise(2), pytest.mark.both_loops]

AUTHORITY = pki.new_authority("devices")
SERVER = pki.new_server(pki.shared_authority())
ROOTS = pki.shared_authority().certificate_pem


class NamesTheCertificate(asyncio.Protocol):
    """Tells the other end by which certificate it is known."""

    def __init__(self, peer: TlsPeer) -> None:
        self._peer = peer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        known_as = f"{self._peer.certificate_id}\n".encode()
        transport.write(known_as)  # type: ignore[attr-defined]  # uvloop's is no Transport


async def known_as(identity: pki.Identity, trust: Trust) -> str:
    """Return the certificate id that a server with this trust knows the client by."""
    context = server_context(SERVER.key, SERVER.certificate_pem, trust)
    listener = TlsListener(TlsSlot(context), NamesTheCertificate)
    await listener.start("127.0.0.1", 0)
    try:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", listener.port, ssl=identity.client_context(ROOTS)
        )
        try:
            return (await asyncio.wait_for(reader.readline(), 5)).decode().strip()
        finally:
            writer.close()
    finally:
        await listener.stop()


@pytest.mark.parametrize("listed", [True, False], ids=["itself listed", "its authority listed"])
@pytest.mark.parametrize("purpose", ["server", "signing"])
async def test_a_certificate_for_another_purpose_is_refused(purpose: str, *, listed: bool) -> None:
    identity = (
        pki.new_server(AUTHORITY)
        if purpose == "server"
        else pki.new_identity(AUTHORITY, signing_certificate())
    )
    trust = Trust(
        authorities=() if listed else (AUTHORITY.certificate_pem,),
        exact=(identity.certificate_pem,) if listed else (),
    )
    with pytest.raises(ssl.SSLError, match="UNSUPPORTED_CERTIFICATE"):
        await known_as(identity, trust)


async def test_an_authority_cannot_come_as_a_device() -> None:
    authority = pki.authority_as_device()
    with pytest.raises(ssl.SSLError, match="UNSUPPORTED_CERTIFICATE"):
        await known_as(authority, Trust(exact=(authority.certificate_pem,)))


async def test_a_certificate_without_extensions_is_known_by_its_own_id() -> None:
    """The way many stranded fleets made theirs."""
    old = plain_certificate()
    assert await known_as(old, Trust(exact=(old.certificate_pem,))) == old.certificate_id


async def test_a_self_signed_certificate_that_may_sign_others_admits_nobody() -> None:
    """The way `openssl req -x509` makes them: neither it nor what it signs gets in."""
    parent = plain_certificate(may_sign=True)
    authority = CertificateAuthority(parent.certificate, parent.key)
    child = pki.new_identity(authority, device_certificate(timedelta(days=1)))
    trust = Trust(exact=(parent.certificate_pem,))
    with pytest.raises(ssl.SSLError, match="UNSUPPORTED_CERTIFICATE"):
        await known_as(parent, trust)
    with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
        await known_as(child, trust)


async def test_what_a_listed_device_signs_does_not_get_in() -> None:
    """Not even if the device's certificate says nothing of what it may do."""
    parent = plain_certificate()
    child = plain_certificate(signed_by=parent)
    assert await known_as(parent, Trust(exact=(parent.certificate_pem,)))
    with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
        await known_as(child, Trust(exact=(parent.certificate_pem,)))


async def test_an_authority_of_the_trust_cannot_come_as_a_client_itself() -> None:
    parent = plain_certificate(may_sign=True)
    with pytest.raises(ssl.SSLError, match="UNSUPPORTED_CERTIFICATE"):
        await known_as(parent, Trust(authorities=(parent.certificate_pem,)))


def plain_certificate(
    *, may_sign: bool = False, signed_by: pki.Identity | None = None
) -> pki.Identity:
    key = pki.new_key()
    signer = signed_by.key if signed_by else key
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "old device")])
    now = SystemClock().now()
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key)
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )
    if may_sign:
        builder = builder.add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        ).add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key), critical=False)
    pem = builder.sign(signer.signing_key(), hashes.SHA256()).public_bytes(Encoding.PEM).decode()
    return pki.Identity(key, pem)
