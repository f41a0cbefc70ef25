"""The agent: what is due is done, kept over a stop, and told when there is a connection."""

import asyncio
import json
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog
from tests.support.clock import ManualClock
from tests.support.core import until

from hedgerow.contract import ShadowId, TelemetrySetting
from hedgerow.core.link.https import HttpAnswer
from hedgerow.core.telemetry import Measurement, RuntimeConfiguration, TelemetryAgent
from hedgerow.kernel import DeniedError, UnavailableError
from hedgerow.pki import TwinFile

HOUR = timedelta(hours=1)
TOPIC = "$aws/things/press-gcm/telemetry"


class Outlet:
    """A connection that keeps what is published, or is none."""

    def __init__(self) -> None:
        self.connected = True
        self.published: list[tuple[str, Any]] = []

    def publish_unanswered(self, topic: str, payload: bytes) -> None:
        """Publish at QoS 0."""
        if not self.connected:
            raise UnavailableError("there is no connection")
        self.published.append((topic, json.loads(payload)))


class Scene:
    """An agent on a clock that is moved by hand."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.file = TwinFile(folder / "telemetry")
        self.measured = 0
        self.outlet = Outlet()
        self.agent = self.restarted()

    def restarted(self) -> TelemetryAgent:
        """Return an agent of a core that has just started."""
        log = structlog.get_logger("test")
        self.agent = TelemetryAgent("press", self.file, self._measure, clock=self.clock, log=log)
        return self.agent

    async def hours(self, number: int) -> None:
        """Let hours pass."""
        for _ in range(number):
            self.clock.advance(HOUR)
            await self.agent.check(self.outlet)

    def _measure(self) -> tuple[Measurement, ...]:
        self.measured += 1
        return (Measurement("SystemMetrics", "CpuUsage", "Percent", 10.0),)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


@pytest.mark.spec("S03")
async def test_it_measures_by_the_hour_and_tells_by_the_day(scene: Scene) -> None:
    await scene.hours(23)
    assert scene.measured == 23
    assert scene.outlet.published == []
    await scene.hours(1)
    ((topic, message),) = scene.outlet.published
    assert topic == TOPIC
    assert (message["ThingName"], message["Schema"]) == ("press", "2020-06-30")
    assert [point["M"][0]["Sum"] for point in message["ADP"]] == [10.0 * n for n in range(1, 25)]
    await scene.hours(24)
    assert len(scene.outlet.published) == 2
    assert scene.outlet.published[1][1]["ADP"][0]["M"][0]["Sum"] == 250.0


async def test_a_stop_of_the_core_loses_nothing(scene: Scene) -> None:
    await scene.hours(20)
    scene.restarted()
    assert scene.agent.record.points[-1].metrics[0].total == 200.0
    await scene.hours(4)
    assert len(scene.outlet.published[0][1]["ADP"]) == 24


async def test_what_could_not_be_told_is_told_on_the_next_connection(scene: Scene) -> None:
    scene.outlet.connected = False
    await scene.hours(30)
    scene.outlet.connected = True
    await scene.agent.check(scene.outlet)
    ((_, message),) = scene.outlet.published
    assert len(message["ADP"]) == 30


async def test_off_holds_also_after_a_start_without_a_cloud(scene: Scene) -> None:
    await scene.hours(5)
    await scene.agent.switch("Off")
    scene.restarted()
    assert scene.agent.setting == "Off"
    await scene.hours(48)
    assert scene.measured == 5
    assert scene.outlet.published == []


async def test_a_damaged_file_begins_anew(scene: Scene) -> None:
    await scene.hours(2)
    scene.file.write(b"not json")
    assert scene.restarted().record.points == ()


async def test_a_host_that_shows_nothing_stops_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def blind() -> tuple[Measurement, ...]:
        raise OSError("no /proc here")

    monkeypatch.setattr(scene.agent, "_measure", blind)
    await scene.hours(2)
    assert scene.agent.record.points == ()


class Shadows:
    """The cloud's copy of the core's shadow."""

    def __init__(self) -> None:
        self.state: dict[str, Any] | None = None
        self.refuses = False

    async def shadow(self, method: str, shadow: ShadowId, body: bytes | None = None) -> HttpAnswer:
        """Read it."""
        assert (method, str(shadow), body) == ("GET", "press-gcm", None)
        if self.refuses:
            raise DeniedError("iot:GetThingShadow is not allowed")
        if self.state is None:
            return HttpAnswer(404, b"{}")
        return HttpAnswer(200, msgspec.json.encode({"state": self.state}))

    async def report_shadow(self, thing_name: str, reported: object) -> None:
        """Set what is reported."""
        assert thing_name == "press-gcm"
        self.state = {**(self.state or {}), "reported": reported}


class NoRetry:
    """No pauses."""

    def next_delay(self) -> float:
        """Return none."""
        return 0.0

    def reset(self) -> None:
        """Do nothing."""


def configuration(cloud: Shadows, heard: list[TelemetrySetting]) -> RuntimeConfiguration:
    """Return the configuration of a core that keeps what it was switched to."""

    async def switch(setting: TelemetrySetting) -> None:
        heard.append(setting)

    log = structlog.get_logger("test")
    return RuntimeConfiguration("press", cloud, switch, retry=NoRetry(), log=log)


async def test_what_is_wished_for_is_put_in_force_and_reported() -> None:
    cloud, heard = Shadows(), list[TelemetrySetting]()
    core = configuration(cloud, heard)
    assert core.topic == "$aws/things/press-gcm/shadow/update/delta"
    await core.check()
    assert cloud.state == {"reported": {"TelemetryConfiguration": {"Telemetry": "On"}}}
    cloud.state["desired"] = {"TelemetryConfiguration": {"Telemetry": "Off"}}
    await core.check()
    assert heard == ["On", "Off"]
    assert cloud.state["reported"] == {"TelemetryConfiguration": {"Telemetry": "Off"}}


async def test_a_policy_that_hides_the_shadow_is_among_the_problems() -> None:
    cloud = Shadows()
    cloud.refuses = True
    core = configuration(cloud, [])
    task = asyncio.get_running_loop().create_task(core.run(), name="configuration")
    core.look_again()
    await until(lambda: core.problem is not None)
    assert "iot:GetThingShadow" in str(core.problem)
    cloud.refuses = False
    core.look_again()
    await until(lambda: core.problem is None)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


class SlowFile(TwinFile):
    """Two slots whose first write takes until it is let go."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.entered, self.let_go = threading.Event(), threading.Event()
        self.writing = 0
        self.most_at_once = 0

    def write(self, payload: bytes) -> None:
        self.writing += 1
        self.most_at_once = max(self.most_at_once, self.writing)
        self.entered.set()
        assert self.let_go.wait(20)
        super().write(payload)
        self.writing -= 1


async def test_what_is_kept_is_written_by_one_at_a_time_and_the_newest_stays(
    tmp_path: Path,
) -> None:
    scene = Scene(tmp_path)
    scene.file = slow = SlowFile(tmp_path / "slow")
    agent = scene.restarted()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(agent.switch("Off"))
        await asyncio.to_thread(slow.entered.wait)
        tasks.create_task(agent.switch("On"))
        await asyncio.to_thread(lambda: None)  # whoever does not wait for the first has begun
        slow.let_go.set()
    assert slow.most_at_once == 1
    assert scene.restarted().setting == "On"
