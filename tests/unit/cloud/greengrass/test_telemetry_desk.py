"""Telemetry of cores: told as the documented event, kept for a week, bounded."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.clock import ManualClock

from hedgerow.cloud.greengrass import TelemetryDesk, TelemetryLog
from hedgerow.cloud.greengrass.telemetry import MAX_POINTS, MAX_WAITING, SHORTEST_INTERVAL
from hedgerow.cloud.home import Home
from hedgerow.contract import DataPoint, Metric, TelemetryMessage
from hedgerow.kernel import UnavailableError

HOME = Home(account="123456789012", region="eu-west-1")
POINT = DataPoint(
    at=1593727692,
    namespace="SystemMetrics",
    metrics=(Metric(name="CpuUsage", total=35.63, unit="Percent"),),
)


class Publisher:
    """A broker that keeps what is published, or is full."""

    def __init__(self) -> None:
        self.full = False
        self.published: list[tuple[str, Any, int]] = []

    async def publish(self, topic: str, payload: bytes, *, qos: int) -> None:
        """Publish."""
        if self.full:
            raise UnavailableError("the broker is full")
        self.published.append((topic, json.loads(payload), qos))


class Scene:
    """A desk that nobody runs: what it does is called for."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.folder = folder / "telemetry"
        self.publisher = Publisher()
        self.log = TelemetryLog(self.folder)
        self.desk = TelemetryDesk(HOME, self.publisher, self.log, self.clock)

    @property
    def waiting(self) -> int:
        """How much waits to be told."""
        return self.desk._waiting.qsize()


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def said(core: str = "press", *points: DataPoint) -> bytes:
    """Return what a core publishes."""
    return msgspec.json.encode(TelemetryMessage(thing_name=core, points=points or (POINT,)))


async def test_it_is_told_in_the_documented_form_and_written_down(scene: Scene) -> None:
    scene.desk.hear("press", said())
    await scene.desk.tell()
    ((topic, event, qos),) = scene.publisher.published
    assert (topic, qos) == ("$aws/events/greengrass/telemetry/press", 0)
    assert event.pop("id")
    assert event == {
        "version": "0",
        "detail-type": "Greengrass Telemetry Data",
        "source": "aws.greengrass",
        "account": "123456789012",
        "time": "2026-10-07T12:00:00Z",
        "region": "eu-west-1",
        "resources": [],
        "detail": {
            "ThingName": "press",
            "Schema": "2020-06-30",
            "ADP": [
                {
                    "TS": 1593727692,
                    "NS": "SystemMetrics",
                    "M": [{"N": "CpuUsage", "Sum": 35.63, "U": "Percent"}],
                }
            ],
        },
    }
    (line,) = (scene.folder / "2026-10-07.log").read_text().splitlines()
    assert json.loads(line)["detail"] == event["detail"]


async def test_a_broker_that_takes_nothing_keeps_nothing_from_the_log(scene: Scene) -> None:
    scene.publisher.full = True
    scene.desk.hear("press", said())
    await scene.desk.tell()
    assert (scene.folder / "2026-10-07.log").read_text().count("\n") == 1


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff",
        b"[]",
        b'{"ThingName": 7}',
        b'{"ThingName": "press", "ADP": [{"TS": "now"}]}',
        said("another"),
        said("press", *[POINT] * (MAX_POINTS + 1)),
    ],
)
def test_what_is_no_telemetry_of_this_core_is_let_go(scene: Scene, payload: bytes) -> None:
    scene.desk.hear("press", payload)
    assert scene.waiting == 0


def test_a_core_that_says_too_much_is_not_heard_again_so_soon(scene: Scene) -> None:
    for _ in range(5):
        scene.desk.hear("press", said())
    scene.desk.hear("mill", said("mill"))
    assert scene.waiting == 2
    scene.clock.advance(SHORTEST_INTERVAL)
    scene.desk.hear("press", said())
    assert scene.waiting == 3


def test_what_waits_is_bounded(scene: Scene) -> None:
    for number in range(MAX_WAITING + 5):
        scene.desk.hear(f"c{number}", said(f"c{number}"))
    assert scene.waiting == MAX_WAITING


@pytest.mark.spec("S03")
def test_nothing_is_kept_for_more_than_seven_days(scene: Scene) -> None:
    start = datetime(2026, 10, 1, tzinfo=UTC)
    for day in range(10):
        scene.log.write(b"{}", start + timedelta(days=day))
    now = start + timedelta(days=9, hours=23)
    scene.log.tidy(now)
    kept = sorted(path.stem for path in scene.folder.iterdir())
    assert kept[0] == "2026-10-04"
    assert now - datetime.fromisoformat(f"{kept[0]}T00:00:00+00:00") < timedelta(days=7)
    assert kept[-1] == "2026-10-10"
