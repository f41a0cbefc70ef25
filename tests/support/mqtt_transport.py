"""A transport without a network, for tests that give a protocol object its bytes by hand."""

import asyncio
from collections.abc import Iterable
from typing import Any


class MemoryTransport(asyncio.Transport):
    """Keeps what is written; tests call the protocol's side.

    It keeps asyncio's contract: `connection_lost` comes once, later, after `close` or `abort`, and
    nothing is handed to the protocol after that.
    """

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.reading_again = asyncio.Event()
        self.reading_again.set()
        self.closing = False
        self._aborted = False
        self._protocol: asyncio.BufferedProtocol | None = None

    def attach(self, protocol: asyncio.BufferedProtocol) -> None:
        """Give the transport to a protocol."""
        self._protocol = protocol
        protocol.connection_made(self)

    def deliver(self, data: bytes) -> None:
        """Hand bytes to the protocol as an event loop does, in as many chunks as its buffer needs.

        Nothing is handed over once it is closing.
        """
        assert self._protocol is not None
        while data and not self.closing:
            buffer = memoryview(self._protocol.get_buffer(-1))
            count = min(len(data), len(buffer))
            buffer[:count] = data[:count]
            self._protocol.buffer_updated(count)
            data = data[count:]

    def taken(self) -> bytes:
        """Return all bytes written since the last call."""
        data = b"".join(self.written)
        self.written.clear()
        return data

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep the bytes."""
        assert not self.closing, "a closed transport was written to"
        self.written.append(bytes(data))

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        """Keep the bytes."""
        for data in list_of_data:
            self.write(data)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Take no notice: tests say when the buffer is full."""

    def stop_taking(self) -> None:
        """Have the protocol believe that the peer does not read."""
        assert self._protocol is not None
        self._protocol.pause_writing()

    def pause_reading(self) -> None:
        """Note it."""
        self.reading_again.clear()

    def resume_reading(self) -> None:
        """Note it."""
        self.reading_again.set()

    def is_paused(self) -> bool:
        """Say whether nothing is read now."""
        return not self.reading_again.is_set()

    def is_closing(self) -> bool:
        """Say whether it was closed."""
        return self.closing

    def close(self) -> None:
        """Close; `connection_lost` comes later."""
        if not self.closing:
            self.closing = True
            asyncio.get_running_loop().call_soon(self._lost)

    def was_aborted(self) -> bool:
        """Say whether it was cut off."""
        return self._aborted

    def abort(self) -> None:
        """Close at once."""
        self._aborted = True
        self.close()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Know nothing."""
        del name
        return default

    def _lost(self) -> None:
        protocol, self._protocol = self._protocol, None
        if protocol is not None:
            protocol.connection_lost(None)
