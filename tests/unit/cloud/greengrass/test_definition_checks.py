from collections.abc import Mapping
from typing import Any

import pytest

from hedgerow.cloud.greengrass.faults import invalid_definition
from hedgerow.cloud.greengrass.kinds import DEFINITION_KINDS, KINDS_BY_PATH
from hedgerow.cloud.home import Home

HOME = Home(account="123456789012", region="eu-west-1")
THING = "arn:aws:iot:eu-west-1:123456789012:thing/"
CERTIFICATE = "arn:aws:iot:eu-west-1:123456789012:cert/" + "ab" * 32
DEVICE = {"ResourceDataContainer": {"LocalDeviceResourceData": {"SourcePath": "/dev/x"}}}
CONNECTOR = "arn:aws:greengrass:eu-west-1::/connectors"
SHARED = "/dev/shm"  # noqa: S108 - a path on the core, not one of ours
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
    twins = [{"Id": "x", "ConnectorArn": f"{CONNECTOR}/{name}/versions/1"} for name in "ab"]
    (fault,) = faults("connectors", {"Connectors": twins})
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


def test_a_connector_has_one_instance_and_a_version() -> None:
    twins = [
        {"Id": f"c{version}", "ConnectorArn": f"{CONNECTOR}/SNS/versions/{version}"}
        for version in (1, 2)
    ]
    assert faults("connectors", {"Connectors": twins[:1]}) == ()
    (fault,) = faults("connectors", {"Connectors": twins})
    assert "Connectors[1] 'c2'" in fault
    for wrong in ("SNS", "arn:aws:sns:eu-west-1:1:t", f"{CONNECTOR}/SNS", f"{CONNECTOR}/SNS/7"):
        (fault,) = faults("connectors", {"Connectors": [{"Id": "c", "ConnectorArn": wrong}]})
        assert "does not name a connector" in fault


def test_loggers_have_room_and_stand_once() -> None:
    files = {"Component": "Lambda", "Level": "INFO", "Type": "FileSystem", "Space": 128}
    cloud = {"Component": "Lambda", "Level": "INFO", "Type": "AWSCloudWatch"}
    good = [{"Id": "a", **files}, {"Id": "b", **cloud}]
    assert faults("loggers", {"Loggers": good}) == ()
    for space in (None, 0, 127):
        (fault,) = faults("loggers", {"Loggers": [{"Id": "a", **files, "Space": space}]})
        assert "at least 128 KB" in fault
    (fault,) = faults("loggers", {"Loggers": [*good, {"Id": "c", **cloud}]})
    assert fault.startswith("Loggers[2] 'c'")


@pytest.mark.parametrize("arn", ["function:press", "function:press:$LATEST", "function:press:"])
def test_a_function_is_named_with_a_version_or_alias(arn: str) -> None:
    function = {
        "Id": "f",
        "FunctionArn": f"arn:aws:lambda:eu-west-1:123456789012:{arn}",
        "FunctionConfiguration": {"MemorySize": 16384},
    }
    (fault,) = faults("functions", {"Functions": [function]})
    assert "a version or an alias" in fault
    sound = "arn:aws:lambda:eu-west-1:123456789012:function:press:prod"
    assert faults("functions", {"Functions": [{**function, "FunctionArn": sound}]}) == ()


@pytest.mark.parametrize(
    ("member", "paths", "fault_count"),
    [
        ("LocalDeviceResourceData", {"SourcePath": "/dev/ttyS0"}, 0),
        ("LocalDeviceResourceData", {"SourcePath": "/srv/x"}, 1),
        ("LocalVolumeResourceData", {"SourcePath": "/srv/x", "DestinationPath": "/x"}, 0),
        ("LocalVolumeResourceData", {"SourcePath": SHARED, "DestinationPath": "/x"}, 0),
        ("LocalVolumeResourceData", {"SourcePath": "/dev/x", "DestinationPath": "/x"}, 1),
        ("LocalVolumeResourceData", {"SourcePath": "/sys", "DestinationPath": "/x"}, 1),
        ("LocalVolumeResourceData", {"SourcePath": "srv", "DestinationPath": "x"}, 2),
        ("LocalVolumeResourceData", {"SourcePath": "/srv"}, 1),
    ],
)
def test_a_local_resource_lies_where_it_may(
    member: str, paths: dict[str, str], fault_count: int
) -> None:
    resource = {"Id": "r", "Name": "r", "ResourceDataContainer": {member: paths}}
    assert len(faults("resources", {"Resources": [resource]})) == fault_count


def test_every_fault_is_told_with_its_place() -> None:
    rows = [row(), row(Id="r2", Source="nobody", Subject="a/#/b"), row(Id="r3", Target="")]
    told = faults("subscriptions", {"Subscriptions": rows})
    assert [fault.partition(":")[0] for fault in told] == [
        "Subscriptions[1] 'r2'",
        "Subscriptions[1] 'r2'",
        "Subscriptions[2] 'r3'",
    ]


def test_a_thousand_faults_are_listed_and_twenty_said() -> None:
    error = invalid_definition("subscriptions", [f"fault {n}" for n in range(1_500)])
    assert "and 1480 more" in error.message
    assert len(error.fields["ErrorDetails"]) == 1_000
