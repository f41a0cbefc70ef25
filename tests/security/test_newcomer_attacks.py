"""Attacks by accounts and devices on registration at the first connection."""

import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from tests.support.cloud import EnrolledThing, RunningCloud, running_cloud
from tests.support.cloud_edge import MqttDevice
from tests.support.pki import (
    Identity,
    ShiftedClock,
    new_authority,
    new_identity,
    new_key,
    new_server,
)
from tests.support.registry import POLICY

from hedgerow.cloud.iot import ca_certificates
from hedgerow.kernel import SystemClock
from hedgerow.pki import (
    CertificateAuthority,
    Profile,
    Trust,
    device_authority,
    device_certificate,
    server_context,
)

ECDSA_WITH_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")


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


async def arrives(cloud: RunningCloud, identity: Identity) -> str | None:
    """Have a device connect for the first time, and return what is registered of it."""
    device = MqttDevice(cloud.endpoints.device_mqtt_port, identity, "new", roots=cloud.roots_pem)
    with pytest.raises((OSError, ConnectionError)):
        await device.connect()
    await device.close()
    rows = (await cloud.iot("list_certificates"))["certificates"]
    return {row["certificateId"]: str(row["status"]) for row in rows}.get(identity.certificate_id)


@pytest.mark.promise(1)
async def test_no_account_shadows_the_authorities_of_others(cloud: RunningCloud) -> None:
    """OpenSSL looks issuers up by name and key id, and takes the first one that fits."""
    lamp, plant = await cloud.enrol("lamp", POLICY), new_authority("plant")
    async with cloud.member("mallory") as mallory, cloud.member("victim") as victim:
        await registered(victim, plant)
        assert await arrives(victim, new_identity(plant)) == "PENDING_ACTIVATION"
        for one in (lamp.identity, new_identity(plant)):
            await registered(mallory, double_of_issuer(one.certificate))
        await admits(cloud, lamp)
        assert await arrives(victim, new_identity(plant)) == "PENDING_ACTIVATION"


def refusal(client: Identity, *authorities: CertificateAuthority) -> str:
    """Return why a server that trusts these authorities refuses a client, or nothing."""
    server_root = new_authority("server")
    server = new_server(server_root)
    trust = Trust(authorities=tuple(one.certificate_pem for one in authorities))
    context = server_context(server.key, server.certificate_pem, trust)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = (
        client.client_context(server_root.certificate_pem).wrap_bio(
            to_client, to_server, server_hostname="localhost"
        ),
        context.wrap_bio(to_server, to_client, server_side=True),
    )
    for side in sides * 4:
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLError as error:
            return str(error)
    return ""


@pytest.mark.promise(2)
def test_a_namesake_lets_in_what_each_has_signed_and_nothing_else() -> None:
    plant = new_authority("plant")
    lamp = new_identity(plant)
    double = double_of_issuer(lamp.certificate)
    for authorities in ((plant, double), (double, plant), (double, plant, double)):
        assert refusal(lamp, *authorities) == ""
        assert refusal(new_identity(double), *authorities) == ""
        old = CertificateAuthority(plant.certificate, plant.key, ShiftedClock(-timedelta(days=9)))
        ended = new_identity(old, device_certificate(timedelta(days=1)))
        assert "expired" in refusal(ended, *authorities)
        inner = new_identity(plant, device_authority("inner"))
        assert "purpose" in refusal(inner, *authorities)
        assert refusal(new_identity(double_of_issuer(lamp.certificate)), *authorities)
        assert refusal(new_identity(new_authority("plant")), *authorities)
    assert refusal(lamp, double, double_of_issuer(lamp.certificate))


def with_signature_rewritten(identity: Identity) -> Identity:
    """Write (r, n - s) for (r, s) in a certificate, as its holder can."""
    r, s = decode_dss_signature(identity.certificate.signature)
    other = encode_dss_signature(r, ec.SECP256R1().group_order - s)
    content = identity.certificate.tbs_certificate_bytes + ECDSA_WITH_SHA256
    bits = b"\x03" + bytes([len(other) + 1]) + b"\0" + other
    length = (len(content) + len(bits)).to_bytes(2)
    der = b"\x30\x82" + length + content + bits
    rewritten = Identity(identity.key, ssl.DER_cert_to_PEM_cert(der))
    assert rewritten.certificate_id != identity.certificate_id
    return rewritten


@pytest.mark.promise(2)
async def test_who_was_revoked_is_no_newcomer_again(cloud: RunningCloud) -> None:
    """With ECDSA anybody can write a certificate anew, under another id and as good as before."""
    plant = new_authority("plant")
    await registered(cloud, plant)
    for _ in range(3):
        lamp = new_identity(plant)
        assert await arrives(cloud, with_signature_rewritten(lamp)) == "PENDING_ACTIVATION"
        assert await arrives(cloud, lamp) is None
    lamp = new_identity(plant)
    assert await arrives(cloud, lamp) == "PENDING_ACTIVATION"
    await cloud.iot("update_certificate", certificateId=lamp.certificate_id, newStatus="REVOKED")
    assert await arrives(cloud, with_signature_rewritten(lamp)) is None


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
