"""The command lines that the guide prints, typed one after the other into the unchanged AWS CLI."""

import asyncio
import json
import shlex
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jmespath  # type: ignore[import-untyped]  # it has no types
from tests.support.aws_command_line import command_line
from tests.support.bulk import URI, may_deploy, put_input
from tests.support.cloud import ACCOUNT, REGION, CloudGroup, RunningCloud, running_cloud
from tests.support.roles import trust_policy

from hedgerow.cloud.app import Layout

LINES = Path(__file__).resolve().parents[1] / "golden" / "cli" / "greengrass.toml"


async def group_of_the_guide(cloud: RunningCloud) -> CloudGroup:
    """Make what the reader of the guide has by then: `MyGroup` with its core and a device."""
    group = await cloud.group("MyGroup_Core", await cloud.enrol_device("sensor"))
    await cloud.greengrass("update_group", GroupId=group.group_id, Name="MyGroup")
    return group


async def role_of_the_guide(cloud: RunningCloud) -> str:
    """Make a role that Greengrass may assume, and that may deploy."""
    arn = await cloud.role("MyRole", trust_policy())
    await cloud.call(
        "iam",
        "put_role_policy",
        RoleName="MyRole",
        PolicyName="bulk",
        PolicyDocument=json.dumps(may_deploy()),
    )
    await cloud.call(
        "iam",
        "attach_role_policy",
        RoleName="MyRole",
        PolicyArn="arn:aws:iam::aws:policy/service-role/AWSGreengrassResourceAccessRolePolicy",
    )
    return arn


def environment(cloud: RunningCloud) -> dict[str, str]:
    """Return what `hedgerow env` prints."""
    administrator = json.loads(Layout(cloud.data_dir).administrator.read_text())
    return {
        "AWS_ENDPOINT_URL": f"https://localhost:{cloud.endpoints.api_port}",
        "AWS_CA_BUNDLE": str(Layout(cloud.data_dir).root_certificate),
        "AWS_ACCESS_KEY_ID": administrator["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": administrator["SecretAccessKey"],
        "AWS_DEFAULT_REGION": REGION,
    }


def filled_in(line: str, known: Mapping[str, str]) -> list[str]:
    """Return the words of a line as a shell gives them to the command."""
    for name, value in known.items():
        line = line.replace(f"<{name}>", value)
    first, *words = shlex.split(line.replace("\\\n", ""))
    assert first == "aws"
    return words


async def happens(what: str | None, group: CloudGroup, known: Mapping[str, str]) -> None:
    """Do what somebody else does after a line."""
    if what == "the core succeeds":
        group.deployment_id = known["deployment"]
        await group.wait_for("InProgress")
        await group.report("Success")
    elif what == "the bulk deployment runs":
        async with asyncio.timeout(10):
            while True:
                status = await group.cloud.greengrass(
                    "get_bulk_deployment_status", BulkDeploymentId=known["bulk"]
                )
                if status["BulkDeploymentStatus"] == "Running":
                    return
    else:
        assert what is None


async def test_the_lines_of_the_guide_work_as_they_are_printed(tmp_path: Path) -> None:
    async with running_cloud(tmp_path, combined=False) as cloud:
        group = await group_of_the_guide(cloud)
        put_input(cloud, [json.dumps({"GroupId": group.group_id, "DeploymentType": "NewDeployment",
                                      "GroupVersionId": group.version_id})])  # fmt: skip
        known = {
            "region": REGION,
            "account": ACCOUNT,
            "role": await role_of_the_guide(cloud),
            "input": URI,
        }
        lines: list[dict[str, Any]] = tomllib.loads(LINES.read_text())["line"]
        async with command_line(environment(cloud)) as aws:
            for line in lines:
                printed = await aws.run(filled_in(line["type"], known))
                if "fails" in line:
                    assert line["fails"] in printed.error, line
                    continue
                assert printed.code == 0, (line, printed.error)
                answer = json.loads(printed.out or "null")
                for name, place in line.get("keep", {}).items():
                    known[name] = jmespath.search(place, answer)
                    assert known[name], (line, answer)
                await happens(line.get("then"), group, known)
        assert known["group"] == known["newest"] == known["group_of_list"] == group.group_id
        assert len(lines) > 40
