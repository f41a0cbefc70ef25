from collections.abc import Mapping
from typing import Any

import pytest

from hedgerow.cloud.greengrass.kinds import DEFINITION_KINDS, KINDS_BY_PATH
from hedgerow.cloud.home import Home

HOME = Home(account="123456789012", region="eu-west-1")
THING = "arn:aws:iot:eu-west-1:123456789012:thing/"
CERTIFICATE = "arn:aws:iot:eu-west-1:123456789012:cert/" + "ab" * 32
DEVICE = {"ResourceDataContainer": {"LocalDeviceResourceData": {"SourcePath": "/dev/x"}}}
SPOOLER = "arn:aws:lambda:::function:GGCloudSpooler:1"


def faults(path: str, content: Mapping[str, Any]) -> tuple[str, ...]:
    return KINDS_BY_PATH[path].faults(content, HOME)


def entity(identifier: str = "e1", thing: str = "press", **changes: Any) -> dict[str, Any]:
    return {
        "Id": identifier,
        "ThingArn": THING + thing,
        "CertificateArn": CERTIFICATE,
        "SyncShadow": True,
        **changes,
    }


def row(**changes: Any) -> dict[str, Any]:
    return {"Id": "r1", "Source": THING + "a", "Target": "cloud", "Subject": "press/+", **changes}


def spooler(**variables: str) -> dict[str, Any]:
    configuration = {"Environment": {"Variables": variables}}
    return {
        "Functions": [{"Id": "s", "FunctionArn": SPOOLER, "FunctionConfiguration": configuration}]
    }


@pytest.mark.spec("P01")
def test_there_are_the_seven_kinds_of_the_model() -> None:
    assert {kind.path for kind in DEFINITION_KINDS} == {
        "connectors",
        "cores",
        "devices",
        "functions",
        "loggers",
        "resources",
        "subscriptions",
    }


@pytest.mark.parametrize("path", sorted(KINDS_BY_PATH))
def test_an_empty_version_is_good(path: str) -> None:
    assert faults(path, {}) == ()


def test_what_the_guide_shows_is_good() -> None:
    assert faults("cores", {"Cores": [entity()]}) == ()
    assert faults("devices", {"Devices": [entity("1", "a"), entity("2", "b")]}) == ()
    assert faults("subscriptions", {"Subscriptions": [row()]}) == ()
    assert faults("functions", spooler(GG_CONFIG_MAX_SIZE_BYTES="2621440")) == ()


def test_a_second_core_is_refused() -> None:
    (fault,) = faults("cores", {"Cores": [entity("1", "a"), entity("2", "b")]})
    assert "at most 1 core" in fault


def test_a_thing_stands_in_a_device_version_once() -> None:
    (fault,) = faults("devices", {"Devices": [entity("1"), entity("2")]})
    assert "more than once" in fault


@pytest.mark.spec("G10")
@pytest.mark.parametrize("identifier", ["", "a b", "ü", "x" * 129, "a/b"])
def test_an_id_has_128_plain_characters(identifier: str) -> None:
    assert faults("resources", {"Resources": [{"Id": identifier, **DEVICE}]})
    assert faults("resources", {"Resources": [{"Id": "a:Z_9-", **DEVICE}]}) == ()


def test_an_id_stands_once_in_a_version() -> None:
    (fault,) = faults("connectors", {"Connectors": [{"Id": "x"}, {"Id": "x"}]})
    assert "more than once" in fault


@pytest.mark.parametrize(
    "arn",
    [
        "press",
        "arn:aws:iot:eu-west-1:999999999999:thing/press",
        "arn:aws:iot:us-east-1:123456789012:thing/press",
        "arn:aws:iot:eu-west-1:123456789012:cert/press",
        "arn:aws:iot:eu-west-1:123456789012:thing/a/b",
        "arn:aws:iot:eu-west-1:123456789012:thing/#",
    ],
)
def test_a_member_is_a_thing_of_this_account_and_region(arn: str) -> None:
    assert faults("devices", {"Devices": [entity(ThingArn=arn)]})
    assert faults("cores", {"Cores": [entity(ThingArn=arn)]})


@pytest.mark.spec("A17")
@pytest.mark.parametrize("arn", ["", "x", CERTIFICATE[:-1], CERTIFICATE.replace("ab", "AB")])
def test_a_member_names_its_certificate_by_arn(arn: str) -> None:
    assert faults("devices", {"Devices": [entity(CertificateArn=arn)]})


@pytest.mark.spec("G06")
def test_a_core_name_leaves_room_for_the_client_id_suffix() -> None:
    assert faults("cores", {"Cores": [entity(thing="x" * 124)]}) == ()
    (fault,) = faults("cores", {"Cores": [entity(thing="x" * 125)]})
    assert "124 bytes" in fault


@pytest.mark.spec("G01")
def test_a_group_has_2500_devices() -> None:
    devices = [entity(f"d{n}", f"t{n}") for n in range(2501)]
    assert faults("devices", {"Devices": devices[:2500]}) == ()
    (fault,) = faults("devices", {"Devices": devices})
    assert "2500" in fault


@pytest.mark.spec("G02", "G05")
@pytest.mark.parametrize(("source", "target"), [(THING + "a", "cloud"), ("cloud", THING + "a")])
def test_a_group_has_10000_subscriptions(source: str, target: str) -> None:
    rows = [row(Id=f"r{n}", Source=source, Target=target) for n in range(10_001)]
    assert faults("subscriptions", {"Subscriptions": rows[:10_000]}) == ()
    (fault,) = faults("subscriptions", {"Subscriptions": rows})
    assert "10000" in fault


@pytest.mark.spec("F04", "G08")
@pytest.mark.parametrize(
    "subject", ["", "a/#/b", "a+/b", "a/b#", "x" * 257, "1/2/3/4/5/6/7/8/9", "a\0b"]
)
def test_a_subject_is_a_topic_filter_within_the_limits(subject: str) -> None:
    (fault,) = faults("subscriptions", {"Subscriptions": [row(Subject=subject)]})
    assert "'r1'" in fault


@pytest.mark.parametrize(
    "party",
    [
        "cloud",
        "GGShadowService",
        THING + "press",
        "arn:aws:lambda:eu-west-1:123456789012:function:press:3",
        "arn:aws:greengrass:eu-west-1::/connectors/SNS/versions/4",
    ],
)
def test_sources_and_targets_are_of_five_sorts(party: str) -> None:
    rows = [row(Source=party), row(Id="r2", Target=party)]
    assert faults("subscriptions", {"Subscriptions": rows}) == ()


@pytest.mark.parametrize("party", ["", "Cloud", "*", "arn:aws:s3:::bucket", "arn:aws:iot:::thing/"])
def test_anything_else_is_neither_source_nor_target(party: str) -> None:
    assert len(faults("subscriptions", {"Subscriptions": [row(Source=party)]})) == 1
    assert len(faults("subscriptions", {"Subscriptions": [row(Target=party)]})) == 1


@pytest.mark.spec("H04")
def test_a_spool_too_small_to_start_is_refused_when_it_is_defined() -> None:
    assert faults("functions", spooler(GG_CONFIG_MAX_SIZE_BYTES="262144")) == ()
    for size in ("262143", "-1", "many", ""):
        (fault,) = faults("functions", spooler(GG_CONFIG_MAX_SIZE_BYTES=size))
        assert "Spool size should be at least 262144 bytes" in fault


@pytest.mark.parametrize(
    "variables",
    [{"GG_CONFIG_STORAGE_TYPE": "Tape"}, {"GG_CONFIG_SUBSCRIPTION_QUALITY": "ExactlyOnce"}],
)
def test_unknown_spooler_settings_are_refused(variables: dict[str, str]) -> None:
    assert len(faults("functions", spooler(**variables))) == 1


def test_a_misspelt_setting_of_a_system_function_is_refused_with_the_known_ones() -> None:
    (fault,) = faults("functions", spooler(GG_CONFIG_STORAGE_TYP="FileSystem"))
    assert (
        "'GG_CONFIG_STORAGE_TYP' is no setting of arn:aws:lambda:::function:GGCloudSpooler:1"
        in (fault)
    )
    for known in ("MAX_SIZE_BYTES", "STORAGE_TYPE", "SUBSCRIPTION_QUALITY"):
        assert f"GG_CONFIG_{known}" in fault
    assert faults("functions", spooler(OTHER="1")) == ()


@pytest.mark.spec("G03")
def test_a_group_has_200_functions_and_200_resources() -> None:
    functions = [{"Id": f"f{n}", "FunctionArn": SPOOLER} for n in range(201)]
    assert faults("functions", {"Functions": functions[:200]}) == ()
    (fault,) = faults("functions", {"Functions": functions})
    assert "200" in fault
    resources = [{"Id": str(n), **DEVICE} for n in range(201)]
    assert faults("resources", {"Resources": resources[:200]}) == ()
    (fault,) = faults("resources", {"Resources": resources})
    assert "200" in fault


def test_a_function_is_named_by_a_lambda_arn() -> None:
    (fault, _) = faults("functions", {"Functions": [{"Id": "f", "FunctionArn": "press"}]})
    assert "is not the ARN of a function" in fault
