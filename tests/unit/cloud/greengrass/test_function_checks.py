"""Function and resource definitions: V1's own sentences on isolation, and what fits together."""

from typing import Any

import pytest

from hedgerow.cloud.greengrass.function_checks import (
    access_faults,
    function_faults,
    resource_faults,
)
from hedgerow.cloud.home import Home

HOME = Home(account="123456789012", region="eu-west-1")
PRESS = "arn:aws:lambda:eu-west-1:123456789012:function:press:3"
DETECTOR = "arn:aws:lambda:::function:GGIPDetector:1"


def function(
    *, mode: str | None = None, memory: int | None = 16_384, arn: str = PRESS, **environment: Any
) -> dict[str, Any]:
    """Return a function; `environment` is what else stands in its `Environment`."""
    if mode is not None:
        environment["Execution"] = {"IsolationMode": mode}
    configuration: dict[str, Any] = {"Environment": environment}
    if memory is not None:
        configuration["MemorySize"] = memory
    return {"Id": "f", "FunctionArn": arn, "FunctionConfiguration": configuration}


def faults(*functions: dict[str, Any], default: str | None = None) -> tuple[str, ...]:
    """Return what is wrong with a function definition."""
    content: dict[str, Any] = {"Functions": list(functions)}
    if default is not None:
        content["DefaultConfig"] = {"Execution": {"IsolationMode": default}}
    return function_faults(content, HOME)


def test_sound_functions_have_no_fault() -> None:
    assert faults(function()) == ()
    assert faults(function(mode="NoContainer", memory=None)) == ()
    assert faults(function(memory=None), default="NoContainer") == ()
    assert faults(function(mode="GreengrassContainer", AccessSysfs=True)) == ()
    assert faults(function(mode="NoContainer", memory=None, AccessSysfs=False)) == ()


@pytest.mark.spec("X01")
def test_memory_without_a_container() -> None:
    text = (
        f"MemorySize configuration for function with arn {PRESS} is not allowed in "
        "IsolationMode=NoContainer."
    )
    assert faults(function(mode="NoContainer")) == (text,)
    assert faults(function(), default="NoContainer") == (text,)


@pytest.mark.spec("X02")
def test_sysfs_without_a_container() -> None:
    text = (
        f"Access Sysfs configuration for function with arn {PRESS} is not allowed in "
        "IsolationMode=NoContainer."
    )
    assert faults(function(mode="NoContainer", memory=None, AccessSysfs=True)) == (text,)


@pytest.mark.spec("X03")
def test_a_container_without_memory() -> None:
    text = (
        f"MemorySize configuration for function with arn {PRESS} is required in "
        "IsolationMode=GreengrassContainer."
    )
    assert faults(function(memory=None)) == (text,)
    assert faults(function(memory=None, mode="GreengrassContainer"), default="NoContainer") == (
        text,
    )
    assert faults({"Id": "f", "FunctionArn": PRESS}) == (text,)


def test_modes_that_do_not_exist() -> None:
    assert faults(function(mode="Jail")) == (
        f"Your 'IsolationMode' configuration for function with arn {PRESS} is invalid.",
    )
    assert faults(function(), default="Jail") == (
        "Your 'IsolationMode' configuration for the group is invalid.",
    )


def test_system_functions_need_no_memory_and_take_no_execution() -> None:
    assert faults(function(arn=DETECTOR, memory=None)) == ()
    assert faults(function(arn=DETECTOR, mode="NoContainer")) == (
        f"Execution configuration for function with arn {DETECTOR} is not allowed.",
    )


def test_every_fault_is_told_at_once() -> None:
    assert len(faults(function(mode="NoContainer", AccessSysfs=True))) == 2


def resource(identifier: str, member: str, **data: Any) -> dict[str, Any]:
    """Return a resource of one kind."""
    return {"Id": identifier, "Name": identifier, "ResourceDataContainer": {member: data}}


@pytest.mark.spec("X04")
@pytest.mark.parametrize(
    ("member", "kind"),
    [("LocalDeviceResourceData", "Local.Device"), ("LocalVolumeResourceData", "Local.Volume")],
)
def test_a_function_without_container_gets_no_local_resource(member: str, kind: str) -> None:
    resources = {"Resources": [resource("r", member, SourcePath="/dev/x")]}
    wanted = [{"ResourceId": "r", "Permission": "rw"}]
    functions = {
        "Functions": [function(mode="NoContainer", memory=None, ResourceAccessPolicies=wanted)]
    }
    text = (
        f"Function {PRESS} refers to resource of type {kind} that is not allowed in "
        "IsolationMode=NoContainer."
    )
    assert access_faults(functions, resources) == (text,)
    contained = {"Functions": [function(ResourceAccessPolicies=wanted)]}
    assert access_faults(contained, resources) == ()


def test_models_and_secrets_need_no_container() -> None:
    resources = {
        "Resources": [
            resource(
                "m",
                "S3MachineLearningModelResourceData",
                S3Uri="s3://b/k",
                OwnerSetting={"GroupOwner": "ml", "GroupPermission": "ro"},
            ),
            resource("s", "SecretsManagerSecretResourceData", ARN="arn"),
        ]
    }
    wanted = [{"ResourceId": "m"}, {"ResourceId": "s"}]
    functions = {
        "Functions": [function(mode="NoContainer", memory=None, ResourceAccessPolicies=wanted)]
    }
    assert access_faults(functions, resources) == ()


def test_a_resource_that_is_not_there() -> None:
    functions = {"Functions": [function(ResourceAccessPolicies=[{"ResourceId": "gone"}])]}
    (fault,) = access_faults(functions, {})
    assert "'gone', which is not in the resource definition" in fault


@pytest.mark.spec("G04")
def test_a_function_has_access_to_20_resources() -> None:
    policies = [{"ResourceId": f"r{n}"} for n in range(21)]
    assert faults(function(ResourceAccessPolicies=policies[:20])) == ()
    (fault,) = faults(function(ResourceAccessPolicies=policies))
    assert "at most 20 resources" in fault


@pytest.mark.spec("X10")
@pytest.mark.parametrize(
    "setting", [{"GroupOwner": "1000"}, {"GroupPermission": "ro"}, {}], ids=["owner", "right", ""]
)
def test_a_model_with_half_an_owner(setting: dict[str, str]) -> None:
    half = resource("m", "S3MachineLearningModelResourceData", OwnerSetting=setting)
    (fault,) = resource_faults({"Resources": [half]}, HOME)
    assert fault.endswith(
        "InvalidMLModelOwner - GroupOwnerSetting is provided in ML model resource, but "
        "GroupOwner or GroupPermission is not present"
    )


def test_a_resource_is_exactly_one_thing() -> None:
    both = {
        "Id": "r",
        "Name": "r",
        "ResourceDataContainer": {
            "LocalDeviceResourceData": {"SourcePath": "/dev/x"},
            "LocalVolumeResourceData": {"SourcePath": "/x"},
        },
    }
    for wrong in (both, {"Id": "r", "Name": "r", "ResourceDataContainer": {}}):
        (fault,) = resource_faults({"Resources": [wrong]}, HOME)
        assert "exactly one of" in fault
