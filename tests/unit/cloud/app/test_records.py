"""What records of refusals say, in the trail and in the log."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.support.trail import ROOT, call, caller, events, running_trail

from hedgerow.cloud.app.records import DeviceRefusals, record_call, record_refused_handshake
from hedgerow.cloud.cloudtrail.meter import SOURCE_BURST
from hedgerow.cloud.dataplane import RefusedRequest
from hedgerow.mqtt import RefusalEvent

pytestmark = pytest.mark.promise(8)
CERTIFICATE = "ab" * 32


@pytest.mark.parametrize(
    ("action", "name"),
    [
        ("connect", "MqttConnectRefused"),
        ("publish", "MqttPublishRefused"),
        ("subscribe", "MqttSubscribeRefused"),
        ("receive", "MqttReceiveRefused"),
        ("packet", "MqttRefused"),
        ("limit", "MqttRefused"),
        ("session", "MqttRefused"),
    ],
)
async def test_each_refusal_of_the_broker_has_its_name(
    tmp_path: Path, action: str, name: str
) -> None:
    async with running_trail(tmp_path) as trail:
        DeviceRefusals(trail).message(
            RefusalEvent(
                action=action,  # type: ignore[arg-type]  # every one of them, from the table above
                code="not-allowed",
                reason="no policy allows it",
                address="192.0.2.1",
                client_id="lamp",
                topic="a/b",
                identity=CERTIFICATE,
            )
        )
        (event,) = events(trail)
    assert event["eventName"] == name
    assert (event["errorCode"], event["errorMessage"]) == ("not-allowed", "no policy allows it")
    assert event["userIdentity"] == {"type": "Certificate", "principalId": CERTIFICATE}
    assert event["serviceEventDetails"] == {"clientId": "lamp", "topic": "a/b"}


async def test_a_refused_request_has_method_and_path(tmp_path: Path) -> None:
    async with running_trail(tmp_path) as trail:
        refused = RefusedRequest(403, CERTIFICATE, "192.0.2.1", "GET", "/things/x/shadow", "no")
        DeviceRefusals(trail).request(refused)
        (event,) = events(trail)
    assert (event["eventName"], event["errorCode"]) == ("DeviceRequestRefused", "403")
    assert event["serviceEventDetails"] == {"method": "GET", "path": "/things/x/shadow"}


async def test_a_flood_has_as_many_lines_in_the_log_as_records(tmp_path: Path) -> None:
    async with running_trail(tmp_path) as trail:
        with capture_logs() as lines:
            for _ in range(500):
                record_refused_handshake(trail, "TLSV1_ALERT_UNKNOWN_CA", "192.0.2.1")
        assert len(lines) == SOURCE_BURST
        with capture_logs() as lines:
            trail.settle_counts()
        (line,) = lines
        assert (line["event"], line["count"]) == ("refusals counted", 500 - SOURCE_BURST)


@pytest.mark.spec("R10")
async def test_a_call_by_root_stands_out_in_the_log(tmp_path: Path) -> None:
    async with running_trail(tmp_path) as trail:
        with capture_logs() as lines:
            record_call(trail, call(caller=caller(ROOT)))
            record_call(trail, call())
    assert [(line["log_level"], line["event"]) for line in lines] == [
        ("warning", "call by root"),
        ("info", "call"),
    ]
