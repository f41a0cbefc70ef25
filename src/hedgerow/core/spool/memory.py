"""The queue in memory: the default, lost when the core stops."""

from collections import deque

from hedgerow.core.spool.spool import NO_EXTRAS, Extras, QueuedMessage, size_in_queue


class MemorySpool:
    """Keeps the messages in a deque. Keeps the promises of `Spool`."""

    def __init__(self, max_size_bytes: int) -> None:
        self._max_size = max_size_bytes
        self._messages: deque[QueuedMessage] = deque()
        self._handed = 0
        self._next_number = 0
        self._size = 0
        self._dropped = 0

    @property
    def count(self) -> int:
        """How many messages wait."""
        return len(self._messages)

    @property
    def size_bytes(self) -> int:
        """What they count for."""
        return self._size

    @property
    def dropped(self) -> int:
        """How many were replaced since the start."""
        return self._dropped

    def has_room(self, size: int) -> bool:
        """Tell whether a message of this size fits without replacing another."""
        return self._size + size <= self._max_size

    def put(self, topic: str, payload: bytes, extras: Extras = NO_EXTRAS) -> None:
        """Queue a message, replacing the oldest if there is no room."""
        size = size_in_queue(topic, payload, extras)
        if size > self._max_size:
            self._dropped += 1
            return
        while not self.has_room(size):
            self._pop()
            self._dropped += 1
        self._messages.append(QueuedMessage(self._next_number, topic, payload, extras))
        self._next_number += 1
        self._size += size

    def oldest(self) -> QueuedMessage | None:
        """Return the message that is first."""
        return self._messages[0] if self._messages else None

    def next(self) -> QueuedMessage | None:
        """Return the oldest message that was not returned by this since `rewind`."""
        if self._handed == len(self._messages):
            return None
        self._handed += 1
        return self._messages[self._handed - 1]

    def rewind(self) -> None:
        """Let `next` begin with the oldest message again."""
        self._handed = 0

    def remove(self, number: int) -> None:
        """Let the oldest message go if it is still that one."""
        if self._messages and self._messages[0].number == number:
            self._pop()

    async def sync(self) -> None:
        """Do nothing: memory keeps nothing over a stop."""

    def close(self) -> None:
        """Do nothing."""

    def _pop(self) -> None:
        message = self._messages.popleft()
        self._size -= size_in_queue(message.topic, message.payload, message.extras)
        self._handed = max(self._handed - 1, 0)
