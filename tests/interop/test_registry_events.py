"""Registry events, as a program hears them over the cloud's broker, and as the log has them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.cloud import ACCOUNT, REGION, RunningCloud, running_cloud
from tests.support.cloud_edge import MqttDevice
from tests.support.registry import POLICY

from hedgerow.cloud.iot.registry_events import KINDS

EVENTS = "$aws/events/"
BASE = f"arn:aws:iot:{REGION}:{ACCOUNT}"


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path, combined=False) as running:
        yield running


async def turn(cloud: RunningCloud, **kinds: bool) -> None:
    wanted = {kind: {"Enabled": on} for kind, on in kinds.items()}
    await cloud.iot("update_event_configurations", eventConfigurations=wanted)


@asynccontextmanager
async def listening(cloud: RunningCloud, *topics: str) -> AsyncIterator[MqttDevice]:
    """Give a program that hears events."""
    thing = await cloud.enrol("listener", POLICY)
    port = cloud.endpoints.device_mqtt_port
    program = MqttDevice(port, thing.identity, thing.name, roots=cloud.roots_pem)
    assert (await program.connect())[0] == 0
    for topic in topics:
        assert (await program.subscribe(EVENTS + topic))[0] == 0
    try:
        yield program
    finally:
        await program.close()


async def heard(program: MqttDevice) -> tuple[str, dict[str, Any]]:
    """Return topic and members of the next event, without what differs each time."""
    topic, event = await program.event()
    assert len(event.pop("eventId")) == 36
    assert event.pop("timestamp") > 1_700_000_000_000
    return topic.removeprefix(EVENTS), event


async def test_what_happens_to_a_thing_is_told(cloud: RunningCloud) -> None:
    await turn(cloud, THING=True, THING_TYPE_ASSOCIATION=True)
    await cloud.iot("create_thing_type", thingTypeName="machine")
    async with listening(cloud, "thing/press/#", "thingTypeAssociation/#") as program:
        made = await cloud.iot(
            "create_thing",
            thingName="press",
            attributePayload={"attributes": {"hall": "7"}},
        )
        await cloud.iot(
            "create_thing", thingName="press", attributePayload={"attributes": {"hall": "7"}}
        )
        await cloud.iot("update_thing", thingName="press", thingTypeName="machine")
        await cloud.iot("update_thing", thingName="press", removeThingType=True)
        await cloud.iot("delete_thing", thingName="press")
        common = {
            "eventType": "THING_EVENT",
            "accountId": ACCOUNT,
            "thingId": made["thingId"],
            "thingName": "press",
            "attributes": {"hall": "7"},
        }
        moved = {
            "eventType": "THING_TYPE_ASSOCIATION_EVENT",
            "thingId": made["thingId"],
            "thingName": "press",
            "thingTypeName": "machine",
        }
        expected: list[tuple[str, dict[str, Any]]] = [
            ("CREATED", {"versionNumber": 1, "thingTypeName": None}),
            ("UPDATED", {"versionNumber": 2, "thingTypeName": "machine"}),
            ("ADDED", {}),
            ("UPDATED", {"versionNumber": 3, "thingTypeName": None}),
            ("REMOVED", {}),
            ("DELETED", {"versionNumber": 3, "thingTypeName": None}),
        ]
        for operation, more in expected:
            topic, event = await heard(program)
            of_thing = bool(more)
            where = (
                "thing/press" if of_thing else "thingTypeAssociation/thing/press/thingType/machine"
            )
            assert topic == f"{where}/{operation.lower()}"
            known = common if of_thing else moved
            assert event == {**known, "operation": operation, **more}


async def test_what_happens_to_types_and_groups_is_told(cloud: RunningCloud) -> None:
    kinds = ("THING_TYPE", "THING_GROUP", "THING_GROUP_MEMBERSHIP")
    await turn(cloud, **dict.fromkeys(kinds, True))
    topics = ("thingType/#", "thingGroup/#", "thingGroupMembership/#")
    thing = await cloud.iot("create_thing", thingName="press")
    async with listening(cloud, *topics) as program:
        made = await cloud.iot("create_thing_type", thingTypeName="machine")
        await cloud.iot("deprecate_thing_type", thingTypeName="machine")
        for operation, deprecated in (("CREATED", False), ("UPDATED", True)):
            topic, event = await heard(program)
            assert topic == f"thingType/machine/{operation.lower()}"
            assert (event.pop("deprecationDate") is not None) is deprecated
            assert event == {
                "eventType": "THING_TYPE_EVENT",
                "operation": operation,
                "accountId": ACCOUNT,
                "thingTypeId": made["thingTypeId"],
                "thingTypeName": "machine",
                "isDeprecated": deprecated,
                "searchableAttributes": [],
                "description": "",
            }
        group = await cloud.iot("create_thing_group", thingGroupName="hall")
        member = {"thingGroupName": "hall", "thingName": "press"}
        await cloud.iot("add_thing_to_thing_group", **member)
        await cloud.iot("add_thing_to_thing_group", **member)
        await cloud.iot("remove_thing_from_thing_group", **member)
        await cloud.iot("delete_thing_group", thingGroupName="hall")
        topic, event = await heard(program)
        assert topic == "thingGroup/hall/created"
        assert (event["thingGroupId"], event["versionNumber"]) == (group["thingGroupId"], 1)
        memberships = set()
        for operation in ("ADDED", "REMOVED"):
            topic, event = await heard(program)
            where = "thingGroupMembership/thingGroup/hall/thing/press"
            assert topic == f"{where}/{operation.lower()}"
            memberships.add(event.pop("membershipId"))
            assert event == {
                "eventType": "THING_GROUP_MEMBERSHIP_EVENT",
                "operation": operation,
                "accountId": ACCOUNT,
                "groupArn": f"{BASE}:thinggroup/hall",
                "groupId": group["thingGroupId"],
                "thingArn": f"{BASE}:thing/press",
                "thingId": thing["thingId"],
            }
        assert len(memberships) == 1
        assert (await heard(program))[0] == "thingGroup/hall/deleted"


async def test_nothing_is_told_of_what_is_off_or_was_refused(cloud: RunningCloud) -> None:
    described = await cloud.iot("describe_event_configurations")
    assert described == {
        "eventConfigurations": {kind: {"Enabled": on} for kind, on in KINDS.items()}
    }
    async with listening(cloud, "thing/#") as program:
        await cloud.iot("create_thing", thingName="silent")
        await turn(cloud, THING=True)
        described = await cloud.iot("describe_event_configurations")
        assert described["eventConfigurations"]["THING"] == {"Enabled": True}
        assert described["creationDate"] == described["lastModifiedDate"]
        with pytest.raises(ClientError):
            await cloud.iot("update_thing", thingName="silent", expectedVersion=9)
        await cloud.iot("create_thing", thingName="loud")
        assert (await heard(program))[0] == "thing/loud/created"
        await turn(cloud, THING=False)
        await cloud.iot("delete_thing", thingName="loud")
        await turn(cloud, THING=True)
        await cloud.iot("delete_thing", thingName="silent")
        assert (await heard(program))[0] == "thing/silent/deleted"


async def test_of_clients_that_come_and_go_is_told_only_while_that_is_on(
    cloud: RunningCloud,
) -> None:
    async def come_and_go(name: str) -> None:
        thing = await cloud.enrol(name, POLICY)
        port = cloud.endpoints.device_mqtt_port
        client = MqttDevice(port, thing.identity, thing.name, roots=cloud.roots_pem)
        assert (await client.connect())[0] == 0
        await client.close()

    async with listening(cloud, "presence/connected/#") as program:
        await come_and_go("first")
        assert (await program.event())[0] == f"{EVENTS}presence/connected/first"
        await turn(cloud, CERTIFICATE=False)
        await come_and_go("second")
        await turn(cloud, CERTIFICATE=True)
        await come_and_go("third")
        assert (await program.event())[0] == f"{EVENTS}presence/connected/third"


async def test_a_kind_that_does_not_exist_cannot_be_turned_on(cloud: RunningCloud) -> None:
    with pytest.raises(ClientError) as refused:
        await turn(cloud, SOMETHING=True)
    assert refused.value.response["Error"]["Code"] == "InvalidRequestException"


async def test_an_event_is_written_to_the_accounts_log_too(
    cloud: RunningCloud, tmp_path: Path
) -> None:
    await turn(cloud, THING=True)
    async with listening(cloud, "thing/press/#") as program:
        await cloud.iot("create_thing", thingName="press")
        await heard(program)

    def written() -> list[dict[str, Any]]:
        return [
            json.loads(line)
            for log in (tmp_path / "cloud").rglob("events.log")
            for line in log.read_text().splitlines()
        ]

    async with asyncio.timeout(10):
        while not any(
            event.get("thingName") == "press" for event in await asyncio.to_thread(written)
        ):
            await asyncio.to_thread(lambda: None)
