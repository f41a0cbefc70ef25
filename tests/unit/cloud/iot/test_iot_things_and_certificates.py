"""Rules of the registry for things and certificates, on a real store."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.support.pki import authority_as_device, expired, self_signed
from tests.support.registry import (
    HOME,
    Registrar,
    foreign_authority,
    issued,
    our_authority,
    registry,
)

from hedgerow.aws import AwsError
from hedgerow.cloud.iot import Registry, certificates, issuing, things
from hedgerow.cloud.iot.documents import CERTIFICATE, THING
from hedgerow.kernel import SystemClock
from hedgerow.pki import load_certificate


@pytest.fixture
async def registrar(tmp_path: Path) -> AsyncIterator[Registrar]:
    async with registry(tmp_path) as opened:
        yield opened


async def create(registrar: Registrar, name: str, **more: Any) -> Any:
    async with registrar.store.transaction() as tx:
        return await things.create(tx, HOME, {"thingName": name, **more})


async def update(registrar: Registrar, name: str, **more: Any) -> None:
    async with registrar.store.transaction() as tx:
        await things.update(tx, HOME, {"thingName": name, **more})


async def delete(registrar: Registrar, name: str, **more: Any) -> None:
    async with registrar.store.transaction() as tx:
        await things.delete(tx, HOME, {"thingName": name, **more})


async def test_making_the_same_thing_twice_gives_the_same_and_another_is_refused(
    registrar: Registrar,
) -> None:
    payload = {"attributes": {"plant": "north"}}
    first = await create(registrar, "lamp", attributePayload=payload)
    assert first["thingArn"] == "arn:aws:iot:eu-west-1:123456789012:thing/lamp"
    assert await create(registrar, "lamp", attributePayload=payload) == first
    with pytest.raises(AwsError) as refused:
        await create(registrar, "lamp")
    assert refused.value.code == "ResourceAlreadyExistsException"
    assert refused.value.fields["resourceArn"] == first["thingArn"]


async def test_attributes_are_replaced_or_merged_and_the_version_counts(
    registrar: Registrar,
) -> None:
    await create(registrar, "lamp", attributePayload={"attributes": {"a": "1", "b": "2"}})
    merge = {"attributes": {"b": "", "c": "3"}, "merge": True}
    await update(registrar, "lamp", attributePayload=merge, expectedVersion=1)
    described = await things.describe(registrar.store, HOME, "lamp")
    assert (described["attributes"], described["version"]) == ({"a": "1", "c": "3"}, 2)
    await update(registrar, "lamp", attributePayload={"attributes": {"z": "9"}})
    described = await things.describe(registrar.store, HOME, "lamp")
    assert (described["attributes"], described["version"]) == ({"z": "9"}, 3)


async def test_a_stale_version_neither_updates_nor_deletes(registrar: Registrar) -> None:
    await create(registrar, "lamp")
    for change in (update, delete):
        with pytest.raises(AwsError) as refused:
            await change(registrar, "lamp", expectedVersion=2)
        assert refused.value.code == "VersionConflictException"
    await delete(registrar, "lamp", expectedVersion=1)
    with pytest.raises(AwsError, match="does not exist"):
        await things.describe(registrar.store, HOME, "lamp")


async def test_deleting_a_thing_needs_its_certificates_detached(registrar: Registrar) -> None:
    device = issued()
    await registrar.enrol("lamp", device)
    with pytest.raises(AwsError, match="still attached"):
        await delete(registrar, "lamp")
    await registrar.detach_thing("lamp", device)
    await delete(registrar, "lamp")
    await delete(registrar, "lamp")


async def test_too_many_attributes_and_billing_groups_are_refused(registrar: Registrar) -> None:
    too_many = {"attributes": {f"a{n}": "x" for n in range(51)}}
    for more in (
        {"attributePayload": too_many},
        {"billingGroupName": "b"},
    ):
        with pytest.raises(AwsError) as refused:
            await create(registrar, "lamp", **more)
        assert refused.value.code == "InvalidRequestException"


@pytest.mark.parametrize(
    ("request_", "names"),
    [
        ({}, ["a", "b", "c"]),
        ({"attributeName": "plant"}, ["a", "b"]),
        ({"attributeName": "plant", "attributeValue": "north"}, ["a"]),
        (
            {"attributeName": "plant", "attributeValue": "n", "usePrefixAttributeValue": True},
            ["a"],
        ),
        ({"attributeName": "plant", "attributeValue": "n"}, []),
        ({"thingTypeName": "bulb"}, []),
    ],
)
async def test_lists_are_filtered_by_attribute(
    registrar: Registrar, request_: dict[str, Any], names: list[str]
) -> None:
    await registrar.thing("a", {"plant": "north"})
    await registrar.thing("b", {"plant": "south"})
    await registrar.thing("c")
    records = await registrar.store.all(THING, HOME.account)
    assert [r.id for r in records if things.matches(r.document, request_)] == names


async def test_a_revoked_certificate_never_comes_back(registrar: Registrar) -> None:
    device = issued()
    await registrar.certificate(device)
    await registrar.status(device, "INACTIVE")
    await registrar.status(device, "ACTIVE")
    await registrar.status(device, "REVOKED")
    for status in ("ACTIVE", "INACTIVE"):
        with pytest.raises(AwsError) as refused:
            await registrar.status(device, status)
        assert refused.value.code == "CertificateStateException"


@pytest.mark.parametrize("status", ["PENDING_TRANSFER", "REGISTER_INACTIVE", "PENDING_ACTIVATION"])
async def test_statuses_that_only_a_transfer_gives_cannot_be_set(status: str) -> None:
    with pytest.raises(AwsError, match="cannot be set"):
        certificates.assignable_status(status)


async def test_deleting_a_certificate_needs_it_inactive_and_detached(registrar: Registrar) -> None:
    device = issued()
    await registrar.enrol("lamp", device)

    async def refusal(*, force: bool) -> str:
        record = await registrar.store.get(CERTIFICATE, HOME.account, device.id)
        assert record is not None
        with pytest.raises(AwsError) as refused:
            certificates.require_deletable(record, force=force)
        return refused.value.code

    assert await refusal(force=True) == "CertificateStateException"
    await registrar.status(device, "INACTIVE")
    assert await refusal(force=True) == "DeleteConflictException"
    await registrar.detach_thing("lamp", device)
    assert await refusal(force=False) == "DeleteConflictException"
    record = await registrar.store.get(CERTIFICATE, HOME.account, device.id)
    assert record is not None
    certificates.require_deletable(record, force=True)


async def test_the_registry_answers_other_services(registrar: Registrar) -> None:
    first, second = issued(), issued()
    await registrar.enrol("lamp", first)
    await registrar.certificate(second, status="INACTIVE")
    await registrar.attach_thing("lamp", second)
    reader = Registry(registrar.store, HOME)
    assert await reader.thing_principals(["lamp", "ghost"]) == {"lamp": (first.id, second.id)}
    found = await reader.certificates_of("lamp")
    assert [(one.pem, one.active) for one in found] == [(first.pem, True), (second.pem, False)]
    assert await reader.certificates_of("ghost") == ()
    assert set(await reader.certificates([first.id, "0" * 64])) == {first.id}


def _weak_pem() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - weak on purpose
    model = self_signed().certificate
    certificate = (
        x509.CertificateBuilder()
        .subject_name(model.subject)
        .issuer_name(model.issuer)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(model.not_valid_before_utc)
        .not_valid_after(model.not_valid_after_utc)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def test_a_foreign_certificate_is_one_current_strong_certificate() -> None:
    now = datetime.now(UTC)  # noqa: TID251 - the certificates are dated by the real clock
    for sound in (issued(foreign_authority()), self_signed(), issued()):
        read = issuing.read_foreign_certificate(sound.certificate_pem, now)
        assert read == sound.certificate
    first, second = self_signed(), self_signed()
    for pem, reason in (
        ("", "exactly one"),
        (first.certificate_pem + second.certificate_pem, "exactly one"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "PEM"),
        (expired().certificate_pem, "expired on"),
        (_weak_pem(), "RSA of at least 2048"),
        (authority_as_device().certificate_pem, "an authority's"),
    ):
        with pytest.raises(AwsError, match=reason) as refused:
            issuing.read_foreign_certificate(pem, now)
        assert refused.value.code == "CertificateValidationException"


def test_a_bad_signing_request_is_the_callers_fault() -> None:
    with pytest.raises(AwsError) as refused:
        issuing.issue_from_csr(our_authority(), "nonsense")
    assert refused.value.code == "InvalidRequestException"


def test_a_new_key_pair_belongs_to_its_certificate_and_does_not_print() -> None:
    issued_pair = issuing.issue_with_new_key(our_authority())
    private = serialization.load_pem_private_key(
        issued_pair.private_key_pem.reveal().encode(), password=None
    )
    certificate = load_certificate(issued_pair.certificate_pem)
    assert certificate.public_key() == private.public_key()
    assert certificate.not_valid_after_utc > SystemClock().now()
    assert "PRIVATE" not in repr(issued_pair)
