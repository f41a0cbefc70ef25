"""Carries messages along their routes into outboxes, and flushes those once per read."""

import logging
from dataclasses import replace
from typing import Final, NamedTuple

from hedgerow.mqtt.authority import Message, Source
from hedgerow.mqtt.codec import (
    NO_PROPERTIES,
    Properties,
    ProtocolVersion,
    Publish,
    PublishFrame,
    publish_frame,
)
from hedgerow.mqtt.counters import Counters
from hedgerow.mqtt.outbox import Outbox, Publisher
from hedgerow.mqtt.route import Route
from hedgerow.mqtt.session import Session

_log: Final = logging.getLogger(__name__)


class _Shape(NamedTuple):
    """What makes the frames of one message differ between clients."""

    speaks_5: bool
    qos: int
    identifiers: tuple[int, ...]


class Courier:
    """Effects only: what to deliver to whom was decided by the route."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._queue: list[Outbox] = []

    def queue(self, outbox: Outbox) -> None:
        """Have an outbox flushed at the end of this read."""
        if not outbox.queued:
            outbox.queued = True
            self._queue.append(outbox)

    def flush(self, publisher: Publisher | None = None) -> None:
        """Write every queued outbox once; the publisher waits for those that cannot be written."""
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

    def deliver(self, route: Route, source: Source, publish: Publish) -> int:
        """Hand one message to everyone on its route; return how many took it."""
        delivered = self._tap(route, source, publish) if route.taps else 0
        frames: dict[_Shape, PublishFrame] = {}
        for delivery in route.deliveries:
            session = delivery.session
            qos = min(delivery.qos, publish.qos)
            shape = _Shape(session.speaks_5, qos, delivery.identifiers)
            frame = frames.get(shape)
            if frame is None:
                frame = frames[shape] = _frame(publish, shape)
            delivered += self._hand_over(session, frame, qos)
        self._counters.messages_delivered += delivered
        return delivered

    def _hand_over(self, session: Session, frame: PublishFrame, qos: int) -> bool:
        outbox = session.outbox
        size = len(frame.head) + len(frame.tail) + (2 if qos else 0)
        taken: bytes | None = None
        if size <= session.maximum_packet_bytes and outbox.make_room(size):
            taken = session.in_flight.offer(frame) if qos else frame.head + frame.tail
        if taken:
            outbox.push(taken)
        if taken is None:
            self._dropped(1)
        self.queue(outbox)
        return taken is not None

    def _dropped(self, messages: int) -> None:
        self._counters.messages_dropped += messages
        self._counters.refusals["queue-full"] += messages

    def _tap(self, route: Route, source: Source, publish: Publish) -> int:
        message = Message(
            topic=route.topic,
            payload=publish.payload,
            qos=publish.qos,
            source=source,
            retain=publish.retain,
            properties=_forwarded(publish.properties, ()),
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


def _frame(publish: Publish, shape: _Shape) -> PublishFrame:
    """Write a message for all clients that take it in this shape; not retained, no duplicate."""
    speaks_5, qos, identifiers = shape
    forwarded = Publish(
        topic=publish.topic,
        payload=publish.payload,
        qos=qos,
        properties=_forwarded(publish.properties, identifiers) if speaks_5 else NO_PROPERTIES,
    )
    return publish_frame(forwarded, ProtocolVersion.V5 if speaks_5 else ProtocolVersion.V311)


def _forwarded(properties: Properties, identifiers: tuple[int, ...]) -> Properties:
    """Return what goes on of a message's properties: all but what belongs to one connection."""
    if properties is NO_PROPERTIES and not identifiers:
        return NO_PROPERTIES
    return replace(properties, topic_alias=None, subscription_identifier=identifiers)
