"""A core that floods the cloud with telemetry fills neither its log nor its file."""

from pathlib import Path

import pytest
import structlog
from tests.support.clock import ManualClock

from hedgerow.cloud.greengrass import TelemetryDesk, TelemetryLog
from hedgerow.cloud.greengrass.telemetry import SHORTEST_INTERVAL
from hedgerow.cloud.home import Home

GOOD = b'{"ThingName": "press", "Schema": "2020-06-30", "ADP": []}'


class Silent:
    """A broker on which nobody listens."""

    async def publish(self, topic: str, payload: bytes, *, qos: int) -> None:
        """Publish."""


@pytest.mark.promise(8)
@pytest.mark.parametrize("payload", [b"x" * 100_000, GOOD, GOOD.replace(b"press", b"mill")])
def test_a_flood_of_telemetry_leaves_a_line_at_most(tmp_path: Path, payload: bytes) -> None:
    home = Home(account="123456789012", region="eu-west-1")
    clock = ManualClock()
    desk = TelemetryDesk(home, Silent(), TelemetryLog(tmp_path), clock)
    with structlog.testing.capture_logs() as lines:
        for _ in range(1_000):
            desk.hear("press", payload)
        assert len(lines) <= 1
        clock.advance(SHORTEST_INTERVAL)
        desk.hear("press", payload)
    assert len(lines) <= 2
