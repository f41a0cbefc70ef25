"""The system's clock and the tests' clock keep one contract."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from tests.support.clock import ManualClock

from hedgerow.kernel import Clock, SystemClock, iso_milliseconds


@pytest.mark.parametrize("clock", [SystemClock(), ManualClock()])
def test_a_clock_is_aware_in_utc_and_its_seconds_never_fall(clock: Clock) -> None:
    assert clock.now().utcoffset() == timedelta(0)
    first = clock.monotonic()
    assert clock.monotonic() >= first


def test_the_clock_of_tests_moves_only_when_told() -> None:
    clock = ManualClock()
    before, ticks = clock.now(), clock.monotonic()
    assert clock.now() == before
    clock.advance(timedelta(days=7))
    assert clock.now() - before == timedelta(days=7)
    assert clock.monotonic() - ticks == timedelta(days=7).total_seconds()


def test_greengrass_timestamps_have_milliseconds_and_z() -> None:
    moment = datetime(2026, 10, 7, 1, 2, 3, 4567, tzinfo=UTC)
    assert iso_milliseconds(moment) == "2026-10-07T01:02:03.004Z"
    elsewhere = moment.astimezone(timezone(timedelta(hours=9)))
    assert iso_milliseconds(elsewhere) == "2026-10-07T01:02:03.004Z"
