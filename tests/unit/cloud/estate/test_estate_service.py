"""An estate comes in as a whole or not at all; a dry run says what would be, and writes nothing."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ClientError
from tests.support.cloud import ACCOUNT, REGION, RunningCloud, running_cloud
from tests.support.v1_estate import CORE, GROUP_ID, PRESS, OldPlant

from hedgerow.cli.estate.files import source_of
from hedgerow.estate import Estate, ThingGroup, ThingType
from hedgerow.estate.readers import read
from hedgerow.estate.wire import packed, unpacked

PLANT = OldPlant.make()


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path / "cloud") as made:
        yield made


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    found = read(source_of(PLANT.write_answers(tmp_path / "answers"))).estate
    assert found is not None
    return found


async def bring(cloud: RunningCloud, estate: Estate, **options: Any) -> dict[str, Any]:
    return await cloud.call("hedgerow", "import_estate", Estate=packed(estate), **options)


async def taken(cloud: RunningCloud, group_id: str = GROUP_ID) -> Estate:
    answer = await cloud.call("hedgerow", "export_group", GroupId=group_id)
    return unpacked(answer["Estate"].read())


async def everything(cloud: RunningCloud) -> list[int]:
    """Return how much there is of all that an import makes."""
    registry = [("list_things", "things"), ("list_certificates", "certificates")]
    registry += [("list_policies", "policies"), ("list_thing_types", "thingTypes")]
    counts = [len((await cloud.iot(call))[member]) for call, member in registry]
    for call, member in (("list_groups", "Groups"), ("list_core_definitions", "Definitions")):
        counts.append(len((await cloud.greengrass(call))[member]))
    return counts


def codes(answer: dict[str, Any], weight: str = "blocks") -> set[str]:
    return {one["Code"] for one in answer["Findings"] if one["Weight"] == weight}


def with_row(estate: Estate, subject: str) -> Estate:
    """Return the estate with one more row, which only the API can find fault with."""
    (group,) = estate.groups
    row = {"Id": "more", "Source": "cloud", "Subject": subject, "Target": "cloud"}
    definitions = tuple(
        msgspec.structs.replace(one, content={"Subscriptions": [*one.listed, row]})
        if one.kind == "Subscription"
        else one
        for one in group.definitions
    )
    changed = msgspec.structs.replace(group, definitions=definitions)
    whole: Estate = msgspec.structs.replace(estate, groups=(changed,))
    return whole


async def test_an_import_makes_what_its_dry_run_said(cloud: RunningCloud, estate: Estate) -> None:
    dry = await bring(cloud, estate, DryRun=True)
    assert not dry["Applied"]
    assert await everything(cloud) == [0] * 6
    done = await bring(cloud, estate)
    assert done["Applied"]
    for member in ("Made", "Kept", "Steps", "Findings", "Digest"):
        assert done[member] == dry[member]
    assert done["Made"] == {"policy": 3, "certificate": 3, "thing": 3, "group": 1}
    assert await everything(cloud) == [3, 3, 3, 0, 1, 1]
    shown = await cloud.greengrass("get_group", GroupId=GROUP_ID)
    assert (shown["Name"], shown["tags"]) == ("plant", {"site": "north"})
    assert shown["LatestVersion"] == done["Groups"][0]["LatestVersion"]
    addresses = await cloud.greengrass("get_connectivity_info", ThingName=CORE)
    assert addresses["ConnectivityInfo"][0]["HostAddress"] == "127.0.0.1"
    attached = await cloud.iot("list_thing_principals", thingName=PRESS)
    certificate = PLANT.identities[PRESS].certificate_id
    assert attached["principals"] == [f"arn:aws:iot:{REGION}:{ACCOUNT}:cert/{certificate}"]


async def test_what_fails_at_the_last_step_leaves_nothing_behind(
    cloud: RunningCloud, estate: Estate
) -> None:
    broken = with_row(estate, "a/#/b")
    dry = await bring(cloud, broken, DryRun=True)
    assert codes(dry) == {"REFUSED"}
    with pytest.raises(ClientError, match=r"EstateRefusedException.*Nothing was written"):
        await bring(cloud, broken)
    assert await everything(cloud) == [0] * 6


async def test_the_same_estate_again_changes_nothing(cloud: RunningCloud, estate: Estate) -> None:
    await bring(cloud, estate)
    again = await bring(cloud, estate)
    assert again["Applied"]
    assert again["Made"] == {}
    assert again["Kept"] == {"policy": 3, "certificate": 3, "thing": 3, "group": 1}
    versions = await cloud.greengrass("list_group_versions", GroupId=GROUP_ID)
    assert len(versions["Versions"]) == 1


async def test_what_is_in_the_way_is_named_and_stays_as_it_is(
    cloud: RunningCloud, estate: Estate
) -> None:
    await cloud.iot("create_thing", thingName=PRESS, attributePayload={"attributes": {"hall": "8"}})
    assert codes(await bring(cloud, estate, DryRun=True)) == {"THING_DIFFERS"}
    with pytest.raises(ClientError, match="EstateRefusedException"):
        await bring(cloud, estate)
    assert (await cloud.iot("describe_thing", thingName=PRESS))["attributes"] == {"hall": "8"}
    assert await everything(cloud) == [1, 0, 0, 0, 0, 0]


async def test_a_group_that_is_taken_out_is_the_same_in_another_cloud(
    cloud: RunningCloud, estate: Estate, tmp_path: Path
) -> None:
    typed = msgspec.structs.replace(
        estate,
        thing_types=(ThingType(name="machine", description="makes", searchable=("hall",)),),
        thing_groups=(ThingGroup(name="north", policies=(f"{PRESS}-policy",)),),
        things=tuple(
            msgspec.structs.replace(one, thing_type="machine", thing_groups=("north",))
            for one in estate.things
        ),
        groups=(msgspec.structs.replace(estate.groups[0], certificate_validity_ms=1_000_000_000),),
    )
    await bring(cloud, typed)
    first = await taken(cloud)
    assert first.groups[0].certificate_validity_ms == 1_000_000_000
    assert [one.thing_type for one in first.things] == ["machine"] * 3
    async with running_cloud(tmp_path / "another") as other:
        await bring(other, first)
        assert await taken(other) == first
    assert not (await bring(cloud, first, DryRun=True))["Made"]


async def test_an_older_version_can_be_taken_out(cloud: RunningCloud, estate: Estate) -> None:
    answer = await bring(cloud, estate)
    cores = await cloud.greengrass("list_core_definitions")
    version = cores["Definitions"][0]["LatestVersionArn"]
    await cloud.greengrass(
        "create_group_version", GroupId=GROUP_ID, CoreDefinitionVersionArn=version
    )
    assert [one.kind for one in (await taken(cloud)).groups[0].definitions] == ["Core"]
    older = await cloud.call(
        "hedgerow",
        "export_group",
        GroupId=GROUP_ID,
        GroupVersionId=answer["Groups"][0]["LatestVersion"],
    )
    assert len(unpacked(older["Estate"].read()).groups[0].definitions) == 3


async def test_a_group_that_does_not_exist_is_not_taken_out(cloud: RunningCloud) -> None:
    with pytest.raises(ClientError, match="IdNotFoundException"):
        await taken(cloud, "0f2a3c55-6d8e-4b90-8a53-9f0e1d2c3b4a")
