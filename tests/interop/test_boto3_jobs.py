"""boto3, unchanged, against a whole cloud: jobs made, followed and ended, from every door."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.cloud import (
    ACCOUNT,
    REGION,
    DeviceHttps,
    EnrolledThing,
    RunningCloud,
    running_cloud,
)
from tests.support.cloud_edge import MqttDevice

PREFIX = f"arn:aws:iot:{REGION}:{ACCOUNT}:"
DOCUMENT = json.dumps({"operation": "test", "version": 2})

NEEDED = {"targets": [f"{PREFIX}thing/gate"], "document": DOCUMENT}


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path, combined=False) as running:
        yield running


def policy(*statements: tuple[str, str]) -> str:
    """Return a policy that allows actions on resources of this account."""
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Action": action, "Resource": PREFIX + resource}
                for action, resource in statements
            ],
        }
    )


JOBS_OF_GATE = policy(
    ("iot:Connect", "client/gate"),
    ("iot:Publish", "topic/$aws/things/gate/jobs/*"),
    ("iot:Subscribe", "topicfilter/$aws/things/gate/jobs/*"),
    ("iot:Receive", "topic/$aws/things/gate/jobs/*"),
    ("iotjobsdata:*", "thing/gate"),
)


async def gate(cloud: RunningCloud, text: str = JOBS_OF_GATE) -> EnrolledThing:
    return await cloud.enrol("gate", text)


async def job(cloud: RunningCloud, job_id: str, *things: str, **more: Any) -> dict[str, Any]:
    targets = [f"{PREFIX}thing/{name}" for name in things]
    return await cloud.iot("create_job", jobId=job_id, targets=targets, document=DOCUMENT, **more)


async def error_of(cloud: RunningCloud, service: str, name: str, **more: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as refused:
        await cloud.call(service, name, **more)
    response = refused.value.response
    assert response["Error"]["Message"]
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


async def test_the_life_of_a_job(cloud: RunningCloud) -> None:
    await cloud.iot("create_thing", thingName="gate")
    made = await job(cloud, "j1", "gate", description="first")
    assert made == {"jobArn": f"{PREFIX}job/j1", "jobId": "j1", "description": "first"}
    described = (await cloud.iot("describe_job", jobId="j1"))["job"]
    assert described["status"] == "IN_PROGRESS"
    assert described["targetSelection"] == "SNAPSHOT"
    assert described["targets"] == [f"{PREFIX}thing/gate"]
    assert described["jobProcessDetails"]["numberOfQueuedThings"] == 1
    assert (await cloud.iot("get_job_document", jobId="j1"))["document"] == DOCUMENT
    await cloud.iot("update_job", jobId="j1", description="second")
    data = "iot-jobs-data"
    pending = await cloud.call(data, "get_pending_job_executions", thingName="gate")
    assert [row["jobId"] for row in pending["queuedJobs"]] == ["j1"]
    started = await cloud.call(data, "start_next_pending_job_execution", thingName="gate")
    assert started["execution"]["jobDocument"] == DOCUMENT
    updated = await cloud.call(
        data,
        "update_job_execution",
        thingName="gate",
        jobId="j1",
        status="IN_PROGRESS",
        statusDetails={"percent": "50"},
        includeJobExecutionState=True,
    )
    assert updated["executionState"]["versionNumber"] == 3
    shown = await cloud.iot("describe_job_execution", jobId="j1", thingName="gate")
    assert shown["execution"]["statusDetails"] == {"detailsMap": {"percent": "50"}}
    await cloud.call(data, "update_job_execution", thingName="gate", jobId="j1", status="SUCCEEDED")
    described = (await cloud.iot("describe_job", jobId="j1"))["job"]
    assert (described["status"], described["description"]) == ("COMPLETED", "second")
    assert "completedAt" in described
    assert await error_of(cloud, data, "describe_job_execution", thingName="gate", jobId="j1") == (
        "TerminalStateException",
        410,
    )
    listed = await cloud.iot("list_jobs", status="COMPLETED")
    assert [row["jobId"] for row in listed["jobs"]] == ["j1"]
    await cloud.iot("delete_job", jobId="j1")
    assert (await cloud.iot("list_jobs"))["jobs"] == []


async def test_jobs_of_a_group_page_by_page(cloud: RunningCloud) -> None:
    await cloud.iot("create_thing_group", thingGroupName="fleet")
    for number in range(5):
        await cloud.iot("create_thing", thingName=f"t{number}")
        await cloud.iot("add_thing_to_thing_group", thingGroupName="fleet", thingName=f"t{number}")
    for job_id in ("a", "b", "c"):
        await cloud.iot(
            "create_job", jobId=job_id, targets=[f"{PREFIX}thinggroup/fleet"], document=DOCUMENT
        )
    page = await cloud.iot("list_job_executions_for_job", jobId="a", maxResults=3)
    rest = await cloud.iot("list_job_executions_for_job", jobId="a", nextToken=page["nextToken"])
    arns = [row["thingArn"] for row in (*page["executionSummaries"], *rest["executionSummaries"])]
    assert arns == [f"{PREFIX}thing/t{number}" for number in range(5)]
    of_thing = await cloud.iot("list_job_executions_for_thing", thingName="t3", maxResults=2)
    assert [row["jobId"] for row in of_thing["executionSummaries"]] == ["a", "b"]
    only = await cloud.iot("list_job_executions_for_thing", thingName="t3", jobId="c")
    assert [row["jobId"] for row in only["executionSummaries"]] == ["c"]
    await cloud.iot("create_thing_group", thingGroupName="empty")
    await cloud.iot(
        "create_job",
        jobId="going-on",
        targets=[f"{PREFIX}thinggroup/empty"],
        document=DOCUMENT,
        targetSelection="CONTINUOUS",
    )
    associated = await cloud.iot(
        "associate_targets_with_job", jobId="going-on", targets=[f"{PREFIX}thinggroup/fleet"]
    )
    assert associated["jobArn"] == f"{PREFIX}job/going-on"
    going_on = (await cloud.iot("describe_job", jobId="going-on"))["job"]
    assert going_on["jobProcessDetails"]["numberOfQueuedThings"] == 5
    await cloud.iot("delete_job", jobId="going-on", force=True)
    by_group = await cloud.iot("list_jobs", thingGroupName="fleet")
    assert len(by_group["jobs"]) == 3
    assert (await cloud.iot("list_jobs", thingGroupName="other"))["jobs"] == []
    await cloud.iot("cancel_job", jobId="b", reasonCode="NO_MORE", comment="enough")
    canceled = (await cloud.iot("describe_job", jobId="b"))["job"]
    assert (canceled["status"], canceled["reasonCode"]) == ("CANCELED", "NO_MORE")
    assert canceled["jobProcessDetails"]["numberOfCanceledThings"] == 5
    await cloud.iot("cancel_job_execution", jobId="c", thingName="t0")
    await cloud.iot("delete_job_execution", jobId="c", thingName="t0", executionNumber=1)
    assert await error_of(cloud, "iot", "describe_job_execution", jobId="c", thingName="t0") == (
        "ResourceNotFoundException",
        404,
    )


async def test_the_documented_errors(cloud: RunningCloud) -> None:
    await cloud.iot("create_thing", thingName="gate")
    await job(cloud, "j1", "gate")
    for operation, members, expected in (
        ("create_job", {"jobId": "j1"}, ("ResourceAlreadyExistsException", 409)),
        ("create_job", {"jobId": "j2", "document": "{"}, ("InvalidRequestException", 400)),
        ("describe_job", {"jobId": "j9"}, ("ResourceNotFoundException", 404)),
        ("get_job_document", {"jobId": "j9"}, ("ResourceNotFoundException", 404)),
        ("cancel_job", {"jobId": "j9"}, ("ResourceNotFoundException", 404)),
        ("update_job", {"jobId": "j9"}, ("ResourceNotFoundException", 404)),
        ("delete_job", {"jobId": "j1"}, ("InvalidStateTransitionException", 409)),
        ("list_jobs", {"nextToken": "x"}, ("InvalidRequestException", 400)),
        ("list_job_executions_for_job", {"jobId": "j9"}, ("ResourceNotFoundException", 404)),
        (
            "list_job_executions_for_thing",
            {"thingName": "nobody"},
            ("ResourceNotFoundException", 404),
        ),
        (
            "cancel_job_execution",
            {"jobId": "j1", "thingName": "gate", "expectedVersion": 7},
            ("VersionConflictException", 409),
        ),
        (
            "delete_job_execution",
            {"jobId": "j1", "thingName": "gate", "executionNumber": 7},
            ("ResourceNotFoundException", 404),
        ),
    ):
        needed = NEEDED if operation == "create_job" else {}
        refused = await error_of(cloud, "iot", operation, **{**needed, **members})
        assert refused == expected, operation


async def test_a_role_to_sign_with_has_to_trust_aws_iot(cloud: RunningCloud) -> None:
    await cloud.iot("create_thing", thingName="gate")
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "iot.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {"ArnLike": {"aws:SourceArn": f"{PREFIX}job/signed-*"}},
    }
    good = await cloud.role("signer", {"Version": "2012-10-17", "Statement": [statement]})
    other = {**statement, "Principal": {"Service": "greengrass.amazonaws.com"}}
    bad = await cloud.role("other", {"Version": "2012-10-17", "Statement": [other]})
    made = await job(cloud, "signed-1", "gate", presignedUrlConfig={"roleArn": good})
    shown = (await cloud.iot("describe_job", jobId=made["jobId"]))["job"]
    assert shown["presignedUrlConfig"] == {"roleArn": good, "expiresInSec": 3600}
    for job_id, role in (
        ("unsigned", good),
        ("signed-2", bad),
        ("signed-3", f"arn:aws:iam::{ACCOUNT}:role/nobody"),
    ):
        refused = await error_of(
            cloud,
            "iot",
            "create_job",
            jobId=job_id,
            targets=[f"{PREFIX}thing/gate"],
            document=DOCUMENT,
            presignedUrlConfig={"roleArn": role},
        )
        assert refused == ("InvalidRequestException", 400)


async def test_a_device_works_on_its_jobs_over_mqtt(cloud: RunningCloud) -> None:
    thing = await gate(cloud)
    port, roots = cloud.endpoints.device_mqtt_port, cloud.roots_pem
    device = MqttDevice(port, thing.identity, "gate", roots=roots)
    await device.connect()
    try:
        base = "$aws/things/gate/jobs"
        for topic in ("notify-next", "start-next/+", "+/update/+", "+/get/+", "get/+"):
            assert (await device.subscribe(f"{base}/{topic}"))[0] == 0
        await job(cloud, "j1", "gate")
        topic, told = await heard(device)
        assert (topic, told["execution"]["jobId"]) == (f"{base}/notify-next", "j1")
        assert told["execution"]["jobDocument"] == {"operation": "test", "version": 2}
        await device.publish(f"{base}/get", b'{"clientToken":"t1"}')
        topic, told = await heard(device)
        assert topic == f"{base}/get/accepted"
        assert (told["clientToken"], len(told["queuedJobs"])) == ("t1", 1)
        await device.publish(f"{base}/$next/get", b'{"includeJobDocument":false}')
        topic, told = await heard(device)
        assert topic == f"{base}/$next/get/accepted"
        assert "jobDocument" not in told["execution"]
        await device.publish(f"{base}/start-next", b'{"statusDetails":{"a":"b"}}')
        topic, told = await heard(device)
        assert topic == f"{base}/start-next/accepted"
        assert told["execution"]["status"] == "IN_PROGRESS"
        await device.publish(f"{base}/j1/update", b'{"status":"SUCCEEDED","expectedVersion":9}')
        topic, told = await heard(device)
        assert topic == f"{base}/j1/update/rejected"
        assert (told["code"], told["executionState"]["versionNumber"]) == ("VersionMismatch", 2)
        for payload, code in ((b"{", "InvalidJson"), (b"{}", "InvalidRequest")):
            await device.publish(f"{base}/j1/update", payload)
            assert (await heard(device))[1]["code"] == code
        await device.publish(f"{base}/j1/update", b'{"status":"SUCCEEDED"}')
        topics = {(await heard(device))[0] for _ in range(2)}
        assert topics == {f"{base}/j1/update/accepted", f"{base}/notify-next"}
    finally:
        await device.close()
    described = (await cloud.iot("describe_job", jobId="j1"))["job"]
    assert described["status"] == "COMPLETED"


async def heard(device: MqttDevice) -> tuple[str, dict[str, Any]]:
    message = await device.received()
    content: dict[str, Any] = json.loads(message.payload)
    return message.topic, content


@pytest.mark.parametrize("prefix", ["iotjobsdata", "iot"])
async def test_a_device_works_on_its_jobs_over_https(cloud: RunningCloud, prefix: str) -> None:
    """Both names of the permissions do: that of today, and that of older policies."""
    names = (
        "GetPendingJobExecutions",
        "StartNextPendingJobExecution",
        "DescribeJobExecution",
        "UpdateJobExecution",
    )
    thing = await gate(cloud, policy(*((f"{prefix}:{name}", "thing/gate") for name in names)))
    await job(cloud, "j1", "gate")
    async with cloud.https(thing.identity) as device:
        path = "/things/gate/jobs"
        assert (await asked(device, "GET", path))["queuedJobs"][0]["jobId"] == "j1"
        shown = await asked(device, "GET", f"{path}/j1?includeJobDocument=false")
        assert "jobDocument" not in shown["execution"]
        started = await asked(device, "PUT", f"{path}/$next", "{}")
        assert started["execution"]["jobDocument"] == DOCUMENT
        shown = await asked(device, "GET", f"{path}/$next")
        assert shown["execution"]["status"] == "IN_PROGRESS"
        report = '{"status":"FAILED","expectedVersion":1}'
        refused = await asked(device, "POST", f"{path}/j1", report, status=409)
        assert refused["code"] == "VersionMismatch"
        assert await asked(device, "POST", f"{path}/j1", '{"status":"FAILED"}') == {}
        ended = await asked(device, "GET", f"{path}/j1", status=410)
        assert ended["code"] == "TerminalStateReached"
        await asked(device, "GET", "/things/lamp/jobs", status=403)
        await asked(device, "GET", f"{path}/j1?executionNumber=x", status=400)


async def asked(
    device: DeviceHttps, method: str, path: str, body: str = "", *, status: int = 200
) -> dict[str, Any]:
    answer = await device.request(method, path, body.encode())
    assert answer.status == status, answer
    content: dict[str, Any] = json.loads(answer.body)
    return content


async def test_events_are_told_once_they_are_turned_on(cloud: RunningCloud) -> None:
    watcher = policy(
        ("iot:Connect", "client/watcher"),
        ("iot:Subscribe", "topicfilter/$aws/events/*"),
        ("iot:Receive", "topic/$aws/events/*"),
    )
    thing = await cloud.enrol("watcher", watcher)
    port, roots = cloud.endpoints.device_mqtt_port, cloud.roots_pem
    device = MqttDevice(port, thing.identity, "watcher", roots=roots)
    await device.connect()
    try:
        for kind in ("job", "jobExecution"):
            assert (await device.subscribe(f"$aws/events/{kind}/#"))[0] == 0
        await job(cloud, "quiet", "watcher")
        await cloud.iot("cancel_job", jobId="quiet")
        await cloud.iot(
            "update_event_configurations",
            eventConfigurations={"JOB": {"Enabled": True}, "JOB_EXECUTION": {"Enabled": True}},
        )
        await job(cloud, "loud", "watcher")
        await cloud.iot("cancel_job", jobId="loud", comment="enough")
        told = [await device.event() for _ in range(3)]
    finally:
        await device.close()
    assert [topic.removeprefix("$aws/events/") for topic, _ in told] == [
        "job/loud/cancellation_in_progress",
        "jobExecution/loud/canceled",
        "job/loud/canceled",
    ]
    assert told[1][1]["thingArn"] == thing.arn
    assert (told[2][1]["status"], told[2][1]["comment"]) == ("CANCELED", "enough")
    assert {content["eventType"] for _, content in told} == {"JOB", "JOB_EXECUTION"}
    assert len({content["eventId"] for _, content in told}) == 3
