"""A key in a token does all that a key in a file does, and is never taken out of it."""

import asyncio
import copy
import ssl
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from tests.support import pki, softhsm

from hedgerow.core.config import TokenUri
from hedgerow.core.config.values import Token as ConfiguredToken
from hedgerow.core.link import load_key
from hedgerow.kernel import CallerError, ConfigurationError, SystemClock
from hedgerow.pki import (
    OLD_SUITES,
    CertificateAuthority,
    FileKey,
    LegacyTls,
    Pkcs11Key,
    PrivateKey,
    TlsListener,
    TlsPeer,
    TlsSlot,
    Token,
    Trust,
    certificate_id,
    client_context,
    device_certificate,
    load_certificate,
    load_csr,
    server_certificate,
    server_context,
)

RSA, EC, WEAK = softhsm.KEYS
ROOT = pki.shared_authority()

pytestmark = pytest.mark.skipif(
    bool(softhsm.what_is_missing()), reason=f"this machine has no {softhsm.what_is_missing()}"
)


@pytest.fixture(scope="session")
def token(tmp_path_factory: pytest.TempPathFactory) -> Token:
    return softhsm.make_token(tmp_path_factory.mktemp("token"))


@pytest.fixture(params=[RSA, EC, "file"])
def key(request: pytest.FixtureRequest, token: Token) -> PrivateKey:
    if request.param == "file":
        return pki.new_key()
    return Pkcs11Key.open(token, request.param)


@pytest.fixture(params=[RSA, EC])
def token_key(request: pytest.FixtureRequest, token: Token) -> Pkcs11Key:
    return Pkcs11Key.open(token, request.param)


def verify(key: PrivateKey, signature: bytes, data: bytes) -> None:
    public = key.public_key
    if isinstance(public, rsa.RSAPublicKey):
        public.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
    else:
        public.verify(signature, data, ec.ECDSA(hashes.SHA256()))


def test_a_key_signs(key: PrivateKey) -> None:
    for data in (b"", b"deployment", b"x" * 100_000):
        signature = key.sign(data)
        verify(key, signature, data)
        with pytest.raises(InvalidSignature):
            verify(key, signature, data + b".")


def test_a_key_makes_a_sound_request(key: PrivateKey) -> None:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "core")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    request = builder.sign(key.signing_key(), hashes.SHA256())
    checked = load_csr(request.public_bytes(Encoding.PEM).decode())
    assert checked.public_key() == key.public_key


def test_a_key_issues_certificates(key: PrivateKey) -> None:
    authority = CertificateAuthority.create_root(key, "token authority", SystemClock())
    issued = load_certificate(authority.issue(device_certificate(), pki.new_key().public_key))
    issued.verify_directly_issued_by(authority.certificate)


def test_an_rsa_key_decrypts_what_was_encrypted_for_it(token: Token) -> None:
    key = Pkcs11Key.open(token, RSA)
    assert isinstance(key.public_key, rsa.RSAPublicKey)
    for secret in (b"k", b"data key of 32 bytes ...........", b"x" * 245):
        sealed = key.public_key.encrypt(secret, padding.PKCS1v15())
        assert key.decrypt(sealed).reveal() == secret
    with pytest.raises(CallerError, match="EC key cannot decrypt"):
        Pkcs11Key.open(token, EC).decrypt(b"x" * 256)


@pytest.mark.parametrize(
    "ciphertext",
    [b"", b"short", bytes(256), b"\x01" * 256, b"\xff" * 256, b"x" * 255, b"x" * 257, b"x" * 4096],
)
def test_what_was_not_encrypted_for_the_key_is_refused_and_does_not_block_it(
    token: Token, ciphertext: bytes
) -> None:
    key = Pkcs11Key.open(token, RSA)
    for _ in range(3):
        with pytest.raises(CallerError, match="not encrypted for this key"):
            key.decrypt(ciphertext)
    verify(key, key.sign(b"still there"), b"still there")
    assert isinstance(key.public_key, rsa.RSAPublicKey)
    sealed = key.public_key.encrypt(b"still there", padding.PKCS1v15())
    assert key.decrypt(sealed).reveal() == b"still there"


class Greeter(asyncio.Protocol):
    """Tells the other end by which certificate it is known."""

    def __init__(self, peer: TlsPeer) -> None:
        self._peer = peer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(f"{self._peer.certificate_id}\n".encode())  # type: ignore[attr-defined]


@pytest.mark.both_loops
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_keys_of_a_token_prove_both_ends_of_a_connection(
    token_key: Pkcs11Key, version: ssl.TLSVersion
) -> None:
    server_pem = ROOT.issue(server_certificate(pki.LOCAL_NAMES), token_key.public_key)
    device_pem = ROOT.issue(device_certificate(), token_key.public_key)
    context = server_context(token_key, server_pem, Trust((device_pem,)))
    listener = TlsListener(TlsSlot(context), Greeter)
    await listener.start("127.0.0.1", 0)
    client = client_context(ROOT.certificate_pem, token_key, device_pem)
    client.minimum_version = client.maximum_version = version
    for _ in range(3):
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port, ssl=client)
        assert await reader.readline() == f"{certificate_id(device_pem)}\n".encode()
        writer.close()
    await listener.stop()


def test_a_certificate_over_another_key_is_refused_and_nothing_else_suffers(
    token_key: Pkcs11Key,
) -> None:
    other = pki.new_server(ROOT)
    with pytest.raises(ConfigurationError, match="does not belong to the key"):
        server_context(token_key, other.certificate_pem, Trust())
    with pytest.raises(ConfigurationError, match="damaged"):
        server_context(token_key, "no certificate", Trust())
    pki.mutual_context(other)
    with pytest.raises(ssl.SSLWantReadError):
        client_context(ROOT.certificate_pem, None, None).wrap_bio(
            ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="x"
        ).do_handshake()


@pytest.mark.parametrize(
    ("wrong", "label", "told"),
    [
        (lambda token: token, "absent", "no private key 'absent'"),
        (lambda token: token, WEAK, "1024 bits"),
        (lambda token: replace(token, label="other"), RSA, "token 'other' was not found"),
        (lambda token: replace(token, provider=Path("/absent.so")), RSA, "/absent.so is not there"),
        (lambda token: replace(token, engine=Path("/absent.so")), RSA, "engine is not at /absent"),
        (lambda token: replace(token, provider=Path("/bin/sh")), RSA, "one PKCS#11 library only"),
    ],
)
def test_what_is_wrong_with_the_configuration_is_said(
    token: Token, wrong: Callable[[Token], Token], label: str, told: str
) -> None:
    opened = Pkcs11Key.open(token, RSA)
    with pytest.raises(ConfigurationError, match=told) as refusal:
        Pkcs11Key.open(wrong(token), label)
    assert softhsm.USER_PIN not in str(refusal.value)
    verify(opened, opened.sign(b"still there"), b"still there")


WRONG_PIN = """
import pathlib, sys
from hedgerow.kernel import ConfigurationError, Secret
from hedgerow.pki import Pkcs11Key, Token
try:
    Pkcs11Key.open(Token(pathlib.Path(sys.argv[1]), sys.argv[2], Secret("000000")), sys.argv[3])
except ConfigurationError as error:
    print(error)
"""


def test_a_wrong_pin_is_said_and_not_shown(token: Token) -> None:
    """In a process of its own: a process logs in to a token once."""
    answer = subprocess.run(
        [sys.executable, "-c", WRONG_PIN, str(token.provider), token.label, RSA],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "refuses the user PIN" in answer.stdout
    assert "000000" not in answer.stdout + answer.stderr


def test_neither_key_nor_pin_can_be_had_from_the_objects(token_key: Pkcs11Key) -> None:
    signing = token_key.signing_key()
    with pytest.raises(UnsupportedAlgorithm, match="stays in its token"):
        signing.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(UnsupportedAlgorithm, match="stays in its token"):
        signing.private_numbers()
    assert copy.deepcopy(signing) is signing
    assert not hasattr(token_key, "pem")
    assert hasattr(FileKey, "pem")
    shown = repr(token_key) + repr(vars(token_key))
    assert softhsm.USER_PIN not in shown


def test_a_token_s_pin_is_not_shown(token: Token) -> None:
    assert softhsm.USER_PIN not in repr(token)


def test_weaker_signatures_than_ours_are_not_made(token: Token) -> None:
    rsa_key = Pkcs11Key.open(token, RSA).signing_key()
    ec_key = Pkcs11Key.open(token, EC).signing_key()
    assert isinstance(rsa_key, rsa.RSAPrivateKey)
    assert isinstance(ec_key, ec.EllipticCurvePrivateKey)
    with pytest.raises(UnsupportedAlgorithm, match="SHA-256"):
        rsa_key.sign(b"x", padding.PKCS1v15(), hashes.SHA1())  # noqa: S303 - it is to be refused
    with pytest.raises(UnsupportedAlgorithm, match="SHA-256"):
        ec_key.sign(b"x", ec.ECDSA(hashes.SHA1()))  # noqa: S303 - it is to be refused


@pytest.mark.spec("B05")
def test_a_server_key_in_a_token_offers_forward_secret_suites_only(
    token_key: Pkcs11Key,
) -> None:
    pem = ROOT.issue(server_certificate(pki.LOCAL_NAMES), token_key.public_key)
    legacy = LegacyTls(datetime(2099, 1, 1, tzinfo=UTC), tuple(OLD_SUITES))
    context = server_context(token_key, pem, Trust(), legacy=legacy)
    offered = [one for one in context.get_ciphers() if one["protocol"] != "TLSv1.3"]
    assert {"ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-SHA"} <= {
        str(one["name"]) for one in offered
    }
    assert all(str(one["name"]).startswith("ECDHE-") for one in offered)


def test_a_core_finds_its_keys_in_the_token_that_is_configured(token: Token) -> None:
    configured = ConfiguredToken(token.provider, token.label, token.user_pin, None)
    for label in (RSA, EC):
        key = load_key(TokenUri(label), configured)
        assert key.is_in_token
        verify(key, key.sign(b"x"), b"x")
