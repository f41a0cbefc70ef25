"""WebSockets as transports: whatever the frames look like, the protocol sees its bytes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from hedgerow.aws import HttpAnswer, HttpRefusal, HttpRequest, HttpServer, Upgrade
from hedgerow.aws.websocket import MESSAGE_BYTES


class Echo(asyncio.BufferedProtocol):
    """Sends everything back and notes what its transport tells it."""

    def __init__(self, buffer_bytes: int = 1000) -> None:
        self._buffer = bytearray(buffer_bytes)
        self.transport: asyncio.Transport | None = None
        self.made = asyncio.Event()
        self.heard = bytearray()
        self.told: list[str] = []
        self.paused = asyncio.Event()
        self.resumed = asyncio.Event()
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.made.set()

    def get_buffer(self, _sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        assert self.transport is not None
        self.heard += self._buffer[:nbytes]
        self.transport.write(bytes(self._buffer[:nbytes]))

    def pause_writing(self) -> None:
        self.paused.set()

    def resume_writing(self) -> None:
        self.resumed.set()

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set_result(error)


@dataclass
class Door:
    """A plain HTTP server that speaks WebSocket on one path."""

    server: HttpServer
    port: int
    session: aiohttp.ClientSession
    echoes: list[Echo]
    refusals: list[HttpRefusal] = field(default_factory=list)

    def connect(self, **options: Any) -> Any:
        """Return aiohttp's context manager of one client."""
        url = f"http://127.0.0.1:{self.port}/mqtt"
        return self.session.ws_connect(url, **{"protocols": ("mqtt",), **options})


@asynccontextmanager
async def opened(duration_s: float | None = None) -> AsyncIterator[Door]:
    echoes: list[Echo] = []
    refusals: list[HttpRefusal] = []

    async def decide(request: HttpRequest) -> HttpAnswer | Upgrade:
        if request.raw_query == "no":
            return HttpAnswer(403)
        echoes.append(Echo())
        return Upgrade(echoes[-1], ("mqtt",), duration_s)

    async def plain(_request: HttpRequest) -> HttpAnswer:
        return HttpAnswer(200, body=b"plain")

    server = HttpServer(plain, upgraders={"/mqtt": decide}, on_refusal=refusals.append)
    listener = await asyncio.get_running_loop().create_server(server.protocol, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with aiohttp.ClientSession() as session:
        yield Door(server, port, session, echoes, refusals)
    listener.close()
    await server.stop()


async def collected(client: "aiohttp.ClientWebSocketResponse[bool]", size: int) -> bytes:
    data = b""
    async with asyncio.timeout(10):
        while len(data) < size:
            message = await client.receive()
            assert message.type is aiohttp.WSMsgType.BINARY, message
            data += message.data
    return data


@pytest.mark.parametrize("split", [1, 7, 1000, 5000])
async def test_frames_of_any_split_are_one_stream_of_bytes(split: int) -> None:
    said = bytes(range(256)) * 20
    async with opened() as door, door.connect() as client:
        assert client.protocol == "mqtt"
        for start in range(0, len(said), split):
            await client.send_bytes(said[start : start + split])
        assert await collected(client, len(said)) == said


async def test_the_other_side_is_told_of_a_goodbye_and_of_a_break() -> None:
    async with opened() as door:
        async with door.connect() as client:
            await client.close()
        assert await door.echoes[0].lost is None
        async with door.connect() as client:
            connection = client._response.connection
            assert connection is not None
            assert connection.transport is not None
            connection.transport.abort()
            async with asyncio.timeout(10):
                await door.echoes[1].lost


async def test_the_server_closes_after_everything_was_sent() -> None:
    async with opened() as door, door.connect() as client:
        await door.echoes[0].made.wait()
        transport = door.echoes[0].transport
        assert transport is not None
        transport.write(b"x" * 300_000)
        transport.close()
        transport.write(b"never")
        assert await collected(client, 300_000) == b"x" * 300_000
        end = await client.receive()
        assert (end.type, end.data) == (aiohttp.WSMsgType.CLOSE, 1000)
        async with asyncio.timeout(10):
            await door.echoes[0].lost


async def test_text_is_refused() -> None:
    async with opened() as door, door.connect() as client:
        await client.send_str("CONNECT")
        end = await client.receive()
        assert (end.type, end.data) == (aiohttp.WSMsgType.CLOSE, 1003)
        async with asyncio.timeout(10):
            await door.echoes[0].lost
        assert not door.echoes[0].heard


async def test_a_message_beyond_the_bound_is_refused_before_it_is_handed_over() -> None:
    async with opened() as door, door.connect() as client:
        await client.send_bytes(bytes(MESSAGE_BYTES + 1))
        end = await client.receive()
        assert (end.type, end.data) == (aiohttp.WSMsgType.CLOSE, 1009)
        assert not door.echoes[0].heard


async def test_pings_are_answered() -> None:
    async with opened() as door, door.connect(autoping=False) as client:
        await client.ping(b"are you there")
        answer = await client.receive()
        assert (answer.type, bytes(answer.data)) == (aiohttp.WSMsgType.PONG, b"are you there")


async def test_a_peer_that_does_not_read_pauses_the_protocol_and_resumes_it() -> None:
    async with opened() as door, door.connect(max_msg_size=0) as client:
        await door.echoes[0].made.wait()
        echo, size = door.echoes[0], 0
        assert echo.transport is not None
        echo.transport.set_write_buffer_limits(high=100_000)
        while not echo.paused.is_set():
            echo.transport.write(bytes(50_000))
            size += 50_000
            assert size < 100_000_000
            await asyncio.sleep(0)
        assert not echo.resumed.is_set()
        assert len(await collected(client, size)) == size
        async with asyncio.timeout(10):
            await echo.resumed.wait()


async def test_a_protocol_that_pauses_reading_hears_nothing_until_it_resumes() -> None:
    async with opened() as door, door.connect() as client:
        await door.echoes[0].made.wait()
        echo = door.echoes[0]
        assert echo.transport is not None
        echo.transport.pause_reading()
        await client.send_bytes(b"a" * 2500)
        await client.ping()
        assert not echo.heard
        echo.transport.resume_reading()
        assert await collected(client, 2500) == b"a" * 2500


async def test_a_stopping_server_says_that_it_goes_away() -> None:
    async with opened() as door, door.connect() as client:
        await door.echoes[0].made.wait()
        stopping = asyncio.gather(door.server.stop())
        end = await client.receive()
        assert (end.type, end.data) == (aiohttp.WSMsgType.CLOSE, 1001)
        await client.close()
        async with asyncio.timeout(10):
            await door.echoes[0].lost
            await stopping


async def test_a_cut_is_at_once() -> None:
    async with opened() as door, door.connect() as client:
        await door.echoes[0].made.wait()
        transport = door.echoes[0].transport
        assert transport is not None
        transport.abort()
        assert (await client.receive()).type in (
            aiohttp.WSMsgType.CLOSED,
            aiohttp.WSMsgType.CLOSE,
            aiohttp.WSMsgType.ERROR,
        )
        async with asyncio.timeout(10):
            await door.echoes[0].lost


async def test_a_connection_lasts_no_longer_than_it_may() -> None:
    async with opened(duration_s=0.05) as door, door.connect() as client:
        end = await client.receive()
        assert (end.type, end.data) == (aiohttp.WSMsgType.CLOSE, 1001)
        async with asyncio.timeout(10):
            await door.echoes[0].lost


async def test_what_is_no_websocket_of_this_kind_is_refused() -> None:
    async with opened() as door:
        for options in ({"protocols": ("chat",)}, {"protocols": ()}):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await door.connect(**options)
            assert refused.value.status == 400
        assert [refusal.reason for refusal in door.refusals] == ["BadSubprotocol"] * 2
        base = f"http://127.0.0.1:{door.port}"
        with pytest.raises(aiohttp.WSServerHandshakeError) as denied:
            await door.session.ws_connect(f"{base}/mqtt?no", protocols=("mqtt",))
        assert denied.value.status == 403
        with pytest.raises(aiohttp.WSServerHandshakeError) as elsewhere:
            await door.session.ws_connect(f"{base}/other", protocols=("mqtt",))
        assert elsewhere.value.status == 200
        headers = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Protocol": "mqtt",
            "Sec-WebSocket-Version": "12",
        }
        async with door.session.get(f"{base}/mqtt", headers=headers) as answer:
            assert answer.status == 400
