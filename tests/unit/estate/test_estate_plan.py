"""A plan says what becomes of every part, and everything that is in the way, at once."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from tests.support.pki import new_authority, new_identity
from tests.support.v1_estate import CORE, GROUP_ID, LAMP, PRESS, OldPlant

from hedgerow.cli.estate.files import source_of
from hedgerow.estate import Certificate, Definition, Estate, Group, Origin, Policy, Thing
from hedgerow.estate.plan import Plan, plan
from hedgerow.estate.readers import read
from hedgerow.pki import certificate_id

NOW = datetime.now(UTC)  # noqa: TID251 - certificates are made by the system's clock
PLANT = OldPlant.make()
HERE = Origin(account="123456789012", region="eu-west-1")
NOTHING = Estate(origin=HERE)


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    found = read(source_of(PLANT.write_answers(tmp_path))).estate
    assert found is not None
    return found


def planned(estate: Estate, present: Estate = NOTHING, **options: Any) -> Plan:
    return plan(estate, HERE, present, **{"now": NOW, **options})


def codes(found: Plan, weight: str = "blocks") -> set[str]:
    return {finding.code for finding in found.findings if finding.weight == weight}


def with_things(estate: Estate, *things: Thing) -> Estate:
    names = {thing.name for thing in things}
    kept = [one for one in estate.things if one.name not in names]
    changed: Estate = msgspec.structs.replace(estate, things=(*kept, *things))
    return changed


def with_certificate(estate: Estate, certificate: Certificate) -> Estate:
    kept = [one for one in estate.certificates if one.id != certificate.id]
    changed: Estate = msgspec.structs.replace(estate, certificates=(*kept, certificate))
    return changed


def own(estate: Estate, name: str) -> Certificate:
    identifier = PLANT.identities[name].certificate_id
    return next(one for one in estate.certificates if one.id == identifier)


def test_into_an_empty_account_everything_is_made(estate: Estate) -> None:
    found = planned(estate)
    assert not found.blocked
    assert {step.verdict for step in found.steps} == {"make"}
    assert found.made("thing") == {CORE, PRESS, LAMP}
    assert found.made("group") == {GROUP_ID}


def test_what_is_there_already_is_kept(estate: Estate) -> None:
    found = planned(estate, planned(estate).estate)
    assert not found.blocked
    assert {step.verdict for step in found.steps} == {"keep"}
    assert "AUTHORITY_NEW" not in codes(found, "changes")


def test_arns_become_those_of_the_new_account_also_in_policies(estate: Estate) -> None:
    text = msgspec.json.encode(planned(estate).estate).decode()
    assert "444455556666" not in text
    assert "us-west-2" not in text
    assert f"arn%3Aaws%3Aiot%3Aeu-west-1%3A123456789012%3Athing%2F{CORE}" in text


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda e: with_things(e, Thing(name=PRESS, attributes={"a": "b"})), "THING_DIFFERS"),
        (
            lambda e: with_certificate(e, msgspec.structs.replace(own(e, PRESS), status="REVOKED")),
            "CERTIFICATE_DIFFERS",
        ),
        (
            lambda e: msgspec.structs.replace(
                e, policies=(Policy(name=f"{PRESS}-policy", document="{}"),)
            ),
            "POLICY_DIFFERS",
        ),
        (
            lambda e: msgspec.structs.replace(e, groups=(Group(id=GROUP_ID, name="other"),)),
            "GROUP_DIFFERS",
        ),
    ],
)
def test_something_else_in_its_place_blocks(estate: Estate, change: Any, code: str) -> None:
    present = change(planned(estate).estate)
    found = planned(estate, present)
    assert code in codes(found)
    assert "differs" in {step.verdict for step in found.steps}


def test_a_thing_without_a_usable_certificate_blocks_or_is_left_out(estate: Estate) -> None:
    lost = with_certificate(estate, msgspec.structs.replace(own(estate, PRESS), pem=""))
    assert codes(planned(lost)) == {"CERTIFICATE_UNUSABLE"}
    found = planned(lost, leave_out=True)
    assert not found.blocked
    assert {"THING_LEFT_OUT", "CERTIFICATE_LEFT_OUT"} <= codes(found, "changes")
    (group,) = found.estate.groups
    assert [one["Id"] for one in group.entities("Device")] == [f"{LAMP}-1"]
    assert [one["Id"] for one in group.entities("Subscription")] == ["row-4"]
    assert PRESS not in {thing.name for thing in found.estate.things}


def test_a_core_cannot_be_left_out(estate: Estate) -> None:
    lost = with_certificate(estate, msgspec.structs.replace(own(estate, CORE), pem=""))
    assert "CORE_MISSING" in codes(planned(lost, leave_out=True))


def test_a_thing_goes_on_with_another_certificate_that_is_usable(estate: Estate) -> None:
    spare = new_identity(new_authority("spare"))
    old = own(estate, PRESS)
    two = with_certificate(
        with_certificate(estate, msgspec.structs.replace(old, pem="")),
        Certificate(id=spare.certificate_id, pem=spare.certificate_pem, policies=old.policies),
    )
    two = with_things(two, Thing(name=PRESS, certificates=(old.id, spare.certificate_id)))
    found = planned(two)
    assert not found.blocked
    (group,) = found.estate.groups
    assert group.entities("Device")[0]["CertificateArn"].endswith(spare.certificate_id)


@pytest.mark.parametrize("days", [-1, 20_000])
def test_a_certificate_that_has_ended_or_ends_soon_is_named(estate: Estate, days: int) -> None:
    ends = PLANT.identities[PRESS].certificate.not_valid_after_utc
    found = planned(estate, now=ends + timedelta(days=1) if days > 0 else ends + timedelta(days))
    if days > 0:
        assert "CERTIFICATE_UNUSABLE" in codes(found)
    else:
        assert "CERTIFICATE_ENDS_SOON" in codes(found, "unsafe")


@pytest.mark.promise(2)
def test_a_certificate_under_a_forged_id_blocks(estate: Estate) -> None:
    forged = msgspec.structs.replace(own(estate, PRESS), pem=PLANT.identities[LAMP].certificate_pem)
    assert "CERTIFICATE_ID_WRONG" in codes(planned(with_certificate(estate, forged)))


def test_all_faults_are_named_at_once(estate: Estate) -> None:
    broken = msgspec.structs.replace(
        estate,
        things=(*estate.things, Thing(name="a b"), Thing(name="x", thing_type="none")),
        policies=(*estate.policies, Policy(name="bad", document='{"Version": 1}')),
        groups=(*estate.groups, Group(id="G", name="odd"), *estate.groups),
    )
    assert {
        "THING_NAME_INVALID",
        "NAME_UNKNOWN",
        "POLICY_MALFORMED",
        "GROUP_ID_INVALID",
        "CORE_MISSING",
        "REPEATED",
    } <= codes(planned(broken))


def test_what_is_unsafe_is_named_and_does_not_block(estate: Estate) -> None:
    wide = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}],
        }
    )
    group = estate.groups[0]
    everything = {"Id": "all", "Source": "cloud", "Subject": "#", "Target": "cloud"}
    definitions = [
        msgspec.structs.replace(
            one,
            content={"Subscriptions": [*one.listed, everything]}
            if one.kind == "Subscription"
            else one.content,
        )
        for one in group.definitions
    ]
    shared = PLANT.identities[PRESS].certificate_id
    unsafe = msgspec.structs.replace(
        with_things(estate, Thing(name="twin", certificates=(shared,))),
        policies=(Policy(name=f"{PRESS}-policy", document=wide), *estate.policies[:2]),
        groups=(
            msgspec.structs.replace(
                group,
                definitions=tuple(definitions),
                role_arn="r",
                tags={"hedgerow:delegated-issuing-days": "7"},
            ),
        ),
    )
    found = planned(unsafe)
    assert {
        "POLICY_TOO_BROAD",
        "CERTIFICATE_SHARED",
        "ROW_CARRIES_EVERYTHING",
        "TAG_HAS_EFFECT",
    } <= codes(found, "unsafe")
    assert {"ROLE_BY_HAND", "AUTHORITY_NEW"} <= codes(found, "changes")


@pytest.mark.parametrize(
    "content",
    [{"Devices": 7}, {"Devices": [7]}, {"Devices": [{"Id": 1}]}, {"Devices": [{"Id": "a"}]}],
)
def test_a_definition_of_another_shape_blocks_and_never_raises(
    estate: Estate, content: dict[str, Any]
) -> None:
    group = estate.groups[0]
    definitions = [
        msgspec.structs.replace(one, content=content) if one.kind == "Device" else one
        for one in group.definitions
    ]
    changed = msgspec.structs.replace(group, definitions=tuple(definitions))
    found = planned(msgspec.structs.replace(estate, groups=(changed,)))
    assert codes(found) == {"SHAPE_WRONG"}


def weak_identity() -> str:
    """Return a certificate over an RSA key of 1024 bits."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=1024)  # noqa: S505 - that is the point
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "weak")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=900))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


@pytest.mark.parametrize(
    ("pem", "reason"),
    [
        (weak_identity(), "1024 bits"),
        (new_authority("an authority").certificate_pem, "authority"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "cannot be read"),
    ],
)
def test_a_certificate_that_no_cloud_should_register_is_not(
    estate: Estate, pem: str, reason: str
) -> None:
    identifier = certificate_id(pem) if "AAAA" not in pem else "a" * 64
    old = own(estate, PRESS)
    bad = msgspec.structs.replace(
        with_certificate(
            with_things(estate, Thing(name=PRESS, certificates=(identifier,))),
            Certificate(id=identifier, pem=pem, policies=old.policies),
        )
    )
    found = planned(bad)
    reasons = [one.message for one in found.findings if one.code == "CERTIFICATE_UNUSABLE"]
    assert len(reasons) == 1
    assert reason in reasons[0]


def test_functions_that_are_not_safe_are_named(estate: Estate) -> None:
    group = estate.groups[0]
    configuration = {
        "Environment": {
            "Execution": {"IsolationMode": "NoContainer", "RunAs": {"Uid": 0, "Gid": 0}},
            "Variables": {"DB_PASSWORD": "x", "MODE": "y"},
        }
    }
    arn = "arn:aws:lambda:us-west-2:444455556666:function:f:1"
    function = {"Id": "f", "FunctionArn": arn, "FunctionConfiguration": configuration}
    definition = Definition(kind="Function", content={"Functions": [function]})
    changed = msgspec.structs.replace(group, definitions=(*group.definitions, definition))
    found = planned(msgspec.structs.replace(estate, groups=(changed,)))
    assert {"FUNCTION_NOT_CONTAINED", "FUNCTION_AS_ROOT", "SECRET_IN_ENVIRONMENT"} <= codes(
        found, "unsafe"
    )
    assert "FUNCTIONS_CARRIED" in codes(found, "changes")
    text = "".join(one.message for one in found.findings)
    assert "DB_PASSWORD" in text
    assert "MODE" not in text


@pytest.mark.spec("F10")
@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("#", {"ROW_CARRIES_EVERYTHING"}),
        ("line/#", {"ROW_CARRIES_MANY"}),
        ("line/+/state", set()),
        ("line/4/state", set()),
    ],
)
def test_rows_that_take_whatever_is_below_are_named_and_kept(
    estate: Estate, subject: str, expected: set[str]
) -> None:
    row = {"Id": "wide", "Source": "cloud", "Subject": subject, "Target": "GGShadowService"}
    group = estate.groups[0]
    definitions = tuple(
        msgspec.structs.replace(one, content={"Subscriptions": [row]})
        if one.kind == "Subscription"
        else one
        for one in group.definitions
    )
    groups = (msgspec.structs.replace(group, definitions=definitions),)
    found = planned(msgspec.structs.replace(estate, groups=groups))
    named = [one for one in found.findings if one.code.startswith("ROW_CARRIES")]
    assert {one.code for one in named} == expected
    assert all(one.place.endswith(": wide") and one.weight == "unsafe" for one in named)
    assert not codes(found)
