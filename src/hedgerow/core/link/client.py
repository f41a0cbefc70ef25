"""One MQTT 5 connection to the cloud: what goes out, what is answered, how it ends.

It speaks through the same codec as the broker. Whatever is begun here gets an answer: the cloud's,
or `UnavailableError` when the connection ends.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hedgerow.core.link.answers import Answer
from hedgerow.core.spool import EndedOverThisError
from hedgerow.kernel import UnavailableError
from hedgerow.mqtt.codec import (
    NO_PROPERTIES,
    Connack,
    Connect,
    Decoder,
    Disconnect,
    MalformedPacketError,
    Packet,
    PacketType,
    Pingreq,
    Pingresp,
    Properties,
    ProtocolVersion,
    Puback,
    Publish,
    ReasonCode,
    Suback,
    Subscribe,
    SubscribeItem,
    Unsuback,
    Unsubscribe,
    encode,
)

_VERSION = ProtocolVersion.V5
_PACKET_IDS = 65_535
_RECEIVE_MAXIMUM = 65_535
"""What a server takes at once that says nothing of it (MQTT 5, 3.2.2.3.3)."""

_INCOMING_BYTES_LIMIT = 512 * 1024
"""A larger packet ends the connection; AWS IoT's messages have at most 128 KB."""

_UNACKNOWLEDGED_LIMIT = 100
"""QoS 1 messages that the cloud may send before the first of them is acknowledged."""

_TOO_LARGE = Answer(ReasonCode.PACKET_TOO_LARGE, "the message is larger than the cloud takes")

_OVER_A_MESSAGE = frozenset(
    {
        ReasonCode.MALFORMED_PACKET,
        ReasonCode.PROTOCOL_ERROR,
        ReasonCode.NOT_AUTHORIZED,
        ReasonCode.TOPIC_NAME_INVALID,
        ReasonCode.PACKET_TOO_LARGE,
        ReasonCode.PAYLOAD_FORMAT_INVALID,
        ReasonCode.RETAIN_NOT_SUPPORTED,
        ReasonCode.QOS_NOT_SUPPORTED,
    }
)
"""Why the cloud may end a connection over a publication instead of answering it."""

_GOODBYE_SECONDS = 2.0
_NOT_ACKNOWLEDGED = "the connection ended before the cloud acknowledged a message"
_SHORTEST_WATCH_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message from the cloud."""

    topic: str
    payload: bytes = field(repr=False)
    qos: int = 0
    properties: Properties = NO_PROPERTIES


Accepted = Callable[[], None]
"""To be called once a message of QoS 1 is where it will not be lost."""

OnMessage = Callable[[Incoming, Accepted], None]


@dataclass(frozen=True, slots=True)
class Credentials:
    """As whom to connect, and how long the cloud keeps what belongs to that client id."""

    client_id: str
    keep_alive_s: int
    clean_start: bool = True
    session_expiry_s: int = 0


class CloudClient(asyncio.Protocol):
    """A connection; made by a transport, used once.

    `patience_s` bounds every operation: when nothing that waits has been answered for so long, the
    connection is given up, so that nothing is answered later and meanwhile done twice.
    """

    def __init__(self, who: Credentials, patience_s: float, on_message: OnMessage) -> None:
        self._who = who
        self._on_message = on_message
        self._loop = asyncio.get_running_loop()
        self._decoder = Decoder(_VERSION, maximum_bytes=_INCOMING_BYTES_LIMIT)
        self._transport: asyncio.Transport | None = None
        self._connack: asyncio.Future[Connack] = self._loop.create_future()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._publications: dict[int, asyncio.Future[Answer]] = {}
        self._queued: set[asyncio.Future[Answer]] = set()
        self._requests: dict[int, asyncio.Future[list[Answer]]] = {}
        self._held_back: deque[tuple[Publish, asyncio.Future[Answer]]] = deque()
        self._last_packet_id = 0
        self._keep_alive_s = float(who.keep_alive_s)
        self._answered_at = self._sent_at = self._loop.time()
        self._ping_waits = False
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self.patience_s = patience_s
        self.receive_maximum = _RECEIVE_MAXIMUM
        self.maximum_packet_size: int | None = None
        self.session_present = False
        self.disconnect_answer: Answer | None = None
        self.ended_over_queue = False
        """Whether the cloud ended the connection over what the queue for the cloud published."""
        self.lost_because: BaseException | None = None
        """What ended the connection beneath MQTT, such as a TLS alert."""

    # What others do with it.

    async def connected(self) -> Answer:
        """Return the cloud's answer to CONNECT; `UnavailableError` if the connection ends first."""
        connack = await asyncio.shield(self._connack)
        return Answer.of(connack.reason, connack.properties)

    @property
    def is_over(self) -> bool:
        """Tell whether the connection has ended."""
        return self._over.done()

    async def wait_over(self) -> None:
        """Return once the connection has ended."""
        await asyncio.shield(self._over)

    def publish(
        self,
        topic: str,
        payload: bytes,
        properties: Properties = NO_PROPERTIES,
        *,
        of_queue: bool = False,
    ) -> asyncio.Future[Answer]:
        """Publish at QoS 1, in the order of the calls; the answer comes later.

        No more are sent than the cloud takes at once; the others wait here. `of_queue`: it is
        what others gave the core to send, and the cloud may end the connection over it.
        """
        self._require_connection()
        answer: asyncio.Future[Answer] = self._loop.create_future()
        packet = Publish(topic, payload, qos=1, packet_id=self._new_id(), properties=properties)
        if self.maximum_packet_size and len(encode(packet, _VERSION)) > self.maximum_packet_size:
            answer.set_result(_TOO_LARGE)
        elif len(self._publications) >= self.receive_maximum:
            self._held_back.append((packet, answer))
        else:
            self._send_publish(packet, answer)
        if of_queue:
            self._queued.add(answer)
            answer.add_done_callback(self._queued.discard)
        return answer

    def publish_unanswered(self, topic: str, payload: bytes) -> None:
        """Publish at QoS 0: nobody says whether it has arrived."""
        self._require_connection()
        self._send(Publish(topic, payload))

    async def subscribe(self, items: Sequence[SubscribeItem]) -> list[Answer]:
        """Subscribe and return the cloud's answers, in the order of the filters."""
        self._require_connection()
        return await self._request(Subscribe(self._new_id(), tuple(items)))

    async def unsubscribe(self, filters: Sequence[str]) -> list[Answer]:
        """Unsubscribe and return the cloud's answers."""
        self._require_connection()
        return await self._request(Unsubscribe(self._new_id(), tuple(filters)))

    def set_options(self, options: Iterable[tuple[int, int, int]]) -> None:
        """Set options of the socket."""
        sock = self._transport.get_extra_info("socket") if self._transport is not None else None
        if sock is not None:
            for level, name, value in options:
                sock.setsockopt(level, name, value)

    def give_up(self, reason: str) -> None:
        """End the connection at once; what waits for an answer gets `UnavailableError`."""
        if self.lost_because is None:
            self.lost_because = UnavailableError(reason)
        if self._transport is not None:
            self._transport.abort()
        self._end()

    async def say_goodbye(self, *, forget: bool) -> None:
        """Disconnect, and return when the connection is closed; `forget` ends its session too."""
        if self._transport is not None and not self.is_over:
            ends_now = Properties(session_expiry_interval=0) if forget else NO_PROPERTIES
            self._send(Disconnect(properties=ends_now))
            self._transport.close()
            await asyncio.wait({self._over}, timeout=_GOODBYE_SECONDS)
        self.give_up("this core has ended the connection")

    # What the transport does with it.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin with CONNECT."""
        self._transport = transport  # type: ignore[assignment]  # uvloop's derive from no Transport
        if self.is_over:
            return
        who = self._who
        properties = Properties(
            session_expiry_interval=who.session_expiry_s or None,
            receive_maximum=_UNACKNOWLEDGED_LIMIT,
        )
        self._send(
            Connect(
                who.client_id,
                version=_VERSION,
                clean_start=who.clean_start,
                keep_alive_s=who.keep_alive_s,
                properties=properties,
            )
        )
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take what the cloud says."""
        try:
            for packet in self._decoder.feed(data):
                self._take(packet)
        except MalformedPacketError as error:
            self.give_up(f"the cloud broke the protocol: {error.message}")

    def connection_lost(self, exc: BaseException | None) -> None:
        """Let everyone who waits know."""
        if self.lost_because is None:
            self.lost_because = exc
        self._end()

    # Inside.

    def _take(self, packet: Packet) -> None:
        match packet:
            case Puback():
                self._take_puback(packet)
            case Publish():
                self._take_publish(packet)
            case Suback() | Unsuback():
                self._take_answers(packet)
            case Pingresp():
                self._ping_waits = False
            case Connack() if not self._connack.done():
                self._take_connack(packet)
            case Disconnect():
                self.disconnect_answer = Answer.of(packet.reason, packet.properties)
                self.give_up(f"the cloud ended the connection: {self.disconnect_answer}")
            case _:
                kind = PacketType(packet.type).name
                self.give_up(f"the cloud sent a {kind}, which it may not do here")

    def _take_connack(self, packet: Connack) -> None:
        properties = packet.properties
        self.session_present = packet.session_present
        self.receive_maximum = properties.receive_maximum or _RECEIVE_MAXIMUM
        self.maximum_packet_size = properties.maximum_packet_size
        if properties.server_keep_alive is not None:
            self._keep_alive_s = properties.server_keep_alive
        self._connack.set_result(packet)
        if self._keep_alive_s:
            self._later("keep alive", self._keep_alive_s / 2, self._keep_alive)

    def _take_answers(self, packet: Suback | Unsuback) -> None:
        self._answered_at = self._loop.time()
        request = self._requests.pop(packet.packet_id, None)
        if request is not None and not request.done():
            request.set_result([Answer.of(reason, packet.properties) for reason in packet.reasons])

    def _take_puback(self, packet: Puback) -> None:
        self._answered_at = self._loop.time()
        answer = self._publications.pop(packet.packet_id, None)
        if answer is not None and not answer.done():
            answer.set_result(Answer.of(packet.reason, packet.properties))
        while self._held_back and len(self._publications) < self.receive_maximum:
            self._send_publish(*self._held_back.popleft())

    def _take_publish(self, packet: Publish) -> None:
        if packet.qos > 1 or not packet.topic:
            self.give_up("the cloud sent a message that was not asked for: of QoS 2, or an alias")
            return

        def acknowledge() -> None:
            if packet.qos and not self.is_over:
                self._send(Puback(packet.packet_id))

        message = Incoming(packet.topic, packet.payload, packet.qos, packet.properties)
        self._on_message(message, acknowledge)

    def _send_publish(self, packet: Publish, answer: asyncio.Future[Answer]) -> None:
        self._begin_to_wait()
        self._publications[packet.packet_id] = answer
        self._send(packet)

    def _begin_to_wait(self) -> None:
        if not (self._publications or self._requests):
            self._answered_at = self._loop.time()

    async def _request(self, packet: Subscribe | Unsubscribe) -> list[Answer]:
        answer: asyncio.Future[list[Answer]] = self._loop.create_future()
        self._begin_to_wait()
        self._requests[packet.packet_id] = answer
        self._send(packet)
        return await answer

    def _send(self, packet: Packet) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._sent_at = self._loop.time()
            self._transport.write(encode(packet, _VERSION))

    def _require_connection(self) -> None:
        if self.is_over or not self._connack.done():
            raise UnavailableError("there is no connection to the cloud")

    def _new_id(self) -> int:
        """Return a packet id that nothing uses which waits for an answer."""
        held = {packet.packet_id for packet, _ in self._held_back}
        while True:
            self._last_packet_id = self._last_packet_id % _PACKET_IDS + 1
            number = self._last_packet_id
            if not (number in self._publications or number in self._requests or number in held):
                return number

    def _watch(self) -> None:
        """Give up a connection on which nothing is answered though something waits for it."""
        waits = self._publications or self._requests or not self._connack.done()
        silent_s = self._loop.time() - self._answered_at if waits else 0.0
        if silent_s >= self.patience_s:
            self.give_up("there was no answer in time")
            return
        self._later("watch", max(self.patience_s - silent_s, _SHORTEST_WATCH_SECONDS), self._watch)

    def _keep_alive(self) -> None:
        if self._ping_waits:
            self.give_up("the cloud gave no sign of life in time")
            return
        half = self._keep_alive_s / 2
        idle = self._loop.time() - self._sent_at
        if idle >= half:
            self._ping_waits = True
            self._send(Pingreq())
            idle = 0.0
        self._later("keep alive", half - idle, self._keep_alive)

    def _later(self, name: str, seconds: float, call: Callable[[], None]) -> None:
        self._timers[name] = self._loop.call_later(seconds, call)

    def _end(self) -> None:
        if self.is_over:
            return
        self._over.set_result(None)
        for timer in self._timers.values():
            timer.cancel()
        if not self._connack.done():
            self._connack.set_exception(UnavailableError("it ended before it was answered"))
            self._connack.exception()
        waiting: list[asyncio.Future[Any]] = [
            *self._publications.values(),
            *(answer for _, answer in self._held_back),
        ]
        ended = self.disconnect_answer
        if waiting and ended is not None and ended.code in _OVER_A_MESSAGE:
            self.ended_over_queue = waiting[0] in self._queued
            _fail(waiting.pop(0), EndedOverThisError(str(ended)))
        for answer in (*waiting, *self._requests.values()):
            _fail(answer, UnavailableError(_NOT_ACKNOWLEDGED))
        self._publications.clear()
        self._held_back.clear()
        self._requests.clear()


def _fail(answer: asyncio.Future[Any], error: UnavailableError) -> None:
    if not answer.done():
        answer.set_exception(error)
