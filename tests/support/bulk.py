"""Bulk deployments as people make them: an input file in a bucket, an execution role, the calls."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.cloud import REGION, CloudGroup, RunningCloud
from tests.support.roles import trust_policy

BUCKET = "my-bucket"
KEY = "MyBulkDeploymentInputFile"
URI = f"s3://{BUCKET}/{KEY}"
OBJECT_ARN = f"arn:aws:s3:::{BUCKET}/{KEY}"


def line(group_id: str, version_id: str, deployment_type: str = "NewDeployment") -> str:
    """Return a line of an input file."""
    return json.dumps(
        {"GroupId": group_id, "GroupVersionId": version_id, "DeploymentType": deployment_type}
    )


def line_of(group: CloudGroup) -> str:
    """Return the line for the newest version of a group."""
    return line(group.group_id, group.version_id)


def bucket_of(cloud: RunningCloud, bucket: str = BUCKET) -> Path:
    """Return the folder of a bucket of an account."""
    return cloud.data_dir / "buckets" / cloud.account / bucket


def put_input(cloud: RunningCloud, lines: Iterable[str], key: str = KEY) -> None:
    """Put an input file into the bucket."""
    put_bytes(cloud, "".join(f"{each}\n" for each in lines).encode(), key)


def put_bytes(cloud: RunningCloud, content: bytes, key: str = KEY) -> None:
    """Put any file into the bucket."""
    path = bucket_of(cloud) / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def may_deploy(groups: Sequence[str] = ("*",), object_arn: str = OBJECT_ARN) -> dict[str, Any]:
    """Return the guide's policy of an execution role, with what reads the input file."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "greengrass:CreateDeployment", "Resource": list(groups)},
            {"Effect": "Allow", "Action": "s3:GetObject", "Resource": object_arn},
        ],
    }


async def execution_role(
    cloud: RunningCloud,
    policy: Mapping[str, Any] | None = None,
    *,
    name: str = "bulk",
    trust: Mapping[str, Any] | None = None,
) -> str:
    """Make the guide's execution role, or one with another policy or trust."""
    source = f"arn:aws:greengrass:{REGION}:{cloud.account}:*"
    role = await cloud.role(name, trust or trust_policy(account=cloud.account, source=source))
    await cloud.call(
        "iam",
        "put_role_policy",
        RoleName=name,
        PolicyName="bulk",
        PolicyDocument=json.dumps(policy or may_deploy()),
    )
    return role


async def start(cloud: RunningCloud, role: str, **members: Any) -> str:
    """Start a bulk deployment and return its id."""
    members = {"InputFileUri": URI, **members}
    answer = await cloud.greengrass("start_bulk_deployment", ExecutionRoleArn=role, **members)
    return str(answer["BulkDeploymentId"])


async def status_of(cloud: RunningCloud, bulk_id: str) -> dict[str, Any]:
    """Return where a bulk deployment stands."""
    return await cloud.greengrass("get_bulk_deployment_status", BulkDeploymentId=bulk_id)


async def ended(cloud: RunningCloud, bulk_id: str, state: str) -> dict[str, Any]:
    """Return the status of a bulk deployment that has ended, which has to be in this state."""
    async with asyncio.timeout(20):
        while True:
            status = await status_of(cloud, bulk_id)
            if status["BulkDeploymentStatus"] not in {"Initializing", "Running", "Stopping"}:
                assert status["BulkDeploymentStatus"] == state, status
                return status


async def reports_of(cloud: RunningCloud, bulk_id: str) -> list[dict[str, Any]]:
    """Return what became of the records, newest first."""
    answer = await cloud.greengrass(
        "list_bulk_deployment_detailed_reports", BulkDeploymentId=bulk_id
    )
    return list(answer["Deployments"])


def counts_of(status: Mapping[str, Any]) -> tuple[int, int, int]:
    """Return the records processed, the invalid ones and the retries."""
    metrics = status["BulkDeploymentMetrics"]
    return (
        metrics["RecordsProcessed"],
        metrics["InvalidInputRecords"],
        metrics["RetryAttempts"],
    )
