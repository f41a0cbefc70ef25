from collections.abc import Mapping
from typing import Any

import pytest

from hedgerow.cloud.greengrass.resolve import GroupParts, Unresolvable, resolve
from hedgerow.cloud.home import Home
from hedgerow.contract import GroupDeployment, decode, encode

HOME = Home(account="123456789012", region="eu-west-1")
THING = "arn:aws:iot:eu-west-1:123456789012:thing/"
CERTIFICATE = "arn:aws:iot:eu-west-1:123456789012:cert/"
CORE_CERTIFICATE, A_CERTIFICATE, B_CERTIFICATE = ("c0" * 32, "aa" * 32, "bb" * 32)
DETECTOR = "arn:aws:lambda:::function:GGIPDetector:1"


def member(name: str, certificate: str) -> dict[str, Any]:
    return {
        "Id": f"id-{name}",
        "ThingArn": THING + name,
        "CertificateArn": CERTIFICATE + certificate,
    }


def row(source: str, target: str, subject: str = "t/#", identifier: str = "r1") -> dict[str, Any]:
    return {"Id": identifier, "Source": source, "Target": target, "Subject": subject}


def contents(**changes: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {
        "Core": {"Cores": [member("core", CORE_CERTIFICATE)]},
        "Device": {"Devices": [member("a", A_CERTIFICATE), member("b", B_CERTIFICATE)]},
        "Subscription": {"Subscriptions": [row(THING + "a", THING + "b")]},
        **changes,
    }


def parts(**changes: Any) -> GroupParts:
    settings: dict[str, Any] = {
        "group_id": "g",
        "group_version_id": "v",
        "deployment_id": "d",
        "home": HOME,
        "contents": contents(),
        "things": {
            "core": frozenset({CORE_CERTIFICATE}),
            "a": frozenset({A_CERTIFICATE}),
            "b": frozenset({B_CERTIFICATE}),
        },
        "registered_certificates": frozenset({CORE_CERTIFICATE, A_CERTIFICATE, B_CERTIFICATE}),
        "authorities": ("old", "new"),
    }
    return GroupParts(**{**settings, **changes})


def codes(resolved: GroupDeployment | Unresolvable) -> list[str]:
    assert isinstance(resolved, Unresolvable)
    return [error.code for error in resolved.errors]


def test_a_group_version_becomes_one_document() -> None:
    resolved = resolve(parts())
    assert isinstance(resolved, GroupDeployment)
    assert resolved.core.thing_name == "core"
    assert resolved.core.certificate_id == CORE_CERTIFICATE
    assert [device.thing_name for device in resolved.devices] == ["a", "b"]
    assert resolved.subscriptions[0].source == THING + "a"
    assert resolved.group_certificate_authorities == ("old", "new")
    assert decode(encode(resolved), GroupDeployment) == resolved


@pytest.mark.spec("P03")
@pytest.mark.parametrize(
    "cores", [[], [member("core", CORE_CERTIFICATE), member("a", A_CERTIFICATE)]]
)
def test_a_group_without_exactly_one_core_is_not_deployed(cores: list[dict[str, Any]]) -> None:
    resolved = resolve(parts(contents=contents(Core={"Cores": cores}, Device={}, Subscription={})))
    assert codes(resolved) == ["CORE_COUNT_ERROR"]
    assert isinstance(resolved, Unresolvable)
    assert resolved.message.startswith(
        "We cannot deploy because the group definition is invalid or corrupted"
    )


@pytest.mark.spec("P03")
@pytest.mark.parametrize("party", [THING + "stranger", THING + "core", DETECTOR])
def test_a_row_names_members_of_the_group_only(party: str) -> None:
    source = contents(Subscription={"Subscriptions": [row(party, THING + "b")]})
    assert codes(resolve(parts(contents=source))) == ["SUBSCRIPTION_PARTY_NOT_FOUND_ERROR"]
    target = contents(Subscription={"Subscriptions": [row(THING + "b", party)]})
    assert codes(resolve(parts(contents=target))) == ["SUBSCRIPTION_PARTY_NOT_FOUND_ERROR"]


def test_the_cloud_and_the_shadow_service_are_in_every_group() -> None:
    rows = [row("cloud", THING + "a"), row(THING + "a", "GGShadowService", identifier="r2")]
    resolved = resolve(parts(contents=contents(Subscription={"Subscriptions": rows})))
    assert isinstance(resolved, GroupDeployment)


@pytest.mark.spec("A17")
def test_a_device_must_be_a_registered_thing() -> None:
    things = {"core": frozenset({CORE_CERTIFICATE}), "a": frozenset({A_CERTIFICATE})}
    assert codes(resolve(parts(things=things))) == ["THING_NOT_FOUND_ERROR"]


@pytest.mark.spec("P19")
def test_a_certificate_that_is_gone_fails_but_a_rotated_one_is_followed() -> None:
    nothing_left = parts(
        things={**parts().things, "b": frozenset()},
        registered_certificates=frozenset({CORE_CERTIFICATE, A_CERTIFICATE}),
    )
    assert codes(resolve(nothing_left)) == ["THING_CERT_NOT_FOUND_ERROR"]
    rotated = parts(
        things={**parts().things, "b": frozenset({"dd" * 32})},
        registered_certificates=frozenset({CORE_CERTIFICATE, A_CERTIFICATE}),
    )
    assert isinstance(resolve(rotated), GroupDeployment)


def test_the_core_is_not_also_a_device() -> None:
    devices = {"Devices": [member("core", CORE_CERTIFICATE)]}
    resolved = resolve(parts(contents=contents(Device=devices, Subscription={})))
    assert codes(resolved) == ["DEVICE_IS_CORE_ERROR"]


@pytest.mark.spec("E06")
def test_an_eleventh_group_for_a_device_is_refused() -> None:
    resolved = resolve(parts(crowded=frozenset({"b"})))
    assert codes(resolved) == ["TOO_MANY_GROUPS_ERROR"]
    assert isinstance(resolved, Unresolvable)
    assert (
        "Device is a member of too many groups, devices may not be in more than 10 groups"
        in resolved.message
    )


def test_system_functions_are_carried_with_their_settings() -> None:
    function = {
        "Id": "detector",
        "FunctionArn": DETECTOR,
        "FunctionConfiguration": {
            "Pinned": True,
            "MemorySize": 32768,
            "Environment": {"Variables": {"K": "V"}},
        },
    }
    resolved = resolve(parts(contents=contents(Function={"Functions": [function]})))
    assert isinstance(resolved, GroupDeployment)
    assert resolved.functions[0].configuration == {"Pinned": True, "MemorySize": 32768}
    assert resolved.functions[0].environment == {"K": "V"}


@pytest.mark.parametrize(
    ("kind", "content", "code"),
    [
        (
            "Function",
            {"Functions": [{"Id": "f", "FunctionArn": "arn:aws:lambda:r:1:function:press:1"}]},
            "FUNCTION_NOT_SUPPORTED_ERROR",
        ),
        ("Connector", {"Connectors": [{"Id": "c"}]}, "CONNECTOR_NOT_SUPPORTED_ERROR"),
        ("Resource", {"Resources": [{"Id": "r"}]}, "RESOURCE_NOT_SUPPORTED_ERROR"),
    ],
)
def test_what_is_not_built_fails_at_once_and_says_so(
    kind: str, content: Mapping[str, Any], code: str
) -> None:
    assert codes(resolve(parts(contents=contents(**{kind: content})))) == [code]


def test_every_reason_is_given_at_once() -> None:
    broken = contents(
        Core={}, Connector={"Connectors": [{"Id": "c"}]}, Subscription={"Subscriptions": []}
    )
    assert codes(resolve(parts(contents=broken))) == [
        "CORE_COUNT_ERROR",
        "CONNECTOR_NOT_SUPPORTED_ERROR",
    ]
