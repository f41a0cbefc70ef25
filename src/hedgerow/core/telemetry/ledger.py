"""What the core keeps of telemetry, and what becomes of it with every hour and every day. Pure.

Source: guide page telemetry. Both intervals are fixed. New values are added to the total before,
so a total only grows, and the difference of two is what was measured between them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Final

import msgspec

from hedgerow.contract import (
    DEFAULT_TELEMETRY,
    DataPoint,
    Metric,
    TelemetryMessage,
    TelemetrySetting,
)

AGGREGATION_INTERVAL: Final = timedelta(hours=1)
PUBLICATION_INTERVAL: Final = timedelta(hours=24)
MAX_POINTS: Final = 336
"""Points that wait for a connection: a week of two namespaces; then the oldest are let go."""
_PLACES: Final = 2


@dataclass(frozen=True, slots=True)
class Measurement:
    """What has to be added to a metric's total. `value` is not negative."""

    namespace: str
    name: str
    unit: str
    value: float


class TelemetryRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept from one run to the next. `totals` is by `<namespace>/<metric>`."""

    setting: TelemetrySetting = DEFAULT_TELEMETRY
    totals: dict[str, float] = {}
    points: tuple[DataPoint, ...] = ()
    aggregated_at: datetime
    published_at: datetime


def begun(now: datetime, setting: TelemetrySetting = DEFAULT_TELEMETRY) -> TelemetryRecord:
    """Return the record of a core that has measured nothing yet: both intervals begin now."""
    return TelemetryRecord(setting=setting, aggregated_at=now, published_at=now)


def aggregation_due(record: TelemetryRecord, now: datetime) -> bool:
    """Tell whether an hour is over."""
    return record.setting == "On" and _is_over(record.aggregated_at, AGGREGATION_INTERVAL, now)


def publication_due(record: TelemetryRecord, now: datetime) -> bool:
    """Tell whether a day is over and there is something to tell."""
    if record.setting == "Off" or not record.points:
        return False
    return _is_over(record.published_at, PUBLICATION_INTERVAL, now)


def aggregated(
    record: TelemetryRecord, measured: Sequence[Measurement], now: datetime
) -> TelemetryRecord:
    """Return the record with what was measured added, and one more point of each namespace."""
    totals = dict(record.totals)
    for one in measured:
        key = f"{one.namespace}/{one.name}"
        totals[key] = round(totals.get(key, 0.0) + max(one.value, 0.0), _PLACES)
    points = (*record.points, *_points(measured, totals, now))
    return msgspec.structs.replace(
        record, totals=totals, points=points[-MAX_POINTS:], aggregated_at=now
    )


def published(record: TelemetryRecord, now: datetime) -> TelemetryRecord:
    """Return the record after its points were told."""
    return msgspec.structs.replace(record, points=(), published_at=now)


def switched(record: TelemetryRecord, setting: TelemetrySetting, now: datetime) -> TelemetryRecord:
    """Return the record under another setting: what was not told yet is not told any more."""
    if setting == record.setting:
        return record
    return msgspec.structs.replace(
        record, setting=setting, points=(), aggregated_at=now, published_at=now
    )


def message_of(record: TelemetryRecord, core_thing_name: str) -> TelemetryMessage:
    """Return what is to be told now."""
    return TelemetryMessage(thing_name=core_thing_name, points=record.points)


def _is_over(begin: datetime, interval: timedelta, now: datetime) -> bool:
    """Tell whether an interval is over; one that begins in the future was a wrong clock's."""
    return now >= begin + interval or begin > now + interval


def _points(
    measured: Iterable[Measurement], totals: dict[str, float], now: datetime
) -> Iterable[DataPoint]:
    at = int(now.astimezone(UTC).timestamp())
    for namespace, ones in groupby(measured, key=lambda one: one.namespace):
        yield DataPoint(
            at=at,
            namespace=namespace,
            metrics=tuple(
                Metric(name=one.name, total=totals[f"{namespace}/{one.name}"], unit=one.unit)
                for one in ones
            ),
        )
