"""boto3, unchanged: the runtime configuration of a core is wished for and shown."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.cloud import RunningCloud, running_cloud

OF_THE_CORE = {"ThingName": "press"}


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path, combined=False) as running:
        await running.iot("create_thing", thingName="press")
        yield running


async def shown(cloud: RunningCloud) -> dict[str, str]:
    """Return the telemetry setting of the core."""
    answer = await cloud.greengrass("get_thing_runtime_configuration", **OF_THE_CORE)
    telemetry: dict[str, str] = answer["RuntimeConfiguration"]["TelemetryConfiguration"]
    return telemetry


async def wish(cloud: RunningCloud, telemetry: str) -> None:
    """Turn the core's telemetry on or off."""
    await cloud.greengrass(
        "update_thing_runtime_configuration",
        **OF_THE_CORE,
        TelemetryConfiguration={"Telemetry": telemetry},
    )


async def reports(cloud: RunningCloud, section: Any) -> None:
    """Report as the core does, by its shadow."""
    await cloud.call(
        "iot-data",
        "update_thing_shadow",
        thingName="press-gcm",
        payload=json.dumps({"state": {"reported": section}}).encode(),
    )


@pytest.mark.operation("GetThingRuntimeConfiguration", "UpdateThingRuntimeConfiguration")
async def test_telemetry_is_on_and_in_sync_once_the_core_says_so(cloud: RunningCloud) -> None:
    assert await shown(cloud) == {"ConfigurationSyncStatus": "OutOfSync", "Telemetry": "On"}
    await reports(cloud, {"TelemetryConfiguration": {"Telemetry": "On"}})
    assert await shown(cloud) == {"ConfigurationSyncStatus": "InSync", "Telemetry": "On"}
    await wish(cloud, "Off")
    assert await shown(cloud) == {"ConfigurationSyncStatus": "OutOfSync", "Telemetry": "Off"}
    await reports(cloud, {"TelemetryConfiguration": {"Telemetry": "Off"}})
    assert await shown(cloud) == {"ConfigurationSyncStatus": "InSync", "Telemetry": "Off"}
    await reports(cloud, {"TelemetryConfiguration": None})
    assert (await shown(cloud))["ConfigurationSyncStatus"] == "OutOfSync"


async def test_an_update_without_a_setting_changes_nothing(cloud: RunningCloud) -> None:
    await wish(cloud, "Off")
    await cloud.greengrass("update_thing_runtime_configuration", **OF_THE_CORE)
    assert (await shown(cloud))["Telemetry"] == "Off"


@pytest.mark.refusal("GetThingRuntimeConfiguration", "UpdateThingRuntimeConfiguration")
@pytest.mark.parametrize(
    ("thing", "code"), [("nobody", "IdNotFoundException"), ("a b", "BadRequestException")]
)
async def test_a_thing_that_is_none_has_no_configuration(
    cloud: RunningCloud, thing: str, code: str
) -> None:
    for operation in ("get_thing_runtime_configuration", "update_thing_runtime_configuration"):
        with pytest.raises(ClientError) as caught:
            await cloud.greengrass(operation, ThingName=thing)
        assert caught.value.response["Error"]["Code"] == code


async def test_telemetry_is_on_or_off(cloud: RunningCloud) -> None:
    with pytest.raises(ClientError, match="BadRequestException"):
        await wish(cloud, "Maybe")
