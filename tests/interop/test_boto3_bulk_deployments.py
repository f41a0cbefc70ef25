"""Bulk deployments through boto3 against a running cloud (guide page bulk-deploy-cli)."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.bulk import (
    BUCKET,
    KEY,
    OBJECT_ARN,
    bucket_of,
    counts_of,
    ended,
    execution_role,
    line,
    line_of,
    may_deploy,
    put_bytes,
    put_input,
    reports_of,
    start,
    status_of,
)
from tests.support.cloud import ACCOUNT, REGION, CloudGroup, RunningCloud, running_cloud

from hedgerow.cloud.app import CloudApp
from hedgerow.cloud.greengrass.kinds import DEFINITION_KINDS

ARN = f"arn:aws:greengrass:{REGION}:{ACCOUNT}:/greengrass"
UNKNOWN = "0" * 8 + "-0000-4000-8000-" + "0" * 12


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path, combined=False) as running:
        yield running


async def refused(cloud: RunningCloud, operation: str, **members: Any) -> dict[str, str]:
    with pytest.raises(ClientError) as caught:
        await cloud.greengrass(operation, **members)
    error = caught.value.response["Error"]
    message = error.get("Message") or str(caught.value.response.get("Message", ""))
    return {"Code": error["Code"], "Message": message}


async def busy(cloud: RunningCloud, core: str) -> CloudGroup:
    """Make a group whose deployment has not ended: its core says nothing."""
    group = await cloud.group(core)
    await group.deploy(succeed=False)
    return group


@pytest.mark.operation(
    "GetBulkDeploymentStatus",
    "ListBulkDeploymentDetailedReports",
    "StartBulkDeployment",
)
@pytest.mark.spec("P14", "P15", "P16")
async def test_several_groups_are_deployed_by_one_file(cloud: RunningCloud) -> None:
    groups = [await cloud.group(f"core-{number}") for number in range(3)]
    put_input(cloud, map(line_of, groups))
    arns = [f"{ARN}/groups/{group.group_id}" for group in groups]
    role = await execution_role(cloud, may_deploy(arns))
    answer = await cloud.greengrass(
        "start_bulk_deployment",
        ExecutionRoleArn=role,
        InputFileUri=f"https://s3.{REGION}.amazonaws.com/{BUCKET}/{KEY}",
        AmznClientToken="your-token",
    )
    bulk_id = answer["BulkDeploymentId"]
    assert answer["BulkDeploymentArn"] == f"{ARN}/bulk/deployments/{bulk_id}"
    status = await ended(cloud, bulk_id, "Completed")
    assert counts_of(status) == (3, 0, 0)
    assert "ErrorMessage" not in status
    reports = await reports_of(cloud, bulk_id)
    expected = [f"{ARN}/groups/{one.group_id}/versions/{one.version_id}" for one in groups]
    assert [report["GroupArn"] for report in reports] == expected[::-1]
    for group, report in zip(reversed(groups), reports, strict=True):
        group.deployment_id = report["DeploymentId"]
        assert (report["DeploymentType"], report["DeploymentStatus"]) == (
            "NewDeployment",
            "InProgress",
        )
        assert (await group.status())["DeploymentStatus"] == "InProgress"
    await groups[0].report("Success")
    states = [report["DeploymentStatus"] for report in await reports_of(cloud, bulk_id)]
    assert states == ["InProgress", "InProgress", "Success"]
    again = await cloud.greengrass(
        "start_bulk_deployment",
        ExecutionRoleArn=role,
        InputFileUri=f"https://s3.{REGION}.amazonaws.com/{BUCKET}/{KEY}",
        AmznClientToken="your-token",
    )
    assert again == answer


@pytest.mark.spec("P14", "P16", "P18")
@pytest.mark.parametrize(
    ("second", "message"),
    [
        (
            '{"GroupVersionId":"v","DeploymentType":"NewDeployment"}',
            "InvalidInputFile: Missing GroupId at line number: 2",
        ),
        (
            '{"GroupId":"g","DeploymentType":"NewDeployment"}',
            "InvalidInputFile: Missing GroupVersionId at line number: 2",
        ),
        (
            line("g", "v", "Redeployment"),
            (
                "InvalidInputFile: Invalid deployment type at line number : 2. "
                "Only valid type is 'NewDeployment'."
            ),
        ),
        (
            line("g" * 256, "v"),
            "Line 2 is too long in S3 File. Valid line is less than 256 chars.",
        ),
        ("{", "Failed to parse input file at line number: 2"),
    ],
)
async def test_an_input_file_with_a_wrong_line_deploys_nothing(
    cloud: RunningCloud, second: str, message: str
) -> None:
    group = await cloud.group("core")
    put_input(cloud, [line_of(group), second, "also wrong"])
    bulk_id = await start(cloud, await execution_role(cloud))
    status = await ended(cloud, bulk_id, "Failed")
    assert status["ErrorMessage"] == message
    assert status["ErrorDetails"] == [{"DetailedErrorCode": "400", "DetailedErrorMessage": message}]
    assert counts_of(status) == (0, 0, 0)
    assert await reports_of(cloud, bulk_id) == []
    listed = await cloud.greengrass("list_deployments", GroupId=group.group_id)
    assert listed["Deployments"] == []


async def test_a_file_that_is_missing_empty_or_too_large_fails(cloud: RunningCloud) -> None:
    role = await execution_role(cloud)
    status = await ended(cloud, await start(cloud, role), "Failed")
    assert status["ErrorDetails"][0]["DetailedErrorCode"] == "404"
    assert KEY in status["ErrorMessage"]
    put_bytes(cloud, b"")
    status = await ended(cloud, await start(cloud, role), "Failed")
    assert "empty" in status["ErrorMessage"]
    with (bucket_of(cloud) / KEY).open("wb") as file:
        file.truncate(100 * 1024 * 1024)
    status = await ended(cloud, await start(cloud, role), "Failed")
    assert "smaller than 100 MB" in status["ErrorMessage"]


@pytest.mark.spec("P15", "P16")
async def test_records_that_cannot_be_deployed_are_counted_and_the_others_go_on(
    cloud: RunningCloud,
) -> None:
    """A group that is not there, a version that is not there, and a group the role may not."""
    good, other = await cloud.group("core-a"), await cloud.group("core-b")
    put_input(
        cloud,
        [
            line(UNKNOWN, good.version_id),
            line(good.group_id, UNKNOWN),
            line_of(other),
            line_of(good),
        ],
    )
    allowed = [f"{ARN}/groups/{one}" for one in (UNKNOWN, good.group_id)]
    bulk_id = await start(cloud, await execution_role(cloud, may_deploy(allowed)))
    status = await ended(cloud, bulk_id, "Completed")
    assert counts_of(status) == (4, 3, 0)
    last, denied, no_version, no_group = await reports_of(cloud, bulk_id)
    assert last["DeploymentStatus"] == "InProgress"
    for report, code in (
        (no_group, "IdNotFoundException"),
        (no_version, "IdNotFoundException"),
        (denied, "AccessDeniedException"),
    ):
        assert report["DeploymentStatus"] == "Failure"
        assert "DeploymentId" not in report
        assert report["ErrorDetails"][0]["DetailedErrorCode"] == code
        assert report["ErrorMessage"] == report["ErrorDetails"][0]["DetailedErrorMessage"]
    assert "greengrass:CreateDeployment" in denied["ErrorMessage"]
    assert other.group_id in denied["ErrorMessage"]


@pytest.mark.spec("P16")
async def test_a_group_whose_deployment_runs_is_tried_again(cloud: RunningCloud) -> None:
    group = await busy(cloud, "core")
    first = group.deployment_id
    put_input(cloud, [line_of(group)])
    bulk_id = await start(cloud, await execution_role(cloud))
    async with asyncio.timeout(20):
        while counts_of(await status_of(cloud, bulk_id)) != (1, 0, 1):
            pass
    (report,) = await reports_of(cloud, bulk_id)
    assert "DeploymentStatus" not in report
    assert report["ErrorDetails"][0]["DetailedErrorCode"] == "ConcurrentDeployment"
    await group.report("Success")
    status = await ended(cloud, bulk_id, "Completed")
    assert counts_of(status)[:2] == (1, 0)
    (report,) = await reports_of(cloud, bulk_id)
    assert report["DeploymentId"] != first
    assert report["DeploymentStatus"] == "InProgress"
    assert "ErrorMessage" not in report


@pytest.mark.operation("ListBulkDeployments", "StopBulkDeployment")
@pytest.mark.refusal("StartBulkDeployment", "StopBulkDeployment")
@pytest.mark.spec("P16")
async def test_one_at_a_time_and_stopped_on_demand(cloud: RunningCloud) -> None:
    group = await busy(cloud, "core")
    put_input(cloud, [line_of(group)])
    role = await execution_role(cloud)
    bulk_id = await start(cloud, role)
    error = await refused(
        cloud, "start_bulk_deployment", ExecutionRoleArn=role, InputFileUri="s3://abc/d"
    )
    assert "Concurrent Deployment Error" in error["Message"]
    assert bulk_id in error["Message"]
    await cloud.greengrass("stop_bulk_deployment", BulkDeploymentId=bulk_id)
    await ended(cloud, bulk_id, "Stopped")
    error = await refused(cloud, "stop_bulk_deployment", BulkDeploymentId=bulk_id)
    assert "Stopped" in error["Message"]
    assert (await group.status())["DeploymentStatus"] == "InProgress"  # nothing is cancelled
    await group.report("Success")
    following = await start(cloud, role)
    await ended(cloud, following, "Completed")
    listed = await cloud.greengrass("list_bulk_deployments", MaxResults="1")
    assert [row["BulkDeploymentId"] for row in listed["BulkDeployments"]] == [following]
    rest = await cloud.greengrass("list_bulk_deployments", NextToken=listed["NextToken"])
    assert [row["BulkDeploymentId"] for row in rest["BulkDeployments"]] == [bulk_id]
    assert rest["BulkDeployments"][0]["BulkDeploymentArn"] == f"{ARN}/bulk/deployments/{bulk_id}"
    assert "NextToken" not in rest
    members = {"BulkDeploymentId": bulk_id, "NextToken": listed["NextToken"]}
    error = await refused(cloud, "list_bulk_deployment_detailed_reports", **members)
    assert "NextToken" in error["Message"]


async def test_what_does_not_exist_is_said(cloud: RunningCloud) -> None:
    for operation in (
        "get_bulk_deployment_status",
        "stop_bulk_deployment",
        "list_bulk_deployment_detailed_reports",
    ):
        error = await refused(cloud, operation, BulkDeploymentId=UNKNOWN)
        assert error["Code"] == "IdNotFoundException"
        assert error["Message"] == "That bulk deployment does not exist."


@pytest.mark.spec("P15")
async def test_a_role_that_may_not_read_the_file_fails_the_whole(cloud: RunningCloud) -> None:
    group = await cloud.group("core")
    put_input(cloud, [line_of(group)])
    role = await execution_role(cloud, may_deploy(object_arn=f"{OBJECT_ARN}-other"))
    status = await ended(cloud, await start(cloud, role), "Failed")
    assert status["ErrorDetails"][0]["DetailedErrorCode"] == "403"
    assert f"s3:GetObject on resource: {OBJECT_ARN}" in status["ErrorMessage"]


async def test_a_cloud_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    """One record waits for another attempt when the cloud stops."""
    async with running_cloud(tmp_path, combined=False) as cloud:
        waiting, other = await busy(cloud, "core-a"), await cloud.group("core-b")
        put_input(cloud, [line_of(waiting), line_of(other)])
        bulk_id = await start(cloud, await execution_role(cloud))
        async with asyncio.timeout(20):
            while counts_of(await status_of(cloud, bulk_id))[0] < 2:
                pass
        await waiting.report("Success")
        await cloud.app.stop()
        cloud.close_clients()
        app = await CloudApp.open(
            cloud.data_dir,
            host="127.0.0.1",
            api_port=0,
            device_https_port=0,
            device_mqtt_port=0,
        )
        await app.start()
        again = RunningCloud(app, cloud.data_dir)
        try:
            status = await ended(again, bulk_id, "Completed")
            reports = await reports_of(again, bulk_id)
        finally:
            again.close_clients()
            await app.stop()
    assert counts_of(status)[:2] == (2, 0)
    assert [report["DeploymentStatus"] for report in reports] == ["InProgress", "InProgress"]
    assert len({report["DeploymentId"] for report in reports}) == 2


@pytest.mark.spec("V01")
async def test_what_can_be_tagged_and_what_cannot(cloud: RunningCloud) -> None:
    call, made = cloud.greengrass, []
    for kind in DEFINITION_KINDS:
        create = f"create_{kind.name.lower()}_definition"
        made.append(await call(create, tags={"env": "beta"}, InitialVersion={}))
    cores = next(one for one in made if "/cores/" in one["Arn"])
    initial = {"CoreDefinitionVersionArn": cores["LatestVersionArn"]}
    made.append(await call("create_group", Name="g", tags={"env": "beta"}, InitialVersion=initial))
    group = await cloud.group("core")
    put_input(cloud, [line_of(group)])
    role = await execution_role(cloud)
    bulk_id = await start(cloud, role, tags={"env": "beta"})
    taggable = [*(one["Arn"] for one in made), f"{ARN}/bulk/deployments/{bulk_id}"]
    assert len(taggable) == len(DEFINITION_KINDS) + 2
    for arn in taggable:
        assert (await call("list_tags_for_resource", ResourceArn=arn))["tags"] == {"env": "beta"}
        await call("tag_resource", ResourceArn=arn, tags={"env": "prod", "site": ""})
        shown = (await call("list_tags_for_resource", ResourceArn=arn))["tags"]
        assert shown == {"env": "prod", "site": ""}
        await call("untag_resource", ResourceArn=arn, TagKeys=["env"])
        assert (await call("list_tags_for_resource", ResourceArn=arn))["tags"] == {"site": ""}
    assert (await ended(cloud, bulk_id, "Completed"))["tags"] == {"site": ""}
    untagged = await start(cloud, role)
    arn = f"{ARN}/bulk/deployments/{untagged}"
    assert (await call("list_tags_for_resource", ResourceArn=arn))["tags"] == {}
    (report,) = await reports_of(cloud, bulk_id)
    versions = [one["LatestVersionArn"] for one in made]
    for arn in [*versions, report["DeploymentArn"]]:
        members: dict[str, Any]
        for operation, members in (
            ("tag_resource", {"tags": {"a": "b"}}),
            ("untag_resource", {"TagKeys": ["a"]}),
            ("list_tags_for_resource", {}),
        ):
            error = await refused(cloud, operation, ResourceArn=arn, **members)
            assert error["Code"] == "BadRequestException"


async def test_the_trail_has_what_the_execution_role_did(cloud: RunningCloud) -> None:
    group = await cloud.group("core")
    put_input(cloud, [line_of(group)])
    bulk_id = await start(cloud, await execution_role(cloud))
    await ended(cloud, bulk_id, "Completed")
    attributes = [{"AttributeKey": "EventName", "AttributeValue": "CreateDeployment"}]
    found = await cloud.call("cloudtrail", "lookup_events", LookupAttributes=attributes)
    (event,) = [json.loads(one["CloudTrailEvent"]) for one in found["Events"]]
    assert event["userIdentity"]["invokedBy"] == "greengrass.amazonaws.com"
    assert event["requestParameters"]["GroupId"] == group.group_id
    assert event["additionalEventData"]["onBehalfOf"].endswith(bulk_id)
