"""What every spool promises, wherever it keeps its messages."""

from dataclasses import dataclass, field
from typing import Protocol

_OVERHEAD_BYTES = 18


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """A message that waits for the cloud. Numbers grow by one with every message queued."""

    number: int
    topic: str
    payload: bytes = field(repr=False)


def size_in_queue(topic: str, payload: bytes) -> int:
    """Return what a message counts for against the size of the queue, in bytes."""
    return _OVERHEAD_BYTES + len(topic.encode()) + len(payload)


class Spool(Protocol):
    """A bounded queue, oldest first.

    When it is full the oldest messages are replaced by the new one, and counted.
    Source: guide page gg-core, "MQTT message queue for cloud targets".
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

    def put(self, topic: str, payload: bytes) -> None:
        """Queue a message at the end."""

    def oldest(self) -> QueuedMessage | None:
        """Return the message that is next, and leave it where it is."""

    def remove(self, number: int) -> None:
        """Let the oldest message go if it is still that one (it may have been replaced)."""

    async def sync(self) -> None:
        """Bring what was queued as far as the storage promises."""

    def close(self) -> None:
        """Release files; what lies in files stays there."""
