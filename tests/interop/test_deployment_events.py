"""Deployments of a real cloud, told to a program that subscribed and to the log."""

import json
from pathlib import Path

import pytest
from tests.support.bulk import ended, execution_role, line_of, put_input, reports_of, start
from tests.support.cloud import running_cloud
from tests.support.core_estate import message, watching

from hedgerow.cloud.app import Layout

_ALLOW_ALL = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}],
    }
)


@pytest.mark.spec("S01")
async def test_a_program_hears_of_every_state_of_a_deployment_and_the_log_has_it(
    tmp_path: Path,
) -> None:
    async with running_cloud(tmp_path) as cloud:
        group = await cloud.group("edge")
        program = await cloud.enrol("program", _ALLOW_ALL)
        topic = "$aws/events/greengrass/deployments"
        async with watching(cloud, program, f"{topic}/#") as client:
            deployment_id = await group.deploy()
            heard = [await message(client) for _ in range(3)]
    log = Layout(tmp_path / "cloud").events / cloud.account / "events.log"
    assert [payload for _, payload in heard] == log.read_bytes().splitlines()
    assert {topic for topic, _ in heard} == {f"{topic}/{group.group_id}"}
    events = [json.loads(payload) for _, payload in heard]
    assert [event["detail"]["status"] for event in events] == ["Building", "InProgress", "Success"]
    for event in events:
        assert event["source"] == "aws.greengrass"
        assert event["detail-type"] == "Greengrass Deployment Status Change"
        assert event["resources"] == []
        assert (
            event["detail"].items()
            >= {
                "group-id": group.group_id,
                "deployment-id": deployment_id,
                "deployment-type": "NewDeployment",
            }.items()
        )


@pytest.mark.spec("S02")
async def test_a_bulk_deployment_is_told_by_its_parts_and_not_as_such(tmp_path: Path) -> None:
    async with running_cloud(tmp_path) as cloud:
        groups = [await cloud.group(f"core-{number}") for number in range(2)]
        put_input(cloud, map(line_of, groups))
        role = await execution_role(cloud)
        program = await cloud.enrol("program", _ALLOW_ALL)
        async with watching(cloud, program, "$aws/events/greengrass/#") as client:
            bulk_id = await start(cloud, role)
            await ended(cloud, bulk_id, "Completed")
            deployed = {report["DeploymentId"] for report in await reports_of(cloud, bulk_id)}
            heard = [json.loads((await message(client))[1]) for _ in range(4)]
    assert {event["detail-type"] for event in heard} == {"Greengrass Deployment Status Change"}
    told = [(event["detail"]["deployment-id"], event["detail"]["status"]) for event in heard]
    assert sorted(told) == sorted(
        (each, status) for each in deployed for status in ("Building", "InProgress")
    )
    log = Layout(tmp_path / "cloud").events / cloud.account / "events.log"
    assert [json.loads(line) for line in log.read_bytes().splitlines()] == heard
