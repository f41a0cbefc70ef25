"""A WebSocket as the transport of an asyncio protocol: bytes in, bytes out, bounded both ways.

The protocol behind it never learns that there are frames: what it writes goes out as binary
messages, what comes in binary messages of any split is handed to it in order. A slow peer pauses
the protocol's writing, and a protocol that pauses reading stops the socket from being read.
Source: RFC 6455; MQTT 5.0, section 6, for what the frames mean.
"""

import asyncio
import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from aiohttp import WSCloseCode, WSMsgType, web
from multidict import CIMultiDict

MESSAGE_BYTES: Final = 256 * 1024
"""A larger message of the peer is answered with close code 1009."""
FRAME_BYTES: Final = 64 * 1024
"""What waits is put together into messages of about this size."""
HIGH_WATER_BYTES: Final = 64 * 1024
CLOSE_TIMEOUT_S: Final = 2.0
"""How long the peer may take to answer a close frame."""
_VERSION: Final = "13"
_KEY_SUFFIX: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY_CHARACTERS: Final = 512

Split = Callable[[bytes], Sequence[bytes]]
AnyProtocol = asyncio.Protocol | asyncio.BufferedProtocol


@dataclass(frozen=True, slots=True)
class Upgrade:
    """The decision to speak WebSocket: with which subprotocols, to which protocol, how long.

    `split` takes what is written at once apart into messages, for subprotocols that need it.
    """

    protocol: AnyProtocol
    subprotocols: tuple[str, ...]
    duration_s: float | None = None
    split: Mapping[str, Split] = field(default_factory=dict)


def offered_subprotocols(value: str) -> tuple[str, ...]:
    """Return the names in a Sec-WebSocket-Protocol header."""
    return tuple(name.strip() for name in value.split(",") if name.strip())


class WebSocketAnswer(web.WebSocketResponse):
    """aiohttp's WebSocket with a handshake that the first AWS IoT Device SDK for Python passes.

    That SDK sends a key of 128 bytes where RFC 6455 has 16, and looks for the answer's names in
    lower case. The key protects from nothing here; it is bounded and answered as it comes.
    """

    def _handshake(
        self, request: web.BaseRequest
    ) -> tuple["CIMultiDict[str]", str | None, int, bool]:
        asked = request.headers
        key = asked.get("sec-websocket-key", "")
        connection = {one.strip().lower() for one in asked.get("connection", "").split(",")}
        if (
            "upgrade" not in connection
            or asked.get("sec-websocket-version") != _VERSION
            or not 0 < len(key) <= _KEY_CHARACTERS
        ):
            raise web.HTTPBadRequest
        accepted = hashlib.sha1(key.encode() + _KEY_SUFFIX, usedforsecurity=False).digest()
        offered = offered_subprotocols(asked.get("sec-websocket-protocol", ""))
        protocol = next((one for one in offered if one in self._protocols), None)
        headers = CIMultiDict(
            {
                "upgrade": "websocket",
                "connection": "upgrade",
                "sec-websocket-accept": base64.b64encode(accepted).decode(),
            }
        )
        if protocol is not None:
            headers["sec-websocket-protocol"] = protocol
        return headers, protocol, 0, False


class WebSocketTransport(asyncio.Transport):
    """The transport that the protocol sees. `serve` runs until the connection is over.

    INVARIANT: `connection_made` comes once before anything else, `connection_lost` once after
    everything else, and nothing is handed over once the transport is closing.
    """

    def __init__(self, response: WebSocketAnswer, request: web.BaseRequest) -> None:
        super().__init__()
        self._response = response
        self._request = request
        self._protocol: AnyProtocol | None = None
        self._split: Split | None = None
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._high, self._low = HIGH_WATER_BYTES, HIGH_WATER_BYTES // 4
        self._writing_paused = False
        self._work = asyncio.Event()
        self._reading = asyncio.Event()
        self._reading.set()
        self._closing = False
        self._close_code: int = WSCloseCode.OK

    async def serve(self, upgrade: Upgrade) -> None:
        """Carry bytes between the peer and the protocol until one of them ends it."""
        protocol = self._protocol = upgrade.protocol
        self._split = upgrade.split.get(self._response.ws_protocol or "")
        protocol.connection_made(self)
        lost: Exception | None = None
        try:
            async with asyncio.timeout(upgrade.duration_s) as deadline:
                await self._carry()
        except* OSError as errors:
            if not deadline.expired():
                lost = next((one for one in errors.exceptions if isinstance(one, OSError)), None)
            else:
                self._close_code = WSCloseCode.GOING_AWAY
        finally:
            self._closing = True
            self._protocol = None
            protocol.connection_lost(lost)
        await self._goodbye()

    async def _carry(self) -> None:
        async with asyncio.TaskGroup() as group:
            sender = group.create_task(self._send_all(), name="websocket sender")
            await self._receive_all()
            if not self._closing:
                sender.cancel()

    def end(self) -> None:
        """End it from the server's side, which stops: the peer is told with code 1001."""
        self._close_code = WSCloseCode.GOING_AWAY
        self.close()

    # ---- what the protocol calls

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes, later and in order."""
        if self._closing or not data:
            return
        if self._split is None:
            self._pending.append(bytes(data))
        else:
            self._pending += self._split(bytes(data))
        self._pending_bytes += len(data)
        self._work.set()
        if self._pending_bytes > self._high and not self._writing_paused:
            self._writing_paused = True
            if self._protocol is not None:
                self._protocol.pause_writing()

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        """Send bytes, later and in order."""
        for data in list_of_data:
            self.write(data)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set how much may wait before the protocol is told to pause, and to go on."""
        self._high = HIGH_WATER_BYTES if high is None else high
        self._low = self._high // 4 if low is None else low

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait."""
        return self._pending_bytes

    def pause_reading(self) -> None:
        """Read nothing more from the peer for now."""
        self._reading.clear()

    def resume_reading(self) -> None:
        """Read on."""
        self._reading.set()

    def is_reading(self) -> bool:
        """Return whether it is read."""
        return self._reading.is_set() and not self._closing

    def is_closing(self) -> bool:
        """Return whether it is over or about to be."""
        return self._closing

    def close(self) -> None:
        """Send what waits, say goodbye, and end."""
        self._closing = True
        self._work.set()
        self._reading.set()

    def abort(self) -> None:
        """Cut the line at once; what waits is lost."""
        self._closing = True
        self._pending.clear()
        self._pending_bytes = 0
        transport = self._request.transport
        if transport is not None:
            transport.abort()
        self._work.set()
        self._reading.set()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what the transport below knows."""
        transport = self._request.transport
        return default if transport is None else transport.get_extra_info(name, default)

    # ---- the two ways

    async def _receive_all(self) -> None:
        while True:
            await self._reading.wait()
            message = await self._response.receive()
            if message.type is WSMsgType.BINARY:
                await self._hand_over(memoryview(message.data))
            elif message.type is WSMsgType.TEXT:
                # [MQTT-6.0.0-1]: packets travel in binary frames only.
                self._close_code = WSCloseCode.UNSUPPORTED_DATA
                return
            else:
                return

    async def _hand_over(self, data: memoryview) -> None:
        protocol = self._protocol
        while data and protocol is not None:
            await self._reading.wait()
            if self._closing:
                return
            if isinstance(protocol, asyncio.BufferedProtocol):
                buffer = memoryview(cast("bytearray", protocol.get_buffer(len(data))))
                count = min(len(data), len(buffer))
                buffer[:count] = data[:count]
                protocol.buffer_updated(count)
            else:
                count = len(data)
                protocol.data_received(bytes(data))
            data = data[count:]

    async def _send_all(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            while self._pending:
                await self._response.send_bytes(self._next_frame())
                self._maybe_resume()
            if self._closing:
                await self._goodbye()
                return

    def _next_frame(self) -> bytes:
        size, count = 0, 0
        for chunk in self._pending:
            size += len(chunk)
            count += 1
            if size >= FRAME_BYTES or self._split is not None:
                break
        frame = self._pending[0] if count == 1 else b"".join(self._pending[:count])
        del self._pending[:count]
        self._pending_bytes -= size
        return frame

    def _maybe_resume(self) -> None:
        if self._writing_paused and self._pending_bytes <= self._low:
            self._writing_paused = False
            if self._protocol is not None and not self._closing:
                self._protocol.resume_writing()

    async def _goodbye(self) -> None:
        if not self._response.closed:
            await self._response.close(code=self._close_code)
