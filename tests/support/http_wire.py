"""Bytes on a socket, for what no HTTP client would send."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from hedgerow.aws import HttpRequest

PATIENCE_S = 10
ProtocolFactory = Callable[[], asyncio.Protocol]


@asynccontextmanager
async def listening(factory: ProtocolFactory) -> AsyncIterator[int]:
    """Serve plain TCP on a free port of this machine; yield the port."""
    server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


async def exchange(port: int, data: bytes) -> bytes:
    """Send bytes on a new connection, and return the first answer, or what came before its end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    try:
        async with asyncio.timeout(PATIENCE_S):
            with suppress(ConnectionError):  # the server may close while we are still sending
                writer.write(data)
                await writer.drain()
            with suppress(ConnectionError):
                while not _complete(answer) and (more := await reader.read(65536)):
                    answer += more
        return answer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def wire(request: HttpRequest) -> bytes:
    """Return a request as the bytes that an HTTP client would send."""
    target = request.raw_path + (f"?{request.raw_query}" if request.raw_query else "")
    lines = [f"{request.method} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    if "content-length" not in request.headers and request.body:
        lines.append(f"Content-Length: {len(request.body)}")
    return "\r\n".join([*lines, "", ""]).encode() + request.body


def status_of(answer: bytes) -> int:
    """Return the status of an answer, 0 for none."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else 0


def _complete(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    _, found, length = head.lower().partition(b"content-length: ")
    return bool(end and found) and len(body) >= int(length.split(b"\r\n")[0])
