"""A small real proxy: CONNECT over HTTP or HTTPS, with basic authentication if it is asked for."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

_CHUNK_BYTES = 65_536


@dataclass
class HttpProxy:
    """What it was asked for, and what it saw of those who asked."""

    port: int = 0
    credentials: str = ""
    """`user:password` that it wants."""
    ports: dict[int, int] = field(default_factory=dict)
    """Ports that stand for others: no test can listen on 443."""
    targets: list[str] = field(default_factory=list)
    certificates: list[dict[str, Any] | None] = field(default_factory=list)
    protocols: list[str | None] = field(default_factory=list)
    bytes_seen: bytearray = field(default_factory=bytearray)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one CONNECT, then pass bytes on until a side closes."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, target, _ = head[0].split(" ")
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        tls = writer.get_extra_info("ssl_object")
        if tls is not None:
            self.certificates.append(writer.get_extra_info("peercert"))
            self.protocols.append(tls.selected_alpn_protocol())
        self.targets.append(target)
        assert method == "CONNECT"
        wanted = base64.b64encode(self.credentials.encode()).decode()
        if self.credentials and headers.get("Proxy-Authorization") != f"Basic {wanted}":
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
        else:
            host, _, port = target.rpartition(":")
            far_reader, far_writer = await asyncio.open_connection(
                host, self.ports.get(int(port), int(port))
            )
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(
                self._pass_on(reader, far_writer), self._pass_on(far_reader, writer)
            )
        writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(_CHUNK_BYTES):
                self.bytes_seen += data
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def http_proxy(
    *, credentials: str = "", context: ssl.SSLContext | None = None
) -> AsyncIterator[HttpProxy]:
    """Serve a proxy on a free port; with a context it speaks TLS."""
    proxy = HttpProxy(credentials=credentials)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await proxy.serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            writer.close()
        finally:
            tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
