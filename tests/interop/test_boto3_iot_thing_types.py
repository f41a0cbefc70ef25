"""boto3, unchanged: thing types, and what they mean for things, lists and policies."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.clock import ManualClock
from tests.support.cloud import RunningCloud, running_cloud, signing_request
from tests.support.cloud_edge import MqttDevice
from tests.support.pki import Identity, new_key
from tests.support.registry import HOME, registry

from hedgerow.aws import AwsError
from hedgerow.cloud.iot import thing_types, things


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path, combined=False) as running:
        yield running


async def message_of(cloud: RunningCloud, operation: str, **members: Any) -> str:
    with pytest.raises(ClientError) as refused:
        await cloud.iot(operation, **members)
    return str(refused.value)


async def test_the_life_of_a_thing_type(cloud: RunningCloud) -> None:
    properties = {"thingTypeDescription": "lights", "searchableAttributes": ["watts"]}
    made = await cloud.iot(
        "create_thing_type", thingTypeName="lamp", thingTypeProperties=properties
    )
    assert made["thingTypeArn"].endswith(":thingtype/lamp")
    again = await cloud.iot(
        "create_thing_type", thingTypeName="lamp", thingTypeProperties=properties
    )
    assert again["thingTypeId"] == made["thingTypeId"]
    assert "ResourceAlreadyExists" in await message_of(
        cloud, "create_thing_type", thingTypeName="lamp"
    )
    await cloud.iot("create_thing_type", thingTypeName="pump")
    await cloud.iot(
        "update_thing_type",
        thingTypeName="pump",
        thingTypeProperties={"thingTypeDescription": "pumps"},
    )
    seen = await cloud.iot("describe_thing_type", thingTypeName="pump")
    assert seen["thingTypeProperties"]["thingTypeDescription"] == "pumps"
    assert seen["thingTypeMetadata"]["deprecated"] is False
    listed = await cloud.iot("list_thing_types")
    assert [row["thingTypeName"] for row in listed["thingTypes"]] == ["lamp", "pump"]
    named = await cloud.iot("list_thing_types", thingTypeName="lamp")
    assert [row["thingTypeProperties"] for row in named["thingTypes"]] == [properties]
    await cloud.iot("deprecate_thing_type", thingTypeName="lamp")
    assert "wait for five minutes" in await message_of(
        cloud, "delete_thing_type", thingTypeName="lamp"
    )
    assert "is deprecated" in await message_of(
        cloud, "create_thing", thingName="a", thingTypeName="lamp"
    )
    await cloud.iot("deprecate_thing_type", thingTypeName="lamp", undoDeprecate=True)
    assert "deprecate it first" in await message_of(
        cloud, "delete_thing_type", thingTypeName="lamp"
    )
    assert "does not exist" in await message_of(
        cloud, "create_thing", thingName="a", thingTypeName="none"
    )


async def test_things_have_types_and_lists_go_by_them(cloud: RunningCloud) -> None:
    for name in ("lamp", "pump"):
        await cloud.iot("create_thing_type", thingTypeName=name)
    await cloud.iot("create_thing", thingName="a", thingTypeName="lamp")
    await cloud.iot("create_thing", thingName="b")
    assert (await cloud.iot("describe_thing", thingName="a"))["thingTypeName"] == "lamp"
    assert "thingTypeName" not in await cloud.iot("describe_thing", thingName="b")
    assert "ResourceAlreadyExists" in await message_of(
        cloud, "create_thing", thingName="a", thingTypeName="pump"
    )
    await cloud.iot("update_thing", thingName="b", thingTypeName="pump")
    listed = await cloud.iot("list_things", thingTypeName="pump")
    assert [row["thingName"] for row in listed["things"]] == ["b"]
    await cloud.iot("update_thing", thingName="b", removeThingType=True)
    assert (await cloud.iot("list_things", thingTypeName="pump"))["things"] == []
    assert "not both" in await message_of(
        cloud, "update_thing", thingName="a", thingTypeName="pump", removeThingType=True
    )


@pytest.mark.promise(4)
async def test_a_policy_goes_by_the_type_of_the_thing_at_once(cloud: RunningCloud) -> None:
    statement = {
        "Effect": "Allow",
        "Action": "iot:Connect",
        "Resource": "*",
        "Condition": {"StringEquals": {"iot:Connection.Thing.ThingTypeName": "lamp"}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    await cloud.iot("create_policy", policyName="lamps", policyDocument=document)
    await cloud.iot("create_thing_type", thingTypeName="lamp")
    await cloud.iot("create_thing", thingName="a", thingTypeName="lamp")
    key = new_key()
    made = await cloud.iot(
        "create_certificate_from_csr",
        certificateSigningRequest=signing_request(key),
        setAsActive=True,
    )
    arn = made["certificateArn"]
    await cloud.iot("attach_policy", policyName="lamps", target=arn)
    await cloud.iot("attach_thing_principal", thingName="a", principal=arn)
    identity = Identity(key, made["certificatePem"])
    port = cloud.endpoints.device_mqtt_port
    device = MqttDevice(port, identity, "a", roots=cloud.roots_pem)
    assert (await device.connect())[0] == 0
    await cloud.iot("update_thing", thingName="a", removeThingType=True)
    assert (await device.ended()).code != 0
    await device.close()


async def test_a_deprecated_type_that_no_thing_has_can_be_deleted(tmp_path: Path) -> None:
    clock = ManualClock()
    lamp = {"thingTypeName": "lamp"}
    async with registry(tmp_path) as registrar:
        async with registrar.store.transaction() as tx:
            await thing_types.create(tx, HOME, lamp)
            await thing_types.deprecate(tx, HOME, lamp, clock.now())
        clock.advance(timedelta(minutes=5))
        async with registrar.store.transaction() as tx:
            await thing_types.delete(tx, HOME, "lamp", clock.now())
        with pytest.raises(AwsError, match="does not exist"):
            await thing_types.existing(registrar.store, HOME, "lamp")


async def test_a_type_that_a_thing_has_cannot_be_deleted(tmp_path: Path) -> None:
    clock = ManualClock()
    lamp = {"thingTypeName": "lamp"}
    async with registry(tmp_path) as registrar:
        async with registrar.store.transaction() as tx:
            await thing_types.create(tx, HOME, lamp)
            await things.create(tx, HOME, {"thingName": "a", **lamp})
            await thing_types.deprecate(tx, HOME, lamp, clock.now())
        clock.advance(timedelta(minutes=5))
        async with registrar.store.transaction() as tx:
            with pytest.raises(AwsError, match="still has it"):
                await thing_types.delete(tx, HOME, "lamp", clock.now())
