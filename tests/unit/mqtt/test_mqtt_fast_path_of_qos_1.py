"""Runs of QoS 1 messages and of acknowledgements: the same as one by one, only faster."""

from dataclasses import replace

import pytest
from tests.support.mqtt_broker import OpenAuthority, denied
from tests.support.mqtt_stage import FULL, V5, Stage

from hedgerow.mqtt import ProtocolVersion
from hedgerow.mqtt.codec import Puback, Publish
from hedgerow.mqtt.deliveries import Deliveries

BOTH = pytest.mark.parametrize("version", [ProtocolVersion.V311, V5])


def run(topic: str, messages: int, first: int = 1) -> list[Publish]:
    """Return messages with packet ids from `first` on."""
    numbers = range(first, first + messages)
    return [Publish(topic, b"%d" % number, 1, packet_id=number) for number in numbers]


@BOTH
async def test_a_run_reaches_every_kind_of_subscriber(
    version: ProtocolVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage()
    once, least, other = (stage.connected(name, version) for name in ("once", "least", "other"))
    once.subscribe("t", qos=0)
    least.subscribe("t", qos=1)
    other.subscribe("t", qos=2)
    sender = stage.connected("sender", version)
    sender.give(*run("t", 1))
    for player in (sender, once, least, other):
        player.got()
    monkeypatch.delattr(Deliveries, "put")  # the way of messages that are looked at closely
    sender.give(*run("t", 9, first=100))
    assert sender.got() == [Puback(number) for number in range(100, 109)]
    payloads = [b"%d" % number for number in range(100, 109)]
    for player, qos in ((once, 0), (least, 1), (other, 1)):
        messages = player.messages()
        assert [message.payload for message in messages] == payloads
        assert {message.qos for message in messages} == {qos}
    assert stage.broker.counters.messages_received == 10
    assert stage.broker.counters.messages_delivered == 30


async def test_a_full_window_falls_back_to_the_queue_and_keeps_the_order() -> None:
    stage = Stage(replace(FULL, in_flight=3))
    client, sender = stage.connected("a"), stage.connected("b")
    client.subscribe("t", qos=1)
    sender.give(*run("t", 10))
    seen: list[bytes] = []
    while messages := client.messages():
        seen += [message.payload for message in messages]
        assert len(messages) <= 3
        client.give(*(Puback(message.packet_id) for message in messages))
    assert seen == [b"%d" % number for number in range(1, 11)]
    assert len(sender.got()) == 10


async def test_acknowledgements_of_anything_are_taken_in_runs() -> None:
    stage = Stage()
    client, sender = stage.connected("a"), stage.connected("b")
    client.subscribe("t", qos=1)
    sender.give(*run("t", 4))
    sender.give(Publish("t", b"", 1, packet_id=9, retain=True))  # not plain
    ids = [message.packet_id for message in client.messages()]
    client.give(Puback(777), *map(Puback, reversed(ids)), Puback(ids[0]))
    sender.give(*run("t", 200))
    assert len(client.messages()) == FULL.in_flight, "all were let go, and none twice"


async def test_sessions_that_last_are_not_passed_by() -> None:
    stage = Stage()
    client = stage.connected("a", expiry_s=60)
    client.subscribe("t", qos=1)
    sender = stage.connected("b")
    sender.give(*run("t", 5))
    client.vanish()
    again = stage.connected("a", clean=False)
    assert [message.dup for message in again.messages()] == [True] * 5


async def test_a_run_of_refused_messages_is_one_event_with_its_count() -> None:
    authority = OpenAuthority(no_publish={("b", "t"): denied("no row")})
    stage = Stage(authority=authority)
    sender = stage.connected("b")
    sender.publish("t")
    sender.give(*(Publish("t", b"%d" % n) for n in range(7)), Publish("free", b""))
    assert [(event.code, event.count) for event in authority.events] == [
        ("publish-denied", 1),
        ("publish-denied", 7),
    ]
    assert stage.broker.counters.refusals["publish-denied"] == 8
    assert stage.broker.counters.messages_received == 9


async def test_a_refusal_that_disconnects_still_does() -> None:
    authority = OpenAuthority(no_publish={("b", "t"): denied("no row", disconnect=True)})
    sender = Stage(authority=authority).connected("b")
    sender.give(Publish("t", b""), Publish("t", b""))
    assert sender.transport.closing
    assert len(authority.events) == 1
