"""Attacks by accounts and devices on registration at the first connection."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from tests.support.cloud import EnrolledThing, RunningCloud, running_cloud
from tests.support.pki import new_key
from tests.support.registry import POLICY

from hedgerow.cloud.iot import ca_certificates
from hedgerow.kernel import SystemClock
from hedgerow.pki import CertificateAuthority, Profile


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path) as running:
        yield running


def double_of_issuer(certificate: x509.Certificate) -> CertificateAuthority:
    """Make an authority that calls itself, and its key, like the one that signed a certificate."""
    known_as = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert known_as.key_identifier is not None
    key, now = new_key(), SystemClock().now()
    builder = (
        x509.CertificateBuilder()
        .subject_name(certificate.issuer)
        .issuer_name(certificate.issuer)
        .public_key(key.public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30_000))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier(known_as.key_identifier), critical=False)
    )
    made = builder.sign(key.signing_key(), hashes.SHA256())
    return CertificateAuthority(made, key, SystemClock())


def unreadable_authority() -> CertificateAuthority:
    """Make an authority that names its issuer in bytes that are no UTF-8."""
    key, now = new_key(), SystemClock().now()
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "plantplant")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mallory")]))
        .issuer_name(issuer)
        .public_key(key.public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key), critical=False)
    )
    made = builder.sign(key.signing_key(), hashes.SHA256())
    der = made.public_bytes(Encoding.DER).replace(b"plantplant", b"\xff" * 10)
    return CertificateAuthority(x509.load_der_x509_certificate(der), key, SystemClock())


async def registered(cloud: RunningCloud, authority: CertificateAuthority) -> str:
    code = (await cloud.iot("get_registration_code"))["registrationCode"]
    proof = authority.issue(Profile(code, timedelta(days=1)), new_key().public_key)
    made = await cloud.iot(
        "register_ca_certificate",
        caCertificate=authority.certificate_pem,
        verificationCertificate=proof,
        setAsActive=True,
        allowAutoRegistration=True,
    )
    return str(made["certificateId"])


async def admits(cloud: RunningCloud, thing: EnrolledThing) -> None:
    """Pass if a device finishes its handshake and is answered."""
    async with cloud.https(thing.identity) as https:
        assert (await https.get(f"/things/{thing.name}/shadow")).status == 404


@pytest.mark.promise(1)
async def test_no_account_shadows_the_authority_of_everyone_s_devices(cloud: RunningCloud) -> None:
    """OpenSSL looks issuers up by subject and key id, and takes the first that fits."""
    lamp = await cloud.enrol("lamp", POLICY)
    async with cloud.member("mallory") as mallory:
        await registered(mallory, double_of_issuer(lamp.identity.certificate))
        await admits(cloud, lamp)


@pytest.mark.promise(1)
async def test_no_account_locks_everyone_out_with_an_authority_that_openssl_cannot_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither now nor after the next start, and not even one that is in the store already."""
    async with running_cloud(tmp_path) as cloud:
        lamp = await cloud.enrol("lamp", POLICY)
        async with cloud.member("mallory") as mallory:
            bad = unreadable_authority()
            with pytest.raises(ClientError, match="OpenSSL rejects it"):
                await registered(mallory, bad)
            with monkeypatch.context() as patch:
                patch.setattr(ca_certificates, "is_loadable", lambda _pem: True)
                await registered(mallory, bad)
        await admits(cloud, lamp)
    async with running_cloud(tmp_path) as cloud:
        await admits(cloud, lamp)
