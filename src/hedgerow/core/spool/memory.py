"""The queue in memory: the default, lost when the core stops."""

from collections import deque

from hedgerow.core.spool.spool import QueuedMessage, size_in_queue


class MemorySpool:
    """Keeps the messages in a deque. Keeps the promises of `Spool`."""

    def __init__(self, max_size_bytes: int) -> None:
        self._max_size = max_size_bytes
        self._messages: deque[QueuedMessage] = deque()
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

    def put(self, topic: str, payload: bytes) -> None:
        """Queue a message, replacing the oldest if there is no room."""
        size = size_in_queue(topic, payload)
        if size > self._max_size:
            self._dropped += 1
            return
        while self._size + size > self._max_size:
            self._pop()
            self._dropped += 1
        self._messages.append(QueuedMessage(self._next_number, topic, payload))
        self._next_number += 1
        self._size += size

    def oldest(self) -> QueuedMessage | None:
        """Return the message that is next."""
        return self._messages[0] if self._messages else None

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
        self._size -= size_in_queue(message.topic, message.payload)
