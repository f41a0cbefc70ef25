"""What is measured by the hour is added up, told by the day, and let go when telemetry goes off."""

from datetime import timedelta

from tests.support.clock import ManualClock

from hedgerow.core.telemetry import (
    AGGREGATION_INTERVAL,
    PUBLICATION_INTERVAL,
    Measurement,
    TelemetryRecord,
)
from hedgerow.core.telemetry.ledger import (
    MAX_POINTS,
    aggregated,
    aggregation_due,
    begun,
    message_of,
    publication_due,
    published,
    switched,
)

NOW = ManualClock().now()
HOUR = timedelta(hours=1)
MEMORY = Measurement("SystemMetrics", "SystemMemUsage", "Megabytes", 11.25)
DROPPED = Measurement("CloudSpooler", "DroppedMessageCount", "Count", 3)


def after_hours(number: int, record: TelemetryRecord | None = None) -> TelemetryRecord:
    """Return a record after so many hours with the same measurements."""
    record = record or begun(NOW)
    for hour in range(1, number + 1):
        record = aggregated(record, (MEMORY, DROPPED), NOW + hour * HOUR)
    return record


def test_the_intervals_are_an_hour_and_a_day() -> None:
    assert (HOUR, timedelta(hours=24)) == (AGGREGATION_INTERVAL, PUBLICATION_INTERVAL)
    record = begun(NOW)
    assert not aggregation_due(record, NOW + HOUR - timedelta(seconds=1))
    assert aggregation_due(record, NOW + HOUR)
    record = after_hours(23)
    assert not publication_due(record, NOW + 23 * HOUR)
    assert publication_due(record, NOW + 24 * HOUR)
    assert not publication_due(begun(NOW), NOW + 48 * HOUR)  # there is nothing to tell


def test_totals_only_grow_and_their_difference_is_what_was_measured() -> None:
    points = message_of(after_hours(3), "press").points
    totals = [
        {metric.name: metric.total for metric in point.metrics}
        for point in points
        if point.namespace == "SystemMetrics"
    ]
    assert totals == [
        {"SystemMemUsage": 11.25},
        {"SystemMemUsage": 22.5},
        {"SystemMemUsage": 33.75},
    ]
    backwards = Measurement("CloudSpooler", "DroppedMessageCount", "Count", -5)
    (point,) = aggregated(begun(NOW), (backwards,), NOW).points
    assert point.metrics[0].total == 0


def test_totals_go_on_after_a_publication_and_points_are_told_once() -> None:
    record = published(after_hours(24), NOW + 24 * HOUR)
    assert record.points == ()
    assert not publication_due(record, NOW + 25 * HOUR)
    (memory, _) = after_hours(1, record).points
    assert memory.metrics[0].total == 25 * 11.25


def test_what_waits_for_a_connection_is_bounded_and_the_oldest_goes() -> None:
    points = after_hours(MAX_POINTS).points
    assert len(points) == MAX_POINTS
    assert points[-1].at == int((NOW + MAX_POINTS * HOUR).timestamp())


def test_off_measures_nothing_and_lets_go_of_what_was_not_told() -> None:
    off = switched(after_hours(5), "Off", NOW + 5 * HOUR)
    assert off.points == ()
    assert not aggregation_due(off, NOW + 50 * HOUR)
    assert not publication_due(off, NOW + 50 * HOUR)
    on = switched(off, "On", NOW + 50 * HOUR)
    assert not aggregation_due(on, NOW + 50 * HOUR)
    assert aggregation_due(on, NOW + 51 * HOUR)
    assert switched(on, "On", NOW + 60 * HOUR) is on


def test_a_clock_that_was_wrong_holds_nothing_up() -> None:
    ahead = begun(NOW + timedelta(days=400))
    assert aggregation_due(ahead, NOW)
