"""The AWS CLI, unchanged, against an account's IAM: what an administrator types."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.aws_requests import SECRET_KEY
from tests.support.iam_cloud import ADMINISTRATOR_KEY, IamCloud, iam_cloud, trusting
from tests.support.store_documents import ACCOUNT


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[IamCloud]:
    async with iam_cloud(tmp_path) as running:
        yield running


async def aws(cloud: IamCloud, *arguments: str) -> Any:
    """Run `aws iam …` and return what it prints."""
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": f"https://localhost:{cloud.port}",
        "AWS_CA_BUNDLE": str(cloud.ca_file),
        "AWS_ACCESS_KEY_ID": ADMINISTRATOR_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_PAGER": "",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "awscli", "iam", *arguments,
        env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return json.loads(out) if out else None


async def test_what_the_guide_types_to_make_the_service_role(cloud: IamCloud) -> None:
    trust = cloud.ca_file.parent / "trust.json"
    await asyncio.to_thread(trust.write_text, trusting(Service="greengrass.amazonaws.com"))
    made, _ = await asyncio.gather(
        aws(
            cloud,
            "create-role",
            "--role-name",
            "Greengrass_ServiceRole",
            "--assume-role-policy-document",
            f"file://{trust}",
            "--tags",
            "Key=env,Value=beta",
        ),
        aws(cloud, "create-user", "--user-name", "alice"),
    )
    assert made["Role"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/Greengrass_ServiceRole"
    policy = "arn:aws:iam::aws:policy/service-role/AWSGreengrassResourceAccessRolePolicy"
    role = ("--role-name", "Greengrass_ServiceRole")
    assert await aws(cloud, "attach-role-policy", *role, "--policy-arn", policy) is None
    found, users = await asyncio.gather(
        aws(cloud, "get-role", *role), aws(cloud, "list-users", "--page-size", "1")
    )
    assert found["Role"]["AssumeRolePolicyDocument"] == json.loads(trust.read_text())
    assert found["Role"]["Tags"] == [{"Key": "env", "Value": "beta"}]
    assert [user["UserName"] for user in users["Users"]] == ["administrator", "alice"]
