"""The setting, the topic and the message of telemetry, as cloud and core agree on them."""

import msgspec
import pytest

from hedgerow.contract import (
    DataPoint,
    Metric,
    TelemetryMessage,
    configuration_thing,
    telemetry_core,
    telemetry_setting,
    telemetry_state,
    telemetry_topic,
)
from hedgerow.policy import minimal_core_policy


def test_a_topic_names_its_core_and_is_one_that_the_minimal_policy_allows() -> None:
    topic = telemetry_topic("press")
    assert topic == "$aws/things/press-gcm/telemetry"
    assert telemetry_core(topic) == "press"
    policy = minimal_core_policy(
        region="eu-west-1", account="123456789012", core_thing_name="press", group_id="g"
    )
    assert "topic/$aws/things/press-*" in policy


@pytest.mark.parametrize(
    "topic",
    [
        "$aws/things/press/telemetry",
        "$aws/things/-gcm/telemetry",
        "$aws/things/a/b-gcm/telemetry",
        "$aws/things/press-gcm/telemetry/more",
        "$aws/things/press-gcm/shadow/update",
        "things/press-gcm/telemetry",
    ],
)
def test_other_topics_carry_no_telemetry(topic: str) -> None:
    assert telemetry_core(topic) is None


@pytest.mark.parametrize("setting", ["On", "Off"])
def test_a_setting_is_read_as_it_was_written(setting: str) -> None:
    assert telemetry_setting(telemetry_state(setting)) == setting  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "section",
    [None, {}, [], "On", {"TelemetryConfiguration": "On"}, {"TelemetryConfiguration": {}}],
)
def test_what_is_no_setting_is_none(section: object) -> None:
    assert telemetry_setting(section) is None
    wrong = {"TelemetryConfiguration": {"Telemetry": "on"}}
    assert telemetry_setting(wrong) is None


def test_the_message_has_the_documented_members() -> None:
    metric = Metric(name="CpuUsage", total=35.63, unit="Percent")
    point = DataPoint(at=1593727692, namespace="SystemMetrics", metrics=(metric,))
    message = TelemetryMessage(thing_name="press", points=(point,))
    assert msgspec.json.decode(msgspec.json.encode(message)) == {
        "ThingName": "press",
        "Schema": "2020-06-30",
        "ADP": [
            {
                "TS": 1593727692,
                "NS": "SystemMetrics",
                "M": [{"N": "CpuUsage", "Sum": 35.63, "U": "Percent"}],
            }
        ],
    }
    assert configuration_thing("press") == "press-gcm"
