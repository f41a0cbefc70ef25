"""CreateSoftwareUpdateJob, by boto3 and by the AWS CLI: a job with the newest published version."""

import asyncio
import json
import os
import shlex
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.access import allow
from tests.support.api_users import AccountAdministrator
from tests.support.cloud import ACCOUNT, REGION, RunningCloud, running_cloud
from tests.support.roles import trust_policy
from tests.support.updates import UpdatePlace, new_place

from hedgerow.cli.environment import environment

THING = f"arn:aws:iot:{REGION}:{ACCOUNT}:thing/"
IOT = "iot.amazonaws.com"


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path, combined=False) as running:
        await running.iot("create_thing", thingName="myCoreDevice")
        yield running


@pytest.fixture
async def published(cloud: RunningCloud) -> UpdatePlace:
    """Publish two versions of the core's software, and one of the agent's."""
    place = await asyncio.to_thread(new_place, cloud.data_dir)
    for version in ("1.9.4", "1.10.1"):
        await asyncio.to_thread(place.publish, version)
    await asyncio.to_thread(lambda: place.publish("2.0.1", software="ota_agent"))
    return place


async def signer(cloud: RunningCloud, name: str = "myS3UrlSignerRole") -> str:
    return await cloud.role(name, trust_policy(service=IOT))


def order(role: str, **changes: Any) -> dict[str, Any]:
    return {
        "S3UrlSignerRole": role,
        "SoftwareToUpdate": "core",
        "UpdateTargets": [f"{THING}myCoreDevice"],
        "UpdateTargetsArchitecture": "x86_64",
        "UpdateTargetsOperatingSystem": "ubuntu",
        **changes,
    }


async def refused(cloud: RunningCloud, role: str, **changes: Any) -> str:
    with pytest.raises(ClientError) as caught:
        await cloud.greengrass("create_software_update_job", **order(role, **changes))
    assert caught.value.response["Error"]["Code"] == "BadRequestException"
    assert (await cloud.iot("list_jobs"))["jobs"] == []
    return str(caught.value.response["Error"]["Message"])


@pytest.mark.operation("CreateSoftwareUpdateJob")
@pytest.mark.usefixtures("published")
async def test_a_job_names_the_newest_version_and_its_file(cloud: RunningCloud) -> None:
    role = await signer(cloud)
    made = await cloud.greengrass("create_software_update_job", **order(role))
    assert made["IotJobArn"] == f"arn:aws:iot:{REGION}:{ACCOUNT}:job/{made['IotJobId']}"
    assert made["IotJobId"].startswith("GreengrassUpdateJob_")
    assert made["PlatformSoftwareVersion"] == "1.10.1"
    job = (await cloud.iot("describe_job", jobId=made["IotJobId"]))["job"]
    assert (job["targetSelection"], job["status"]) == ("SNAPSHOT", "IN_PROGRESS")
    assert job["presignedUrlConfig"] == {"roleArn": role, "expiresInSec": 3600}
    assert job["jobProcessDetails"]["numberOfQueuedThings"] == 1
    text = (await cloud.iot("get_job_document", jobId=made["IotJobId"]))["document"]
    assert json.loads(text) == {
        "operation": "greengrass-software-update",
        "software": "core",
        "version": "1.10.1",
        "target": "core/1.10.1/ubuntu-x86_64.tar.gz",
        "logLevel": "ERROR",
    }
    made = await cloud.greengrass(
        "create_software_update_job",
        **order(role, SoftwareToUpdate="ota_agent", UpdateAgentLogLevel="WARN"),
    )
    text = (await cloud.iot("get_job_document", jobId=made["IotJobId"]))["document"]
    assert json.loads(text)["logLevel"] == "WARN"
    assert made["PlatformSoftwareVersion"] == "2.0.1"


@pytest.mark.refusal("CreateSoftwareUpdateJob")
@pytest.mark.spec("T04")
@pytest.mark.usefixtures("published")
async def test_only_the_documented_pairs_can_be_updated(cloud: RunningCloud) -> None:
    role = await signer(cloud)
    allowed = {
        ("ubuntu", "x86_64"),
        ("ubuntu", "aarch64"),
        ("amazon_linux", "x86_64"),
        ("raspbian", "armv7l"),
        ("raspbian", "armv6l"),
        ("openwrt", "aarch64"),
        ("openwrt", "armv7l"),
    }
    for system in ("ubuntu", "amazon_linux", "raspbian", "openwrt"):
        for machine in ("armv6l", "armv7l", "x86_64", "aarch64"):
            if (system, machine) == ("ubuntu", "x86_64"):
                continue
            words = await refused(
                cloud,
                role,
                UpdateTargetsOperatingSystem=system,
                UpdateTargetsArchitecture=machine,
            )
            is_allowed = (system, machine) in allowed
            assert ("is published for" if is_allowed else "no software updates for") in words


@pytest.mark.refusal("CreateSoftwareUpdateJob")
@pytest.mark.usefixtures("published")
async def test_what_cannot_be_updated_is_refused(cloud: RunningCloud) -> None:
    role = await signer(cloud)
    for changes, words in (
        ({"UpdateTargets": [f"{THING}nobody"]}, "does not exist"),
        ({"UpdateTargets": []}, "names no core"),
        ({"UpdateTargets": ["arn:aws:iot:us-east-1:1:thing/x"]}, "is not the ARN"),
        ({"S3UrlSignerRole": f"arn:aws:iam::{ACCOUNT}:role/nobody"}, "no role"),
    ):
        assert words in await refused(cloud, role, **changes)


@pytest.mark.refusal("CreateSoftwareUpdateJob")
async def test_without_a_published_version_there_is_no_job(cloud: RunningCloud) -> None:
    assert "hedgerow updates publish" in await refused(cloud, await signer(cloud))


@pytest.mark.operation("CreateSoftwareUpdateJob")
@pytest.mark.usefixtures("published")
async def test_a_client_token_makes_the_job_once(cloud: RunningCloud) -> None:
    asked = order(await signer(cloud), AmznClientToken="myClientToken1")
    first = await cloud.greengrass("create_software_update_job", **asked)
    assert await cloud.greengrass("create_software_update_job", **asked) == first
    assert len((await cloud.iot("list_jobs"))["jobs"]) == 1


@pytest.mark.refusal("CreateSoftwareUpdateJob")
@pytest.mark.usefixtures("published")
@pytest.mark.spec("T03")
@pytest.mark.promise(1)
async def test_a_job_takes_three_permissions_and_a_role_that_trusts_aws_iot(
    cloud: RunningCloud,
) -> None:
    role = await signer(cloud)
    needed = {
        "greengrass:CreateSoftwareUpdateJob": "*",
        "iot:CreateJob": "*",
        "iam:PassRole": role,
    }
    people = await asyncio.to_thread(AccountAdministrator, cloud)
    for missing in needed:
        statements = [allow(action, on=on) for action, on in needed.items() if action != missing]
        name = missing.replace(":", "-")
        user = await asyncio.to_thread(people.user, name, *statements)
        words = await asyncio.to_thread(
            user.refusal, "greengrass", "create_software_update_job", **order(role)
        )
        assert words is not None
        assert missing in words
    passed = {"StringEquals": {"iam:PassedToService": IOT}}
    statements = [allow(action, on=on) for action, on in needed.items() if "iam" not in action]
    statements.append(allow("iam:PassRole", on=role, Condition=passed))
    user = await asyncio.to_thread(people.user, "updater", *statements)
    made = await asyncio.to_thread(
        user.call, "greengrass", "create_software_update_job", **order(role)
    )
    await cloud.iot("delete_job", jobId=made["IotJobId"], force=True)
    other = await cloud.role("other", trust_policy())
    assert "cannot assume" in await refused(cloud, other)


@pytest.mark.usefixtures("published")
async def test_the_command_line_of_the_guide(cloud: RunningCloud, tmp_path: Path) -> None:
    """As it is printed, with region and account filled in."""
    await signer(cloud)
    line = f"""aws greengrass create-software-update-job
        --update-targets-architecture x86_64
        --update-targets [\\"{THING}myCoreDevice\\"]
        --update-targets-operating-system ubuntu
        --software-to-update core
        --s3-url-signer-role arn:aws:iam::{ACCOUNT}:role/myS3UrlSignerRole
        --update-agent-log-level WARN
        --amzn-client-token myClientToken1"""
    made = await asyncio.to_thread(aws, cloud, tmp_path, line)
    assert made["PlatformSoftwareVersion"] == "1.10.1"
    line = f"aws iot describe-job --job-id {made['IotJobId']}"
    described = await asyncio.to_thread(aws, cloud, tmp_path, line)
    assert described["job"]["jobProcessDetails"] == {
        "numberOfCanceledThings": 0,
        "numberOfSucceededThings": 0,
        "numberOfFailedThings": 0,
        "numberOfRejectedThings": 0,
        "numberOfQueuedThings": 1,
        "numberOfInProgressThings": 0,
        "numberOfRemovedThings": 0,
        "numberOfTimedOutThings": 0,
    }


def aws(cloud: RunningCloud, home: Path, line: str) -> Any:
    """Run a command line of the AWS CLI as a person whom `hedgerow env` has set up."""
    done = subprocess.run(
        shlex.split(line),
        env={"PATH": os.environ["PATH"], "HOME": str(home), **environment(cloud.data_dir)},
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
