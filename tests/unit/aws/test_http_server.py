"""HTTP on connections that somebody else accepted."""

import asyncio
import gzip
import http.client

import pytest
from tests.support.http_wire import exchange, listening, status_of

from hedgerow.aws import HttpAnswer, HttpLimits, HttpRequest, HttpServer

HEAD = b"GET /a%2Fb/c?x=%20&y HTTP/1.1\r\nHost: x\r\n"


class Echo:
    """Keeps the requests that it answers."""

    def __init__(self) -> None:
        self.requests: list[HttpRequest] = []
        self.go_on = asyncio.Event()
        self.arrived = asyncio.Event()

    async def answer(self, request: HttpRequest) -> HttpAnswer:
        self.requests.append(request)
        self.arrived.set()
        if request.raw_path == "/bug":
            raise RuntimeError("a secret of ours")
        if request.raw_path == "/wait":
            await self.go_on.wait()
        return HttpAnswer(200, {"x-echo": "yes"}, request.body)


async def test_a_request_arrives_as_it_was_on_the_wire() -> None:
    echo = Echo()
    server = HttpServer(echo.answer)
    async with listening(lambda: server.protocol("the peer")) as port:
        answer = await exchange(port, HEAD + b"X-Many: 1\r\nX-Many: 2\r\n\r\n")
        await server.stop()
    assert status_of(answer) == 200
    (request,) = echo.requests
    assert (request.method, request.raw_path, request.raw_query) == ("GET", "/a%2Fb/c", "x=%20&y")
    assert request.headers.getall("x-many") == ["1", "2"]
    assert (request.peer, request.source_ip, request.body) == ("the peer", "127.0.0.1", b"")


async def test_header_names_go_out_in_lower_case() -> None:
    """Old device SDKs look for `content-length: ` with regard to case."""
    server = HttpServer(Echo().answer)
    async with listening(server.protocol) as port:
        answer = await exchange(port, HEAD + b"Content-Length: 2\r\n\r\nhi")
        await server.stop()
    assert b"\r\ncontent-length: 2\r\n" in answer
    assert b"\r\nx-echo: yes\r\n" in answer
    assert b"\r\nserver: hedgerow\r\n" in answer
    assert answer.endswith(b"\r\n\r\nhi")


async def test_a_connection_serves_many_requests() -> None:
    echo = Echo()
    server = HttpServer(echo.answer)

    def ask(port: int) -> list[bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        answers = []
        for body in (b"one", b"two" * 50_000, b""):
            connection.request("POST", "/echo", body=body)
            answers.append(connection.getresponse().read())
        connection.close()
        return answers

    async with listening(server.protocol) as port:
        assert await asyncio.to_thread(ask, port) == [b"one", b"two" * 50_000, b""]
        await server.stop()


async def test_a_chunked_body_arrives_whole() -> None:
    server = HttpServer(Echo().answer)
    async with listening(server.protocol) as port:
        chunks = b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        answer = await exchange(port, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
        await server.stop()
    assert answer.endswith(b"abcde")


async def test_a_compressed_body_is_handed_over_as_it_came() -> None:
    """What was signed is what came; and nothing grows behind a limit's back."""
    packed = gzip.compress(b"a" * 1_000_000)
    server = HttpServer(Echo().answer, limits=HttpLimits(body_bytes=10_000))
    async with listening(server.protocol) as port:
        head = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
        answer = await exchange(port, head + packed)
        await server.stop()
    assert answer.endswith(packed)


async def test_a_client_that_waits_to_be_told_to_go_on_is_told() -> None:
    server = HttpServer(Echo().answer)
    async with listening(server.protocol) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HEAD + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"hi")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        assert await reader.readexactly(2) == b"hi"
        writer.close()
        await writer.wait_closed()
        await server.stop()


async def test_a_handler_that_fails_tells_the_client_nothing() -> None:
    server = HttpServer(Echo().answer)
    async with listening(server.protocol) as port:
        answer = await exchange(port, b"GET /bug HTTP/1.1\r\nHost: x\r\n\r\n")
        await server.stop()
    assert status_of(answer) == 500
    assert b"secret" not in answer
    assert server.refusals["InternalFailure"] == 1


async def test_stopping_lets_a_request_in_progress_finish() -> None:
    echo = Echo()
    server = HttpServer(echo.answer, limits=HttpLimits(drain_seconds=10))
    async with listening(server.protocol) as port, asyncio.TaskGroup() as group:
        asking = group.create_task(exchange(port, b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"))
        await echo.arrived.wait()
        stopping = group.create_task(server.stop())
        await asyncio.sleep(0)
        assert not stopping.done()
        echo.go_on.set()
    assert status_of(asking.result()) == 200
    assert server.connections == 0


async def test_stopping_does_not_wait_for_ever() -> None:
    echo = Echo()
    server = HttpServer(echo.answer, limits=HttpLimits(drain_seconds=0.05))
    async with listening(server.protocol) as port, asyncio.TaskGroup() as group:
        asking = group.create_task(exchange(port, b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"))
        await echo.arrived.wait()
        await server.stop()
    assert asking.result() == b""
    assert server.connections == 0


async def test_a_client_that_goes_away_leaves_nothing_behind() -> None:
    echo = Echo()
    server = HttpServer(echo.answer)
    async with listening(server.protocol) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        await echo.arrived.wait()
        writer.transport.abort()
        echo.go_on.set()
        await server.stop()
    assert server.connections == 0


@pytest.mark.parametrize("name", ["a\r\nx-evil: 1", "a\nb"])
async def test_an_answer_cannot_be_split_by_what_is_in_a_header(name: str) -> None:
    async def evil(_request: HttpRequest) -> HttpAnswer:
        return HttpAnswer(200, {"x-name": name})

    server = HttpServer(evil)
    async with listening(server.protocol) as port:
        answer = await exchange(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await server.stop()
    assert b"x-evil" not in answer
    assert status_of(answer) in {0, 500}
