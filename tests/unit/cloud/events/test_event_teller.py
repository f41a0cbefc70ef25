import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.clock import ManualClock
from tests.support.estate import until
from tests.support.registry import HOME

from hedgerow.cloud.events import EVENT, Event, EventLog, EventTeller, note
from hedgerow.kernel import UnavailableError
from hedgerow.store import MasterKey, Store


class BrokerDouble:
    """Keeps what is published; a full one refuses."""

    def __init__(self) -> None:
        self.published: list[tuple[str, bytes, int]] = []
        self.is_full = False

    async def publish(self, topic: str, payload: bytes, *, qos: int) -> None:
        if self.is_full:
            raise UnavailableError("the broker is full")
        self.published.append((topic, payload, qos))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    key = MasterKey.create_file(tmp_path / "master.key")
    opened = await Store.open(tmp_path / "state.db", key, ManualClock())
    yield opened
    await opened.close()


async def happen(store: Store, *numbers: int) -> None:
    async with store.transaction() as tx:
        for number in numbers:
            event = Event(
                source="aws.greengrass",
                detail_type="Something",
                topic=f"$aws/events/test/{number}",
                detail={"number": str(number)},
            )
            await note(tx, HOME, event)


def numbers(lines: list[bytes]) -> list[int]:
    return [int(json.loads(line)["detail"]["number"]) for line in lines]


async def test_events_are_told_in_order_to_both_and_then_let_go(
    store: Store, tmp_path: Path
) -> None:
    broker, log = BrokerDouble(), EventLog(tmp_path / "events")
    await happen(store, *range(150))
    teller = EventTeller(store, HOME, publisher=broker, log=log)
    assert await teller.tell() == 150
    assert numbers([payload for _, payload, _ in broker.published]) == list(range(150))
    assert numbers(log.path.read_bytes().splitlines()) == list(range(150))
    assert {qos for *_, qos in broker.published} == {1}
    assert broker.published[7][0] == "$aws/events/test/7"
    assert await store.all(EVENT, HOME.account) == ()
    assert await teller.tell() == 0
    assert log.path.stat().st_mode & 0o777 == 0o600
    assert log.path.parent.stat().st_mode & 0o777 == 0o700


async def test_an_event_has_the_documented_form(store: Store, tmp_path: Path) -> None:
    broker = BrokerDouble()
    await happen(store, 1)
    await EventTeller(store, HOME, publisher=broker, log=EventLog(tmp_path)).tell()
    ((_, payload, _),) = broker.published
    event = json.loads(payload)
    assert event.pop("id")
    assert event == {
        "version": "0",
        "detail-type": "Something",
        "source": "aws.greengrass",
        "account": HOME.account,
        "time": "2026-10-07T12:00:00Z",
        "region": HOME.region,
        "resources": [],
        "detail": {"number": "1"},
    }


async def test_what_the_log_did_not_take_is_told_again_with_the_same_id(
    store: Store, tmp_path: Path
) -> None:
    broker = BrokerDouble()
    (tmp_path / "events").write_text("a file where the folder should be")
    await happen(store, 1)
    log = EventLog(tmp_path / "events")
    teller = EventTeller(store, HOME, publisher=broker, log=log, pause_seconds=0.001)
    with pytest.raises(OSError, match="events"):
        await teller.tell()
    (tmp_path / "events").unlink()
    await teller.start()
    try:
        await until(store, lambda: _nothing_waits(store))
        await happen(store, 2)
        await until(store, lambda: _nothing_waits(store))
    finally:
        await teller.stop()
    assert numbers([payload for _, payload, _ in broker.published]) == [1, 1, 2]
    assert broker.published[0] == broker.published[1]
    assert numbers(log.path.read_bytes().splitlines()) == [1, 2]


async def test_a_full_broker_does_not_keep_events_from_the_log(
    store: Store, tmp_path: Path
) -> None:
    broker, log = BrokerDouble(), EventLog(tmp_path)
    broker.is_full = True
    await happen(store, 1)
    assert await EventTeller(store, HOME, publisher=broker, log=log).tell() == 1
    assert numbers(log.path.read_bytes().splitlines()) == [1]


async def test_no_event_is_told_of_what_was_not_committed(store: Store, tmp_path: Path) -> None:
    broker = BrokerDouble()

    async def fail_after_noting() -> None:
        async with store.transaction() as tx:
            await note(tx, HOME, Event(source="s", detail_type="d", topic="t", detail={}))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_after_noting()
    assert await EventTeller(store, HOME, publisher=broker, log=EventLog(tmp_path)).tell() == 0


def test_a_line_that_was_cut_short_does_not_spoil_the_next(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    log.write([b'{"whole": 1}'])
    with log.path.open("ab") as file:
        file.write(b'{"cut')
    log.write([b'{"whole": 2}', b'{"whole": 3}'])
    assert log.path.read_bytes().splitlines() == [
        b'{"whole": 1}',
        b'{"cut',
        b'{"whole": 2}',
        b'{"whole": 3}',
    ]


def test_a_full_log_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    log = EventLog(tmp_path, limit=10)
    for number in range(3):
        log.write([b"0123456789 %d" % number])
    assert log.path.read_bytes() == b"0123456789 2\n"
    assert (tmp_path / "events.log.1").read_bytes() == b"0123456789 1\n"


async def _nothing_waits(store: Store) -> bool:
    return not await store.all(EVENT, HOME.account)
