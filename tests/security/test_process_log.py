"""What the cloud's process logs holds no secret, not even when something breaks."""

import io
import json
from collections.abc import Iterator

import pytest
import structlog
from tests.support.clock import ManualClock

from hedgerow.cli.log import configure_log
from hedgerow.kernel import Secret

VALUE = "correct horse battery staple"

pytestmark = pytest.mark.promise(9)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    configure_log(stream, ManualClock())
    yield stream
    structlog.reset_defaults()


def fail_with(key: str) -> None:
    payload = key.encode()
    raise RuntimeError(f"broke after {len(payload)} bytes")


def test_a_traceback_shows_no_local_variables(log: io.StringIO) -> None:
    try:
        fail_with(VALUE)
    except RuntimeError:
        structlog.get_logger("hedgerow.test").exception("it failed")
    assert "broke after 28 bytes" in log.getvalue()
    assert "fail_with" in log.getvalue()
    assert "horse" not in log.getvalue()


def test_secrets_and_payloads_in_an_event_are_hidden(log: io.StringIO) -> None:
    structlog.get_logger("hedgerow.test").warning(
        "refused", token=Secret(VALUE), payload=VALUE.encode(), inner={"key": [Secret(VALUE)]}
    )
    assert "horse" not in log.getvalue()
    assert json.loads(log.getvalue())["token"] == "***"


def test_a_line_is_one_json_object_with_the_time(log: io.StringIO) -> None:
    structlog.get_logger("hedgerow.test").info("a\nb", address="127.0.0.1")
    assert log.getvalue().count("\n") == 1
    assert json.loads(log.getvalue()) == {
        "event": "a\nb",
        "address": "127.0.0.1",
        "level": "info",
        "time": "2026-10-07T12:00:00.000Z",
    }
