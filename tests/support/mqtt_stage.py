"""A broker and its clients without a network, and a keeper that keeps in memory."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from tests.support.clock import ManualClock
from tests.support.mqtt_broker import OpenAuthority
from tests.support.mqtt_transport import MemoryTransport

from hedgerow.mqtt import (
    NO_KEEPER,
    Broker,
    Decoder,
    Keeper,
    KeptDelivery,
    KeptMessage,
    KeptSession,
    KeptSubscription,
    Limits,
    Peer,
    ProtocolVersion,
    SessionFacts,
    encode,
)
from hedgerow.mqtt.codec import (
    Connack,
    Connect,
    Disconnect,
    Packet,
    Properties,
    Publish,
    Suback,
    Subscribe,
    SubscribeItem,
    Will,
)

V5 = ProtocolVersion.V5
FULL = Limits(
    maximum_qos=2,
    retain_available=True,
    session_expiry_s=3600,
    shared_subscriptions=True,
    assign_client_ids=True,
)
"""Everything that the engine can do."""


class Player:
    """One connection of a client."""

    def __init__(self, broker: Broker, client_id: str, version: ProtocolVersion = V5) -> None:
        self.client_id = client_id
        self.version = version
        self.transport = MemoryTransport()
        self.transport.attach(broker.protocol(Peer(client_id, "memory")))
        self._decoder = Decoder(version)
        self._packet_ids = iter(range(1, 0xFFFF))

    def give(self, *packets: Packet) -> None:
        """Send packets in one read."""
        self.transport.deliver(b"".join(encode(packet, self.version) for packet in packets))

    def got(self) -> list[Packet]:
        """Return what came since last asked."""
        return self._decoder.feed(self.transport.taken())

    def messages(self) -> list[Publish]:
        """Return what came since last asked, which must be messages."""
        packets = self.got()
        messages = [packet for packet in packets if isinstance(packet, Publish)]
        assert len(messages) == len(packets), packets
        return messages

    def payloads(self) -> list[bytes]:
        """Return the payloads of the messages that came since last asked."""
        return [message.payload for message in self.messages()]

    def connect(
        self,
        *,
        clean: bool = True,
        expiry_s: int | None = None,
        will: Will | None = None,
        **properties: Any,
    ) -> Connack:
        """Send a CONNECT and return the answer; what else came is kept for `got`."""
        self.give(
            Connect(
                self.client_id,
                self.version,
                clean_start=clean,
                keep_alive_s=0,
                will=will,
                properties=Properties(session_expiry_interval=expiry_s, **properties)
                if self.version is V5
                else Properties(),
            )
        )
        data = self.transport.taken()
        first, *_ = Decoder(self.version).feed(data)
        self.transport.written.insert(0, data[len(encode(first, self.version)) :])
        assert isinstance(first, Connack), first
        return first

    def subscribe(self, *items: str | SubscribeItem, qos: int = 2, identifier: int = 0) -> Suback:
        """Subscribe and return the answer; what else came is kept for `got`."""
        asked = tuple(SubscribeItem(item, qos) if isinstance(item, str) else item for item in items)
        properties = Properties(subscription_identifier=(identifier,) if identifier else ())
        before = self.transport.taken()
        assert not before, self._decoder.feed(before)
        self.give(Subscribe(next(self._packet_ids), asked, properties))
        data = self.transport.taken()
        first, *_ = Decoder(self.version).feed(data)
        self.transport.written.append(data[len(encode(first, self.version)) :])
        assert isinstance(first, Suback), first
        return first

    def publish(self, topic: str, payload: bytes = b"", qos: int = 0, **more: Any) -> None:
        """Send a message; the answer is for `got`."""
        packet_id = next(self._packet_ids) if qos else 0
        self.give(Publish(topic, payload, qos=qos, packet_id=packet_id, **more))

    def vanish(self) -> None:
        """Lose the connection."""
        self.transport.closing = True
        self.transport._lost()

    def goodbye(self, packet: Disconnect | None = None) -> None:
        """Send a DISCONNECT and go."""
        self.give(packet or Disconnect())
        self.vanish()


class Stage:
    """A broker with a clock that tests move."""

    def __init__(
        self,
        limits: Limits = FULL,
        *,
        keeper: Keeper = NO_KEEPER,
        authority: OpenAuthority | None = None,
        clock: ManualClock | None = None,
    ) -> None:
        self.clock = clock or ManualClock()
        self.authority = authority or OpenAuthority()
        self.broker = Broker(
            self.authority, limits=limits, clock=self.clock, name="stage", keeper=keeper
        )

    def player(self, client_id: str, version: ProtocolVersion = V5) -> Player:
        """Return a connection that has said nothing yet."""
        return Player(self.broker, client_id, version)

    def connected(self, client_id: str, version: ProtocolVersion = V5, **connect: Any) -> Player:
        """Return a client that was let in."""
        player = self.player(client_id, version)
        assert not player.connect(**connect).reason.is_error
        return player

    def pass_time(self, seconds: float) -> None:
        """Move the clock and let the broker look at it."""
        self.clock.advance(timedelta(seconds=seconds))
        self.broker.tick()


class MemoryKeeper:
    """Keeps everything in memory as a whole, so that tests can see it and start anew from it."""

    def __init__(self) -> None:
        self.kept: dict[str, KeptSession] = {}
        self.messages: dict[str, KeptMessage] = {}
        self.commits = 0
        self.failing = False
        self.dirty = False

    def sessions(self) -> Iterable[KeptSession]:
        """Return what is kept."""
        return tuple(self.kept.values())

    def retained(self) -> Iterable[KeptMessage]:
        """Return what is retained."""
        return tuple(self.messages.values())

    def session(self, facts: SessionFacts) -> None:
        """Keep."""
        old = self.kept.get(facts.client_id)
        self._put(KeptSession(facts) if old is None else replace(old, facts=facts))

    def forget(self, client_id: str) -> None:
        """Forget."""
        del self.kept[client_id]
        self.dirty = True

    def subscribed(self, client_id: str, subscription: KeptSubscription) -> None:
        """Keep."""
        others = self._without(client_id, subscription.item.topic_filter)
        self._change(client_id, subscriptions=(*others, subscription))

    def unsubscribed(self, client_id: str, topic_filter: str) -> None:
        """Forget."""
        others = self._without(client_id, topic_filter)
        assert len(others) < len(self.kept[client_id].subscriptions)
        self._change(client_id, subscriptions=others)

    def queued(self, client_id: str, number: int, delivery: KeptDelivery) -> None:
        """Keep."""
        deliveries = self.kept[client_id].deliveries
        assert number not in deliveries
        self._change(client_id, deliveries={**deliveries, number: delivery})

    def sent(self, client_id: str, number: int, packet_id: int) -> None:
        """Note."""
        self._step(client_id, number, packet_id=packet_id)

    def released(self, client_id: str, number: int) -> None:
        """Note."""
        self._step(client_id, number, released=True)

    def settled(self, client_id: str, number: int) -> None:
        """Forget."""
        deliveries = dict(self.kept[client_id].deliveries)
        del deliveries[number]
        self._change(client_id, deliveries=deliveries)

    def received(self, client_id: str, packet_id: int) -> None:
        """Keep."""
        self._change(client_id, received=self.kept[client_id].received | {packet_id})

    def completed(self, client_id: str, packet_id: int) -> None:
        """Forget."""
        assert packet_id in self.kept[client_id].received
        self._change(client_id, received=self.kept[client_id].received - {packet_id})

    def retain(self, message: KeptMessage) -> None:
        """Keep."""
        self.messages[message.topic] = message
        self.dirty = True

    def unretain(self, topic: str) -> None:
        """Forget."""
        del self.messages[topic]
        self.dirty = True

    def commit(self) -> None:
        """Count commits that had something to say, or fail."""
        if self.dirty:
            self.dirty = False
            if self.failing:
                raise OSError("no space left on device")
            self.commits += 1

    def _without(self, client_id: str, topic_filter: str) -> tuple[KeptSubscription, ...]:
        held = self.kept[client_id].subscriptions
        return tuple(one for one in held if one.item.topic_filter != topic_filter)

    def _step(self, client_id: str, number: int, **step: Any) -> None:
        deliveries = self.kept[client_id].deliveries
        delivery = replace(deliveries[number], **step)
        self._change(client_id, deliveries={**deliveries, number: delivery})

    def _change(self, client_id: str, **change: Any) -> None:
        self._put(replace(self.kept[client_id], **change))

    def _put(self, session: KeptSession) -> None:
        self.kept[session.facts.client_id] = session
        self.dirty = True
