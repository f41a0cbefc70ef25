from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from tests.support.clock import ManualClock
from tests.support.estate import Deployed, Estate, estate, spare_authority
from tests.support.pki import new_key
from tests.support.registry import HOME, Device, issued

from hedgerow.aws import AwsError
from hedgerow.cloud.greengrass import authorities, groups, trusted, usable_certificates
from hedgerow.cloud.greengrass.documents import AUTHORITY
from hedgerow.cloud.greengrass.server_certificates import granted_names
from hedgerow.contract import CertificateAnswer, ConnectivityEntry, ConnectivityInfo
from hedgerow.kernel import CallerError
from hedgerow.pki import load_certificate


@pytest.fixture
async def greengrass(tmp_path: Path) -> AsyncIterator[Estate]:
    async with estate(tmp_path) as made:
        yield made


def request_for(*names: str) -> str:
    """Return a CSR in PEM with these names."""
    alternatives = [x509.DNSName(name) for name in names]
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "core")])
    )
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    csr = builder.sign(new_key().signing_key(), hashes.SHA256())
    return csr.public_bytes(serialization.Encoding.PEM).decode()


async def issue(
    greengrass: Estate, deployed: Deployed, core: Device, *names: str
) -> CertificateAnswer:
    own = await greengrass.desk.own_group(greengrass.admit(core), deployed.group_id)
    return await greengrass.certificates.issue(own, request_for(*names))


async def rotate(greengrass: Estate, group_id: str) -> None:
    new = authorities.NewAuthority(group_id, spare_authority(1))
    now = greengrass.registrar.clock.now()
    request = {"GroupId": group_id}
    await greengrass.write(lambda tx: authorities.rotate(tx, HOME, request, new=new, now=now))


async def trusted_now(
    greengrass: Estate, group_id: str, later: timedelta = timedelta(0)
) -> tuple[str, ...]:
    records = await greengrass.registrar.store.all(AUTHORITY, HOME.account, parent=group_id)
    core = usable_certificates(greengrass.registrar.directory, "core")
    return trusted(records, core, greengrass.registrar.clock.now() + later)


@pytest.mark.spec("C01", "A11")
def test_a_group_authority_is_its_own_root_with_an_rsa_key() -> None:
    made = authorities._make(HOME, "group", ManualClock())
    certificate = load_certificate(made.document.certificate_pem)
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size >= 2048
    assert certificate.issuer == certificate.subject
    assert isinstance(certificate.signature_hash_algorithm, hashes.SHA256)


@pytest.mark.spec("C01", "C02", "C03")
async def test_a_server_certificate_is_signed_by_the_group_and_valid_as_long_as_set(
    greengrass: Estate,
) -> None:
    deployed = await greengrass.deployed("core")
    core = deployed.identities["core"]
    answer = await issue(greengrass, deployed, core)
    certificate = load_certificate(answer.certificate)
    certificate.verify_directly_issued_by(load_certificate(answer.authority))
    now = greengrass.registrar.clock.now()
    assert abs(answer.not_after - now - timedelta(days=7)) < timedelta(minutes=1)
    request = {"GroupId": deployed.group_id, "CertificateExpiryInMilliseconds": "2592000000"}
    await greengrass.write(lambda tx: authorities.update_configuration(tx, HOME, request))
    answer = await issue(greengrass, deployed, core)
    assert abs(answer.not_after - now - timedelta(days=30)) < timedelta(minutes=1)


@pytest.mark.spec("C03", "C11")
@pytest.mark.parametrize("text", ["604799999", "2592000001", "-1", "", "7d", "6.1e8", "٦٠٤٨٠٠٠٠٠"])
def test_validity_is_7_to_30_days_in_a_string_of_milliseconds(text: str) -> None:
    assert authorities.checked_validity("604800000") == 604_800_000
    assert authorities.checked_validity("2592000000") == 2_592_000_000
    with pytest.raises(AwsError) as refused:
        authorities.checked_validity(text)
    assert refused.value.code == "BadRequestException"


def test_a_core_names_its_known_addresses_and_itself_and_nothing_else() -> None:
    known = ConnectivityInfo(
        connectivity_info=(
            ConnectivityEntry(id="1", host_address="192.168.1.5", port_number=8883),
            ConnectivityEntry(id="2", host_address="core.plant", port_number=8883),
        )
    )
    asked = ("localhost", "bank.example", "10.0.0.1", "core.plant")
    assert granted_names(asked, known) == ("192.168.1.5", "core.plant", "localhost")
    assert granted_names(("bank.example",), ConnectivityInfo()) == (
        "localhost",
        "127.0.0.1",
        "::1",
    )


@pytest.mark.promise(2)
async def test_a_core_cannot_get_a_certificate_for_a_host_that_is_not_its_own(
    greengrass: Estate,
) -> None:
    deployed = await greengrass.deployed("core")
    entry = ConnectivityEntry(id="1", host_address="192.168.1.5", port_number=8883)
    await greengrass.addresses.write("core", [entry])
    answer = await issue(
        greengrass, deployed, deployed.identities["core"], "bank.example", "localhost"
    )
    names = (
        load_certificate(answer.certificate)
        .extensions.get_extension_for_class(x509.SubjectAlternativeName)
        .value
    )
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["192.168.1.5"]


async def test_a_request_that_is_not_signed_by_its_key_is_refused(greengrass: Estate) -> None:
    deployed = await greengrass.deployed("core")
    own = await greengrass.desk.own_group(
        greengrass.admit(deployed.identities["core"]), deployed.group_id
    )
    with pytest.raises(CallerError):
        await greengrass.certificates.issue(own, "-----BEGIN CERTIFICATE REQUEST-----")


@pytest.mark.spec("C08", "C09")
async def test_after_a_rotation_both_authorities_are_trusted_until_the_old_certificates_end(
    greengrass: Estate,
) -> None:
    deployed = await greengrass.deployed("core")
    core = deployed.identities["core"]
    old = (await issue(greengrass, deployed, core)).authority
    await rotate(greengrass, deployed.group_id)
    now = await trusted_now(greengrass, deployed.group_id)
    assert len(now) == 2
    assert now[0] == old  # the core still serves a certificate of the old one
    new = (await issue(greengrass, deployed, core)).authority
    assert (await trusted_now(greengrass, deployed.group_id))[0] == new
    assert await trusted_now(greengrass, deployed.group_id, timedelta(days=7)) == (new,)


async def test_an_authority_that_issued_nothing_needs_no_overlap(greengrass: Estate) -> None:
    group_id = await greengrass.group()
    await rotate(greengrass, group_id)
    assert len(await trusted_now(greengrass, group_id)) == 1


@pytest.mark.spec("W05")
@pytest.mark.promise(4)
@pytest.mark.parametrize("order", ["rotate-then-reset", "reset-then-rotate", "revoke-and-rotate"])
async def test_a_lost_core_is_not_helped_by_the_overlap(greengrass: Estate, order: str) -> None:
    deployed = await greengrass.deployed("core")
    lost = (await issue(greengrass, deployed, deployed.identities["core"])).authority
    if order == "rotate-then-reset":
        await rotate(greengrass, deployed.group_id)
        await greengrass.reset(deployed.group_id, force=True)
    elif order == "reset-then-rotate":
        await greengrass.reset(deployed.group_id, force=True)
        replacement = issued()
        await greengrass.registrar.detach_thing("core", deployed.identities["core"])
        await greengrass.registrar.certificate(replacement)
        await greengrass.registrar.attach_thing("core", replacement)
        await greengrass.registrar.attach_policy("core-policy", replacement)
        await rotate(greengrass, deployed.group_id)
    else:
        await rotate(greengrass, deployed.group_id)
        await greengrass.registrar.status(deployed.identities["core"], "REVOKED")
    records = await greengrass.registrar.store.all(
        AUTHORITY, HOME.account, parent=deployed.group_id
    )
    assert len(records) == 2
    trusted_certificates = await trusted_now(greengrass, deployed.group_id)
    assert len(trusted_certificates) == 1
    active = await authorities.active(greengrass.registrar.store, HOME, deployed.group_id)
    assert trusted_certificates == (active.document.certificate_pem,)
    assert active.document.issued_to == ()
    assert lost is not None


async def test_a_group_s_private_key_shows_nowhere(greengrass: Estate) -> None:
    group_id = await greengrass.group()
    record = await authorities.active(greengrass.registrar.store, HOME, group_id)
    assert "PRIVATE" not in repr(record)
    answer = await authorities.get(
        greengrass.registrar.store,
        HOME,
        {"GroupId": group_id, "CertificateAuthorityId": record.id},
    )
    assert "PRIVATE" not in repr(answer)


async def test_an_authority_of_another_group_is_not_shown(greengrass: Estate) -> None:
    group_id, other = await greengrass.group(), await greengrass.group()
    record = await authorities.active(greengrass.registrar.store, HOME, other)
    with pytest.raises(AwsError, match="does not exist"):
        await authorities.get(
            greengrass.registrar.store,
            HOME,
            {"GroupId": group_id, "CertificateAuthorityId": record.id},
        )
    await greengrass.write(lambda tx: groups.delete(tx, HOME, {"GroupId": other}))
    assert await greengrass.registrar.store.all(AUTHORITY, HOME.account, parent=other) == ()
