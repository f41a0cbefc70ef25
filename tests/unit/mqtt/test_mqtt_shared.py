"""Shared subscriptions: each message goes to one member of the group."""

from collections import Counter
from dataclasses import replace

import pytest
from tests.support.mqtt_broker import OpenAuthority
from tests.support.mqtt_stage import FULL, Stage

from hedgerow.mqtt import ReasonCode


async def test_members_take_turns_and_others_get_everything() -> None:
    stage = Stage()
    members = [stage.connected(name) for name in ("a", "b", "c")]
    for member in members:
        assert member.subscribe("$share/group/t/#", qos=1).reasons == (ReasonCode(1),)
    other, alone = stage.connected("other"), stage.connected("alone")
    other.subscribe("t/1")
    alone.subscribe("$share/another/t/1")
    sender = stage.connected("sender")
    for number in range(9):
        sender.publish("t/1", str(number).encode(), qos=1)
    taken = [member.payloads() for member in members]
    assert Counter(payload for payloads in taken for payload in payloads).most_common(1)[0][1] == 1
    assert [len(payloads) for payloads in taken] == [3, 3, 3]
    assert len(other.payloads()) == len(alone.payloads()) == 9


async def test_a_member_that_is_away_is_passed_over_while_others_are_there() -> None:
    stage = Stage()
    a, b = (stage.connected(name, clean=False, expiry_s=60) for name in ("a", "b"))
    for member in (a, b):
        member.subscribe("$share/group/t", qos=1)
    a.goodbye()
    sender = stage.connected("sender")
    for _ in range(3):
        sender.publish("t", b"x", qos=1)
    assert len(b.payloads()) == 3
    b.goodbye()
    sender.publish("t", b"kept", qos=1)
    both = [stage.connected(name, clean=False, expiry_s=60) for name in ("a", "b")]
    assert sum((member.payloads().count(b"kept") for member in both), 0) == 1


@pytest.mark.promise(3)
async def test_a_member_that_may_not_receive_gets_nothing() -> None:
    stage = Stage(authority=OpenAuthority(no_receive={("sender", "a", "t")}))
    a, b = stage.connected("a"), stage.connected("b")
    for member in (a, b):
        member.subscribe("$share/group/t")
    sender = stage.connected("sender")
    for _ in range(4):
        sender.publish("t", b"x")
    assert (len(a.payloads()), len(b.payloads())) == (0, 4)


async def test_leaving_a_group_leaves_the_plain_subscription() -> None:
    stage = Stage()
    client, sender = stage.connected("a"), stage.connected("b")
    client.subscribe("t")
    client.subscribe("$share/group/t")
    sender.publish("t", b"x")
    assert client.payloads() == [b"x", b"x"]
    client.subscribe("$share/other/t")
    client.goodbye()
    sender.publish("t", b"y")
    assert stage.broker.counters.messages_delivered == 2


@pytest.mark.parametrize("wrong", ["$share//t", "$share/+/t", "$share/g", "$share/g/", "$share/+/"])
async def test_malformed_ones_are_refused(wrong: str) -> None:
    client = Stage().connected("a")
    assert client.subscribe(wrong).reasons == (ReasonCode.TOPIC_FILTER_INVALID,)


async def test_a_profile_without_them_says_so() -> None:
    client = Stage(replace(FULL, shared_subscriptions=False)).connected("a")
    answer = client.subscribe("$share/g/t")
    assert answer.reasons == (ReasonCode.SHARED_SUBSCRIPTIONS_NOT_SUPPORTED,)
