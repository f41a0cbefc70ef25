"""Carries messages along their routes into outboxes, and flushes those once per read."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from hedgerow.kernel import Clock
from hedgerow.mqtt.authority import Authority, Message, Source
from hedgerow.mqtt.brake import Publisher
from hedgerow.mqtt.codec import Publish
from hedgerow.mqtt.codec.wire import write_variable_integer
from hedgerow.mqtt.counters import Counters
from hedgerow.mqtt.keeper import KeptMessage
from hedgerow.mqtt.letter import Letter, Shape, forwarded
from hedgerow.mqtt.outbox import Outbox
from hedgerow.mqtt.route import Delivery, Route

if TYPE_CHECKING:
    from hedgerow.mqtt.session import Session

_log: Final = logging.getLogger(__name__)
_ID_BYTES: Final = 2
_AT_MOST_ONCE: Final = b"\x30"


class Courier:
    """Effects only: what to deliver to whom was decided by the route.

    `tell_full` hears once a read of each client whose queue was full, and of how many messages of
    QoS 1 and 2 it therefore did not get.
    """

    def __init__(
        self,
        authority: Authority,
        counters: Counters,
        clock: Clock,
        tell_full: "Callable[[Session, int], None]",
    ) -> None:
        self._name = authority.source_name
        self._counters = counters
        self._clock = clock
        self._tell_full = tell_full
        self._queue: list[Outbox] = []
        self._full: dict[Session, int] = {}
        self.found_full = False
        """Whether the last message was not taken by somebody whose queue was full."""

    def queue(self, outbox: Outbox) -> None:
        """Have an outbox flushed at the end of this read."""
        if not outbox.queued:
            outbox.queued = True
            self._queue.append(outbox)

    def flush(self, publisher: Publisher | None = None) -> None:
        """Write every queued outbox once; the publisher waits for those that cannot be written."""
        if self._full:
            full, self._full = self._full, {}
            for session, messages in full.items():
                self._tell_full(session, messages)
        if not self._queue:
            return
        queue, self._queue = self._queue, []
        for outbox in queue:
            outbox.queued = False
            if not outbox.flush() and publisher is not None:
                outbox.hold_up(publisher)

    def push_plain(self, route: Route, chunk: bytes, messages: int) -> None:
        """Hand a run of whole QoS 0 frames, as they came in, to all twins of a plain route."""
        counters = self._counters
        for outbox in route.twins:
            if outbox.push(chunk):
                counters.messages_delivered += messages
            else:
                self._dropped(messages)
            if not outbox.queued:
                self.queue(outbox)

    def must_wait(self, route: Route, size: int, publisher: Publisher) -> bool:
        """Make a publisher wait if a twin of the route is slow and has no room for so much."""
        for outbox in route.twins:
            if not outbox.make_room(size) and outbox.hold_up(publisher):
                return True
        return False

    def pass_on(self, route: Route, data: bytes, bounds: tuple[int, int, int, int]) -> bool:
        """Hand one QoS 1 message, as it came in, to all twins of a swift route.

        `bounds` are where the packet and its body begin, where its identifier stands, and where it
        ends; each client gets an identifier of its own. False if somebody has no room: then nobody
        got it.
        """
        position, body, id_at, stop = bounds
        size = stop - position
        for deliveries in route.queues:
            if not deliveries.has_room(size):
                return False
        if route.others:
            length = write_variable_integer(stop - body - _ID_BYTES)
            frame = _AT_MOST_ONCE + length + data[body:id_at] + data[id_at + _ID_BYTES : stop]
            for outbox in route.others:
                if not outbox.push(frame):
                    self._dropped(1)
                self.queue(outbox)
        head, tail = data[position:id_at], data[id_at + _ID_BYTES : stop]
        for deliveries in route.queues:
            outbox = deliveries.pass_on(head, tail, size)
            if not outbox.queued:
                self.queue(outbox)
        self._counters.messages_delivered += len(route.twins)
        return True

    def letter(self, source: Source, publish: Publish) -> Letter:
        """Return an accepted message, ready to go on its way."""
        expiry_s = publish.properties.message_expiry_interval
        expires_at = None if expiry_s is None else self._clock.now().timestamp() + expiry_s
        taken_at = self._clock.now().timestamp() if publish.retain else None
        return Letter(publish, source, self._name, expires_at, taken_at)

    def deliver(
        self, route: Route, source: Source, letter: Letter, *, is_will: bool = False
    ) -> int:
        """Hand one message to everyone on its route; return how many took it."""
        self.found_full = False
        delivered = self._tap(route, source, letter.publish, is_will=is_will) if route.taps else 0
        for delivery in route.deliveries:
            delivered += self._hand_over(delivery, letter)
        for share in route.shares:
            delivered += any(self._hand_over(member, letter) for member in share.in_turn())
        self._counters.messages_delivered += delivered
        return delivered

    def send_retained(self, delivery: Delivery, message: KeptMessage) -> None:
        """Hand a retained message to a client that has just subscribed."""
        letter = Letter.of(message)
        now = self._clock.now().timestamp()
        session, qos = delivery.session, min(delivery.qos, message.qos)
        if session.outbox is None or letter.is_over(now):
            return
        if qos:
            taken = session.deliveries.put(
                letter, qos, delivery.identifiers, retain=True, late=True
            )
        else:
            shape = Shape(session.speaks_5, 0, delivery.identifiers, retain=True)
            frame = letter.late_frame(shape, now, dup=False)
            taken = self._push(session, session.outbox, frame.head + frame.tail)
        self._counters.messages_delivered += taken
        if not taken:
            self._dropped(1)
        self.queue(session.outbox)

    def _hand_over(self, delivery: Delivery, letter: Letter) -> bool:
        session, publish = delivery.session, letter.publish
        outbox = session.outbox
        qos = min(delivery.qos, publish.qos)
        retain = publish.retain and delivery.keeps_retain
        if qos:
            taken = session.deliveries.put(letter, qos, delivery.identifiers, retain=retain)
            if not taken:
                self.found_full = True
                self._counters.messages_dropped += 1
                self._full[session] = self._full.get(session, 0) + 1
        elif outbox is None:
            return False
        else:
            frame = letter.frame(Shape(session.speaks_5, 0, delivery.identifiers, retain))
            taken = self._push(session, outbox, frame.head + frame.tail)
            if not taken:
                self._dropped(1)
        if outbox is not None:
            self.queue(outbox)
        return taken

    def _push(self, session: "Session", outbox: Outbox, frame: bytes) -> bool:
        return len(frame) <= session.maximum_packet_bytes and outbox.push(frame)

    def _dropped(self, messages: int) -> None:
        self._counters.messages_dropped += messages
        self._counters.refusals["queue-full"] += messages

    def _tap(self, route: Route, source: Source, publish: Publish, *, is_will: bool) -> int:
        message = Message(
            topic=route.topic,
            payload=publish.payload,
            qos=publish.qos,
            source=source,
            retain=publish.retain,
            properties=forwarded(publish.properties),
            is_will=is_will,
        )
        taken = 0
        for tap in route.taps:
            try:
                tap(message)
            except Exception:  # noqa: BLE001 - a target's bug must not cost others the message
                _log.exception("an in-process target failed on a message")
                self._counters.refusals["tap-failed"] += 1
            else:
                taken += 1
        return taken
