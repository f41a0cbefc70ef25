"""What cloud and core agree on about telemetry: the setting, its shadow, the topic, the message.

Source: guide page telemetry. The setting travels in the shadow of `<core>-gcm`, so that it is in
force at once and without a deployment; the message's members are the event's own.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from hedgerow.contract.topics import configuration_thing

TelemetrySetting = Literal["On", "Off"]
DEFAULT_TELEMETRY: Final[TelemetrySetting] = "On"
TELEMETRY_SCHEMA: Final = "2020-06-30"
"""The form of the message, by the day it is of."""

_SECTION: Final = "TelemetryConfiguration"
_MEMBER: Final = "Telemetry"
_PREFIX: Final = "$aws/things/"
_SUFFIX: Final = "/telemetry"


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """A metric's total since the core was set up: it only grows."""

    name: str = msgspec.field(name="N")
    total: float = msgspec.field(name="Sum")
    unit: str = msgspec.field(name="U")


class DataPoint(msgspec.Struct, frozen=True, kw_only=True):
    """The metrics of one namespace as they stood at a time, in seconds since 1970."""

    at: int = msgspec.field(name="TS")
    namespace: str = msgspec.field(name="NS")
    metrics: tuple[Metric, ...] = msgspec.field(name="M")


class TelemetryMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What a core publishes once a day: the aggregated data points since the last time."""

    thing_name: str = msgspec.field(name="ThingName")
    schema: str = msgspec.field(name="Schema", default=TELEMETRY_SCHEMA)
    points: tuple[DataPoint, ...] = msgspec.field(name="ADP", default=())


def telemetry_topic(core_thing_name: str) -> str:
    """Return the topic that a core publishes its telemetry on.

    The documented minimal policy of a core allows it (`topic/$aws/things/<core>-*`).
    """
    return f"{_PREFIX}{configuration_thing(core_thing_name)}{_SUFFIX}"


def telemetry_core(topic: str) -> str | None:
    """Return the name of the core whose telemetry a topic carries, or None for any other topic."""
    end = len(configuration_thing("")) + len(_SUFFIX)
    if not topic.endswith(_SUFFIX) or not topic.startswith(_PREFIX):
        return None
    name = topic[len(_PREFIX) : -end]
    return name if name and "/" not in name and topic == telemetry_topic(name) else None


def telemetry_state(setting: TelemetrySetting) -> Mapping[str, Any]:
    """Return a setting as it stands in the `desired` or `reported` section of the shadow."""
    return {_SECTION: {_MEMBER: setting}}


def telemetry_setting(section: object) -> TelemetrySetting | None:
    """Return the setting in such a section; None if there is none that can be read."""
    value = _member(_member(section, _SECTION), _MEMBER)
    return value if value in ("On", "Off") else None


def _member(document: object, name: str) -> Any:
    return document.get(name) if isinstance(document, dict) else None
