"""boto3, unchanged: with a client token, each creating call is made once however often it comes."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from tests.support.bulk import URI, execution_role, line_of, put_input
from tests.support.cloud import RunningCloud, running_cloud

from hedgerow.aws.models import load_model
from hedgerow.cloud.greengrass.kinds import DEFINITION_KINDS

ELSEWHERE = {"CreateSoftwareUpdateJob"}
"""Its token has a test of its own, with the published software that it takes."""


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path, combined=False) as running:
        yield running


async def requests(cloud: RunningCloud) -> dict[str, Mapping[str, Any]]:
    """Return a request of every operation that takes a token."""
    group = await cloud.group("core")
    put_input(cloud, [line_of(group)])
    of_group = {"GroupId": group.group_id}
    made: dict[str, Mapping[str, Any]] = {
        "CreateGroup": {"Name": "g"},
        "CreateGroupVersion": of_group,
        "CreateGroupCertificateAuthority": of_group,
        "CreateDeployment": {
            **of_group,
            "DeploymentType": "NewDeployment",
            "GroupVersionId": group.version_id,
        },
        "StartBulkDeployment": {
            "ExecutionRoleArn": await execution_role(cloud),
            "InputFileUri": URI,
        },
        "ResetDeployments": {**of_group, "Force": True},
    }
    for kind in DEFINITION_KINDS:
        definition = await cloud.greengrass(f"create_{kind.name.lower()}_definition")
        made[f"Create{kind.name}Definition"] = {"Name": "d"}
        made[f"Create{kind.name}DefinitionVersion"] = {kind.id_member: definition["Id"]}
    return made


@pytest.mark.spec("P17")
async def test_a_repeated_call_gets_the_first_answer_again(cloud: RunningCloud) -> None:
    model = load_model("greengrass")
    prepared = await requests(cloud)
    assert prepared.keys() | ELSEWHERE == {
        name
        for name in model.operation_names
        if "AmznClientToken" in model.operation_model(name).input_shape.members
    }
    for name, members in prepared.items():
        operation = xform_name(name)
        once = await cloud.greengrass(operation, **members, AmznClientToken="t")
        again = await cloud.greengrass(operation, **members, AmznClientToken="t")
        assert again == once, name
        with pytest.raises(ClientError, match="this client token was used for another request"):
            await cloud.greengrass(operation, **another(name, members), AmznClientToken="t")


def another(name: str, members: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request of the same operation that differs."""
    if name == "StartBulkDeployment":
        return {**members, "tags": {"a": "b"}}
    if name == "CreateDeployment":
        return {**members, "DeploymentId": "d"}
    if name == "ResetDeployments":
        return {**members, "Force": False}
    if "Name" in members:
        return {**members, "Name": "other"}
    identifier = next(member for member in members if member.endswith("Id"))
    return {**members, identifier: "other"}
