"""boto3, unchanged: what is attached to what from every side, and things by their attributes."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.cloud import RunningCloud, running_cloud
from tests.support.registry import POLICY

BY_MARKER = {
    "list_attached_policies",
    "list_policy_principals",
    "list_principal_policies",
    "list_targets_for_policy",
}


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path, combined=False) as running:
        yield running


async def every(cloud: RunningCloud, operation: str, member: str, **members: Any) -> list[Any]:
    """Return all rows of a list, asked for two at a time."""
    size, token, following = ("maxResults", "nextToken", "nextToken")
    if operation in BY_MARKER:
        size, token, following = ("pageSize", "marker", "nextMarker")
    rows: list[Any] = []
    more: dict[str, Any] = {}
    while True:
        page = await cloud.iot(operation, **members, **more, **{size: 2})
        assert len(page[member]) <= 2
        rows += page[member]
        if following not in page:
            return rows
        more = {token: page[following]}


async def test_an_attachment_is_seen_from_every_side(cloud: RunningCloud) -> None:
    certificates = [
        (await cloud.iot("create_keys_and_certificate", setAsActive=True))["certificateArn"]
        for _ in range(3)
    ]
    first, second, alone = certificates
    for name in ("a", "b", "c"):
        await cloud.iot("create_thing", thingName=name)
        await cloud.iot("create_policy", policyName=name, policyDocument=POLICY)
        for principal in (first, second):
            await cloud.iot("attach_thing_principal", thingName=name, principal=principal)
        await cloud.iot("attach_policy", policyName=name, target=first)
    await cloud.iot("create_thing", thingName="own")
    exclusive = {"thingPrincipalType": "EXCLUSIVE_THING"}
    await cloud.iot("attach_thing_principal", thingName="own", principal=alone, **exclusive)
    await cloud.iot("attach_thing_principal", thingName="a", principal=certificates[1])
    group = (await cloud.iot("create_thing_group", thingGroupName="hall"))["thingGroupArn"]
    await cloud.iot("attach_policy", policyName="a", target=group)

    assert await every(cloud, "list_principal_things", "things", principal=first) == ["a", "b", "c"]
    assert await every(cloud, "list_thing_principals", "principals", thingName="a") == [
        first,
        second,
    ]
    shared = {"thingPrincipalType": "NON_EXCLUSIVE_THING"}
    things = await every(
        cloud, "list_principal_things_v2", "principalThingObjects", principal=first
    )
    assert things == [{"thingName": name, **shared} for name in ("a", "b", "c")]
    principals = await every(
        cloud, "list_thing_principals_v2", "thingPrincipalObjects", thingName="own"
    )
    assert principals == [{"principal": alone, **exclusive}]
    for kind, expected in ((exclusive, [principals[0]]), (shared, [])):
        found = await cloud.iot("list_thing_principals_v2", thingName="own", **kind)
        assert found["thingPrincipalObjects"] == expected
        found = await cloud.iot("list_principal_things_v2", principal=alone, **kind)
        assert bool(found["principalThingObjects"]) == bool(expected)

    policies = await every(cloud, "list_attached_policies", "policies", target=first)
    assert [row["policyName"] for row in policies] == ["a", "b", "c"]
    assert await every(cloud, "list_principal_policies", "policies", principal=first) == policies
    assert await every(cloud, "list_targets_for_policy", "targets", policyName="a") == [
        first,
        group,
    ]
    assert await every(cloud, "list_policy_principals", "principals", policyName="b") == [first]
    attached = await every(cloud, "list_attached_policies", "policies", target=group)
    assert [row["policyName"] for row in attached] == ["a"]


async def test_who_is_detached_is_on_no_list(cloud: RunningCloud) -> None:
    made = await cloud.iot("create_keys_and_certificate", setAsActive=True)
    principal = made["certificateArn"]
    await cloud.iot("create_thing", thingName="a")
    await cloud.iot("create_policy", policyName="a", policyDocument=POLICY)
    await cloud.iot("attach_thing_principal", thingName="a", principal=principal)
    await cloud.iot("attach_policy", policyName="a", target=principal)
    await cloud.iot("detach_thing_principal", thingName="a", principal=principal)
    await cloud.iot("detach_policy", policyName="a", target=principal)
    for operation, member, members in (
        ("list_principal_things", "things", {"principal": principal}),
        ("list_principal_things_v2", "principalThingObjects", {"principal": principal}),
        ("list_thing_principals", "principals", {"thingName": "a"}),
        ("list_thing_principals_v2", "thingPrincipalObjects", {"thingName": "a"}),
        ("list_attached_policies", "policies", {"target": principal}),
        ("list_principal_policies", "policies", {"principal": principal}),
        ("list_targets_for_policy", "targets", {"policyName": "a"}),
        ("list_policy_principals", "principals", {"policyName": "a"}),
    ):
        assert (await cloud.iot(operation, **members))[member] == []


async def test_things_are_found_by_attribute_in_full_pages(cloud: RunningCloud) -> None:
    for number in range(12):
        hall = "7" if number % 3 == 0 else "8"
        payload = {"attributes": {"hall": hall, "serial": f"x{number:02}"}}
        await cloud.iot("create_thing", thingName=f"press-{number:02}", attributePayload=payload)
    wanted = {"attributeName": "hall", "attributeValue": "7"}
    page = await cloud.iot("list_things", maxResults=3, **wanted)
    names = [row["thingName"] for row in page["things"]]
    assert names == ["press-00", "press-03", "press-06"]
    rest = await cloud.iot("list_things", nextToken=page["nextToken"], **wanted)
    assert [row["thingName"] for row in rest["things"]] == ["press-09"]
    assert "nextToken" not in rest
    prefix = {"attributeName": "serial", "attributeValue": "x1", "usePrefixAttributeValue": True}
    found = await every(cloud, "list_things", "things", **prefix)
    assert [row["attributes"]["serial"] for row in found] == ["x10", "x11"]


async def test_a_thing_has_as_many_attributes_as_its_type_allows(cloud: RunningCloud) -> None:
    """Three without a type, fifty with one."""

    def attributes(count: int, value: str = "x") -> dict[str, Any]:
        named = {f"attribute-{number:02}": value for number in range(count)}
        return {"attributePayload": {"attributes": named}}

    async def refused(operation: str, **members: Any) -> str:
        with pytest.raises(ClientError) as error:
            await cloud.iot(operation, **members)
        assert error.value.response["Error"]["Code"] == "InvalidRequestException"
        return str(error.value.response["Error"]["Message"])

    await cloud.iot("create_thing_type", thingTypeName="machine")
    typed = {"thingTypeName": "machine"}
    message = await refused("create_thing", thingName="bare", **attributes(4))
    assert "without a type has at most 3" in message
    await cloud.iot("create_thing", thingName="bare", **attributes(3))
    assert "at most 50" in await refused("create_thing", thingName="a", **typed, **attributes(51))
    await cloud.iot("create_thing", thingName="press", **typed, **attributes(50))
    message = await refused("update_thing", thingName="press", removeThingType=True)
    assert "without a type" in message
    assert (await cloud.iot("describe_thing", thingName="press"))["thingTypeName"] == "machine"
    await cloud.iot("update_thing", thingName="bare", **typed, **attributes(50, "y" * 800))
    long_value = {"attributePayload": {"attributes": {"a": "y" * 801}}}
    await refused("update_thing", thingName="bare", **long_value)
