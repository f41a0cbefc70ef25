"""Retained messages: who gets them, when, and how many there may be."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.mqtt_broker import OpenAuthority
from tests.support.mqtt_stage import FULL, V5, MemoryKeeper, Stage

from hedgerow.mqtt import KeptMessage, ProtocolVersion, matches
from hedgerow.mqtt.codec import Properties, SubscribeItem
from hedgerow.mqtt.retained import RetainedMessages


def retained(stage: Stage, topic: str, payload: bytes, **more: object) -> None:
    """Retain a message."""
    sender = stage.connected("retainer")
    sender.publish(topic, payload, qos=1, retain=True, **more)
    sender.goodbye()


@pytest.mark.parametrize("version", [ProtocolVersion.V311, V5])
async def test_who_subscribes_later_gets_the_last_message(version: ProtocolVersion) -> None:
    stage = Stage()
    retained(stage, "t/1", b"old")
    retained(stage, "t/1", b"new")
    retained(stage, "other", b"x")
    client = stage.connected("a", version)
    client.subscribe("t/#", qos=0)
    (message,) = client.messages()
    assert (message.payload, message.retain, message.qos) == (b"new", True, 0)


async def test_those_who_are_there_get_it_as_any_message() -> None:
    stage = Stage()
    client = stage.connected("a")
    client.subscribe("t")
    kept = SubscribeItem("u", retain_as_published=True)
    client.subscribe(kept)
    retained(stage, "t", b"x")
    retained(stage, "u", b"x")
    assert [message.retain for message in client.messages()] == [False, True]


async def test_an_empty_message_takes_it_away() -> None:
    keeper = MemoryKeeper()
    stage = Stage(keeper=keeper)
    retained(stage, "t", b"x")
    assert stage.broker.retained("t") is not None
    retained(stage, "t", b"")
    retained(stage, "never", b"")
    assert stage.broker.retained("t") is None
    assert keeper.messages == {}
    client = stage.connected("a")
    client.subscribe("#")
    assert client.got() == []


async def test_how_it_is_handled_is_the_subscribers_choice() -> None:
    stage = Stage()
    retained(stage, "t", b"x")
    client = stage.connected("a")
    client.subscribe(SubscribeItem("t", retain_handling=2))
    assert client.got() == []
    client.subscribe(SubscribeItem("t", retain_handling=1))
    assert client.got() == [], "the subscription was there"
    client.subscribe(SubscribeItem("+", retain_handling=1))
    assert client.payloads() == [b"x"]
    client.subscribe(SubscribeItem("t", retain_handling=0))
    assert client.payloads() == [b"x"]
    client.subscribe("$share/group/t")
    assert client.got() == [], "shared subscriptions get none"


@pytest.mark.promise(3)
async def test_nobody_gets_what_it_may_not_receive() -> None:
    authority = OpenAuthority(no_receive={("retainer", "a", "t")})
    stage = Stage(authority=authority)
    retained(stage, "t", b"x")
    retained(stage, "u", b"y")
    client = stage.connected("a")
    client.subscribe("#")
    assert client.payloads() == [b"y"]


async def test_it_is_gone_when_its_time_is_up() -> None:
    stage = Stage()
    retained(stage, "t", b"x", properties=Properties(message_expiry_interval=10))
    stage.pass_time(4)
    client = stage.connected("a")
    client.subscribe("t")
    (message,) = client.messages()
    assert message.properties.message_expiry_interval == 6
    stage.pass_time(7)
    client.subscribe("t")
    assert client.got() == []
    assert stage.broker.retained("t") is None
    assert stage.broker.retained_topics() == []


async def test_beyond_the_limit_a_message_is_passed_on_only() -> None:
    stage = Stage(replace(FULL, retained_messages=2))
    client = stage.connected("a")
    client.subscribe("#")
    for topic in ("1", "2", "3"):
        retained(stage, topic, b"x")
    assert len(client.got()) == 3
    assert [message.topic for message in stage.broker.retained_topics()] == ["1", "2"]
    assert stage.authority.events[-1].code == "quota-exceeded"
    retained(stage, "2", b"another for the same topic")
    assert [message.payload for message in stage.broker.retained_topics()][1] != b"x"


async def test_a_profile_may_leave_them_to_exact_filters() -> None:
    stage = Stage(replace(FULL, retained_for_wildcards=False))
    retained(stage, "t", b"x")
    client = stage.connected("a")
    client.subscribe("#")
    assert client.got() == []
    client.subscribe("t")
    assert client.payloads() == [b"x"]


async def test_the_inside_may_retain_as_well() -> None:
    stage = Stage()
    stage.broker.publish("cloud", "t", b"x", qos=1, retain=True)
    client = stage.connected("a")
    client.subscribe("t")
    assert client.payloads() == [b"x"]


_LEVELS = st.sampled_from(["a", "b", "$x", ""])
_TOPICS = st.lists(_LEVELS, min_size=1, max_size=4).map("/".join).filter(bool)
_FILTERS = st.one_of(
    st.lists(st.sampled_from(["a", "b", "+", "$x", ""]), min_size=1, max_size=4)
    .map("/".join)
    .filter(bool),
    st.lists(st.sampled_from(["a", "+", "$x"]), max_size=3).map(
        lambda levels: "/".join([*levels, "#"])
    ),
)


@given(st.lists(_TOPICS), st.lists(_TOPICS), _FILTERS)
def test_found_is_exactly_what_matches(
    kept: list[str], removed: list[str], topic_filter: str
) -> None:
    messages = RetainedMessages(100, 1_000_000)
    for topic in kept:
        assert messages.put(KeptMessage("s", topic, b"x", 0))
    for topic in removed:
        assert messages.remove(topic) == (topic in kept)
        kept = [other for other in kept if other != topic]
    found = sorted(message.topic for message in messages.find(topic_filter))
    assert found == sorted({topic for topic in kept if matches(topic_filter, topic)})
    assert len(messages) == len(messages.all()) == len(set(kept))
