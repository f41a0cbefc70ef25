"""What a hostile client sends: valid packets in any order, and some with something broken."""

import asyncio
import random
from collections.abc import Callable
from typing import Final, cast

from hedgerow.mqtt import Decoder, MalformedPacketError, ProtocolVersion, ReasonCode, encode
from hedgerow.mqtt.codec import (
    Auth,
    Connect,
    Disconnect,
    Packet,
    PacketType,
    Pingreq,
    Properties,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Subscribe,
    SubscribeItem,
    Unsubscribe,
    Will,
)

CLIENT_IDS: Final = tuple(f"mischief-{number}" for number in range(6))
_V5: Final = ProtocolVersion.V5
_TOPICS: Final = ("a", "a/b", "a/b/c", "b", "/", "$x/y", "health/1", "a/" + "long" * 40)
_FILTERS: Final = (
    "#",
    "+",
    "a/#",
    "a/+",
    "+/b",
    "a",
    "/",
    "$x/#",
    "$share/g/a/#",
    "$share/g/#",
    "$share/h/a",
    "$share/g",
    "health/#",
)
_FEW_IDS: Final = 6
_NO_BOUND: Final = 1 << 28
_FROM_SERVERS: Final = frozenset(PacketType) - {
    PacketType.CONNECT,
    PacketType.SUBSCRIBE,
    PacketType.UNSUBSCRIBE,
    PacketType.PINGREQ,
}


class MischiefClient(asyncio.Protocol):
    """One connection. What the broker says to it must always be valid MQTT."""

    def __init__(self, chance: random.Random, client_id: str, faults: list[str]) -> None:
        self._chance = chance
        self._faults = faults
        self._transport: asyncio.Transport | None = None
        self._unanswered: list[Packet] = []
        self.version = chance.choice(list(ProtocolVersion))
        self._decoder = Decoder(self.version)
        self.client_id = client_id
        self.closed = asyncio.Event()
        self._maximum_bytes = 0

    # ---- what the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say hello, mostly."""
        # uvloop's transports do not derive from asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        if self._chance.random() < 0.95:
            self.send(self._connect())

    def data_received(self, data: bytes) -> None:
        """Check that the broker speaks MQTT."""
        try:
            packets = self._decoder.feed(data)
        except MalformedPacketError as error:
            self._faults.append(f"{self.client_id} was sent malformed MQTT: {error} in {data!r}")
            self.abort()
            return
        for packet in packets:
            size = len(encode(packet, self.version))
            if size > (self._maximum_bytes or _NO_BOUND):
                self._faults.append(f"{self.client_id} takes {self._maximum_bytes}, got {packet}")
            if packet.type not in _FROM_SERVERS:
                self._faults.append(f"{self.client_id} was sent {packet}")
            if isinstance(packet, Publish | Pubrec | Pubrel):
                self._unanswered.append(packet)
        del self._unanswered[:-200]

    def connection_lost(self, _error: Exception | None) -> None:
        """Note it."""
        self.closed.set()

    # ---- what it does

    def step(self) -> None:
        """Do one thing."""
        chance = self._chance
        (act,) = chance.choices(
            [self._say, self._answer, self._say_broken, self._leave, self._connect_again],
            [60, 25, 8, 6, 1],
        )
        if not self.closed.is_set():
            act()

    def send(self, *packets: Packet) -> None:
        """Send packets in one write."""
        self._write(b"".join(encode(packet, self.version) for packet in packets))

    def abort(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._transport.abort()

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _say(self) -> None:
        self.send(*(self._packet() for _ in range(self._chance.randint(1, 6))))

    def _answer(self) -> None:
        """Acknowledge what came, in order, or almost."""
        waiting, self._unanswered = self._unanswered, []
        if self._chance.random() < 0.2:
            self._chance.shuffle(waiting)
        answers: list[Packet] = []
        for packet in waiting:
            if isinstance(packet, Publish):
                if packet.qos:
                    answer = Puback if packet.qos == 1 else Pubrec
                    answers.append(answer(packet.packet_id))
            elif isinstance(packet, Pubrec):
                answers.append(Pubrel(packet.packet_id))
            elif isinstance(packet, Pubrel):
                answers.append(Pubcomp(packet.packet_id))
        self.send(*answers)

    def _say_broken(self) -> None:
        data = bytearray(b"".join(encode(self._packet(), self.version) for _ in range(3)))
        for _ in range(self._chance.randint(1, 3)):
            data[self._chance.randrange(len(data))] = self._chance.randrange(256)
        cut = self._chance.random() < 0.5
        self._write(bytes(data[: self._chance.randrange(1, len(data))] if cut else data))

    def _leave(self) -> None:
        if self._chance.random() < 0.5:
            self.abort()
        elif self.version is _V5 and self._chance.random() < 0.5:
            reason = self._chance.choice([ReasonCode.SUCCESS, ReasonCode.DISCONNECT_WITH_WILL])
            expiry = self._chance.choice([None, 0, 60])
            self.send(Disconnect(reason, Properties(session_expiry_interval=expiry)))
        else:
            self.send(Disconnect())

    def _connect_again(self) -> None:
        self.send(self._connect())

    # ---- packets

    def _connect(self) -> Connect:
        chance, will, properties = self._chance, None, Properties()
        if chance.random() < 0.3:
            delay = chance.choice([None, 0, 30]) if self.version is _V5 else None
            will = Will(
                chance.choice(_TOPICS),
                b"will",
                qos=chance.randrange(3),
                retain=chance.random() < 0.2,
                properties=Properties(will_delay_interval=delay),
            )
        if self.version is _V5:
            properties = Properties(
                session_expiry_interval=chance.choice([None, 0, 60, 0xFFFFFFFF]),
                receive_maximum=chance.choice([None, 1, 2, 65535]),
                maximum_packet_size=chance.choice([None, None, 30, 100]),
            )
            # What a second CONNECT says does not count: it ends the connection.
            self._maximum_bytes = self._maximum_bytes or properties.maximum_packet_size or _NO_BOUND
        return Connect(
            client_id=self.client_id,
            version=self.version,
            clean_start=chance.random() < 0.3,
            keep_alive_s=chance.choice([0, 30]),
            will=will,
            properties=properties,
        )

    def _packet(self) -> Packet:
        (kind,) = self._chance.choices(list(_KINDS), list(_KINDS.values()))
        return kind(self)

    def _publish(self) -> Publish:
        chance = self._chance
        qos, properties = chance.randrange(3), Properties()
        if self.version is _V5:
            properties = Properties(
                message_expiry_interval=chance.choice([None, None, 0, 60]),
                topic_alias=chance.choice([None, None, None, 1, 2]),
                user_property=(("k", "v"),) if chance.random() < 0.1 else (),
            )
        topic = chance.choice(_TOPICS)
        if properties.topic_alias is not None and chance.random() < 0.5:
            topic = ""
        return Publish(
            topic,
            chance.randbytes(chance.choice([0, 1, 10, 100, 2000])),
            qos=qos,
            retain=chance.random() < 0.2,
            dup=bool(qos) and chance.random() < 0.1,
            packet_id=self._packet_id() if qos else 0,
            properties=properties,
        )

    def _subscribe(self) -> Subscribe:
        chance = self._chance
        five = self.version is _V5
        items = tuple(
            SubscribeItem(
                chosen,
                chance.randrange(3),
                no_local=five and not chosen.startswith("$share") and chance.random() < 0.2,
                retain_as_published=five and chance.random() < 0.3,
                retain_handling=chance.randrange(3) if five else 0,
            )
            for chosen in chance.sample(_FILTERS, chance.randint(1, 3))
        )
        identifier = (chance.randint(1, 9),) if five and chance.random() < 0.3 else ()
        return Subscribe(self._packet_id(), items, Properties(subscription_identifier=identifier))

    def _unsubscribe(self) -> Unsubscribe:
        filters = tuple(self._chance.sample(_FILTERS, self._chance.randint(1, 2)))
        return Unsubscribe(self._packet_id(), filters)

    def _pubrec(self) -> Pubrec:
        refused = self.version is _V5 and self._chance.random() < 0.2
        return Pubrec(
            self._packet_id(), ReasonCode.QUOTA_EXCEEDED if refused else ReasonCode.SUCCESS
        )

    def _packet_id(self) -> int:
        return self._chance.randint(1, _FEW_IDS)

    def _puback(self) -> Puback:
        return Puback(self._packet_id())

    def _pubrel(self) -> Pubrel:
        return Pubrel(self._packet_id())

    def _pubcomp(self) -> Pubcomp:
        return Pubcomp(self._packet_id())

    def _ping(self) -> Pingreq:
        return Pingreq()

    def _auth(self) -> Packet:
        return Auth(ReasonCode.SUCCESS) if self.version is _V5 else Pingreq()


_KINDS: Final[dict[Callable[[MischiefClient], Packet], float]] = {
    MischiefClient._publish: 50,  # noqa: SLF001 - the table of its own methods
    MischiefClient._subscribe: 12,  # noqa: SLF001
    MischiefClient._unsubscribe: 5,  # noqa: SLF001
    MischiefClient._puback: 8,  # noqa: SLF001
    MischiefClient._pubrec: 8,  # noqa: SLF001
    MischiefClient._pubrel: 8,  # noqa: SLF001
    MischiefClient._pubcomp: 8,  # noqa: SLF001
    MischiefClient._ping: 2,  # noqa: SLF001
    MischiefClient._auth: 0.2,  # noqa: SLF001
}
