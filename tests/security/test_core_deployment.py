"""Attacks on what a core runs: forged, replayed and misdirected deployments and lists."""

import hashlib
import json
from datetime import timedelta

import msgspec
import pytest
from cryptography import x509
from tests.support.cloud_documents import GroupDouble, cloud_keys, ec_key, thing_arn

from hedgerow.contract import Membership, SignedDocument, encode, sign
from hedgerow.core.deployment import (
    Expectation,
    VerifiedManifest,
    VerifiedMembership,
    verify_group,
    verify_manifest,
    verify_membership,
)
from hedgerow.kernel import PeerError
from hedgerow.pki import device_certificate, server_certificate, signing_certificate

pytestmark = pytest.mark.promise(2)


@pytest.fixture
def double() -> GroupDouble:
    double = GroupDouble(serial=5)
    double.devices = [double.keys.device("A"), double.keys.device("B")]
    return double


def roots() -> list[x509.Certificate]:
    return [cloud_keys().root.certificate]


def manifest(double: GroupDouble, data: bytes, **wrong: str) -> VerifiedManifest:
    expected = Expectation(
        core_thing_arn=wrong.get("core", thing_arn(double.core)),
        group_id=wrong.get("group", double.group_id),
        deployment_id=wrong.get("deployment", double.deployment_id),
    )
    return verify_manifest(data, roots(), double.created_at, expected)


def membership(double: GroupDouble, data: bytes, floor: int = 5) -> VerifiedMembership:
    return verify_membership(
        data,
        roots(),
        double.created_at,
        group_id=double.group_id,
        deployment_id=double.deployment_id,
        serial_floor=floor,
    )


def test_what_the_cloud_signed_passes(double: GroupDouble) -> None:
    group = verify_group(manifest(double, double.signed_manifest()), double.group_json())
    assert group.group == double.group()
    assert len(membership(double, double.signed_membership()).entries) == 2


@pytest.mark.parametrize("what", ["core", "group", "deployment"])
def test_a_manifest_for_another_is_refused(double: GroupDouble, what: str) -> None:
    with pytest.raises(PeerError, match=f"the document is for {what}"):
        manifest(double, double.signed_manifest(), **{what: "another"})


def test_a_manifest_signed_under_another_root_is_refused(double: GroupDouble) -> None:
    double.keys = cloud_keys("attacker")
    with pytest.raises(PeerError, match="not issued by a root certificate of this core"):
        manifest(double, double.signed_manifest())
    with pytest.raises(PeerError, match="not issued by a root certificate of this core"):
        membership(double, double.signed_membership())


@pytest.mark.parametrize("kind", ["server", "device"])
def test_a_certificate_of_the_same_root_that_is_not_for_signing_cannot_sign(
    double: GroupDouble, kind: str
) -> None:
    key = ec_key()
    profile = server_certificate(["localhost"]) if kind == "server" else device_certificate()
    certificate = cloud_keys().root.issue(profile, key.public_key)
    forged = sign(encode(double.manifest()), key.sign, certificate)
    with pytest.raises(PeerError, match="not made for signing documents"):
        manifest(double, forged)
    forged = sign(encode(double.membership()), key.sign, certificate)
    with pytest.raises(PeerError, match="not made for signing documents"):
        membership(double, forged)


def test_a_signing_certificate_that_has_expired_cannot_sign_anything_new(
    double: GroupDouble,
) -> None:
    key = ec_key()
    certificate = cloud_keys().root.issue(
        signing_certificate(lifetime=timedelta(minutes=5)), key.public_key
    )
    signed = sign(encode(double.manifest()), key.sign, certificate)
    double.created_at += timedelta(days=1)
    with pytest.raises(PeerError, match="check this machine's clock"):
        manifest(double, signed)


def test_another_key_cannot_sign_beside_the_clouds_certificate(double: GroupDouble) -> None:
    forged = sign(encode(double.manifest()), ec_key().sign, cloud_keys().signing_pem)
    with pytest.raises(PeerError, match="signature does not fit"):
        manifest(double, forged)


def test_a_changed_payload_is_refused(double: GroupDouble) -> None:
    document = msgspec.json.decode(double.signed_membership(), type=SignedDocument)
    changed = msgspec.structs.replace(
        document, payload=document.payload.replace(b'"Serial":5', b'"Serial":9')
    )
    with pytest.raises(PeerError, match="signature does not fit"):
        membership(double, msgspec.json.encode(changed))


@pytest.mark.parametrize("data", [b"", b"{}", b"null", b"\xff\xfe", b'{"Payload": 1}', b"[" * 5000])
def test_bytes_that_are_no_signed_document_are_refused(double: GroupDouble, data: bytes) -> None:
    with pytest.raises(PeerError):
        manifest(double, data)
    with pytest.raises(PeerError):
        membership(double, data)


def test_a_group_that_is_not_the_signed_one_is_refused(double: GroupDouble) -> None:
    proof = manifest(double, double.signed_manifest())
    original = double.group_json()
    double.rows.append((double.devices[0].arn, "#", double.devices[1].arn))
    with pytest.raises(PeerError, match="not the one that was signed"):
        verify_group(proof, double.group_json())
    with pytest.raises(PeerError, match="not the one that was signed"):
        verify_group(proof, original + b" ")


@pytest.mark.parametrize("what", ["GroupId", "DeploymentId"])
def test_a_group_of_another_deployment_under_a_good_manifest_is_refused(
    double: GroupDouble, what: str
) -> None:
    """Even the right digest does not make a group of something else."""
    document = json.loads(double.group_json()) | {what: "99999999-aaaa-4000-8000-000000000009"}
    data = json.dumps(document).encode()
    reference = msgspec.structs.replace(
        double.manifest().artifacts[0], size=len(data), sha256=hashlib.sha256(data).hexdigest()
    )
    signed = double.keys.sign(
        encode(msgspec.structs.replace(double.manifest(), artifacts=(reference,)))
    )
    with pytest.raises(PeerError, match="the document is for"):
        verify_group(manifest(double, signed), data)


def test_an_older_deployment_cannot_be_replayed_over_a_newer_one(double: GroupDouble) -> None:
    old = double.signed_manifest()
    expected = Expectation(thing_arn(double.core), double.group_id, double.deployment_id)
    later = double.created_at + timedelta(seconds=1)
    with pytest.raises(PeerError, match="redeploy the group"):
        verify_manifest(old, roots(), later, expected, not_before=later)
    verify_manifest(old, roots(), later, expected, not_before=double.created_at)


@pytest.mark.promise(4)
def test_an_older_list_of_certificates_cannot_be_replayed(double: GroupDouble) -> None:
    """The list from before a revocation is signed as well as the one after it."""
    old = double.signed_membership()
    double.revoke(double.devices[0])
    new = membership(double, double.signed_membership())
    assert double.devices[0].certificate_id not in new.certificate_ids
    with pytest.raises(PeerError, match="this core has seen 6, so it is an old one"):
        membership(double, old, floor=new.membership.serial)


@pytest.mark.parametrize("what", ["group", "deployment"])
def test_a_list_of_another_group_or_deployment_is_refused(double: GroupDouble, what: str) -> None:
    field = {"group": "group_id", "deployment": "deployment_id"}[what]
    other: Membership = msgspec.structs.replace(double.membership(), **{field: "another"})
    with pytest.raises(PeerError, match=f"the document is for {what} 'another'"):
        membership(double, double.keys.sign(encode(other)))


def test_an_entry_whose_id_is_not_its_certificates_is_shut_out(double: GroupDouble) -> None:
    a, b = double.devices
    swapped = msgspec.structs.replace(a.entry, pem=b.certificate_pem)
    garbled = msgspec.structs.replace(b.entry, pem="no certificate")
    document = msgspec.structs.replace(double.membership(), certificates=(swapped, garbled))
    result = membership(double, double.keys.sign(encode(document)))
    assert result.entries == ()
    assert len(result.ignored) == 2
