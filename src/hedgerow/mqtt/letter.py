"""One accepted message on its way: made once, shared by everyone who gets it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final, NamedTuple, Self

from hedgerow.mqtt.authority import Source
from hedgerow.mqtt.codec import (
    NO_PROPERTIES,
    Properties,
    ProtocolVersion,
    Publish,
    PublishFrame,
    publish_frame,
)
from hedgerow.mqtt.keeper import KeptMessage, content_bytes

_OVERHEAD_BYTES: Final = 900
"""What the objects of a waiting message take beside its bytes (CPython 3.11, kept: 860)."""


class Shape(NamedTuple):
    """What makes the frames of one message differ between clients."""

    speaks_5: bool
    qos: int
    identifiers: tuple[int, ...] = ()
    retain: bool = False


class Letter:
    """A message with its frames, each written once. `expires_at` is in seconds since 1970."""

    __slots__ = (
        "_frames",
        "_kept",
        "_name",
        "_size",
        "_source",
        "_taken_at",
        "expires_at",
        "publish",
    )

    def __init__(
        self,
        publish: Publish,
        source: Source,
        name: Callable[[Source], str],
        expires_at: float | None = None,
        taken_at: float | None = None,
    ) -> None:
        """`name` gives the source's name, and is asked only if the message has to be kept."""
        self._taken_at = taken_at
        self.publish = publish
        self.expires_at = expires_at
        self._source = source
        self._name = name
        self._frames: dict[Shape, PublishFrame] | None = None
        self._kept: KeptMessage | None = None
        self._size: int | None = None

    @classmethod
    def of(cls, kept: KeptMessage) -> Self:
        """Return the letter of a message that was kept."""
        publish = Publish(
            topic=kept.topic,
            payload=kept.payload,
            qos=kept.qos,
            retain=kept.retain,
            properties=kept.properties,
        )
        letter = cls(publish, kept.source, str, kept.expires_at)
        letter._kept = kept
        return letter

    @property
    def size(self) -> int:
        """What it counts for in a queue, in bytes."""
        if self._size is None:
            publish = self.publish
            content = content_bytes(publish.topic, publish.payload, publish.properties)
            self._size = content + _OVERHEAD_BYTES
        return self._size

    def kept(self) -> KeptMessage:
        """Return the message as it is kept; always the same object."""
        if self._kept is None:
            publish = self.publish
            self._kept = KeptMessage(
                source=self._name(self._source),
                topic=publish.topic,
                payload=publish.payload,
                qos=publish.qos,
                retain=publish.retain,
                properties=forwarded(publish.properties),
                expires_at=self.expires_at,
                taken_at=self._taken_at,
            )
        return self._kept

    def is_over(self, now: float) -> bool:
        """Return whether it is too late to deliver it."""
        return self.expires_at is not None and self.expires_at <= now

    def frame(self, shape: Shape) -> PublishFrame:
        """Return the message as it came in, for all clients that take it in this shape."""
        if self._frames is None:
            self._frames = {}
        frame = self._frames.get(shape)
        if frame is None:
            properties = self.publish.properties
            frame = self._frames[shape] = self._written(shape, properties, dup=False)
        return frame

    def late_frame(self, shape: Shape, now: float, *, dup: bool) -> PublishFrame:
        """Return it as it is after a wait: what is left of its time, and whether it is sent anew.

        [MQTT-3.3.2-6] [MQTT-3.3.1-1]
        """
        properties = self.publish.properties
        if self.expires_at is not None:
            left = max(1, round(self.expires_at - now))
            properties = replace(properties, message_expiry_interval=left)
        elif not dup:
            return self.frame(shape)
        return self._written(shape, properties, dup=dup)

    def _written(self, shape: Shape, properties: Properties, *, dup: bool) -> PublishFrame:
        publish = self.publish
        message = Publish(
            topic=publish.topic,
            payload=publish.payload,
            qos=shape.qos,
            retain=shape.retain,
            dup=dup,
            properties=forwarded(properties, shape.identifiers)
            if shape.speaks_5
            else NO_PROPERTIES,
        )
        return publish_frame(
            message, ProtocolVersion.V5 if shape.speaks_5 else ProtocolVersion.V311
        )


def forwarded(properties: Properties, identifiers: tuple[int, ...] = ()) -> Properties:
    """Return what goes on of a message's properties: all but what belongs to one connection."""
    if properties is NO_PROPERTIES and not identifiers:
        return NO_PROPERTIES
    return replace(properties, topic_alias=None, subscription_identifier=identifiers)
