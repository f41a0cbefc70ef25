"""What waits for one client fills no memory, stalls nobody, and does not outlive its rights."""

import asyncio
from dataclasses import replace

import pytest
from tests.support.mqtt_stage import FULL, MemoryKeeper, Player, Stage

from hedgerow.cloud.broker.limits import cloud_limits
from hedgerow.core.link.carried import carried
from hedgerow.core.server import local_limits
from hedgerow.kernel import SystemClock, new_uuid
from hedgerow.mqtt import Limits
from hedgerow.mqtt.codec import Disconnect, Properties, Puback, Publish, ReasonCode, Will

SMALLEST_PAIR = 5
SMALL = replace(FULL, in_flight=4, waiting_messages=40, acknowledgement_patience_s=60)


def pairs(number: int) -> Properties:
    """Return many user properties without a letter: on the wire they are small, in memory large."""
    return Properties(user_property=(("", ""),) * number)


def flood(publisher: Player, messages: int, topic: str = "t", first: int = 1) -> None:
    """Publish all in one read."""
    ids = range(first, first + messages)
    publisher.give(*(Publish(topic, b"x", 1, packet_id=one) for one in ids))


async def test_properties_beyond_their_limit_end_the_connection() -> None:
    stage = Stage()
    publisher = stage.connected("a")
    highest = stage.broker.limits.properties_bytes // SMALLEST_PAIR
    publisher.publish("t", properties=pairs(highest))
    assert not publisher.got()
    publisher.publish("t", properties=pairs(highest + 1))
    [goodbye] = publisher.got()
    assert isinstance(goodbye, Disconnect)
    assert goodbye.reason is ReasonCode.PACKET_TOO_LARGE


async def test_a_wills_properties_have_the_same_limit() -> None:
    stage = Stage()
    too_many = pairs(stage.broker.limits.properties_bytes // SMALLEST_PAIR + 1)
    answer = stage.player("a").connect(will=Will("t", b"", properties=too_many))
    assert answer.reason is ReasonCode.PACKET_TOO_LARGE


async def test_properties_count_for_what_they_take_in_memory() -> None:
    """Else a thousand messages that wait for one client could take a gigabyte."""
    stage = Stage()
    away = stage.connected("away", clean=False, expiry_s=600)
    away.subscribe("t", qos=1)
    away.vanish()
    publisher = stage.connected("publisher")
    for _ in range(100):
        publisher.publish("t", b"", 1, properties=pairs(1600))
    dropped = stage.broker.counters.messages_dropped
    assert 100 - dropped < stage.broker.limits.outgoing_bytes // (1600 * 64)


def test_what_a_core_adds_to_the_largest_properties_still_fits_at_the_cloud() -> None:
    """Else one device's message would end the connection of the whole group, again and again."""
    added = carried(Properties(), new_uuid())
    assert local_limits().properties_bytes + len(added) <= cloud_limits().properties_bytes


async def test_all_that_is_retained_is_bounded_in_bytes_too() -> None:
    stage = Stage(replace(FULL, retained_bytes=10_000))
    publisher = stage.connected("a")
    for number in range(20):
        publisher.publish(f"t/{number}", bytes(990), retain=True)
    assert len(stage.broker.retained_topics()) == 10
    publisher.publish("t/0", b"small", retain=True)
    publisher.publish("t/0", bytes(9_000), retain=True)
    kept = stage.broker.retained("t/0")
    assert kept is not None
    assert kept.payload == b"small", "it would not fit, though its topic is known"
    for number in range(20):
        publisher.publish(f"t/{number}", b"", retain=True)
    publisher.publish("large", bytes(9_990), retain=True)
    assert [one.topic for one in stage.broker.retained_topics()] == ["large"]


@pytest.mark.promise(4)
@pytest.mark.parametrize("window", [1, 5])
async def test_what_waits_for_a_live_client_is_judged_again_before_it_is_sent(window: int) -> None:
    stage = Stage()
    subscriber = stage.connected("s", receive_maximum=window)
    subscriber.subscribe("t", "u", qos=1)
    publisher = stage.connected("p")
    for number in range(20):
        publisher.publish("tu"[number % 2], b"%d" % number, 1)
    under_way = subscriber.messages()
    assert len(under_way) == window
    stage.authority.no_receive.add(("p", "s", "t"))
    stage.broker.new_epoch()
    later: list[Publish] = []
    while under_way:
        subscriber.give(*(Puback(one.packet_id) for one in under_way))
        under_way = subscriber.messages()
        later += under_way
    assert {one.topic for one in later} == {"u"}
    assert stage.authority.events[-1].action == "receive"


@pytest.mark.promise(4)
async def test_what_is_sent_at_a_pace_to_one_that_came_back_is_judged_again_too() -> None:
    stage = Stage(replace(FULL, replayed_per_second=10))
    away = stage.connected("s", clean=False, expiry_s=600)
    away.subscribe("t", qos=1)
    away.vanish()
    publisher = stage.connected("p")
    for _ in range(50):
        publisher.publish("t", b"x", 1)
    back = stage.connected("s", clean=False, expiry_s=600)
    assert len(back.messages()) == 10
    stage.authority.no_receive.add(("p", "s", "t"))
    stage.broker.new_epoch()
    stage.pass_time(5)
    assert back.got() == []


async def test_a_publisher_waits_ten_seconds_at_most_whoever_is_slow() -> None:
    """A subscriber that acknowledges just enough not to be cut could hold up everyone for ever."""
    stage = Stage(SMALL)
    slow = stage.connected("slow", receive_maximum=1)
    slow.subscribe("t", qos=1)
    publisher = stage.connected("publisher")
    flood(publisher, 100)
    assert publisher.transport.is_paused()
    for _ in range(9):
        stage.pass_time(1)
        slow.give(*(Puback(one.packet_id) for one in slow.messages()))
    assert publisher.transport.is_paused()
    stage.pass_time(1)
    await publisher.transport.reading_again.wait()
    assert len(publisher.got()) == 100
    flood(publisher, 50, first=101)
    assert len(publisher.got()) == 50, "it is free for some time"
    stage.pass_time(30)
    flood(publisher, 50, first=151)
    assert not slow.transport.closing
    slow.give(*(Puback(one.packet_id) for one in slow.messages()))
    flood(publisher, 50, first=201)
    assert publisher.transport.is_paused()


async def test_one_that_left_while_others_waited_holds_nobody_up_when_it_is_back() -> None:
    stage = Stage(SMALL)
    slow = stage.connected("slow", clean=False, expiry_s=600)
    slow.subscribe("t", qos=1)
    publisher = stage.connected("publisher")
    flood(publisher, 30)
    assert publisher.transport.is_paused()
    slow.vanish()
    back = stage.connected("slow", clean=False, expiry_s=600)
    await publisher.transport.reading_again.wait()
    flood(publisher, 30, first=31)
    assert not publisher.transport.is_paused()
    while messages := [one for one in back.got() if isinstance(one, Publish)]:
        back.give(*(Puback(one.packet_id) for one in messages))
    flood(publisher, 60, first=101)
    assert publisher.transport.is_paused(), "it has caught up meanwhile"


async def test_one_that_is_made_to_wait_is_not_cut_for_not_acknowledging() -> None:
    limits: Limits = replace(FULL, in_flight=4, waiting_messages=8, acknowledgement_patience_s=0.1)
    stage = Stage(limits)
    attacker, victim = stage.connected("attacker"), stage.connected("victim")
    attacker.subscribe("to/attacker", qos=1)
    victim.subscribe("to/victim", qos=1)
    publisher = stage.connected("publisher")
    flood(publisher, 20, "to/victim")
    assert publisher.transport.is_paused()
    flood(victim, 20, "to/attacker")
    assert victim.transport.is_paused()
    messages = [one for one in victim.got() if isinstance(one, Publish)]
    victim.give(*(Puback(one.packet_id) for one in messages))
    assert not victim.got(), "it has acknowledged, and that was not read"
    await victim.transport.reading_again.wait()
    await asyncio.sleep(0)
    assert attacker.transport.closing
    assert not victim.transport.closing
    assert victim.got()


async def test_what_was_retained_is_not_told_once_retaining_is_switched_off() -> None:
    keeper = MemoryKeeper()
    Stage(keeper=keeper).connected("a").publish("t", b"x", retain=True)
    stage = Stage(Limits(), keeper=keeper)
    stage.broker.recall()
    client = stage.connected("a")
    client.subscribe("t")
    assert client.got() == []


async def test_many_that_do_not_read_hold_a_publisher_up_no_longer_than_one() -> None:
    limits = replace(FULL, publisher_pause_s=0.02, publisher_grace_s=60, outgoing_bytes=4096)
    stage = Stage(limits, clock=SystemClock())  # type: ignore[arg-type]  # it is not moved here
    publisher = stage.connected("publisher")
    deaf = [stage.connected(f"deaf{number}") for number in range(20)]
    for number, one in enumerate(deaf):
        one.subscribe(f"t/{number}", qos=0)
        one.transport.stop_taking()
    pauses = 0
    for number in range(20):
        for _ in range(6):
            publisher.publish(f"t/{number}", bytes(1000))
            pauses += publisher.transport.is_paused()
            await publisher.transport.reading_again.wait()
            await asyncio.sleep(0)
    assert pauses == 1
    assert stage.broker.counters.messages_dropped


def shared(stage: Stage, owner: str, *client_ids: str) -> None:
    """Have clients belong to one owner."""
    stage.authority.owners |= dict.fromkeys(client_ids, owner)


async def test_the_sessions_of_one_owner_use_up_no_more_than_its_share() -> None:
    """A device that may use many client ids must not take the queues of everybody else."""
    stage = Stage(replace(FULL, all_waiting_bytes=100_000, owner_waiting_bytes=20_000))
    greedy = [f"greedy-{number}" for number in range(16)]
    shared(stage, "greedy", *greedy)
    for client_id in (*greedy, "modest"):
        player = stage.connected(client_id, clean=False, expiry_s=600)
        player.subscribe(client_id, qos=1)
        player.vanish()
    publisher = stage.connected("publisher")

    def dropped_of(client_id: str) -> int:
        before = stage.broker.counters.messages_dropped
        for _ in range(10):
            publisher.publish(client_id, bytes(990), 1)
        return stage.broker.counters.messages_dropped - before

    assert 140 <= sum(map(dropped_of, greedy)) < 160, "one share of room, for sixteen clients"
    assert not dropped_of("modest")
    for client_id in greedy[:15]:
        stage.player(client_id).connect()
    assert not dropped_of("greedy-15"), "what ended is given back"


async def test_one_owner_has_no_more_sessions_than_are_for_one_owner() -> None:
    stage = Stage(replace(FULL, owner_sessions=2))
    shared(stage, "greedy", "a", "b", "c")
    stage.connected("a", clean=False, expiry_s=600).vanish()
    second = stage.connected("b")
    assert stage.player("c").connect().reason is ReasonCode.SERVER_BUSY
    stage.connected("other")
    stage.connected("a", clean=False, expiry_s=600)  # the one it has: no further one
    second.goodbye()
    stage.connected("c")
