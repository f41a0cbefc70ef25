"""Estates come in and go out by permission, leave a record, and cannot bring anything harmful."""

import asyncio
import json
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.api_users import AccountAdministrator
from tests.support.cloud import ACCOUNT, REGION, RunningCloud, running_cloud
from tests.support.v1_estate import GROUP_ID, PRESS, OldPlant

from hedgerow.cli.estate.files import source_of
from hedgerow.estate import Estate
from hedgerow.estate.readers import read
from hedgerow.estate.wire import encoded, packed

PLANT = OldPlant.make()
GROUP = f"arn:aws:greengrass:{REGION}:{ACCOUNT}:/greengrass/groups/{GROUP_ID}"


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path / "cloud") as made:
        yield made


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    found = read(source_of(PLANT.write_answers(tmp_path / "answers"))).estate
    assert found is not None
    return found


DENY_ALL = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Deny", "Action": "iot:*", "Resource": "*"}],
    }
)


SINGLE_CALLS = (
    "iot:CreatePolicy",
    "iot:AttachPolicy",
    "iot:RegisterCertificateWithoutCA",
    "iot:CreateThing",
    "iot:AttachThingPrincipal",
    "greengrass:CreateGroup",
)


def allow(action: str, resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


@pytest.mark.promise(1)
async def test_only_who_may_import_and_export_does(cloud: RunningCloud, estate: Estate) -> None:
    body = packed(estate)

    def attack() -> None:
        administrator = AccountAdministrator(cloud)
        registrar = administrator.user("registrar", allow("iot:*"), allow("greengrass:*"))
        importer = administrator.user(
            "importer", *map(allow, ("hedgerow:ImportEstate", *SINGLE_CALLS))
        )
        north = {"StringEquals": {"aws:ResourceTag/site": "north"}}
        south = {"StringEquals": {"aws:ResourceTag/site": "south"}}
        exporter = administrator.user("exporter", allow("hedgerow:ExportGroup", GROUP))
        tagged = administrator.user("tagged", allow("hedgerow:ExportGroup", "*", Condition=north))
        other = administrator.user("other", allow("hedgerow:ExportGroup", "*", Condition=south))
        refused = registrar.refusal("hedgerow", "import_estate", Estate=body, DryRun=True)
        assert refused is not None
        assert "hedgerow:ImportEstate" in refused
        assert importer.refusal("hedgerow", "import_estate", Estate=body) is None
        assert importer.call("hedgerow", "import_estate", Estate=body)["Kept"]["group"] == 1
        for user in (importer, registrar, other):
            denied = user.refusal("hedgerow", "export_group", GroupId=GROUP_ID)
            assert denied is not None
            assert "hedgerow:ExportGroup" in denied
        for user in (exporter, tagged):
            assert user.refusal("hedgerow", "export_group", GroupId=GROUP_ID) is None

    await asyncio.to_thread(attack)


@pytest.mark.promise(1)
async def test_an_import_gives_nobody_what_single_calls_would_not(
    cloud: RunningCloud, estate: Estate
) -> None:
    """What a user may not do, or is denied, is not done by way of an estate either."""
    body = packed(estate)

    def attack() -> None:
        administrator = AccountAdministrator(cloud)
        everything = ("hedgerow:*", *SINGLE_CALLS)
        user = administrator.user("user")
        for action in SINGLE_CALLS:
            others = [allow(one) for one in everything if one != action]
            denied = [*map(allow, everything), {**allow(action), "Effect": "Deny"}]
            for statements in (others, denied):
                administrator.rewrite("user", *statements)
                refused = user.refusal("hedgerow", "import_estate", Estate=body, DryRun=True)
                assert refused is not None
                assert action in refused

    await asyncio.to_thread(attack)


@pytest.mark.promise(8)
@pytest.mark.promise(9)
async def test_the_trail_has_who_brought_what_and_not_the_estate_itself(
    cloud: RunningCloud, estate: Estate
) -> None:
    answer = await cloud.call("hedgerow", "import_estate", Estate=packed(estate))
    await cloud.call("hedgerow", "export_group", GroupId=GROUP_ID)
    for operation, fields in (
        ("ImportEstate", {"estate": "***"}),
        ("ExportGroup", {"groupId": GROUP_ID}),
    ):
        looked = await cloud.call(
            "cloudtrail",
            "lookup_events",
            LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": operation}],
        )
        (event,) = [json.loads(one["CloudTrailEvent"]) for one in looked["Events"]]
        assert event["requestParameters"].items() >= fields.items()
        text = json.dumps(event)
        assert "BEGIN CERTIFICATE" not in text
        if operation == "ImportEstate":
            assert event["responseElements"]["digest"] == answer["Digest"]
            assert event["responseElements"]["made"]["certificate"] == 3


@pytest.mark.promise(2)
async def test_an_import_does_not_bring_back_a_certificate_that_was_revoked(
    cloud: RunningCloud, estate: Estate
) -> None:
    await cloud.call("hedgerow", "import_estate", Estate=packed(estate))
    certificate = PLANT.identities[PRESS].certificate_id
    await cloud.iot("update_certificate", certificateId=certificate, newStatus="REVOKED")
    with pytest.raises(ClientError, match="EstateRefusedException"):
        await cloud.call("hedgerow", "import_estate", Estate=packed(estate))
    shown = await cloud.iot("describe_certificate", certificateId=certificate)
    assert shown["certificateDescription"]["status"] == "REVOKED"


@pytest.mark.promise(1)
async def test_hostile_estates_are_refused_as_the_callers_fault(
    cloud: RunningCloud, estate: Estate
) -> None:
    whole = json.loads(encoded(estate))
    broken: list[bytes] = [b"", b"x", zlib.compress(b"[]"), zlib.compress(b"[" * 200_000)]
    for path, value in (
        (("things", 0, "name"), 7),
        (("things", 0, "name"), "../x"),
        (("things", 0, "certificates"), ["none"]),
        (("certificates", 0, "pem"), "-----BEGIN CERTIFICATE-----\nAAAA"),
        (("certificates", 0, "status"), "WHATEVER"),
        (("policies", 0, "document"), "[" * 100_000),
        (("policies", 0, "name"), ""),
        (("groups", 0, "id"), "x" * 100_000),
        (("groups", 0, "name"), ""),
        (("groups", 0, "definitions", 1, "content"), {"Devices": [[]]}),
        (("groups", 0, "definitions", 2, "content"), {"Subscriptions": "x"}),
        (("groups", 0, "definitions", 0, "content"), {"Cores": [{"Id": {}}]}),
        (("groups", 0, "definitions", 0, "kind"), "Secret"),
        (("groups", 0, "tags"), {"aws:x": "y"}),
        (("groups", 0, "name"), "x" * 300),
        (("things", 0, "attributes"), {"a b": "x"}),
        (("things", 0, "attributes"), {"a": "x\ny"}),
        (("thingTypes",), [{"name": "a/b"}]),
        (("thingGroups",), [{"name": "a b"}]),
        (("policies",), [*whole["policies"], {"name": "a b/c", "document": DENY_ALL}]),
        (("groups", 0, "certificateValidityMs"), -1),
        (("groups", 0, "addresses"), [{"id": "a", "host": "a b", "port": 1}]),
        (("groups", 0, "addresses"), [{"id": "a", "host": "a", "port": 10**9}]),
    ):
        changed = json.loads(json.dumps(whole))
        place = changed
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value
        broken.append(zlib.compress(json.dumps(changed).encode()))
    for body in broken:
        with pytest.raises(ClientError) as refused:
            await cloud.call("hedgerow", "import_estate", Estate=body)
        status = refused.value.response["ResponseMetadata"]["HTTPStatusCode"]
        assert status in {400, 409}, refused.value
    assert (await cloud.greengrass("list_groups"))["Groups"] == []
    assert (await cloud.iot("list_certificates"))["certificates"] == []
