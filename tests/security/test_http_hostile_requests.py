"""Whatever comes in on the API's port: no traceback, no leak, and the others are served."""

import asyncio
import random
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from structlog.testing import capture_logs
from tests.support.aws_gateway import SmallCloud, small_cloud
from tests.support.aws_requests import (
    ACCESS_KEY,
    REGION,
    SECRET_KEY,
    signed_request,
    unsigned_request,
)
from tests.support.http_wire import exchange, listening, status_of, wire

from hedgerow.aws import HttpLimits
from hedgerow.kernel import SystemClock

MALFORMED_REQUESTS = 500
AT_ONCE = 50
SEED = 20261007
LIMITS = HttpLimits(body_bytes=64 * 1024, idle_seconds=0.5, body_seconds=0.3, linger_seconds=0.1)
HEAD = b"GET /things/lamp HTTP/1.1\r\nHost: x\r\n"
LEAKS = (b"Traceback", b"aiohttp", b"Python", b".py", b"hedgerow/")

HAND_MADE = [
    b"",
    b"\r\n\r\n",
    b"\x00" * 64,
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /things\r\n",
    b"GET /things/lamp HTTP/1.1\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200)),
    b"GET http://elsewhere/things/lamp HTTP/1.1\r\nHost: x\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /things/lamp#part HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /things/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /things/%zz%ff?%ff=%fe&& HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /" + b"a" * 60_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    HEAD + b"Host: y\r\n\r\n",
    HEAD + b"No-Colon\r\n\r\n",
    HEAD + b": no name\r\n\r\n",
    HEAD + b"Bad Name: x\r\n\r\n",
    HEAD + b"X: \xff\xfe\r\n\r\n",
    HEAD + b"X: a\x00b\r\n\r\n",
    HEAD + b"X: a\r\n folded\r\n\r\n",
    HEAD + b"X: " + b"a" * 20_000 + b"\r\n\r\n",
    HEAD + b"".join(b"X-%d: a\r\n" % number for number in range(300)) + b"\r\n",
    HEAD + b"Content-Length: -1\r\n\r\n",
    HEAD + b"Content-Length: 1e3\r\n\r\n",
    HEAD + b"Content-Length: 99999999999999999999999999\r\n\r\n",
    HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: gzip\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab\r\n0\r\n\r\n",
    HEAD + b"Content-Length: 1000\r\n\r\nshort",
    HEAD + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x00",
    HEAD + b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x85abcd",
    HEAD + b"Upgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    HEAD + b"Expect: 200-ok\r\nContent-Length: 2\r\n\r\nab",
    HEAD + b"Authorization: \r\n\r\n",
    HEAD + b"Authorization: AWS4-HMAC-SHA256 ,,,===\r\n\r\n",
    HEAD + b"Authorization: AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request, "
    b"SignedHeaders=\xc3\xa9, Signature=\xc3\xa9\r\nX-Amz-Date: 20261007T120000Z\r\n\r\n",
    (HEAD + b"\r\n") * 200,
]


def mutations(originals: list[bytes], generator: random.Random) -> Iterator[bytes]:
    """Return requests that were good once: cut, doubled, flipped, stuffed, without end."""
    changes: list[Callable[[bytearray, int, int], None]] = [
        lambda data, at, _to: data.__setitem__(at, generator.randrange(256)),
        lambda data, at, to: data.__delitem__(slice(at, to)),
        lambda data, at, to: data.__setitem__(slice(at, at), data[at:to]),
        lambda data, at, _to: data.__setitem__(slice(at, at), generator.randbytes(40)),
        lambda data, at, _to: data.__delitem__(slice(at, None)),
        lambda data, at, _to: data.__setitem__(slice(at, at), b"\r\n"),
        lambda data, at, _to: data.__setitem__(slice(at, at), b"%00%ff../"),
    ]
    while True:
        data = bytearray(generator.choice(originals))
        for _ in range(generator.randint(1, 4)):
            at = generator.randrange(len(data) or 1)
            generator.choice(changes)(data, at, at + generator.randint(1, 60))
            data = data or bytearray(b"G")
        yield bytes(data)


def good_requests() -> list[bytes]:
    now = SystemClock().now()
    form = {"content-type": "application/x-www-form-urlencoded"}
    json = {"content-type": "application/json"}
    body = b'{"attributePayload":{"attributes":{"colour":"red"}}}'
    identity = b"Action=GetCallerIdentity&Version=2011-06-15"
    return [
        wire(signed_request(unsigned_request(), now=now)),
        wire(signed_request(unsigned_request("POST", "/things/lamp", json, body), now=now)),
        wire(signed_request(unsigned_request("POST", "/", form, identity), now=now, service="sts")),
        wire(signed_request(unsigned_request(), now=now, presigned_for=60)),
    ]


def boto3_client(port: int) -> Any:
    return boto3.client(
        "iot",
        region_name=REGION,
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    )


def keep_asking(client: Any, done: list[bool]) -> int:
    """Ask again and again until told to stop; every answer has to be right."""
    asked = 0
    while not done or asked == 0:
        assert client.describe_thing(thingName="lamp")["thingName"] == "lamp"
        asked += 1
    return asked


async def attack(port: int, requests: list[bytes]) -> list[bytes]:
    """Send all of them, some at a time, and return what came back."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(data: bytes) -> bytes:
        async with gate:
            return await exchange(port, data)

    return await asyncio.gather(*(one(data) for data in requests))


@pytest.mark.promise(1)
async def test_five_hundred_malformed_requests_harm_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    generator = random.Random(SEED)  # noqa: S311 - the same requests every time
    requests = list(HAND_MADE)
    mutated = mutations(good_requests(), generator)
    while len(requests) < MALFORMED_REQUESTS:
        requests.append(next(mutated))
    cloud = small_cloud(limits=LIMITS)
    done: list[bool] = []
    with capture_logs() as logs:
        async with listening(cloud.gateway.protocol_factory) as port:
            client = await asyncio.to_thread(boto3_client, port)
            async with asyncio.TaskGroup() as group:
                healthy = group.create_task(asyncio.to_thread(keep_asking, client, done))
                try:
                    answers = await attack(port, requests)
                finally:
                    done.append(True)
            asked = healthy.result()
            await asyncio.to_thread(client.close)
            await cloud.gateway.stop()
    assert asked >= 1
    assert [answer for answer in answers if any(leak in answer for leak in LEAKS)] == []
    assert {status_of(answer) for answer in answers} <= {0, 100, 200, 400, 403, 404, 408, 413, 417}
    assert sum(status_of(answer) >= 400 for answer in answers) > MALFORMED_REQUESTS / 2
    assert (logs, caplog.records) == ([], [])
    assert cloud.gateway.http.connections == 0


async def refusal(data: bytes, limits: HttpLimits = LIMITS) -> tuple[bytes, SmallCloud]:
    """Send bytes to a small cloud and return what came back, with the cloud."""
    cloud = small_cloud(limits=limits)
    async with listening(cloud.gateway.protocol_factory) as port:
        answer = await exchange(port, data)
        await cloud.gateway.stop()
    return answer, cloud


@pytest.mark.parametrize(
    ("data", "status", "reason"),
    [
        (HEAD + b"Host: y\r\n\r\n", 400, "BadRequest"),
        (b"GET / HTTP/1.0\r\n\r\n", 400, "BadHost"),
        (b"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n", 400, "BadTarget"),
        (HEAD + b"X: \xff\r\n\r\n", 400, "BadHeader"),
        (HEAD + b"Content-Length: 70000\r\n\r\n", 413, "BodyTooLarge"),
        (HEAD + b"Content-Length: 5\r\n\r\nabc", 408, "BodyTimeout"),
        (HEAD + b"Expect: x\r\nContent-Length: 5\r\n\r\n", 417, "BadExpectation"),
        (HEAD + b"X: " + b"a" * 9000 + b"\r\n\r\n", 400, "BadRequest"),
        (HEAD + b"".join(b"X-%d: a\r\n" % n for n in range(120)) + b"\r\n", 400, "BadRequest"),
        (b"GET /" + b"a" * 17_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 400, "BadRequest"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "BadRequest"),
    ],
)
async def test_every_limit_has_its_answer_and_is_counted(
    data: bytes, status: int, reason: str
) -> None:
    answer, cloud = await refusal(data)
    assert status_of(answer) == status
    assert b"x-amzn-RequestId: " in answer
    assert f"x-amzn-errortype: {reason}".encode() in answer
    assert dict(cloud.gateway.http.refusals) == {reason: 1}
    assert [(record.caller, record.error_code) for record in cloud.records] == [(None, reason)]


async def test_a_body_that_does_not_say_its_length_is_cut_off_at_the_limit() -> None:
    chunk = b"1000\r\n" + b"a" * 4096 + b"\r\n"
    answer, cloud = await refusal(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 17)
    assert status_of(answer) == 413
    assert cloud.gateway.http.refusals["BodyTooLarge"] == 1


async def test_a_connection_that_says_nothing_is_closed() -> None:
    answer, cloud = await refusal(b"GET / HT", HttpLimits(idle_seconds=0.2))
    assert answer == b""
    assert cloud.records == []


async def test_connections_beyond_the_limit_are_closed_at_once() -> None:
    cloud = small_cloud(limits=HttpLimits(connections=2))
    async with listening(cloud.gateway.protocol_factory) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        assert await exchange(port, HEAD + b"\r\n") == b""
        assert dict(cloud.gateway.http.refusals) == {"TooManyConnections": 1}
        held[0][1].write(HEAD + b"\r\n")
        assert (await held[0][0].readline()).startswith(b"HTTP/1.1 403")
        for _, writer in held:
            writer.close()
            await writer.wait_closed()
        await cloud.gateway.stop()


async def test_what_the_client_sent_is_not_echoed_in_a_refusal() -> None:
    answer, _ = await refusal(b"GET <script> HTTP/1.1\r\nHost: x\r\n\r\n")
    assert status_of(answer) == 400
    assert b"script" not in answer
