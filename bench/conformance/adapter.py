"""A plaintext door for old test tools: each connection goes on over mutual TLS.

The certificate is that of the client id in the CONNECT. Nothing is changed on the way, so that a
suite that sends broken packets tests the broker and not the adapter.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Callable
from typing import Final

from bench.conformance.dialect import Rewriter

_CONNECT: Final = 0x10
_LONGEST_LENGTH: Final = 4
_CONTINUED: Final = 0x80
_VERSION_5: Final = 5
_CHUNK_BYTES: Final = 65536
_LINGER_S: Final = 1.0


class Adapter:
    """Forwards what comes on a listening socket to a broker, as the client that it says it is."""

    def __init__(
        self,
        context_of: Callable[[str], ssl.SSLContext],
        port: int,
        *,
        as_mosquitto_writes: bool = False,
    ) -> None:
        """`context_of` returns the TLS context of a client id; `port` is the broker's."""
        self._context_of = context_of
        self._port = port
        self._rewrites = as_mosquitto_writes
        self._server: asyncio.Server | None = None
        self._carrying: set[asyncio.Task[None]] = set()

    async def start(self, listening: socket.socket) -> None:
        """Take connections from a socket that listens."""
        self._server = await asyncio.start_server(self._accepted, sock=listening)

    async def stop(self) -> None:
        """Take no more connections, and cut those that are open."""
        if self._server is not None:
            self._server.close()
        carrying = tuple(self._carrying)
        for task in carrying:
            task.cancel()
        if carrying:
            await asyncio.wait(carrying)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._carrying.add(task)
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await self._carry(reader, writer)
        finally:
            writer.transport.abort()
            self._carrying.discard(task)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await _first_packet(reader)
        if not first:
            return
        context = self._context_of(claimed_client_id(first))
        try:
            inner_reader, inner_writer = await asyncio.open_connection(
                "127.0.0.1", self._port, ssl=context, server_hostname="localhost"
            )
        except OSError:
            return
        inner_writer.write(first)
        with contextlib.closing(inner_writer), contextlib.suppress(ExceptionGroup):
            async with asyncio.TaskGroup() as both_ways:
                both_ways.create_task(_pump(reader, inner_writer))
                rewriter = Rewriter() if self._rewrites and speaks_5(first) else None
                both_ways.create_task(_pump(inner_reader, writer, rewriter))


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rewriter: Rewriter | None = None
) -> None:
    """Forward until the end, and hand the end on: a goodbye as a goodbye, a break as a break."""
    try:
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(chunk if rewriter is None else rewriter.feed(chunk))
            await writer.drain()
    except OSError:
        writer.transport.abort()
        return
    if writer.can_write_eof():
        # Towards the suite: it may still be sending, and is not to lose what was said to it.
        writer.write_eof()
        asyncio.get_running_loop().call_later(_LINGER_S, writer.transport.abort)
    else:
        writer.close()


async def _first_packet(reader: asyncio.StreamReader) -> bytes:
    """Return a whole CONNECT, or whatever else came; nothing if the client said nothing."""
    data = b""
    while not _is_whole(data):
        try:
            chunk = await reader.read(_CHUNK_BYTES)
        except OSError:
            return b""
        if not chunk:
            break
        data += chunk
    return data


def _is_whole(data: bytes) -> bool:
    if not data:
        return False
    if data[0] != _CONNECT:
        return True
    start = _body_start(data)
    if start is None:
        return len(data) > 1 + _LONGEST_LENGTH
    return len(data) >= start + _body_length(data)


def _body_start(data: bytes) -> int | None:
    for position in range(1, min(len(data), 1 + _LONGEST_LENGTH)):
        if not data[position] & _CONTINUED:
            return position + 1
    return None


def _body_length(data: bytes, position: int = 1) -> int:
    length, shift = 0, 0
    while True:
        length |= (data[position] & ~_CONTINUED) << shift
        if not data[position] & _CONTINUED:
            return length
        position, shift = position + 1, shift + 7


def speaks_5(connect: bytes) -> bool:
    """Return whether a CONNECT is of MQTT 5."""
    start = _body_start(connect) or 0
    return connect[start + 6 : start + 7] == bytes([_VERSION_5])


def claimed_client_id(connect: bytes) -> str:
    """Return the client id that a CONNECT claims, or an empty one if it cannot be read."""
    try:
        return _client_id(connect)
    except (IndexError, struct.error, UnicodeDecodeError):
        return ""


def _client_id(connect: bytes) -> str:
    start = _body_start(connect)
    if connect[0] != _CONNECT or start is None:
        return ""
    (name_length,) = struct.unpack_from(">H", connect, start)
    level_at = start + 2 + name_length
    position = level_at + 4
    if connect[level_at] == _VERSION_5:
        properties = _body_length(connect, position)
        while connect[position] & _CONTINUED:
            position += 1
        position += 1 + properties
    (length,) = struct.unpack_from(">H", connect, position)
    return connect[position + 2 : position + 2 + length].decode()
