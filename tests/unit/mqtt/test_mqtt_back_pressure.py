"""Publishers of QoS 1 and 2 wait for those who do not keep up, and nothing is lost."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.support.mqtt_stage import FULL, Player, Stage

from hedgerow.mqtt import Limits
from hedgerow.mqtt.codec import Disconnect, Packet, Puback, Publish, encode

_LIMITS = replace(FULL, in_flight=4, waiting_messages=8, acknowledgement_patience_s=0.05)


def pair(limits: Limits = _LIMITS) -> tuple[Stage, Player, Player]:
    """Return a stage with a publisher, and a subscriber to `t`."""
    stage = Stage(limits)
    subscriber = stage.connected("subscriber")
    subscriber.subscribe("t", qos=1)
    return stage, stage.connected("publisher"), subscriber


def flood(publisher: Player, messages: int) -> None:
    """Publish all in one read."""
    publisher.give(*(Publish("t", b"%d" % n, 1, packet_id=n + 1) for n in range(messages)))


async def acknowledged(subscriber: Player) -> list[bytes]:
    """Acknowledge what comes until nothing more does, and return it."""
    payloads: list[bytes] = []
    while messages := subscriber.messages():
        payloads += [message.payload for message in messages]
        subscriber.give(*(Puback(message.packet_id) for message in messages))
        await asyncio.sleep(0)
    return payloads


async def test_a_publisher_is_not_read_while_its_subscriber_catches_up() -> None:
    stage, publisher, subscriber = pair()
    flood(publisher, 100)
    assert publisher.transport.is_paused()
    answered = publisher.got()
    assert len(answered) == 8, "a window, and half of what may wait"
    assert await acknowledged(subscriber) == [b"%d" % n for n in range(100)]
    assert not publisher.transport.is_paused()
    assert len(answered) + len(publisher.got()) == 100
    assert stage.broker.counters.messages_dropped == 0


async def test_a_packet_in_pieces_survives_the_wait() -> None:
    _, publisher, subscriber = pair()
    data = b"".join(
        encode(Publish("t", b"%d" % n, 1, packet_id=n + 1), publisher.version) for n in range(20)
    )
    publisher.transport.deliver(data[:-3])
    assert publisher.transport.is_paused()
    publisher.transport.deliver(data[-3:])  # it was under way when reading ended
    assert await acknowledged(subscriber) == [b"%d" % n for n in range(20)]


async def test_one_that_does_not_get_on_is_cut_and_the_others_go_on() -> None:
    stage, publisher, subscriber = pair()
    flood(publisher, 20)
    async with asyncio.timeout(5):
        await publisher.transport.reading_again.wait()
    await asyncio.sleep(0)
    goodbye: Packet = subscriber.got()[-1]
    assert isinstance(goodbye, Disconnect)
    assert subscriber.transport.closing
    assert stage.broker.counters.refusals["acknowledgements-overdue"] == 1
    assert len(publisher.got()) == 20


async def test_one_that_gets_on_slowly_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience ends after every single acknowledgement, and begins anew."""
    loop, patience_s = asyncio.get_running_loop(), 1.5
    timers: list[tuple[asyncio.TimerHandle, Callable[[], None]]] = []
    call_later = loop.call_later

    def noted(delay: float, callback: Callable[..., None], *args: object) -> asyncio.TimerHandle:
        if delay != patience_s:
            return call_later(delay, callback, *args)
        timer = call_later(3600, callback)  # it ends when the test says so
        timers.append((timer, callback))
        return timer

    monkeypatch.setattr(loop, "call_later", noted)
    stage, publisher, subscriber = pair(replace(_LIMITS, acknowledgement_patience_s=patience_s))
    flood(publisher, 40)
    received, ended, unanswered = 0, 0, deque(subscriber.messages())
    while unanswered:
        received += 1
        subscriber.give(Puback(unanswered.popleft().packet_id))
        timer, tired = timers[-1]
        if not timer.cancelled():
            ended += 1
            tired()
        await asyncio.sleep(0)
        unanswered += subscriber.messages()
    assert (received, stage.broker.counters.messages_dropped) == (40, 0)
    assert ended > 10
    assert not subscriber.transport.closing


async def test_two_that_flood_each_other_do_not_wait_for_each_other() -> None:
    stage = Stage(_LIMITS)
    a, b = stage.connected("a"), stage.connected("b")
    a.subscribe("to/a", qos=1)
    b.subscribe("to/b", qos=1)
    for number in range(9):
        a.give(Publish("to/b", b"x", 1, packet_id=number + 1))
        b.give(Publish("to/a", b"x", 1, packet_id=number + 1))
    assert a.transport.is_paused() != b.transport.is_paused()


async def test_nobody_waits_for_one_that_is_away() -> None:
    stage, publisher, _ = pair()
    client = stage.connected("away", clean=False, expiry_s=60)
    client.subscribe("u", qos=1)
    client.goodbye()
    publisher.give(*(Publish("u", b"x", 1, packet_id=n + 1) for n in range(20)))
    assert not publisher.transport.is_paused()
    assert len(publisher.got()) == 20
    assert stage.broker.counters.messages_dropped == 8
    assert len(stage.connected("away", clean=False).messages()) == 4


async def test_nobody_waits_for_itself() -> None:
    stage = Stage(_LIMITS)
    client = stage.connected("a")
    client.subscribe("t", qos=1)
    flood(client, 40)
    assert not client.transport.is_paused()
    assert stage.broker.counters.messages_dropped == 40 - 12
