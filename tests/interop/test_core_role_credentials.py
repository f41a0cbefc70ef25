"""Code on a core calls AWS APIs as its group's role: boto3, the AWS CLI, and a whole cloud."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.cloud import ACCOUNT, REGION, RunningCloud
from tests.support.core import running_core, until
from tests.support.core_estate import (
    CORE,
    Estate,
    core_estate,
    core_policy,
    restarted,
    without,
)
from tests.support.group_role import allow, give_role

from hedgerow.cloud.app import Layout
from hedgerow.core.app import CoreApp
from hedgerow.kernel import Secret

SCRIPT = """
import boto3, json, sys
from botocore.exceptions import ClientError

def attempt(client, operation, **members):
    try:
        return getattr(client, operation)(**members)
    except ClientError as error:
        return error.response["Error"]["Code"]

iot, sts = boto3.client("iot"), boto3.client("sts")
found = boto3.Session().get_credentials()
print(json.dumps({
    "method": found.method,
    "arn": sts.get_caller_identity()["Arn"],
    "account": sts.get_caller_identity()["Account"],
    "a": attempt(iot, "describe_thing", thingName="A"),
    "b": attempt(iot, "describe_thing", thingName="B"),
    "made": attempt(iot, "create_thing", thingName="stranger"),
}, default=str))
"""
DENIED = {"AccessDeniedException", "UnauthorizedException"}
THINGS = f"arn:aws:iot:{REGION}:{ACCOUNT}:thing/"


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    error: str

    @property
    def data(self) -> Any:
        assert self.code == 0, self.error
        return json.loads(self.out)


@pytest.fixture
async def estate(tmp_path: Path) -> AsyncIterator[Estate]:
    async with core_estate(tmp_path) as made:
        yield made


async def as_role(estate: Estate, *command: str, **variables: str) -> Done:
    """Run a command on the core's machine, as an administrator of it would."""
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_ENDPOINT_URL": f"https://localhost:{estate.endpoints.api_port}",
        "AWS_CA_BUNDLE": str(Layout(estate.cloud.data_dir).root_certificate),
        # What the administrator has for themselves must not be what the command gets.
        "AWS_ACCESS_KEY_ID": "AKIAADMINISTRATOR000",
        "AWS_SECRET_ACCESS_KEY": "not the role's",
        "AWS_PROFILE": "administrator",
        **variables,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hedgerow.cli", "core", "credentials"),
        *("--root", str(estate.root), "--", *command),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    out, error = await process.communicate()
    assert b"Traceback" not in error, error.decode()
    return Done(process.returncode or 0, out.decode(), error.decode())


async def script(estate: Estate) -> Any:
    return (await as_role(estate, sys.executable, "-c", SCRIPT)).data


async def role_of(core: CoreApp, name: str | None) -> None:
    """Wait until the core has heard that its group has another role."""
    await until(lambda: core.role.held is None or core.role.held.role_arn.endswith(f"/{name}"))


@pytest.mark.spec("L17", "D04", "L16", "Y05")
async def test_boto3_on_the_core_is_the_groups_role_and_may_do_what_it_may(
    estate: Estate,
) -> None:
    cloud, group_id = estate.cloud, estate.group.group_id
    async with running_core(estate.root) as core:
        await estate.deploy(core)
        refused = await as_role(estate, "true")
        assert refused.code != 0
        assert f"associate-role-to-group --group-id {group_id} --role-arn" in refused.error

        await give_role(cloud, group_id, "line")
        await allow(cloud, "line", "iot:DescribeThing", f"{THINGS}A")
        await until(lambda: core.role._heard is not None and core.role._heard[1] != "")
        said = await script(estate)
        certificate_id = estate.group.core.certificate_arn.rpartition("/")[2]
        assert said["method"] == "container-role"
        assert said["account"] == ACCOUNT
        assert said["arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/line/{certificate_id}"
        assert said["a"]["thingName"] == "A"
        assert said["b"] == said["made"]
        assert said["b"] in DENIED

        await the_trail_tells(cloud, said["arn"], group_id)

        # Another policy of the role counts at once; nothing is deployed, nothing fetched anew.
        await allow(cloud, "line", "iot:DescribeThing", f"{THINGS}A", f"{THINGS}B")
        held = core.role.held
        said = await script(estate)
        assert said["b"]["thingName"] == "B"
        assert core.role.held is held

        # Another role is one call, too.
        await give_role(cloud, group_id, "other")
        await role_of(core, "other")
        said = await script(estate)
        assert said["arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/other/{certificate_id}"
        assert said["a"] in DENIED

        await cloud.greengrass("disassociate_role_from_group", GroupId=group_id)
        await until(lambda: core.role.held is None)
        refused = await as_role(estate, "true")
        assert f"associate-role-to-group --group-id {group_id} --role-arn" in refused.error


async def the_trail_tells(cloud: RunningCloud, arn: str, group_id: str) -> None:
    """Check that the trail names role and core, and how the core came by the role."""
    calls = [event for event in await events(cloud, "DescribeThing") if of(event) == arn]
    identity = calls[0]["userIdentity"]
    assert identity["type"] == "AssumedRole"
    assert identity["invokedBy"] == "greengrass.amazonaws.com"
    assert identity["sessionContext"]["sessionIssuer"]["userName"] == "line"
    assumed = await events(cloud, "AssumeRole")
    given = next(each for each in assumed if "role/line" in each["requestParameters"]["roleArn"])
    assert given["userIdentity"] == {"type": "AWSService", "invokedBy": "greengrass.amazonaws.com"}
    assert given["responseElements"]["credentials"]["accessKeyId"] == identity["accessKeyId"]
    assert given["responseElements"]["credentials"]["sessionToken"] == "***"
    assert given["additionalEventData"]["onBehalfOf"].endswith(group_id)


async def events(cloud: RunningCloud, name: str) -> list[dict[str, Any]]:
    attribute = {"AttributeKey": "EventName", "AttributeValue": name}
    found = await cloud.call("cloudtrail", "lookup_events", LookupAttributes=[attribute])
    return [json.loads(event["CloudTrailEvent"]) for event in found["Events"]]


def of(event: dict[str, Any]) -> str:
    return str(event["userIdentity"].get("arn"))


async def test_the_aws_cli_finds_it_too_and_a_copied_token_is_of_no_use(estate: Estate) -> None:
    async with running_core(estate.root) as core:
        await estate.deploy(core)
        await give_role(estate.cloud, estate.group.group_id, "line")
        words = ("-m", "awscli", "sts", "get-caller-identity", "--output", "json")
        done = await as_role(estate, sys.executable, *words)
        assert ":assumed-role/line/" in done.data["Arn"]
        # The environment of a process can be read by others of its user; its token is not theirs.
        printed = (await as_role(estate, sys.executable, "-c", PRINT)).data
        other = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", FETCH),
            stdout=subprocess.PIPE,
            env={"PATH": os.environ["PATH"], **printed},
        )
        out, _ = await other.communicate()
        assert out.strip() == b"401" or out.strip() == b"403"


PRINT = """
import json, os
print(json.dumps({k: v for k, v in os.environ.items() if k.startswith("AWS_CONTAINER_")}))
"""
FETCH = """
import os, urllib.error, urllib.request
request = urllib.request.Request(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
request.add_header("Authorization", os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"])
try:
    print(urllib.request.urlopen(request).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""


@pytest.mark.promise(9)
@pytest.mark.promise(10)
async def test_without_a_cloud_the_credentials_serve_on_and_a_restart_has_none(
    estate: Estate,
) -> None:
    async with running_core(estate.root) as core:
        await estate.deploy(core)
        await give_role(estate.cloud, estate.group.group_id, "line")
        await until(lambda: core.role._heard is not None and core.role._heard[1] != "")
        assert (await as_role(estate, sys.executable, "-c", FETCH)).out.strip() == "200"
        held = await core.role.current()
        await estate.cloud.app.stop()
        await until(lambda: not core.link.is_connected)
        assert (await as_role(estate, sys.executable, "-c", FETCH)).out.strip() == "200"
    async with running_core(estate.root):  # they were in memory only
        failed = await as_role(estate, "true")
        assert failed.code != 0
    kept = b"".join(path.read_bytes() for path in estate.root.rglob("*") if path.is_file())
    for secret in (held.secret_access_key, held.session_token, Secret(held.access_key_id)):
        assert secret.reveal().encode() not in kept
    await restarted(estate)


@pytest.mark.spec("D04", "D15")
async def test_a_core_whose_policy_forbids_it_says_which_action_is_missing(
    estate: Estate,
) -> None:
    policy = core_policy(estate.group.group_id, "t/up")
    await give_role(estate.cloud, estate.group.group_id, "line")
    await estate.cloud.edit_policy(CORE, without(policy, "greengrass:AssumeRoleForGroup"))
    async with running_core(estate.root) as core:
        await estate.deploy(core)
        refused = await as_role(estate, "true")
        assert "greengrass:AssumeRoleForGroup on *" in refused.error
        assert any("greengrass:AssumeRoleForGroup on *" in each for each in core.problems)


@pytest.mark.promise(4)
async def test_credentials_of_a_core_end_with_its_certificate(estate: Estate) -> None:
    async with running_core(estate.root) as core:
        await estate.deploy(core)
        await give_role(estate.cloud, estate.group.group_id, "line")
        await until(lambda: core.role._heard is not None and core.role._heard[1] != "")
        stolen = await core.role.current()
        thief = stolen_client(estate.cloud, stolen)
        assert (await asyncio.to_thread(thief.get_caller_identity))["Account"] == ACCOUNT
        await estate.cloud.iot(
            "update_certificate",
            certificateId=estate.group.core.certificate_arn.rpartition("/")[2],
            newStatus="REVOKED",
        )
        async with asyncio.timeout(5):
            while await asyncio.to_thread(works, thief):
                pass


def stolen_client(cloud: RunningCloud, credentials: Any) -> Any:
    return cloud.client(
        "sts",
        aws_access_key_id=credentials.access_key_id,
        aws_secret_access_key=credentials.secret_access_key.reveal(),
        aws_session_token=credentials.session_token.reveal(),
    )


def works(client: Any) -> bool:
    try:
        client.get_caller_identity()
    except ClientError:
        return False
    return True
