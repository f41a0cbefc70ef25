"""Thing groups: who is in them, what their policies allow, and what they never do."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.registry import HOME, Registrar, allow, deny, issued, policy, registry

from hedgerow.aws import AwsError
from hedgerow.cloud.iot import DirectoryChange, thing_groups, things
from hedgerow.cloud.iot.arns import thing_arn, thing_group_arn
from hedgerow.cloud.iot.documents import THING, THING_GROUP_MEMBER

PUBLISH = f"arn:aws:iot:{HOME.region}:{HOME.account}:topic/t"


@pytest.fixture
async def registrar(tmp_path: Path) -> AsyncIterator[Registrar]:
    async with registry(tmp_path) as opened:
        yield opened


async def create(registrar: Registrar, name: str, **more: Any) -> Any:
    async with registrar.store.transaction() as tx:
        return await thing_groups.create(tx, HOME, {"thingGroupName": name, **more})


async def groups_of(registrar: Registrar, name: str) -> tuple[str, ...]:
    record = await registrar.store.get(THING, HOME.account, name)
    assert record is not None
    return record.document.groups


async def test_a_group_policy_holds_for_its_things_while_they_are_in_it(
    registrar: Registrar,
) -> None:
    device = issued()
    await registrar.enrol("lamp", device, policy(allow("iot:Connect", "client/lamp")))
    proof = registrar.directory.admit(device.id)

    def may_publish() -> bool:
        return registrar.directory.authorize(proof, "iot:Publish", PUBLISH).allowed

    await create(registrar, "lamps")
    await registrar.policy("g", policy(allow("iot:Publish", "topic/t")))
    await registrar.attach_policy_to_group("g", "lamps")
    assert not may_publish()
    heard: list[DirectoryChange] = []
    registrar.directory.on_change(heard.append)
    await registrar.add_to_group("lamps", "lamp")
    assert may_publish()
    assert {one for change in heard for one in change.certificates} == {device.id}
    heard.clear()
    await registrar.edit_policy("g", policy(deny("iot:Publish", "topic/t")))
    assert not may_publish()
    assert heard[0].certificates == {device.id}
    await registrar.edit_policy("g", policy(allow("iot:*", "*")))
    assert may_publish()
    heard.clear()
    await registrar.remove_from_group("lamps", "lamp")
    assert not may_publish()
    assert heard[0].certificates == {device.id}


async def test_a_deny_of_a_group_counts_for_every_action(registrar: Registrar) -> None:
    device = issued()
    discover = allow("greengrass:Discover", "thing/lamp")
    await registrar.enrol("lamp", device, policy(discover))
    await create(registrar, "lamps")
    await registrar.add_to_group("lamps", "lamp")
    proof = registrar.directory.admit(device.id)
    arn = thing_arn(HOME, "lamp")
    assert registrar.directory.authorize(proof, "greengrass:Discover", arn).allowed
    await registrar.policy("g", policy(deny("greengrass:Discover", "thing/lamp")))
    await registrar.attach_policy_to_group("g", "lamps")
    decision = registrar.directory.authorize(proof, "greengrass:Discover", arn)
    assert decision.effect == "explicit-deny"


async def test_making_a_group_twice_gives_the_same_and_another_is_refused(
    registrar: Registrar,
) -> None:
    first = await create(registrar, "lamps")
    assert first["thingGroupArn"] == thing_group_arn(HOME, "lamps")
    assert await create(registrar, "lamps") == first
    with pytest.raises(AwsError) as refused:
        await create(registrar, "lamps", thingGroupProperties={"thingGroupDescription": "x"})
    assert refused.value.code == "ResourceAlreadyExistsException"
    with pytest.raises(AwsError, match="do not nest"):
        await create(registrar, "child", parentGroupName="lamps")


async def test_membership_is_counted_once_and_ends_with_thing_or_group(
    registrar: Registrar,
) -> None:
    for name in ("one", "two"):
        await registrar.thing(name)
        await create(registrar, f"g-{name}")
    for group in ("g-one", "g-two", "g-one"):
        await registrar.add_to_group(group, "one")
    await registrar.add_to_group("g-one", "two")
    assert await groups_of(registrar, "one") == ("g-one", "g-two")
    async with registrar.store.transaction() as tx:
        await thing_groups.delete(tx, HOME, {"thingGroupName": "g-one"})
        await thing_groups.delete(tx, HOME, {"thingGroupName": "g-one"})
    assert await groups_of(registrar, "one") == ("g-two",)
    assert await groups_of(registrar, "two") == ()
    async with registrar.store.transaction() as tx:
        await things.delete(tx, HOME, {"thingName": "one"})
    assert await registrar.store.all(THING_GROUP_MEMBER, HOME.account) == ()


async def test_a_group_with_a_policy_is_not_deleted(registrar: Registrar) -> None:
    await create(registrar, "lamps")
    for number in range(3):
        await registrar.policy(f"p{number}")
    await registrar.attach_policy_to_group("p0", "lamps")
    await registrar.attach_policy_to_group("p1", "lamps")
    with pytest.raises(AwsError) as refused:
        await registrar.attach_policy_to_group("p2", "lamps")
    assert refused.value.code == "LimitExceededException"
    with pytest.raises(AwsError, match="still attached"):
        async with registrar.store.transaction() as tx:
            await thing_groups.delete(tx, HOME, {"thingGroupName": "lamps"})


async def test_a_thing_is_in_at_most_ten_groups(registrar: Registrar) -> None:
    await registrar.thing("lamp")
    for number in range(11):
        await create(registrar, f"g{number}")
    for number in range(10):
        await registrar.add_to_group(f"g{number}", "lamp")
    with pytest.raises(AwsError, match="at most 10"):
        await registrar.add_to_group("g10", "lamp")


def test_groups_and_things_are_named_by_name_or_arn() -> None:
    assert thing_groups.group_name({"thingGroupName": "g"}, HOME) == "g"
    assert thing_groups.group_name({"thingGroupArn": thing_group_arn(HOME, "g")}, HOME) == "g"
    assert things.thing_name({"thingArn": thing_arn(HOME, "t")}, HOME) == "t"
    for request in ({}, {"thingGroupArn": thing_arn(HOME, "t")}):
        with pytest.raises(AwsError, match="Name a thing group"):
            thing_groups.group_name(request, HOME)
    with pytest.raises(AwsError, match="Name a thing"):
        things.thing_name({"thingArn": "arn:aws:iot:us-east-1:1:thing/t"}, HOME)
