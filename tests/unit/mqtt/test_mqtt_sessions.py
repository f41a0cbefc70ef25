"""Sessions that outlive connections, and the process with a keeper."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.mqtt_broker import OpenAuthority, denied, turned_away
from tests.support.mqtt_stage import FULL, V5, MemoryKeeper, Player, Stage

from hedgerow.mqtt import ProtocolVersion, ReasonCode
from hedgerow.mqtt.codec import (
    Connect,
    Disconnect,
    Properties,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    SubscribeItem,
    Unsubscribe,
    Will,
)

V311 = ProtocolVersion.V311
BOTH = pytest.mark.parametrize("version", [V311, V5])


def away(stage: Stage, version: ProtocolVersion = V5, qos: int = 1) -> Player:
    """Return a client that has subscribed to `t` and gone, and whose session stays."""
    client = stage.connected("a", version, clean=False, expiry_s=60)
    client.subscribe("t", qos=qos)
    client.goodbye()
    return client


@BOTH
async def test_what_came_meanwhile_is_there_when_the_client_comes_back(
    version: ProtocolVersion,
) -> None:
    stage = Stage()
    away(stage, version)
    sender = stage.connected("b")
    for number in range(3):
        sender.publish("t", str(number).encode(), qos=1)
    assert [packet.type.name for packet in sender.got()] == ["PUBACK"] * 3
    sender.publish("t", b"QoS 0 is not kept", qos=0)
    client = stage.player("a", version)
    answer = client.connect(clean=False, expiry_s=60)
    assert answer.session_present
    assert client.payloads() == [b"0", b"1", b"2"]
    sender.publish("t", b"3", qos=1)
    assert client.payloads() == [b"3"]


@BOTH
async def test_a_clean_start_begins_with_nothing(version: ProtocolVersion) -> None:
    stage = Stage()
    away(stage, version)
    stage.connected("b").publish("t", b"x", qos=1)
    client = stage.player("a", version)
    assert not client.connect(clean=True).session_present
    assert client.got() == []
    stage.connected("c").publish("t", b"y", qos=1)
    assert client.got() == [], "the subscription is gone as well"


async def test_a_session_ends_when_its_time_is_up() -> None:
    stage = Stage()
    away(stage)
    stage.pass_time(59)
    assert [ref.client_id for ref in stage.broker.sessions_away] == ["a"]
    stage.pass_time(2)
    assert stage.broker.sessions_away == ()
    assert not stage.player("a").connect(clean=False, expiry_s=60).session_present


async def test_a_session_that_came_back_does_not_end_by_its_earlier_time() -> None:
    stage = Stage()
    away(stage)
    stage.pass_time(50)
    client = stage.connected("a", clean=False, expiry_s=60)
    stage.pass_time(30)
    client.goodbye()
    stage.pass_time(50)
    assert stage.connected("a", clean=False).client_id == "a"
    assert stage.broker.sessions_away == ()


async def test_what_is_asked_beyond_the_limit_is_cut_and_told() -> None:
    stage = Stage(replace(FULL, session_expiry_s=30))
    answer = stage.player("a").connect(clean=False, expiry_s=60)
    assert answer.properties.session_expiry_interval == 30
    answer = stage.player("b").connect(clean=False, expiry_s=20)
    assert answer.properties.session_expiry_interval is None


async def test_without_sessions_nothing_outlives_a_connection() -> None:
    stage = Stage(replace(FULL, session_expiry_s=0))
    for version in (V311, V5):
        away(stage, version)
        assert stage.broker.sessions_away == ()
        assert not stage.player("a", version).connect(clean=False).session_present


async def test_a_goodbye_may_shorten_a_session_but_not_begin_one() -> None:
    stage = Stage()
    client = stage.connected("a", expiry_s=60)
    client.goodbye(Disconnect(properties=Properties(session_expiry_interval=0)))
    assert stage.broker.sessions_away == ()
    client = stage.connected("a")
    client.give(Disconnect(properties=Properties(session_expiry_interval=60)))
    (answer,) = client.got()
    assert isinstance(answer, Disconnect)
    assert answer.reason is ReasonCode.PROTOCOL_ERROR


@BOTH
async def test_a_session_is_taken_over_with_what_was_under_way(version: ProtocolVersion) -> None:
    stage = Stage()
    first = stage.connected("a", version, clean=False, expiry_s=60)
    first.subscribe("t", qos=1)
    stage.connected("b").publish("t", b"x", qos=1)
    (message,) = first.messages()
    second = stage.player("a", version)
    assert second.connect(clean=False, expiry_s=60).session_present
    assert first.transport.closing
    again = replace(message, dup=True)
    assert second.messages() == [again]
    second.give(Puback(message.packet_id))
    second.vanish()
    third = stage.connected("a", version, clean=False)
    assert third.got() == []


async def test_qos_2_arrives_once_however_often_it_is_sent() -> None:
    stage = Stage()
    listener = stage.connected("b")
    listener.subscribe("t", qos=2)
    sender = stage.connected("a", clean=False, expiry_s=60)
    sender.give(Publish("t", b"x", qos=2, packet_id=7))
    assert sender.got() == [Pubrec(7)]
    sender.give(Publish("t", b"x", qos=2, packet_id=7, dup=True))
    assert sender.got() == [Pubrec(7)]
    sender.vanish()
    sender = stage.connected("a", clean=False, expiry_s=60)
    sender.give(Publish("t", b"x", qos=2, packet_id=7, dup=True), Pubrel(7))
    assert sender.got() == [Pubrec(7), Pubcomp(7)]
    (message,) = listener.messages()
    assert (message.payload, message.qos) == (b"x", 2)
    sender.give(Publish("t", b"y", qos=2, packet_id=7))
    assert listener.payloads() == [b"y"], "the number is free again"


async def test_unknown_steps_of_qos_2_are_answered_as_such() -> None:
    client = Stage().connected("a")
    unknown = ReasonCode.PACKET_IDENTIFIER_NOT_FOUND
    client.give(Pubrel(9), Pubrec(9), Pubcomp(9), Puback(9))
    assert client.got() == [Pubcomp(9, unknown), Pubrel(9, unknown)]


async def test_too_many_unreleased_messages_end_the_connection() -> None:
    client = Stage(replace(FULL, receive_maximum=2)).connected("a")
    for packet_id in (1, 2, 3):
        client.give(Publish("t", b"x", qos=2, packet_id=packet_id))
    *answers, last = client.got()
    assert answers == [Pubrec(n, ReasonCode.NO_MATCHING_SUBSCRIBERS) for n in (1, 2)]
    assert isinstance(last, Disconnect)
    assert last.reason is ReasonCode.RECEIVE_MAXIMUM_EXCEEDED


async def test_another_identity_gets_nothing_that_it_may_not_have() -> None:
    authority = OpenAuthority()
    stage = Stage(authority=authority)
    client = stage.connected("a", clean=False, expiry_s=60)
    client.subscribe("t", "u", qos=1)
    client.goodbye()
    sender = stage.connected("b")
    sender.publish("t", b"forbidden by then", qos=1)
    sender.publish("u", b"allowed", qos=1)
    authority.no_receive.add(("b", "a", "t"))
    stage.broker.new_epoch()
    client = stage.connected("a", clean=False, expiry_s=60)
    assert client.payloads() == [b"allowed"]
    sender.publish("t", b"now", qos=1)
    assert client.got() == []


async def test_a_session_can_be_forgotten_while_its_client_is_away() -> None:
    stage = Stage()
    away(stage)
    stage.connected("b").publish("t", b"x", qos=1)
    picked = stage.broker.disconnect(lambda ref: ref.client_id == "a", "revoked", forget=True)
    assert picked == 1
    assert not stage.player("a").connect(clean=False).session_present


async def test_a_dormant_subscription_wakes_when_it_is_allowed() -> None:
    authority = OpenAuthority()
    authority.no_subscribe["a", "t"] = replace(denied(), dormant=True)
    stage = Stage(authority=authority)
    client, sender = stage.connected("a"), stage.connected("b")
    assert client.subscribe("t").reasons == (ReasonCode.NOT_AUTHORIZED,)
    sender.publish("t", b"1")
    assert client.got() == []
    authority.no_subscribe.clear()
    sender.publish("t", b"2")
    assert client.got() == [], "not before the authority says that something has changed"
    stage.broker.new_epoch()
    sender.publish("t", b"3")
    assert client.payloads() == [b"3"]


# ---- wills with a delay


def _will(delay_s: int = 30) -> Will:
    return Will("gone", b"a", qos=1, properties=Properties(will_delay_interval=delay_s))


async def test_a_will_waits_for_its_client() -> None:
    stage = Stage()
    watcher = stage.connected("w")
    watcher.subscribe("gone")
    stage.connected("a", clean=False, expiry_s=60, will=_will()).vanish()
    stage.pass_time(29)
    assert watcher.got() == []
    client = stage.connected("a", clean=False, expiry_s=60, will=_will())
    stage.pass_time(60)
    assert watcher.got() == [], "it came back in time"
    client.vanish()
    stage.pass_time(30)
    assert watcher.payloads() == [b"a"]
    stage.pass_time(60)
    assert watcher.got() == []


async def test_a_will_is_due_at_the_end_of_the_session() -> None:
    stage = Stage()
    watcher = stage.connected("w")
    watcher.subscribe("gone")
    stage.connected("a", clean=False, expiry_s=10, will=_will(30)).vanish()
    stage.pass_time(11)
    assert watcher.payloads() == [b"a"]
    stage.connected("a", clean=False, expiry_s=60, will=_will(30)).vanish()
    stage.connected("a", clean=True)
    assert watcher.payloads() == [b"a"], "a clean start ends the session before it"


# ---- what is kept


async def test_a_keeper_is_told_everything_and_a_new_broker_goes_on_from_it() -> None:
    keeper = MemoryKeeper()
    stage = Stage(keeper=keeper)
    client = stage.connected("a", expiry_s=3600, will=_will(3000))
    client.subscribe("t", qos=2, identifier=5)
    client.subscribe("u", "v")
    client.give(Unsubscribe(9, ("v",)))
    sender = stage.connected("b", expiry_s=3600)
    sender.give(Publish("other", b"x", qos=2, packet_id=40))
    sender.publish("t", b"once", qos=2)
    sender.publish("t", b"least", qos=1)
    sender.publish("t", b"later", qos=1)
    _, first, second, _ = client.got()
    assert isinstance(first, Publish)
    assert isinstance(second, Publish)
    client.give(Pubrec(first.packet_id))
    client.vanish()
    sender.publish("kept", b"retained", retain=True)

    stage = Stage(keeper=keeper, clock=stage.clock)
    stage.broker.recall()
    assert {ref.client_id for ref in stage.broker.sessions_away} == {"a", "b"}
    assert stage.broker.subscriptions_of("a") == ("t", "u")
    sender = stage.player("b")
    assert sender.connect(clean=False, expiry_s=3600).session_present
    sender.give(Publish("other", b"x", qos=2, packet_id=40, dup=True))
    assert sender.got() == [Pubrec(40)], "it came in before"
    client = stage.player("a")
    assert client.connect(clean=False, expiry_s=3600).session_present
    released, again, later = client.got()
    assert released == Pubrel(first.packet_id)
    assert again == replace(second, dup=True)
    assert isinstance(later, Publish)
    assert (later.payload, later.properties.subscription_identifier) == (b"later", (5,))
    client.give(Pubcomp(first.packet_id), Puback(second.packet_id), Puback(later.packet_id))
    assert keeper.kept["a"].deliveries == {}
    client.subscribe("kept")
    assert client.payloads() == [b"retained"]


async def test_a_will_that_waits_is_kept() -> None:
    keeper = MemoryKeeper()
    stage = Stage(keeper=keeper)
    stage.connected("a", clean=False, expiry_s=60, will=_will(30)).vanish()
    stage = Stage(keeper=keeper, clock=stage.clock)
    stage.broker.recall()
    watcher = stage.connected("w")
    watcher.subscribe("gone")
    stage.pass_time(31)
    assert watcher.payloads() == [b"a"]


async def test_who_is_not_known_any_more_is_forgotten() -> None:
    keeper = MemoryKeeper()
    away(Stage(keeper=keeper))
    stage = Stage(
        keeper=keeper,
        authority=OpenAuthority(refused_clients={"a": turned_away("revoked")}),
    )
    stage.broker.recall()
    assert stage.broker.sessions_away == ()
    assert keeper.kept == {}


async def test_nothing_is_told_of_sessions_that_do_not_last() -> None:
    keeper = MemoryKeeper()
    stage = Stage(keeper=keeper)
    client = stage.connected("a")
    client.subscribe("t")
    client.publish("t", b"x", qos=2)
    client.give(Pubrel(2))
    client.goodbye()
    assert (keeper.kept, keeper.commits) == ({}, 0)


async def test_a_session_may_begin_to_last_and_cease_to(caplog: pytest.LogCaptureFixture) -> None:
    del caplog
    keeper = MemoryKeeper()
    stage = Stage(keeper=keeper)
    client = stage.connected("a", expiry_s=60)
    client.subscribe("t")
    client.goodbye()
    assert [s.item.topic_filter for s in keeper.kept["a"].subscriptions] == ["t"]
    stage.connected("a", clean=False).goodbye()
    assert keeper.kept == {}


async def test_what_cannot_be_kept_is_not_acknowledged(caplog: pytest.LogCaptureFixture) -> None:
    keeper = MemoryKeeper()
    stage = Stage(keeper=keeper)
    away(stage)
    sender, other = stage.connected("b"), stage.connected("c")
    other.subscribe("free")
    keeper.failing = True
    sender.publish("t", b"x", qos=1)
    assert [packet.type.name for packet in sender.got()] in ([], ["DISCONNECT"])
    assert sender.transport.closing
    assert "sessions could not be kept" in caplog.text
    stage.connected("d").publish("free", b"y")
    assert other.payloads() == [b"y"], "what needs no keeping goes on"


async def test_everything_is_kept_before_it_is_acknowledged() -> None:
    keeper = MemoryKeeper()
    stage = Stage(keeper=keeper)
    away(stage)
    sender = stage.connected("b")
    before = keeper.commits
    sender.give(
        *(Publish("t", b"x", qos=1, packet_id=number) for number in range(1, 11)),
    )
    assert len(sender.got()) == 10
    assert keeper.commits == before + 1, "once a read"


async def test_the_number_of_sessions_counts_those_that_are_away() -> None:
    stage = Stage(replace(FULL, sessions=2))
    away(stage)
    stage.connected("b")
    player = stage.player("c")
    player.give(Connect("c", V5))
    assert [packet.type.name for packet in player.got()] == ["CONNACK"]
    assert player.transport.closing
    assert stage.connected("a", clean=False).subscribe(SubscribeItem("t")).reasons


async def test_a_full_queue_is_told_of_and_the_publisher_knows() -> None:
    stage = Stage(replace(FULL, waiting_messages=3, in_flight=2))
    away(stage)
    sender = stage.connected("b")
    sender.give(*(Publish("t", b"x", qos=1, packet_id=number) for number in range(1, 9)))
    reasons = [answer.reason for answer in sender.got() if isinstance(answer, Puback)]
    assert reasons == [ReasonCode.SUCCESS] * 5 + [ReasonCode.QUOTA_EXCEEDED] * 3
    (event,) = stage.authority.events
    assert (event.code, event.client_id, event.count) == ("queue-full", "a", 3)
    assert "5 messages wait for this client" in event.reason
    assert stage.broker.counters.messages_dropped == 3
    assert stage.broker.counters.refusals["queue-full"] == 3


async def test_coming_and_going_leaves_nothing_behind_and_the_last_departure_counts() -> None:
    stage = Stage()
    for _ in range(1000):
        stage.connected("a", clean=False, expiry_s=60).goodbye()
        stage.clock.advance(timedelta(seconds=0.001))
    assert len(stage.broker._engine.lasting._due) < 100
    stage.pass_time(59)
    assert [ref.client_id for ref in stage.broker.sessions_away] == ["a"]
    stage.pass_time(2)
    assert stage.broker.sessions_away == ()
    assert not stage.broker._engine.lasting.waits
