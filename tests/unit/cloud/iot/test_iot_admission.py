"""The rules of admission, and the thing that a client id stands for."""

import pytest

from hedgerow.cloud.iot import AdmittedDevice, bound_thing
from hedgerow.cloud.iot.admission import CertificateFacts, require_admissible
from hedgerow.kernel import DeniedError


def facts(
    status: str = "ACTIVE", things: tuple[str, ...] = ("lamp",), policies: tuple[str, ...] = ("p",)
) -> CertificateFacts:
    return CertificateFacts(
        active=status == "ACTIVE", status=status, things=things, policies=policies, anchor_pem=None
    )


def test_all_three_conditions_together_admit() -> None:
    good = facts()
    assert require_admissible("ab" * 32, good) is good


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        (None, "is not registered"),
        (facts(status="INACTIVE"), "is INACTIVE"),
        (facts(status="REVOKED"), "is REVOKED"),
        (facts(things=()), "attached to no thing"),
        (facts(policies=()), "no policy is attached"),
    ],
)
def test_each_missing_condition_is_named(known: CertificateFacts | None, reason: str) -> None:
    with pytest.raises(DeniedError, match=reason):
        require_admissible("ab" * 32, known)


def test_nobody_else_can_make_the_proof() -> None:
    with pytest.raises(TypeError, match="DeviceDirectory"):
        AdmittedDevice("1", "r", "c", ("lamp",), (), (), object())


@pytest.mark.parametrize(
    ("client_id", "thing"),
    [
        ("core", "core"),
        ("core-c00", "core"),
        ("core-c250", "core"),
        ("core-c01", "core"),
        ("core-c0", None),
        ("core-c0000", None),
        ("core-cXX", None),
        ("core-c01-c02", None),
        ("xcore-c01", None),
        ("core-", None),
        ("-c01", None),
        ("Core", None),
        ("other", None),
        ("own-c01", "own-c01"),
        ("core-c\u0660\u0660", None),
    ],
)
def test_a_client_id_is_bound_to_its_own_thing_or_its_core(
    client_id: str, thing: str | None
) -> None:
    assert bound_thing(("core", "own-c01"), client_id) == thing


def test_only_an_attached_thing_is_bound() -> None:
    assert bound_thing((), "core") is None
    assert bound_thing(("elsewhere",), "core-c00") is None
