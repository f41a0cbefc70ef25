"""Sessions under the kill: a real broker and the keeper in files, with clients that remember.

The clients live in the killed process too, but what they know is told before and after, so it
survives as a client on another machine would. There is no network between them and the broker:
each read of the broker is one call, and what it writes is told the moment it is written.
"""

import asyncio
import random
from collections import deque
from pathlib import Path

from tests.support.mqtt_broker import OpenAuthority
from tests.support.mqtt_keeping import TestSealer
from tests.support.mqtt_transport import MemoryTransport

from bench.kill9.sessions_account import (
    ALL,
    EXACTLY_ONCE,
    PUBLISHERS,
    SUBSCRIBERS,
    Sending,
    SessionsAccount,
    number_of,
    payload_of,
)
from bench.kill9.zygote import READY, Entry, FailedError, Tell
from hedgerow.kernel import SystemClock
from hedgerow.mqtt import Broker, Decoder, Limits, Peer, ProtocolVersion, encode
from hedgerow.mqtt.codec import (
    Connack,
    Connect,
    Packet,
    Properties,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    SubscribeItem,
    Unsuback,
    Unsubscribe,
)
from hedgerow.mqtt.keeping import FileKeeper, Sealer

_V5 = ProtocolVersion.V5
_STAYS = Properties(session_expiry_interval=7 * 24 * 3600)
_LIMITS = Limits(
    maximum_qos=2,
    retain_available=True,
    session_expiry_s=7 * 24 * 3600,
    waiting_messages=100_000,
    outgoing_bytes=1 << 30,
    waiting_bytes=1 << 30,
    all_waiting_bytes=1 << 40,
    retained_bytes=1 << 30,
    receive_maximum=1000,
)
"""Nothing is dropped for want of room, so that whatever is missing was lost."""
_ENOUGH = 200
"""So many messages wait for a subscriber at most before it is made to read."""


class Client:
    """One connection of a client; what comes is told at once and answered later."""

    def __init__(self, account: SessionsAccount, tell: Tell, broker: Broker, name: str) -> None:
        self.name = name
        self.account = account
        self.tell = tell
        self.answers: deque[tuple[Packet, int]] = deque()
        """Acknowledgements to send, with the number of the message that they end, or 0."""
        self.transport = _Watched(self)
        self._decoder = Decoder(_V5)
        self.transport.attach(broker.protocol(Peer(name, "memory")))
        self.give(Connect(name, _V5, clean_start=False, properties=_STAYS))

    def give(self, *packets: Packet) -> None:
        """Have the broker read packets at once."""
        self.transport.deliver(b"".join(encode(packet, _V5) for packet in packets))

    def heard(self, data: bytes) -> None:
        """Tell of everything that the broker writes."""
        for packet in self._decoder.feed(data):
            self.take(packet)

    def take(self, packet: Packet) -> None:
        """Tell of one packet."""
        if isinstance(packet, Connack) and not packet.reason.is_error:
            self.tell("connected", self.name, packet.session_present)
        elif isinstance(packet, Suback | Unsuback):
            if any(reason.is_error for reason in packet.reasons):
                raise FailedError(f"{self.name} was refused: {packet}")
        else:
            raise FailedError(f"{self.name} got {packet}")

    def vanish(self) -> None:
        """Lose the connection."""
        self.transport.vanish()


class PublishingClient(Client):
    """Publishes, and sends anew what was not acknowledged when the connection was lost."""

    def take(self, packet: Packet) -> None:
        """Tell of one packet."""
        if isinstance(packet, Puback | Pubrec) and not packet.reason.is_error:
            self.tell("taken", self.name, packet.packet_id)
            if isinstance(packet, Pubrec):
                self.answers.append((Pubrel(packet.packet_id), 0))
        elif isinstance(packet, Pubcomp):
            self.tell("complete", self.name, packet.packet_id)
        else:
            super().take(packet)

    def resume(self) -> None:
        """Send anew what is not over, in its order."""
        for packet_id, sending in tuple(self.account.publishers[self.name].sending.items()):
            if sending.received:
                self.give(Pubrel(packet_id))
            else:
                self._send_anew(packet_id, sending)
        self.answer()

    def publish(self, chance: random.Random, count: int) -> None:
        """Publish some messages in one read."""
        packets: list[Packet] = []
        for _ in range(count):
            number, packet_id = self.account.next_number, self._free_id()
            # Order holds among messages of one QoS: one for each topic that retains.
            is_retained = chance.random() < 0.1
            topic = f"r/{self.name}" if is_retained else f"t/{chance.randrange(3)}"
            qos = PUBLISHERS[self.name] if is_retained else chance.choice((1, 1, 2))
            clears = is_retained and chance.random() < 0.2
            self.tell(
                "publish", self.name, packet_id, number, qos, f"clear {topic}" if clears else topic
            )
            size = chance.choice((0, 10, 100, 1000, 20_000))
            packets.append(_message(number, packet_id, qos, topic, b"" if clears else None, size))
        self.give(*packets)

    def answer(self) -> None:
        """Send what is due after PUBREC."""
        while self.answers:
            self.give(self.answers.popleft()[0])

    def _send_anew(self, packet_id: int, sending: Sending) -> None:
        number = sending.number
        message = self.account.messages[number]
        topic = f"clear {message.topic}" if message.clears else message.topic
        self.tell("publish", self.name, packet_id, number, message.qos, topic)
        payload = b"" if message.clears else None
        self.give(_message(number, packet_id, message.qos, message.topic, payload, 10, dup=True))

    def _free_id(self) -> int:
        publisher = self.account.publishers[self.name]
        packet_id = publisher.next_id
        while packet_id in publisher.sending:
            packet_id = packet_id % 60_000 + 1
        return packet_id


class SubscribingClient(Client):
    """Gets messages, and acknowledges them when it is told to."""

    def take(self, packet: Packet) -> None:
        """Tell of one packet."""
        if isinstance(packet, Publish):
            number = number_of(packet.payload)
            self.tell("came", self.name, packet.packet_id, number, packet.qos)
            if packet.qos == EXACTLY_ONCE:
                self.answers.append((Pubrec(packet.packet_id), 0))
            else:
                self.answers.append((Puback(packet.packet_id), number))
        elif isinstance(packet, Pubrel):
            number = self.account.subscribers[self.name].in_hand.get(packet.packet_id, 0)
            self.answers.append((Pubcomp(packet.packet_id), number))
        else:
            super().take(packet)

    def subscribe(self) -> None:
        """Subscribe to all messages; it is granted when this returns."""
        self.give(Subscribe(1, (SubscribeItem(ALL, SUBSCRIBERS[self.name]),)))
        self.tell("granted", self.name)

    def change_extra(self) -> None:
        """Add or take away the second subscription."""
        wanted = True not in self.account.subscribers[self.name].extra
        self.tell("extra", self.name, [True, False])
        self.give(Subscribe(2, (SubscribeItem("x", 1),)) if wanted else Unsubscribe(2, ("x",)))
        self.tell("extra", self.name, [wanted])

    def answer(self, count: int) -> None:
        """Send some of the acknowledgements that are due, in one read."""
        packets: list[Packet] = []
        ending: list[int] = []
        for _ in range(min(count, len(self.answers))):
            packet, number = self.answers.popleft()
            packets.append(packet)
            if number:
                packet_id = packet.packet_id  # type: ignore[union-attr] # all of them have one
                self.tell("ending", self.name, packet_id, number)
                ending.append(packet_id)
        self.give(*packets)
        for packet_id in ending:
            self.tell("ended", self.name, packet_id)


class _Watched(MemoryTransport):
    """Hands what is written to its client the moment it is written."""

    def __init__(self, client: Client) -> None:
        super().__init__()
        self._client = client

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Hand it over."""
        self._client.heard(bytes(data))

    def vanish(self) -> None:
        """Be lost at once."""
        self.closing = True
        self._lost()


class Life:
    """One life of a broker and its clients."""

    def __init__(self, account: SessionsAccount, tell: Tell, keeper: FileKeeper) -> None:
        self._account = account
        self._tell = tell
        keeper.open()
        if keeper.findings:
            raise FailedError(f"files were set aside: {keeper.findings}")
        sessions = list(keeper.sessions())
        for entry in tuple(account.open_ends(sessions)):
            tell(*entry)
        account.compare(sessions, keeper.retained())
        self._broker = Broker(
            OpenAuthority(), limits=_LIMITS, clock=SystemClock(), name="killed", keeper=keeper
        )
        self._broker.recall()
        self._subscribers: dict[str, SubscribingClient] = {}
        for name in SUBSCRIBERS:
            if not account.subscribers[name].subscribed:
                self._come(name).subscribe()
        self._publishers = [self._publisher(name) for name in PUBLISHERS]

    def act(self, chance: random.Random) -> None:
        """Do one thing that clients do."""
        for name in SUBSCRIBERS:
            if len(self._account.subscribers[name].due) > _ENOUGH:
                self._come(name).answer(_ENOUGH)
        name = chance.choice(tuple(SUBSCRIBERS))
        subscriber = self._subscribers.get(name)
        what = chance.random()
        if what < 0.5:
            publisher = chance.choice(self._publishers)
            publisher.publish(chance, chance.choice((1, 1, 2, 10)))
            if chance.random() < 0.8:
                publisher.answer()
        elif subscriber is None:
            self._come(name)
        elif what < 0.9:
            subscriber.answer(chance.choice((1, 3, 50)))
        elif what < 0.95:
            subscriber.change_extra()
        else:
            self._subscribers.pop(name).vanish()

    def work_off(self) -> None:
        """Have everybody acknowledge everything."""
        for publisher in self._publishers:
            publisher.answer()
        for name in SUBSCRIBERS:
            client = self._come(name)
            while client.answers:
                client.answer(_ENOUGH)
        for name, subscriber in self._account.subscribers.items():
            if subscriber.due:
                raise FailedError(f"{name} never got {sorted(subscriber.due)[:10]}")

    def _come(self, name: str) -> SubscribingClient:
        if name not in self._subscribers:
            client = SubscribingClient(self._account, self._tell, self._broker, name)
            self._subscribers[name] = client
        return self._subscribers[name]

    def _publisher(self, name: str) -> PublishingClient:
        client = PublishingClient(self._account, self._tell, self._broker, name)
        client.resume()
        return client


class Sessions:
    """The subject."""

    name = "sessions"

    def __init__(self, folder: Path, seal: Sealer | None = TestSealer()) -> None:  # noqa: B008 - frozen
        self._folder = folder
        self._seal = seal
        self._account = SessionsAccount()

    @property
    def acknowledged(self) -> int:
        """How many messages were acknowledged to publishers."""
        return self._account.acknowledged

    def take(self, entry: Entry) -> None:
        """Take what was told into the account."""
        if entry[0] != READY:
            self._account.take(entry)

    def settle(self) -> None:
        """Forget what is over."""
        self._account.tidy()

    def live(self, tell: Tell, chance: random.Random) -> None:
        """Work for ever."""

        async def work() -> None:
            life = Life(self._account, tell, self._keeper(chance.choice((2000, 30_000, 1 << 23))))
            tell(READY)
            while True:
                life.act(chance)
                await asyncio.sleep(0)

        asyncio.run(work())

    def end(self, tell: Tell) -> None:
        """Work everything off, twice, to see that nothing comes again."""

        async def work() -> None:
            keeper = self._keeper(1 << 23)
            Life(self._account, tell, keeper).work_off()
            keeper.close()
            keeper = self._keeper(1 << 23)
            Life(self._account, tell, keeper).work_off()
            keeper.close()

        asyncio.run(work())

    def _keeper(self, segment_bytes: int) -> FileKeeper:
        return FileKeeper(
            self._folder, seal=self._seal, clock=SystemClock(), segment_bytes=segment_bytes
        )


def _message(
    number: int,
    packet_id: int,
    qos: int,
    topic: str,
    payload: bytes | None,
    size: int,
    *,
    dup: bool = False,
) -> Publish:
    return Publish(
        topic,
        payload_of(number, size) if payload is None else payload,
        qos=qos,
        retain=topic.startswith("r/"),
        packet_id=packet_id,
        dup=dup,
    )
