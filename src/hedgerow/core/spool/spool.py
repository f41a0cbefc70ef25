"""What every spool promises, wherever it keeps its messages."""

from dataclasses import dataclass, field
from typing import Protocol

_OVERHEAD_BYTES = 18
_EXTRAS_OVERHEAD_BYTES = 12


@dataclass(frozen=True, slots=True)
class Extras:
    """What a message carries beside topic and payload; most carry nothing."""

    expires_at_ms: int = 0
    """When it is of no use any more, in milliseconds since 1970; 0: never."""

    properties: bytes = field(default=b"", repr=False)
    """The properties of an MQTT 5 publication, as the link wrote them; not looked at here."""

    def __bool__(self) -> bool:
        return bool(self.expires_at_ms or self.properties)


NO_EXTRAS = Extras()


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """A message that waits for the cloud. Numbers grow by one with every message queued."""

    number: int
    topic: str
    payload: bytes = field(repr=False)
    extras: Extras = NO_EXTRAS


def size_in_queue(topic: str, payload: bytes, extras: Extras = NO_EXTRAS) -> int:
    """Return what a message counts for against the size of the queue, in bytes."""
    more = _EXTRAS_OVERHEAD_BYTES + len(extras.properties) if extras else 0
    return _OVERHEAD_BYTES + len(topic.encode()) + len(payload) + more


class Spool(Protocol):
    """A bounded queue, oldest first.

    When it is full the oldest messages are replaced by the new one, and counted, also those that
    are being sent. Source: guide page gg-core, "MQTT message queue for cloud targets".
    """

    @property
    def count(self) -> int:
        """How many messages wait."""

    @property
    def size_bytes(self) -> int:
        """What they count for; never over the configured size."""

    @property
    def dropped(self) -> int:
        """How many were replaced or could not be kept since the start; only grows."""

    def has_room(self, size: int) -> bool:
        """Tell whether a message of this `size_in_queue` fits without replacing another."""

    def put(self, topic: str, payload: bytes, extras: Extras = NO_EXTRAS) -> None:
        """Queue a message at the end."""

    def oldest(self) -> QueuedMessage | None:
        """Return the message that is first, and leave it where it is."""

    def next(self) -> QueuedMessage | None:
        """Return the oldest message that was not returned by this since `rewind`, and leave it."""

    def rewind(self) -> None:
        """Let `next` begin with the oldest message again."""

    def remove(self, number: int) -> None:
        """Let the oldest message go if it is still that one (it may have been replaced)."""

    async def sync(self) -> None:
        """Bring what was queued as far as the storage promises."""

    def close(self) -> None:
        """Release files; what lies in files stays there."""
