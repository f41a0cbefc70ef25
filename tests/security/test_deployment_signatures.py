"""Only a current signing certificate of a root the core trusts can vouch for a document."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from hedgerow.contract import Signer, sign, verify
from hedgerow.contract.signing import SignedDocument
from hedgerow.kernel import PeerError

NOW = datetime(2026, 10, 7, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
PAYLOAD = b'{"DeploymentId":"d"}'

pytestmark = pytest.mark.promise(2)


@dataclass(frozen=True)
class Identity:
    """A key and its certificate."""

    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def signer(self) -> Signer:
        key = self.key
        if isinstance(key, rsa.RSAPrivateKey):
            return lambda data: key.sign(data, padding.PKCS1v15(), hashes.SHA256())
        return lambda data: key.sign(data, ec.ECDSA(hashes.SHA256()))


def make(
    issuer: Identity | None = None,
    usage: ObjectIdentifier | None = ExtendedKeyUsageOID.CODE_SIGNING,
    start: datetime = NOW - DAY,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None,
) -> Identity:
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, "root" if issuer is None else "leaf")]
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.certificate.subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + 2 * DAY)
    )
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return Identity(key, builder.sign(issuer.key if issuer else key, hashes.SHA256()))


ROOT = make()
SIGNER = make(ROOT)
RSA_SIGNER = make(ROOT, key=rsa.generate_private_key(65537, 2048))
SIGNERS = pytest.mark.parametrize("signer", [SIGNER, RSA_SIGNER], ids=["EC", "RSA"])


@SIGNERS
def test_a_good_signature_gives_the_payload(signer: Identity) -> None:
    signed = sign(PAYLOAD, signer.signer, signer.pem)
    verified = verify(signed, [make().certificate, ROOT.certificate], NOW)
    assert verified.payload == PAYLOAD
    assert verified.signer_certificate == signer.certificate


@pytest.mark.parametrize(
    ("make_signer", "reason"),
    [
        (lambda: make(make()), "not issued by a root"),
        (make, "not issued by a root"),
        (lambda: make(ROOT, usage=ExtendedKeyUsageOID.SERVER_AUTH), "not made for signing"),
        (lambda: make(ROOT, usage=ExtendedKeyUsageOID.CLIENT_AUTH), "not made for signing"),
        (lambda: make(ROOT, usage=None), "no extended key usage"),
        (lambda: make(ROOT, start=NOW - 9 * DAY), "check this machine's clock"),
        (lambda: make(ROOT, start=NOW + 9 * DAY), "check this machine's clock"),
    ],
)
def test_a_signer_of_the_wrong_kind_is_refused(
    make_signer: Callable[[], Identity], reason: str
) -> None:
    signer = make_signer()
    with pytest.raises(PeerError, match=reason):
        verify(sign(PAYLOAD, signer.signer, signer.pem), [ROOT.certificate], NOW)


@SIGNERS
def test_a_changed_payload_is_refused(signer: Identity) -> None:
    document = msgspec.json.decode(sign(PAYLOAD, signer.signer, signer.pem), type=SignedDocument)
    changed = msgspec.structs.replace(document, payload=PAYLOAD.replace(b"d", b"e"))
    with pytest.raises(PeerError, match="does not fit"):
        verify(msgspec.json.encode(changed), [ROOT.certificate], NOW)


def test_a_signature_of_another_key_is_refused() -> None:
    with pytest.raises(PeerError, match="does not fit"):
        verify(sign(PAYLOAD, ROOT.signer, SIGNER.pem), [ROOT.certificate], NOW)


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b'{"Payload":"","Signature":"","Certificate":""}']
)
def test_what_is_not_a_signed_document_is_refused(data: bytes) -> None:
    with pytest.raises(PeerError, match="not in the form"):
        verify(data, [ROOT.certificate], NOW)
