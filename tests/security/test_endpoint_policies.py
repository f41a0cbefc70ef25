"""Attacks on private doors of the API: an administrator with every permission at the wrong door."""

import asyncio
import functools
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.support.cloud import ACCOUNT, RunningCloud, running_cloud

from hedgerow.cloud.app import PrivateApi
from hedgerow.contract import deployment_path, discovery_path

PLANT = "vpce-0plant"
OFFICE = "vpce-0office"
ONCE = Config(retries={"total_max_attempts": 1})
DEPLOYMENTS_ONLY = json.dumps(
    {
        "Statement": [
            {
                "Principal": "*",
                "Effect": "Allow",
                "Action": ["greengrass:CreateDeployment", "greengrass:StartBulkDeployment"],
                "Resource": "*",
            }
        ]
    }
)
"""What the guide's page vpc-interface-endpoints has as its example."""


def allowing(**elements: Any) -> str:
    """Return a policy of one statement that allows."""
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **elements}]})


@asynccontextmanager
async def doors(
    folder: Path, policies: Mapping[str, str | None], **options: Any
) -> AsyncIterator[RunningCloud]:
    """Serve a cloud with private doors of these ids and policies."""
    wanted = []
    for name, text in policies.items():
        path = None
        if text is not None:
            path = folder / f"{name}.json"
            path.write_text(text)
        wanted.append(PrivateApi(id=name, host="127.0.0.1", port=0, policy=path))
    async with running_cloud(folder, combined=False, private_apis=wanted, **options) as cloud:
        yield cloud


@asynccontextmanager
async def through(cloud: RunningCloud, name: str, **changes: str) -> AsyncIterator[RunningCloud]:
    """Give the cloud as it is seen by who comes in by one of the private doors."""
    (port,) = [door.port for door in cloud.endpoints.private_apis if door.id == name]
    url = f"https://127.0.0.1:{port}"
    entered = RunningCloud(
        cloud.app, cloud.data_dir, cloud.account, {"endpoint_url": url, **changes}
    )
    try:
        yield entered
    finally:
        entered.close_clients()


async def refusal(cloud: RunningCloud, service: str, operation: str, **members: Any) -> str:
    """Return the sentence that a call is refused with; it must be one for lack of permission."""
    with pytest.raises(ClientError) as error:
        await cloud.call(service, operation, **members)
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    return str(error.value.response["Error"]["Message"])


async def user(cloud: RunningCloud, name: str, policy: str) -> dict[str, str]:
    """Make a user with a policy; return its key in boto3's words."""
    iam = functools.partial(cloud.call, "iam")
    await iam("create_user", UserName=name)
    await iam("put_user_policy", UserName=name, PolicyName="p", PolicyDocument=policy)
    key = (await iam("create_access_key", UserName=name))["AccessKey"]
    return {
        "aws_access_key_id": key["AccessKeyId"],
        "aws_secret_access_key": key["SecretAccessKey"],
    }


@pytest.mark.promise(1)
@pytest.mark.spec("W10")
async def test_what_the_door_s_policy_does_not_allow_is_refused_to_the_administrator_too(
    tmp_path: Path,
) -> None:
    async with doors(tmp_path, {PLANT: DEPLOYMENTS_ONLY}) as cloud:
        group = (await cloud.greengrass("create_group", Name="g"))["Id"]
        async with through(cloud, PLANT) as plant:
            said = await refusal(plant, "greengrass", "list_groups")
            assert "VPC endpoint policy" in said
            assert "greengrass:ListGroups" in said
            for service, operation in {
                "iam": "list_users",
                "iot": "list_things",
                "cloudtrail": "lookup_events",
                "organizations": "list_accounts",
                "sts": "get_caller_identity",
            }.items():
                await refusal(plant, service, operation)
            with pytest.raises(ClientError) as error:
                await plant.greengrass(
                    "create_deployment", GroupId=group, DeploymentType="NewDeployment"
                )
            assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400, "allowed"
        assert await cloud.greengrass("list_groups")


@pytest.mark.promise(1)
@pytest.mark.spec("W10")
async def test_a_door_s_policy_names_principals_actions_and_resources(tmp_path: Path) -> None:
    policy = allowing(
        Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:user/operator"},
        Action="iot:DescribeThing",
        Resource=f"arn:aws:iot:*:{ACCOUNT}:thing/plant-*",
    )
    async with doors(tmp_path, {PLANT: policy}) as cloud:
        key = await user(cloud, "operator", allowing(Action="*", Resource="*"))
        for thing in ("plant-1", "office-1"):
            await cloud.iot("create_thing", thingName=thing)
        async with through(cloud, PLANT, **key) as operator, through(cloud, PLANT) as administrator:
            assert await operator.iot("describe_thing", thingName="plant-1")
            await refusal(operator, "iot", "describe_thing", thingName="office-1")
            await refusal(operator, "iot", "delete_thing", thingName="plant-1")
            await refusal(administrator, "iot", "describe_thing", thingName="plant-1")


@pytest.mark.promise(1)
async def test_a_door_s_policy_gives_nobody_what_its_own_policies_do_not(tmp_path: Path) -> None:
    everything = allowing(Principal="*", Action="*", Resource="*")
    async with doors(tmp_path, {PLANT: everything}) as cloud:
        key = await user(cloud, "reader", allowing(Action="iot:ListThings", Resource="*"))
        async with through(cloud, PLANT, **key) as reader:
            assert (await reader.iot("list_things"))["things"] == []
            await refusal(reader, "iot", "create_thing", thingName="x")


@pytest.mark.promise(1)
async def test_the_door_is_a_condition_that_no_caller_can_claim(tmp_path: Path) -> None:
    at_plant = allowing(
        Action="iot:ListThings",
        Resource="*",
        Condition={"StringEquals": {"aws:SourceVpce": PLANT}},
    )
    async with doors(tmp_path, {PLANT: None, OFFICE: None}) as cloud:
        key = await user(cloud, "operator", at_plant)
        async with through(cloud, PLANT, **key) as plant, through(cloud, OFFICE, **key) as office:
            assert (await plant.iot("list_things"))["things"] == []
            await refusal(office, "iot", "list_things")
        public = await asyncio.to_thread(cloud.client, "iot", **key)
        public.meta.events.register("before-sign.*.*", claim_the_door)
        with pytest.raises(ClientError) as error:
            await asyncio.to_thread(public.list_things)
        assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def claim_the_door(request: Any, **_others: Any) -> None:
    """Say in every way that a client has that the call comes through the private door."""
    for header in ("aws:SourceVpce", "x-amz-source-vpce", "x-amzn-vpce-id", "x-vpce-endpoint"):
        request.headers[header.replace(":", "-")] = PLANT


@pytest.mark.promise(1)
@pytest.mark.spec("W10")
async def test_without_a_public_door_devices_are_served_and_programs_come_by_the_private_one(
    tmp_path: Path,
) -> None:
    async with doors(tmp_path, {PLANT: None}, api_port=None) as cloud:
        assert cloud.endpoints.api_port is None
        async with through(cloud, PLANT) as plant:
            device = await plant.enrol_device("sensor")
            group = await plant.group("core")
            await group.deploy(succeed=False)
        path = deployment_path(group.group_id, group.deployment_id)
        async with cloud.https(group.core.identity) as connection:
            assert (await connection.get(path)).status == 200
        async with cloud.https(device.identity) as connection:
            assert (await connection.get(discovery_path("sensor"))).status == 404
        port = cloud.endpoints.device_https_port
        unproven = await asyncio.to_thread(
            cloud.client, "iot", endpoint_url=f"https://localhost:{port}", config=ONCE
        )
        with pytest.raises(Exception, match=r"SSL|Connection"):
            await asyncio.to_thread(unproven.list_things)


@pytest.mark.promise(8)
async def test_the_record_says_by_which_door_a_call_came(tmp_path: Path) -> None:
    async with doors(tmp_path, {PLANT: DEPLOYMENTS_ONLY}) as cloud:
        async with through(cloud, PLANT) as plant:
            await refusal(plant, "iot", "list_things")
        await cloud.iot("list_thing_groups")
        events = (await cloud.call("cloudtrail", "lookup_events"))["Events"]
        records = {
            event["EventName"]: json.loads(event["CloudTrailEvent"]).get("vpcEndpointId")
            for event in events
        }
        assert records["ListThings"] == PLANT
        assert records["ListThingGroups"] is None
