"""Attacks on jobs: those of other things, what only the cloud says, and broken requests."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.cloud import ACCOUNT, REGION, EnrolledThing, RunningCloud, running_cloud
from tests.support.cloud_edge import MqttDevice
from tests.support.registry import allow, deny, policy

from hedgerow.cloud.broker import thing_requests
from hedgerow.cloud.broker.conflicts import Conflicts
from hedgerow.cloud.jobs import (
    AskDescribe,
    AskPending,
    AskStart,
    AskUpdate,
    JobError,
    read_json,
    token_in,
)
from hedgerow.cloud.jobs.requests import Asking
from hedgerow.contract.job_topics import parse_job_topic

NOT_AUTHORIZED = 0x87
LAMP, FAN = "$aws/things/lamp/jobs", "$aws/things/fan/jobs"
ARN = f"arn:aws:iot:{REGION}:{ACCOUNT}:"
OWN = (
    allow("iot:Connect", "client/lamp"),
    allow(["iot:Publish", "iot:Receive"], f"topic/{LAMP}/*"),
    allow("iot:Subscribe", f"topicfilter/{LAMP}/*"),
    allow("iotjobsdata:*", "thing/lamp"),
)


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path, combined=False) as running:
        await running.iot("create_thing", thingName="fan")
        yield running


async def lamp(cloud: RunningCloud) -> EnrolledThing:
    """Make a thing that may work on its own jobs, a job for it, and one for another thing."""
    thing = await cloud.enrol("lamp", policy(*OWN))
    for job_id, target in (("of-lamp", "lamp"), ("of-fan", "fan")):
        await cloud.iot("create_job", jobId=job_id, targets=[f"{ARN}thing/{target}"], document="{}")
    return thing


@asynccontextmanager
async def connected(cloud: RunningCloud, thing: EnrolledThing) -> AsyncIterator[MqttDevice]:
    port, roots = cloud.endpoints.device_mqtt_port, cloud.roots_pem
    device = MqttDevice(port, thing.identity, thing.name, roots=roots)
    assert (await device.connect())[0] == 0
    try:
        yield device
    finally:
        await device.close()


async def statuses(cloud: RunningCloud) -> list[str]:
    found = []
    for job_id, thing in (("of-lamp", "lamp"), ("of-fan", "fan")):
        shown = await cloud.iot("describe_job_execution", jobId=job_id, thingName=thing)
        found.append(shown["execution"]["status"])
    return found


@pytest.mark.promise(1)
async def test_a_device_says_nothing_for_others_nor_for_the_cloud(
    cloud: RunningCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of these ends its connection; it may come back as often as the test needs."""
    monkeypatch.setattr(Conflicts, "may_connect", lambda *_: True)
    thing = await lamp(cloud)
    for topic in (
        f"{FAN}/of-fan/update",
        f"{FAN}/start-next",
        f"{FAN}/get",
        f"{LAMP}/notify",
        f"{LAMP}/notify-next",
        f"{LAMP}/of-lamp/update/accepted",
        f"{LAMP}/get/rejected",
        f"{LAMP}/of-lamp/cancel",
        f"{LAMP}/of-lamp",
        "$aws/events/job/of-lamp/completed",
    ):
        async with connected(cloud, thing) as device:
            await device.publish(topic, b'{"status":"SUCCEEDED"}', 0)
            assert (await device.ended()).code == NOT_AUTHORIZED, topic
    assert await statuses(cloud) == ["QUEUED", "QUEUED"]


@pytest.mark.promise(1)
async def test_a_device_hears_of_and_changes_its_own_jobs_only(
    cloud: RunningCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(cloud, await lamp(cloud)) as device:
        for topic_filter in (f"{FAN}/#", "$aws/things/+/jobs/notify", "$aws/events/job/#"):
            assert (await device.subscribe(topic_filter))[0] >= 0x80
        for topic_filter in (f"{LAMP}/+/+/rejected", f"{LAMP}/get/+"):
            assert (await device.subscribe(topic_filter))[0] == 0
        for verb, payload in (("update", b'{"status":"FAILED"}'), ("get", b"")):
            await device.publish(f"{LAMP}/of-fan/{verb}", payload)
            message = await device.received()
            assert message.topic == f"{LAMP}/of-fan/{verb}/rejected"
            assert json.loads(message.payload)["code"] == "ResourceNotFound"
        monkeypatch.setattr(thing_requests, "MAX_WAITING_PER_THING", 0)
        await device.publish(f"{LAMP}/get", b'{"clientToken":"t"}')
        content = json.loads((await device.received()).payload)
        assert (content["code"], content["clientToken"]) == ("RequestThrottled", "t")
    assert await statuses(cloud) == ["QUEUED", "QUEUED"]


@pytest.mark.promise(1)
async def test_an_answer_is_for_the_client_that_asked(cloud: RunningCloud) -> None:
    """Another one with every permission, subscribed to everything, hears notices alone."""
    everything = allow(["iot:Connect", "iot:Subscribe", "iot:Receive"], "*")
    spy = await cloud.enrol("spy", policy(everything))
    thing = await lamp(cloud)
    async with connected(cloud, spy) as listener, connected(cloud, thing) as device:
        for topic_filter in ("$aws/things/#", "$share/g/$aws/things/#"):
            assert (await listener.subscribe(topic_filter))[0] == 0
        assert (await device.subscribe(f"{LAMP}/+/+/accepted"))[0] == 0
        assert (await device.subscribe(f"{LAMP}/+/accepted"))[0] == 0
        for verb in ("get", "of-lamp/get", "start-next"):
            await device.publish(f"{LAMP}/{verb}", b"{}", 1)
            assert (await device.received()).topic == f"{LAMP}/{verb}/accepted"
        await cloud.iot("cancel_job", jobId="of-fan")
        heard: set[str] = set()
        while f"{FAN}/notify-next" not in heard:
            heard.add((await listener.received()).topic)
    asked = {f"{LAMP}/{verb}" for verb in ("get", "of-lamp/get", "start-next")}
    assert heard - asked == {f"{FAN}/notify", f"{FAN}/notify-next"}


@pytest.mark.promise(1)
async def test_over_https_the_path_names_the_thing_that_is_judged(cloud: RunningCloud) -> None:
    thing = await lamp(cloud)
    async with cloud.https(thing.identity) as device:
        for method, path in (
            ("GET", "/things/fan/jobs"),
            ("PUT", "/things/fan/jobs/$next"),
            ("GET", "/things/fan/jobs/of-fan"),
            ("POST", "/things/fan/jobs/of-fan"),
            ("GET", "/things/lamp%2F..%2Ffan/jobs"),
        ):
            refused = await device.request(method, path, b'{"status":"FAILED"}')
            assert refused.status == 403, path
        assert (await device.request("GET", "/things/lamp/jobs")).status == 200
    assert await statuses(cloud) == ["QUEUED", "QUEUED"]


@pytest.mark.promise(1)
async def test_every_call_over_https_needs_its_own_permission(cloud: RunningCloud) -> None:
    thing = await lamp(cloud)
    calls = {
        "GetPendingJobExecutions": ("GET", ""),
        "DescribeJobExecution": ("GET", "/of-lamp"),
        "StartNextPendingJobExecution": ("PUT", "/$next"),
        "UpdateJobExecution": ("POST", "/of-lamp"),
    }
    for missing in calls:
        others = [f"iotjobsdata:{name}" for name in calls if name != missing]
        await cloud.edit_policy("lamp", policy(allow(others, "*")))
        async with cloud.https(thing.identity) as device:
            for name, (method, path) in calls.items():
                answer = await device.request(
                    method, f"/things/lamp/jobs{path}", b'{"status":"IN_PROGRESS"}'
                )
                assert answer.status == (403 if name == missing else 200), (missing, name)
                assert name != missing or name in answer.message


@pytest.mark.promise(1)
async def test_a_deny_by_either_name_of_a_permission_denies(cloud: RunningCloud) -> None:
    thing = await lamp(cloud)
    everything = allow(["iot:*", "iotjobsdata:*"], "*")
    for name in ("iot:UpdateJobExecution", "iotjobsdata:UpdateJobExecution"):
        await cloud.edit_policy("lamp", policy(everything, deny(name, "thing/lamp")))
        async with cloud.https(thing.identity) as device:
            path = "/things/lamp/jobs/of-lamp"
            assert (await device.request("GET", path)).status == 200
            refused = await device.request("POST", path, b'{"status":"SUCCEEDED"}')
        assert refused.status == 403
        assert "UpdateJobExecution" in refused.message
    assert await statuses(cloud) == ["QUEUED", "QUEUED"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=9,
)
MEMBERS = st.dictionaries(
    st.sampled_from(
        [
            "clientToken",
            "executionNumber",
            "expectedVersion",
            "includeJobDocument",
            "includeJobExecutionState",
            "status",
            "statusDetails",
            "stepTimeoutInMinutes",
        ]
    ),
    JSON,
)


@given(st.binary(max_size=60) | MEMBERS.map(lambda members: json.dumps(members).encode()))
def test_every_payload_is_read_or_refused(payload: bytes) -> None:
    """No payload does anything else than become a request, or a fault with a code."""
    assert len(token_in(payload)) <= 64
    for kind in (AskPending, AskStart, AskDescribe, AskUpdate):
        assert fault_of(payload, kind) in {None, "InvalidJson", "InvalidRequest"}


def fault_of(payload: bytes, kind: type[Asking]) -> str | None:
    try:
        read_json(payload, kind)
    except JobError as error:
        return error.fault
    return None


@pytest.mark.parametrize("payload", [b"[" * 100_000, b'{"a":' * 100_000, b"\xff", b"null", b"[]"])
def test_deep_and_foreign_payloads_are_refused(payload: bytes) -> None:
    with pytest.raises(JobError):
        read_json(payload, AskPending)


@given(st.text(max_size=40))
def test_a_topic_that_is_parsed_prints_as_it_was(text: str) -> None:
    for topic in (text, f"$aws/things/{text}", f"$aws/things/t/jobs/{text}"):
        parsed = parse_job_topic(topic)
        assert parsed is None or str(parsed) == topic
