"""How much the agent writes."""

import io
import logging
from pathlib import Path

import pytest
from tests.support.clock import ManualClock

from hedgerow.contract.updates import AgentLogLevel
from hedgerow.core.app.log import RotatingFile, system_log
from hedgerow.core.updates import AgentLevel


@pytest.mark.spec("T04")
@pytest.mark.parametrize(
    ("asked", "written"),
    [
        ("NONE", ""),
        ("FATAL", "critical"),
        ("ERROR", "error critical"),
        ("WARN", "warning error critical"),
        ("INFO", "info warning error critical"),
        ("DEBUG", "debug info warning error critical"),
        ("VERBOSE", "debug info warning error critical"),
        ("TRACE", "debug info warning error critical"),
    ],
)
def test_the_job_says_how_much_is_written_while_it_is_under_way(
    tmp_path: Path, asked: AgentLogLevel, written: str
) -> None:
    level, echo = AgentLevel(), io.StringIO()
    file = RotatingFile(tmp_path / "log")
    log = system_log(file, ManualClock(), echo, admits=level.admits, lowest=logging.DEBUG)
    with level.of(asked):
        for name in ("debug", "info", "warning", "error", "critical"):
            getattr(log, name)(name)
    assert [line.split('"')[3] for line in echo.getvalue().splitlines()] == written.split()
    echo.truncate(0)
    log.info("afterwards")
    log.debug("not this")
    file.close()
    assert "afterwards" in echo.getvalue()
    assert "not this" not in echo.getvalue()
