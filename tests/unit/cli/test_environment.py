"""`hedgerow env`: where programs find the API, and with which key."""

import asyncio
import json
import os
import sys
from pathlib import Path
from shutil import copytree

import pytest
from tests.support.cloud import ACCOUNT, REGION, RunningCloud, born_cloud, running_cloud

from hedgerow.cli.environment import environment
from hedgerow.cloud.app import Endpoints, Layout
from hedgerow.cloud.app.endpoints import PrivateApiEndpoint, write_endpoints
from hedgerow.kernel import ConfigurationError


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    copytree(born_cloud(), tmp_path / "cloud")
    return Layout(tmp_path / "cloud")


def serve(layout: Layout, api_port: int | None, *private: PrivateApiEndpoint) -> None:
    """Leave the file that a running cloud leaves."""
    endpoints = Endpoints(
        host="cloud.example",
        api_port=api_port,
        device_https_port=1,
        device_mqtt_port=2,
        private_apis=private,
        account_id=ACCOUNT,
        region=REGION,
        pid=1,
    )
    write_endpoints(layout.endpoints, endpoints)


def test_programs_use_the_ordinary_door_with_the_administrator_s_key(layout: Layout) -> None:
    serve(layout, 7443, PrivateApiEndpoint(id="vpce-1", host="10.0.0.5", port=7444))
    variables = environment(layout.folder)
    assert variables["AWS_ENDPOINT_URL"] == "https://cloud.example:7443"
    kept = json.loads(layout.administrator.read_text())
    assert variables["AWS_ACCESS_KEY_ID"] == kept["AccessKeyId"]


@pytest.mark.parametrize(
    ("host", "url"), [("10.0.0.5", "https://10.0.0.5:7444"), ("::1", "https://[::1]:7444")]
)
def test_without_it_they_use_the_first_private_one(layout: Layout, host: str, url: str) -> None:
    serve(layout, None, PrivateApiEndpoint(id="vpce-1", host=host, port=7444))
    assert environment(layout.folder)["AWS_ENDPOINT_URL"] == url


def test_a_cloud_that_does_not_run_is_said_to_be_so(layout: Layout) -> None:
    with pytest.raises(ConfigurationError, match="hedgerow cloud run"):
        environment(layout.folder)


async def said(data: Path, *words: str) -> tuple[str, str]:
    """Return what `hedgerow env` says, on standard output and standard error."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hedgerow.cli", "env", "--data", str(data), *words),
        env={**os.environ, "AWS_PROFILE": "of-another-cloud"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    return output.decode(), errors.decode()


async def test_another_account_is_entered_by_its_role(tmp_path: Path) -> None:
    async with running_cloud(tmp_path, combined=False) as cloud, cloud.member("plant") as member:
        words = ("--account", member.account)
        variables = json.loads((await said(cloud.data_dir, *words, "--json"))[0])
        entered = RunningCloud(
            cloud.app,
            cloud.data_dir,
            credentials={
                name.lower(): value
                for name, value in variables.items()
                if name.startswith(("AWS_ACCESS", "AWS_SECRET", "AWS_SESSION"))
            },
        )
        identity = await entered.call("sts", "get_caller_identity")
        entered.close_clients()
        assert identity["Account"] == member.account
        exports, _ = await said(cloud.data_dir, *words)
        assert "export AWS_SESSION_TOKEN=" in exports
        assert exports.endswith("unset AWS_PROFILE\n")
        _, refused = await said(cloud.data_dir, *words, "--role", "Other")
        assert refused.startswith("Error: User: arn:aws:iam::")
        assert "not authorized to perform: sts:AssumeRole" in refused
