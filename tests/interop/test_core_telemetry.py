"""Telemetry from a real core to a real cloud, and the setting that turns it off, end to end."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiomqtt
import msgspec
import pytest
from tests.support.cloud import ACCOUNT, REGION
from tests.support.core import running_core, until
from tests.support.core_estate import (
    CORE,
    Estate,
    core_estate,
    message,
    restarted,
    watcher,
    watching,
)

from hedgerow.contract import TelemetryMessage, telemetry_topic
from hedgerow.core.telemetry import TelemetryRecord
from hedgerow.kernel import SystemClock
from hedgerow.pki import TwinFile
from hedgerow.policy import minimal_core_policy

EVENTS = "$aws/events/greengrass/telemetry/#"


@pytest.fixture
async def estate(tmp_path: Path) -> AsyncIterator[Estate]:
    async with core_estate(tmp_path) as made:
        yield made


async def shown(estate: Estate) -> dict[str, str]:
    """Return the telemetry setting as the API shows it."""
    answer = await estate.cloud.greengrass("get_thing_runtime_configuration", ThingName=CORE)
    telemetry: dict[str, str] = answer["RuntimeConfiguration"]["TelemetryConfiguration"]
    return telemetry


async def switch(estate: Estate, telemetry: str) -> None:
    """Turn the core's telemetry on or off, and wait until the core has said so."""
    await estate.cloud.greengrass(
        "update_thing_runtime_configuration",
        ThingName=CORE,
        TelemetryConfiguration={"Telemetry": telemetry},
    )
    await in_sync(estate, telemetry)


async def in_sync(estate: Estate, telemetry: str) -> None:
    """Return once the core has reported this setting."""
    async with asyncio.timeout(10):
        while True:
            if await shown(estate) == {"ConfigurationSyncStatus": "InSync", "Telemetry": telemetry}:
                return


def a_day_is_over(estate: Estate) -> None:
    """Leave a core that stands still a record from a day ago."""
    now = SystemClock().now()
    record = TelemetryRecord(
        aggregated_at=now - timedelta(hours=1), published_at=now - timedelta(hours=24)
    )
    TwinFile(estate.root / "ggc/var/state/telemetry").write(msgspec.json.encode(record))


def written(estate: Estate) -> list[dict[str, Any]]:
    """Return the events in the cloud's log of telemetry."""
    folder = estate.cloud.data_dir / "events" / estate.cloud.account / "telemetry"
    lines = [line for path in folder.glob("*.log") for line in path.read_text().splitlines()]
    return [json.loads(line) for line in lines]


@pytest.mark.spec("S03")
async def test_a_core_tells_once_a_day_and_the_cloud_passes_it_on(estate: Estate) -> None:
    a_day_is_over(estate)
    minimal = minimal_core_policy(
        region=REGION, account=ACCOUNT, core_thing_name=CORE, group_id=estate.group.group_id
    )
    await estate.cloud.edit_policy(CORE, minimal)
    async with watching(estate.cloud, await watcher(estate), EVENTS) as watched:
        async with running_core(estate.root) as core:
            topic, payload = await message(watched)
            await until(lambda: core.telemetry.record.points == ())
            assert core.problems == ()
        event = json.loads(payload)
        assert topic == f"$aws/events/greengrass/telemetry/{CORE}"
        assert (event["source"], event["detail-type"]) == (
            "aws.greengrass",
            "Greengrass Telemetry Data",
        )
        assert event["detail"]["ThingName"] == CORE
        metrics = {
            (point["NS"], metric["N"]): metric
            for point in event["detail"]["ADP"]
            for metric in point["M"]
        }
        assert set(metrics) == {
            ("SystemMetrics", "SystemMemUsage"),
            ("SystemMetrics", "CpuUsage"),
            ("SystemMetrics", "TotalNumberOfFDs"),
            ("CloudSpooler", "DroppedMessageCount"),
        }
        assert metrics["SystemMetrics", "SystemMemUsage"]["Sum"] > 1
        await until(lambda: written(estate) == [event])


@pytest.mark.spec("S05")
async def test_telemetry_goes_off_at_once_without_a_deployment(estate: Estate) -> None:
    async with running_core(estate.root) as core:
        await in_sync(estate, "On")
        await switch(estate, "Off")
        assert core.board.status()["telemetry"] == {"setting": "Off", "waiting": 0}
        await switch(estate, "On")
        assert core.board.status()["telemetry"] == {"setting": "On", "waiting": 0}
    listed = await estate.cloud.greengrass("list_deployments", GroupId=estate.group.group_id)
    assert listed["Deployments"] == []


@pytest.mark.spec("S05")
async def test_a_core_that_was_off_hears_of_it_when_it_comes(estate: Estate) -> None:
    await estate.cloud.greengrass(
        "update_thing_runtime_configuration",
        ThingName=CORE,
        TelemetryConfiguration={"Telemetry": "Off"},
    )
    assert (await shown(estate))["ConfigurationSyncStatus"] == "OutOfSync"
    async with running_core(estate.root):
        await in_sync(estate, "Off")
    await estate.cloud.app.stop()
    async with running_core(estate.root) as core:  # there is no cloud to ask
        assert core.telemetry.setting == "Off"
    await restarted(estate)


@pytest.mark.promise(1, 8)
async def test_nobody_tells_the_telemetry_of_a_core_that_it_is_not(estate: Estate) -> None:
    """Who may do everything may still speak of itself only, and the attempt is recorded."""
    stranger = await watcher(estate)

    def said(core: str) -> bytes:
        return msgspec.json.encode(TelemetryMessage(thing_name=core))

    async with watching(estate.cloud, stranger, EVENTS) as watched:
        await watched.publish(telemetry_topic("watcher"), said("watcher"), qos=1)
        topic, _ = await message(watched)
        assert topic == "$aws/events/greengrass/telemetry/watcher"

    async def forge() -> None:
        async with watching(estate.cloud, stranger, EVENTS) as watched:
            await watched.publish(telemetry_topic(CORE), said(CORE), qos=1)
            await message(watched)

    with pytest.raises(aiomqtt.MqttError):
        await forge()
    assert [event["detail"]["ThingName"] for event in written(estate)] == ["watcher"]
    recorded = json.dumps(await estate.cloud.call("cloudtrail", "lookup_events"), default=str)
    assert f"telemetry of '{CORE}' comes from a certificate of that thing" in recorded
