"""Looking events up: by each attribute, by time, in pages, in memory and from disk."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.support.clock import ManualClock
from tests.support.trail import (
    ACCESS_KEY,
    ACCOUNT,
    MOMENT,
    ROLE,
    ROOT,
    Delivering,
    call,
    caller,
    delivering,
    running_trail,
)

from hedgerow.aws import AwsError
from hedgerow.cloud.cloudtrail import Trail, lookup
from hedgerow.cloud.cloudtrail.identity import iso_seconds
from hedgerow.cloud.cloudtrail.index import Wanted


@pytest.fixture
async def estate(tmp_path: Path) -> AsyncIterator[Delivering]:
    async with delivering(tmp_path) as running:
        yield running


async def looked_up(estate: Delivering, **request: Any) -> list[str]:
    """Return the names of the events that a lookup finds."""
    return [event["EventName"] for event in await page(estate, **request)]


async def page(estate: Delivering, **request: Any) -> Any:
    service = estate.service.operations()["LookupEvents"]
    made = type("Made", (), {"input": request})()
    return (await service(made))["Events"]  # type: ignore[index]  # it always answers


def by(attribute: str, value: str) -> dict[str, Any]:
    return {"LookupAttributes": [{"AttributeKey": attribute, "AttributeValue": value}]}


@pytest.mark.spec("R08")
async def test_each_attribute_finds_its_events(estate: Delivering) -> None:
    record = estate.trail.record_call
    record(call("GetGroup", input={"GroupId": "g-1"}))
    record(call("CreateGroup", input={"Name": "n"}, output={"Id": "g-2"}))
    record(call("DescribeThing", event_source="iot.amazonaws.com", input={"thingName": "lamp"}))
    record(call("ListGroups", input=None, caller=caller(ROLE), access_key_id="ASIAROLE"))
    record(call("DeleteGroup", input={"GroupId": "g-1"}, caller=caller(ROOT)))
    (first,) = await page(estate, **by("EventName", "GetGroup"))
    expected = {
        ("EventId", first["EventId"]): ["GetGroup"],
        ("EventName", "CreateGroup"): ["CreateGroup"],
        ("ReadOnly", "true"): ["ListGroups", "GetGroup"],
        ("ReadOnly", "false"): ["DeleteGroup", "DescribeThing", "CreateGroup"],
        ("Username", "night-shift"): ["ListGroups"],
        ("Username", "root"): ["DeleteGroup"],
        ("ResourceType", "AWS::IoT::Thing"): ["DescribeThing"],
        ("ResourceName", "g-1"): ["DeleteGroup", "GetGroup"],
        ("ResourceName", "g-2"): ["CreateGroup"],
        ("EventSource", "iot.amazonaws.com"): ["DescribeThing"],
        ("AccessKeyId", "ASIAROLE"): ["ListGroups"],
        ("Username", "nobody"): [],
    }
    for (attribute, value), names in expected.items():
        assert await looked_up(estate, **by(attribute, value)) == names, (attribute, value)
    everything = ["DeleteGroup", "ListGroups", "DescribeThing", "CreateGroup", "GetGroup"]
    assert await looked_up(estate) == everything


async def test_an_event_is_shown_as_awss_history_shows_it(estate: Delivering) -> None:
    estate.trail.record_call(call(input={"GroupId": "g-1"}))
    (event,) = await page(estate)
    assert event.pop("CloudTrailEvent").startswith('{"eventVersion":"1.08"')
    assert len(event.pop("EventId")) == 36
    assert event == {
        "EventName": "GetGroupVersion",
        "ReadOnly": "true",
        "AccessKeyId": ACCESS_KEY,
        "EventTime": MOMENT,
        "EventSource": "greengrass.amazonaws.com",
        "Username": "Mary_Major",
        "Resources": [{"ResourceType": "AWS::Greengrass::Group", "ResourceName": "g-1"}],
    }


async def test_a_time_range_has_both_its_ends(estate: Delivering) -> None:
    for minute in range(5):
        estate.trail.record_call(call(f"Get{minute}", at=MOMENT + timedelta(minutes=minute)))
    start, end = MOMENT + timedelta(minutes=1), MOMENT + timedelta(minutes=3)
    estate.clock.advance(timedelta(hours=1))
    assert await looked_up(estate, StartTime=start, EndTime=end) == ["Get3", "Get2", "Get1"]
    assert await looked_up(estate, StartTime=end) == ["Get4", "Get3"]
    assert await looked_up(estate, EndTime=start) == ["Get1", "Get0"]


async def test_events_older_than_90_days_are_not_found(estate: Delivering) -> None:
    estate.trail.record_call(call("GetOld"))
    estate.clock.advance(timedelta(days=89))
    estate.trail.record_call(call("GetNew", at=estate.clock.now()))
    assert await looked_up(estate) == ["GetNew", "GetOld"]
    estate.clock.advance(timedelta(days=2))
    assert await looked_up(estate, StartTime=MOMENT - timedelta(days=1)) == ["GetNew"]


async def test_a_page_token_is_good_for_its_own_lookup_only(estate: Delivering) -> None:
    estate.calls(7)
    lookup = estate.service.operations()["LookupEvents"]

    def made(**request: Any) -> Any:
        return type("Made", (), {"input": request})()

    first: Any = await lookup(made(MaxResults=5))
    second: Any = await lookup(made(MaxResults=5, NextToken=first["NextToken"]))
    assert len(second["Events"]) == 2
    assert "NextToken" not in second
    other = by("EventName", "GetGroupVersion")
    with pytest.raises(AwsError) as raised:
        await lookup(made(NextToken=first["NextToken"], **other))
    assert raised.value.code == "InvalidNextTokenException"


async def test_pages_stay_whole_while_events_come(estate: Delivering) -> None:
    estate.calls(10)
    lookup = estate.service.operations()["LookupEvents"]
    first: Any = await lookup(type("Made", (), {"input": {"MaxResults": 5}})())
    estate.calls(10)
    request = {"MaxResults": 5, "NextToken": first["NextToken"]}
    second: Any = await lookup(type("Made", (), {"input": request})())
    ids = [event["EventId"] for answer in (first, second) for event in answer["Events"]]
    assert len(set(ids)) == 10
    assert "NextToken" not in second


def wanted(start: datetime = MOMENT - timedelta(days=1), **changes: Any) -> Wanted:
    asked = {"attribute": None, "value": "", "end": iso_seconds(MOMENT + timedelta(days=99))}
    return Wanted(**{**asked, "start": iso_seconds(start), **changes})


async def names(trail: Trail, asked: Wanted, limit: int = 100) -> list[str]:
    found = await asyncio.to_thread(trail.find, asked, None, limit)
    return [entry.event_name for entry, _ in found.events]


async def test_what_is_no_more_in_memory_is_found_on_disk(tmp_path: Path) -> None:
    """Memory holds five events here; twenty are spread over several files."""
    async with running_trail(tmp_path, indexed=5, segment_bytes=3000) as trail:
        for number in range(20):
            trail.record_call(call(f"Get{number}"))
        assert len(list((tmp_path / ACCOUNT).glob("*.journal"))) > 3
        expected = [f"Get{number}" for number in reversed(range(20))]
        assert await names(trail, wanted()) == expected
        assert await names(trail, wanted(), limit=7) == expected[:7]
        assert await names(trail, wanted(attribute="EventName", value="Get2")) == ["Get2"]


async def test_after_a_restart_everything_is_found_again(tmp_path: Path) -> None:
    for start in range(0, 20, 5):
        async with running_trail(tmp_path, indexed=7) as trail:
            for number in range(start, start + 5):
                trail.record_call(call(f"Get{number}"))
    async with running_trail(tmp_path, indexed=7) as trail:
        assert await names(trail, wanted()) == [f"Get{number}" for number in reversed(range(20))]


async def test_files_outside_the_time_range_are_not_read(tmp_path: Path) -> None:
    """A day's lookup does not cost what a quarter's does: other files may even be gone."""
    clock = ManualClock()
    for day in range(6):
        async with running_trail(tmp_path, clock, indexed=1) as trail:
            trail.record_call(call(f"Get{day}", at=clock.now()))
        clock.advance(timedelta(days=1))
    for path in sorted((tmp_path / ACCOUNT).glob("*.journal"))[:3]:
        content = bytearray(path.read_bytes())
        content[-1] ^= 1  # whoever reads it finds it damaged, and logs it
        path.write_bytes(content)
    async with running_trail(tmp_path, clock, indexed=1) as trail:
        late = wanted(start=MOMENT + timedelta(days=4))
        with capture_logs() as lines:
            assert await names(trail, late) == ["Get5", "Get4"]
        assert lines == []
        with capture_logs() as lines:
            assert await names(trail, wanted()) == ["Get5", "Get4", "Get3"]
        assert [line["event_name"] for line in lines] == ["JournalFileDamaged"] * 3


async def test_one_call_reads_a_bounded_number_of_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for what does not exist; the page says where to go on."""
    monkeypatch.setattr(lookup, "FILES_PER_CALL", 3)
    async with running_trail(tmp_path, indexed=1, segment_bytes=1) as trail:
        for number in range(10):
            trail.record_call(call(f"Get{number}"))
        absent = wanted(attribute="EventName", value="Absent")
        before: int | None = None
        starts = []
        for _ in range(3):
            found = await asyncio.to_thread(trail.find, absent, before, 50)
            assert found.events == ()
            before = found.go_on_before
            starts.append(before)
        assert starts == [7, 4, None]
        everything, before = [], None
        while True:
            found = await asyncio.to_thread(trail.find, wanted(), before, 4)
            everything += [entry.event_name for entry, _ in found.events]
            before = found.go_on_before
            if before is None:
                break
        assert everything == [f"Get{number}" for number in reversed(range(10))]


async def test_reading_and_writing_at_once_disturb_each_other_in_nothing(tmp_path: Path) -> None:
    """Files rotate under the readers' hands; every record that was there is read."""
    async with running_trail(tmp_path, indexed=10, segment_bytes=4000) as trail:

        def read() -> None:
            for _ in range(60):
                last = trail.head.sequence
                assert sum(1 for _ in trail.frames()) >= last
                trail.find(wanted(), None, 10_000)
                trail.flush()

        reading = asyncio.get_running_loop().run_in_executor(None, read)
        while not reading.done():
            if trail.head.sequence < 1500:
                trail.record_call(call())
            await asyncio.sleep(0)
        await reading
