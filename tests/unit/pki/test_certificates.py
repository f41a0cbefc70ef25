"""Certificates say what their profile says, and only for keys whose holders proved them."""

import hashlib
import ipaddress
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, SignatureAlgorithmOID
from tests.support import pki
from tests.support.clock import ManualClock

from hedgerow.kernel import CallerError, SystemClock, UnavailableError
from hedgerow.pki import (
    CertificateAuthority,
    FileKey,
    certificate_id,
    device_authority,
    device_certificate,
    general_names,
    group_authority,
    load_certificate,
    load_csr,
    server_certificate,
    signing_certificate,
)

AUTHORITY = pki.shared_authority()


def request_for(key: FileKey) -> str:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "what it asks for")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    signed = builder.sign(key.signing_key(), hashes.SHA256())
    return signed.public_bytes(Encoding.PEM).decode()


def test_the_certificate_id_is_sha256_of_the_der_in_every_form() -> None:
    identity = pki.new_identity(AUTHORITY)
    der = identity.certificate.public_bytes(Encoding.DER)
    expected = hashlib.sha256(der).hexdigest()
    forms = (der, identity.certificate, identity.certificate_pem)
    assert {certificate_id(form) for form in forms} == {expected}


def test_a_device_certificate_has_the_documented_subject_and_only_client_use() -> None:
    certificate = pki.new_identity(AUTHORITY).certificate
    assert certificate.subject.rfc4514_string() == "CN=AWS IoT Certificate"
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert not constraints.value.ca


def test_issuer_and_subject_key_identifiers_chain() -> None:
    certificate = pki.new_identity(AUTHORITY).certificate
    extensions = certificate.extensions
    own = AUTHORITY.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    points_at = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert points_at.key_identifier == own.value.digest
    certificate.verify_directly_issued_by(AUTHORITY.certificate)


def test_serial_numbers_are_long_and_random() -> None:
    serials = {pki.new_identity(AUTHORITY).certificate.serial_number for _ in range(50)}
    assert len(serials) == 50
    assert min(serial.bit_length() for serial in serials) > 64
    assert max(serial.bit_length() for serial in serials) < 160


def test_a_server_certificate_names_hosts_and_addresses() -> None:
    names = ["core-7.plant.example", "192.0.2.7", "2001:db8::7"]
    certificate = load_certificate(
        AUTHORITY.issue(server_certificate(names), pki.new_key().public_key)
    )
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert found.get_values_for_type(x509.DNSName) == names[:1]
    assert found.get_values_for_type(x509.IPAddress) == [
        ipaddress.ip_address(name) for name in names[1:]
    ]


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["x"] * 201,
        ["käse.example"],
        [""],
        ["*"],
        ["a..b"],
        ["good.example", "a\x00b.example"],
        ["new\nline"],
        ["192.0.2.1/24"],
        ["host:8883"],
        ["x" * 64 + ".example"],
        ["x." * 127 + "example"],
    ],
)
def test_a_server_certificate_needs_sound_names(names: list[str]) -> None:
    with pytest.raises(CallerError):
        server_certificate(names)


def test_host_names_in_use_are_sound() -> None:
    names = ["localhost", "core_7", "a.b-c.example.", "*.plant.example", "2001:db8::7", "x" * 63]
    assert len(general_names(names)) == len(names)


@pytest.mark.spec("A11")
def test_a_group_authority_signs_with_sha256_and_rsa_whatever_the_server_key() -> None:
    key = FileKey.generate_rsa_in_memory()
    group = CertificateAuthority.create_root(
        key, "group", ManualClock(), profile=group_authority("group")
    )
    for server_key in (pki.new_key().public_key, key.public_key):
        certificate = load_certificate(group.issue(server_certificate(["core"]), server_key))
        assert certificate.signature_algorithm_oid == SignatureAlgorithmOID.RSA_WITH_SHA256


def test_validity_starts_a_little_early_and_never_outlives_the_authority() -> None:
    clock = ManualClock()
    authority = CertificateAuthority.create_root(
        pki.new_key(), "short", clock, profile=device_authority("short", timedelta(days=30))
    )
    certificate = load_certificate(authority.issue(device_certificate(), pki.new_key().public_key))
    assert certificate.not_valid_before_utc < clock.now()
    assert certificate.not_valid_after_utc == authority.certificate.not_valid_after_utc


def test_an_expired_authority_issues_nothing_and_says_so() -> None:
    clock = ManualClock()
    authority = CertificateAuthority.create_root(
        pki.new_key(), "short", clock, profile=device_authority("short", timedelta(days=30))
    )
    clock.advance(timedelta(days=30))
    with pytest.raises(UnavailableError, match=r"CN=short.*expired"):
        authority.issue(device_certificate(), pki.new_key().public_key)


def test_of_a_request_only_the_key_is_taken() -> None:
    key = pki.new_key()
    certificate = load_certificate(
        AUTHORITY.issue(device_certificate(), load_csr(request_for(key)))
    )
    assert certificate.public_key() == key.public_key
    assert "asks for" not in certificate.subject.rfc4514_string()


def test_a_request_that_is_damaged_or_weak_is_refused() -> None:
    good = load_csr(request_for(pki.new_key()))
    der = bytearray(good.public_bytes(Encoding.DER))
    at = der.index(b"asks")
    der[at : at + 4] = b"gets"
    forged = x509.load_der_x509_csr(bytes(der)).public_bytes(Encoding.PEM).decode()
    with pytest.raises(CallerError, match="not signed with its own key"):
        load_csr(forged)
    weak = FileKey(rsa.generate_private_key(public_exponent=65537, key_size=1024))  # noqa: S505 - it is to be refused
    with pytest.raises(CallerError, match="1024 bits"):
        load_csr(request_for(weak))
    odd = FileKey(ec.generate_private_key(ec.SECP256K1()))
    with pytest.raises(CallerError, match="secp256k1"):
        load_csr(request_for(odd))
    for text in ("", "nonsense", "x" * 70_000, pki.new_identity(AUTHORITY).certificate_pem):
        with pytest.raises(CallerError):
            load_csr(text)


def test_a_signing_certificate_can_do_nothing_else() -> None:
    certificate = load_certificate(AUTHORITY.issue(signing_certificate(), pki.new_key().public_key))
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CODE_SIGNING]


def test_a_key_that_does_not_fit_the_authority_is_refused() -> None:
    with pytest.raises(ValueError, match="does not belong"):
        CertificateAuthority(AUTHORITY.certificate, pki.new_key())


def test_an_rsa_key_decrypts_and_an_ec_key_says_why_not() -> None:
    with pytest.raises(CallerError, match="RSA key"):
        pki.new_key().decrypt(b"x" * 256)


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs the openssl command as a witness")
def test_openssl_agrees_that_the_chain_is_sound(tmp_path: Path) -> None:
    root = CertificateAuthority.create_root(pki.new_key(), "root", SystemClock())
    devices = root.issue_authority(device_authority("devices"), pki.new_key())
    files = {}
    for name, pem in {
        "root": root.certificate_pem,
        "devices": devices.certificate_pem,
        "device": pki.new_identity(devices).certificate_pem,
    }.items():
        files[name] = tmp_path / f"{name}.pem"
        files[name].write_text(pem)
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslclient"]
    command += ["-CAfile", str(files["root"]), "-untrusted", str(files["devices"])]
    answer = subprocess.run(
        [*command, str(files["device"])], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
