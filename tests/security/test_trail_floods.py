"""Floods of refusals do not fill the disk, and nothing of them goes unsaid."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.clock import ManualClock
from tests.support.trail import ACCOUNT, call, events, running_trail

from hedgerow.cloud.cloudtrail import Refusal, ServiceCall, Trail
from hedgerow.cloud.cloudtrail.meter import (
    ACCOUNT_BURST,
    MAX_GROUPS,
    MAX_SOURCES,
    SOURCE_BURST,
    Meter,
)

pytestmark = pytest.mark.promise(8)
FLOOD = 20_000


def handshake(address: str, reason: str = "TLSV1_ALERT_UNKNOWN_CA") -> Refusal:
    return Refusal("Handshake", "HandshakeRefused", reason, address)


def told(trail: Trail) -> int:
    """Return how many refusals the record accounts for, one by one or in counts."""
    recorded = events(trail)
    own = sum(str(event["eventName"]).endswith("Refused") for event in recorded)
    return own + sum(int(event["serviceEventDetails"]["count"]) for event in counts(recorded))


def counts(recorded: Any) -> list[Any]:
    return [event for event in recorded if event["eventName"] == "RefusalsCounted"]


async def test_a_flood_from_one_address_is_counted_to_the_last(tmp_path: Path) -> None:
    async with running_trail(tmp_path) as trail:
        for _ in range(FLOOD):
            trail.record_refusal(handshake("203.0.113.66"))
        trail.settle_counts()
        assert told(trail) == FLOOD
        (count,) = counts(events(trail))
        assert count["serviceEventDetails"]["refusals"] == [
            {
                "eventName": "TlsHandshakeRefused",
                "errorCode": "HandshakeRefused",
                "sourceIPAddress": "203.0.113.66",
                "count": FLOOD - SOURCE_BURST,
            }
        ]
        size = sum(file.stat().st_size for file in (tmp_path / ACCOUNT).glob("*.journal"))
        assert size < 40_000


async def test_a_flood_from_everywhere_is_bounded_and_counted(tmp_path: Path) -> None:
    async with running_trail(tmp_path) as trail:
        for number in range(FLOOD):
            trail.record_refusal(handshake(f"10.0.{number // 256}.{number % 256}"))
        trail.settle_counts()
        assert told(trail) == FLOOD
        recorded = events(trail)
        assert len(recorded) <= ACCOUNT_BURST + 2
        assert len(counts(recorded)[0]["serviceEventDetails"]["refusals"]) == MAX_GROUPS + 1


async def test_the_first_refusal_only_counted_is_said_at_once(tmp_path: Path) -> None:
    """A process killed before the minute is over leaves a trace of what it counted."""
    async with running_trail(tmp_path) as trail:
        for _ in range(SOURCE_BURST + 1):
            trail.record_refusal(handshake("203.0.113.66"))
        last = events(trail)[-1]
        assert last["eventName"] == "RefusalsCounting"
        assert last["serviceEventDetails"]["sourceIPAddress"] == "203.0.113.66"


async def test_a_flood_does_not_hide_the_refusal_of_another(tmp_path: Path) -> None:
    async with running_trail(tmp_path) as trail:
        for _ in range(FLOOD):
            trail.record_refusal(handshake("203.0.113.66"))
        trail.record_refusal(handshake("198.51.100.7"))
        assert events(trail)[-1]["sourceIPAddress"] == "198.51.100.7"


async def test_a_flood_of_calls_without_a_good_signature_is_bounded_too(tmp_path: Path) -> None:
    async with running_trail(tmp_path) as trail:
        unproven = call(caller=None, error_code="UnrecognizedClientException", operation="")
        for _ in range(1000):
            trail.record_call(unproven)
        trail.record_call(call("AfterTheFlood"))
        names = [event["eventName"] for event in events(trail)]
        assert names.count("UnidentifiedCall") == SOURCE_BURST
        assert names[-1] == "AfterTheFlood"


async def test_what_a_service_is_refused_on_behalf_of_a_device_is_bounded_too(
    tmp_path: Path,
) -> None:
    async with running_trail(tmp_path) as trail:
        refused = ServiceCall(
            service="greengrass.amazonaws.com",
            event_source="sts.amazonaws.com",
            operation="AssumeRole",
            input={"RoleArn": "arn"},
            error_code="AccessDenied",
            on_behalf_of="arn:of:a:group",
        )
        for _ in range(1000):
            trail.record_service_call(refused)
        trail.settle_counts()
        recorded = events(trail)
        assert len(recorded) == SOURCE_BURST + 2
        assert counts(recorded)[0]["serviceEventDetails"]["count"] == 1000 - SOURCE_BURST


async def test_calls_of_proven_callers_are_never_only_counted(tmp_path: Path) -> None:
    async with running_trail(tmp_path) as trail:
        denied = call(error_code="AccessDeniedException", error_message="no")
        for _ in range(1000):
            trail.record_call(denied)
        assert len(events(trail)) == 1000


async def test_a_minute_of_counting_ends_with_the_count(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_trail(tmp_path, clock) as trail:
        for _ in range(SOURCE_BURST + 5):
            trail.record_refusal(handshake("203.0.113.66"))
        assert counts(events(trail)) == []
        clock.advance(timedelta(seconds=61))
        trail.record_refusal(handshake("203.0.113.66"))
        (count,) = counts(events(trail))
        assert count["serviceEventDetails"]["count"] == 5
        assert count["serviceEventDetails"]["seconds"] == 61.0
        assert events(trail)[-1]["eventName"] == "TlsHandshakeRefused", "it has a new allowance"


async def test_stopping_records_what_was_counted(tmp_path: Path) -> None:
    async with running_trail(tmp_path) as trail:
        for _ in range(SOURCE_BURST + 5):
            trail.record_refusal(handshake("203.0.113.66"))
    async with running_trail(tmp_path) as trail:
        assert told(trail) == SOURCE_BURST + 5


def test_the_meter_remembers_a_bounded_number_of_addresses() -> None:
    meter = Meter()
    for number in range(MAX_SOURCES * 3):
        group = ("e", "c", str(number))
        if not meter.admits(group, 0.0):
            meter.count(group, 0.0)
    assert len(meter._sources) == MAX_SOURCES
    count = meter.current()
    assert count is not None
    assert len(count.groups) == MAX_GROUPS + 1
