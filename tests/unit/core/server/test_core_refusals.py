from datetime import timedelta

import pytest
import structlog
from structlog.testing import capture_logs
from tests.support.clock import ManualClock

from hedgerow.core.server.refusals import (
    DEVICES_LIMIT,
    LINES_LIMIT,
    QUIET_SECONDS,
    RefusalLog,
)
from hedgerow.mqtt import RefusalEvent


def event(topic: str = "t", client_id: str = "A") -> RefusalEvent:
    return RefusalEvent(
        action="publish",
        code="publish-denied",
        reason="no row",
        address="127.0.0.1",
        client_id=client_id,
        topic=topic,
    )


def test_every_refusal_is_counted_and_a_flood_is_logged_once_a_minute() -> None:
    clock = ManualClock()
    with capture_logs() as lines:
        refusals = RefusalLog(clock, structlog.get_logger())
        for _ in range(1000):
            refusals.refused(event())
        refusals.refused(event(client_id="B"))
        clock.advance(timedelta(seconds=QUIET_SECONDS))
        refusals.refused(event())
    assert refusals.counters["publish: publish-denied"] == 1002
    assert [(line["client_id"], line["repeats"]) for line in lines] == [
        ("A", 0),
        ("B", 0),
        ("A", 999),
    ]


@pytest.mark.spec("F08")
def test_a_message_without_a_row_has_the_line_of_v1_and_is_counted_by_device() -> None:
    with capture_logs() as lines:
        refusals = RefusalLog(ManualClock(), structlog.get_logger())
        refusals.refused(event())
        refusals.refused(event(client_id="B"))
        refusals.refused(event(client_id="B"))
        for number in range(DEVICES_LIMIT + 10):
            refusals.refused(event(client_id=f"D{number}"))
    assert lines[0]["event"] == "Failed to get routes. Discarding message."
    assert lines[0]["reason"] == "no row"
    assert refusals.without_row["A"] == 1
    assert refusals.without_row["B"] == 2
    assert len(refusals.without_row) == DEVICES_LIMIT


def test_handshakes_are_counted_by_reason_and_logged_by_address() -> None:
    with capture_logs() as lines:
        refusals = RefusalLog(ManualClock(), structlog.get_logger())
        for address in ("10.0.0.1", "10.0.0.1", "10.0.0.2"):
            refusals.handshake_refused("CERTIFICATE_VERIFY_FAILED", address)
    assert refusals.counters["tls: CERTIFICATE_VERIFY_FAILED"] == 3
    assert [line["address"] for line in lines] == ["10.0.0.1", "10.0.0.2"]


def test_what_is_remembered_is_bounded() -> None:
    clock = ManualClock()
    with capture_logs():
        refusals = RefusalLog(clock, structlog.get_logger())
        for number in range(3000):
            clock.advance(timedelta(seconds=1))
            refusals.refused(event(topic=f"t/{number}"))
    assert len(refusals._seen) == 1000


def test_a_flood_of_different_refusals_is_counted_and_does_not_fill_the_log() -> None:
    clock = ManualClock()
    with capture_logs() as lines:
        refusals = RefusalLog(clock, structlog.get_logger())
        for number in range(3000):
            refusals.refused(event(topic=f"t/{number}"))
        assert len(lines) == LINES_LIMIT
        assert "more is refused than is logged" in lines[-1]["event"]
        clock.advance(timedelta(seconds=QUIET_SECONDS))
        refusals.refused(event(topic="the next minute"))
    assert len(lines) == LINES_LIMIT + 1
    assert lines[-1]["topic"] == "the next minute"
    assert refusals.counters["publish: publish-denied"] == 3001
