"""Signed API requests, made before the clock starts, and sent over connections that are kept."""

import asyncio
import ssl
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

CONNECTIONS = 8


@dataclass(frozen=True, slots=True)
class Target:
    """An API to send to, and the key to sign with; `context` is None for plain HTTP."""

    host: str
    port: int
    context: ssl.SSLContext | None
    access_key: str
    secret_key: str
    region: str = "us-east-1"

    @property
    def url(self) -> str:
        """Return the endpoint."""
        return f"{'https' if self.context else 'http'}://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Ask:
    """One call of the iot API."""

    method: str
    path: str
    body: bytes = b""


def signed(target: Target, asks: Sequence[Ask]) -> list[bytes]:
    """Return each call as the bytes of a signed HTTP/1.1 request; every one is another."""
    signer = SigV4Auth(Credentials(target.access_key, target.secret_key), "iot", target.region)
    return [_bytes(target, ask, signer) for ask in asks]


def _bytes(target: Target, ask: Ask, signer: SigV4Auth) -> bytes:
    headers = {"Host": f"{target.host}:{target.port}"}
    request = AWSRequest(ask.method, target.url + ask.path, headers=headers, data=ask.body)
    signer.add_auth(request)
    lines = [f"{ask.method} {ask.path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    lines += ["Content-Type: application/json", f"Content-Length: {len(ask.body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + ask.body


async def send(target: Target, requests: Sequence[bytes]) -> list[float]:
    """Send every request once, a few at a time, and return how long each took, in seconds."""
    waiting = iter(requests)
    latencies: list[float] = []
    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(_client(target, waiting, latencies))
    return latencies


async def _client(target: Target, waiting: Iterator[bytes], latencies: list[float]) -> None:
    reader, writer = await _connect(target)
    for request in waiting:
        start = time.monotonic()
        writer.write(request)
        stays = await _answer(reader)
        latencies.append(time.monotonic() - start)
        if not stays:
            writer.close()
            reader, writer = await _connect(target)
    writer.close()


async def _connect(target: Target) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    name = target.host if target.context else None
    return await asyncio.open_connection(
        target.host, target.port, ssl=target.context, server_hostname=name
    )


async def _answer(reader: asyncio.StreamReader) -> bool:
    """Read one answer; return whether the connection stays open. Raises unless it is a 200."""
    head = await reader.readuntil(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").lower().split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines if ": " in line)
    body = await reader.readexactly(int(fields.get("content-length", "0")))
    if status.split()[1] != "200":
        raise RuntimeError(f"the API answered {status}: {body[:200]!r}")
    return status.startswith("http/1.1") and fields.get("connection") != "close"
