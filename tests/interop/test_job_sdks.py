"""The jobs clients of the AWS IoT Device SDKs, unchanged, work on the jobs of the cloud."""

import asyncio
import json
import logging
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from awsiot import ServiceStreamOptions, V2ServiceException, iotjobs
from AWSIoTPythonSDK.core.jobs.thingJobManager import (
    jobExecutionStatus,
    jobExecutionTopicReplyType,
    jobExecutionTopicType,
)
from AWSIoTPythonSDK.MQTTLib import AWSIoTMQTTThingJobsClient
from tests.support.cloud import EnrolledThing, RunningCloud, running_cloud
from tests.support.device_sdk import PATIENCE_S, sdk_connection
from tests.support.registry import POLICY

THING = "lamp"
DOCUMENT = json.dumps({"operation": "blink"})


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path, combined=False) as running:
        yield running


@pytest.fixture
async def lamp(cloud: RunningCloud) -> EnrolledThing:
    return await cloud.enrol(THING, POLICY)


async def make_job(cloud: RunningCloud, lamp: EnrolledThing, job_id: str) -> None:
    await cloud.iot("create_job", jobId=job_id, targets=[lamp.arn], document=DOCUMENT)


async def status_of(cloud: RunningCloud, job_id: str) -> str:
    shown = await cloud.iot("describe_job_execution", jobId=job_id, thingName=THING)
    return str(shown["execution"]["status"])


@asynccontextmanager
async def sdk_v2(
    cloud: RunningCloud, lamp: EnrolledThing
) -> AsyncIterator[iotjobs.IotJobsClientV2]:
    """Connect awsiotsdk's jobs client over MQTT 5."""
    port = cloud.endpoints.device_mqtt_port
    async with sdk_connection(port, cloud.roots_pem, lamp.identity, THING) as (client, options):
        yield iotjobs.IotJobsClientV2(client, options)


async def test_awsiotsdk_works_on_jobs(cloud: RunningCloud, lamp: EnrolledThing) -> None:
    async with sdk_v2(cloud, lamp) as client, asyncio.timeout(PATIENCE_S):

        def ask(verb: str, **members: Any) -> Any:
            words = "".join(word.capitalize() for word in verb.split("_"))
            request = getattr(iotjobs, f"{words}Request")(thing_name=THING, **members)
            return asyncio.wrap_future(getattr(client, verb)(request))

        stream, following = await notices(client)
        await make_job(cloud, lamp, "j1")
        execution = (await following.get()).execution
        assert (execution.job_id, execution.job_document) == ("j1", {"operation": "blink"})
        pending = await ask("get_pending_job_executions")
        assert [one.job_id for one in pending.queued_jobs] == ["j1"]
        started = await ask("start_next_pending_job_execution", status_details={"a": "b"})
        assert started.execution.status == iotjobs.JobStatus.IN_PROGRESS
        described = await ask("describe_job_execution", job_id="j1")
        assert described.execution.status_details == {"a": "b"}
        with pytest.raises(V2ServiceException) as refused:
            await ask(
                "update_job_execution",
                job_id="j1",
                status=iotjobs.JobStatus.SUCCEEDED,
                expected_version=9,
            )
        assert refused.value.modeled_error.code == iotjobs.RejectedErrorCode.VERSION_MISMATCH
        assert refused.value.modeled_error.execution_state.version_number == 2
        await ask("update_job_execution", job_id="j1", status=iotjobs.JobStatus.SUCCEEDED)
        assert (await following.get()).execution is None
        del stream  # it ends with its object
    assert await status_of(cloud, "j1") == "SUCCEEDED"


async def notices(client: Any) -> tuple[Any, "asyncio.Queue[Any]"]:
    """Return a stream and the queue that gets every notice of what is next from it."""
    loop = asyncio.get_running_loop()
    found: asyncio.Queue[Any] = asyncio.Queue()
    live = asyncio.Event()
    options: ServiceStreamOptions[Any] = ServiceStreamOptions(
        incoming_event_listener=lambda event: loop.call_soon_threadsafe(found.put_nowait, event),
        subscription_status_listener=lambda _status: loop.call_soon_threadsafe(live.set),
    )
    request = iotjobs.NextJobExecutionChangedSubscriptionRequest(thing_name=THING)
    stream = client.create_next_job_execution_changed_stream(request, options)
    stream.open()
    await live.wait()
    return stream, found


async def test_the_first_device_sdks_jobs_client_works_on_jobs(
    cloud: RunningCloud, lamp: EnrolledThing, tmp_path: Path
) -> None:
    logging.getLogger("AWSIoTPythonSDK").setLevel(logging.ERROR)
    roots = tmp_path / "roots.pem"
    roots.write_text(cloud.roots_pem)
    certificate, key = lamp.identity.write(tmp_path, "v1")
    client = AWSIoTMQTTThingJobsClient(THING, THING)
    client.configureEndpoint("localhost", cloud.endpoints.device_mqtt_port)
    client.configureCredentials(str(roots), str(key), str(certificate))
    client.configureMQTTOperationTimeout(10)
    with warnings.catch_warnings():
        # It wraps sockets by a function that Python 3.11 warns of.
        warnings.simplefilter("ignore", DeprecationWarning)
        assert await asyncio.to_thread(client.connect)
    await make_job(cloud, lamp, "j1")
    async with asyncio.timeout(PATIENCE_S):
        await use_v1(client)
    assert await asyncio.to_thread(client.disconnect)
    assert await status_of(cloud, "j1") == "FAILED"


async def use_v1(client: Any) -> None:
    """Start a job and report on it as that SDK does: versions and numbers go as texts."""
    loop = asyncio.get_running_loop()
    heard: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()

    def hear(_client: Any, _userdata: Any, message: Any) -> None:
        loop.call_soon_threadsafe(
            heard.put_nowait, (message.topic.split("/jobs/")[1], json.loads(message.payload))
        )

    kinds, replies = jobExecutionTopicType, jobExecutionTopicReplyType
    for kind, job_id in ((kinds.JOB_START_NEXT_TOPIC, None), (kinds.JOB_UPDATE_TOPIC, "+")):
        for reply in (replies.JOB_ACCEPTED_REPLY_TYPE, replies.JOB_REJECTED_REPLY_TYPE):
            assert await asyncio.to_thread(client.createJobSubscription, hear, kind, reply, job_id)
    assert await asyncio.to_thread(client.sendJobsStartNext, {"step": "one"})
    topic, answer = await heard.get()
    assert topic == "start-next/accepted"
    version = answer["execution"]["versionNumber"]
    await asyncio.to_thread(
        client.sendJobsUpdate,
        "j1",
        jobExecutionStatus.JOB_EXECUTION_FAILED,
        {"why": "tests"},
        version,
        answer["execution"]["executionNumber"],
        True,  # noqa: FBT003 - the SDK's: the state
        True,  # noqa: FBT003 - and the document
    )
    topic, answer = await heard.get()
    assert topic == "j1/update/accepted"
    assert answer["executionState"]["versionNumber"] == version + 1
    assert answer["jobDocument"] == {"operation": "blink"}
