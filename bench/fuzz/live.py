"""A protocol-aware fuzzer on a running server: `python -m bench.fuzz.live [SECONDS [SEED]]`.

Six hostile clients do what they like, while a healthy pair must get every message, in order,
exactly once. In every other round the sessions are kept in files, and the server is started anew
in the middle: everything must be there again.
"""

import asyncio
import logging
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import uvloop
from tests.support.mqtt_client import MqttClient

from bench.conformance.open_door import ListedAuthority
from bench.fuzz.mischief import CLIENT_IDS, MischiefClient
from hedgerow.kernel import SystemClock
from hedgerow.mqtt import (
    ALLOWED,
    NO_KEEPER,
    Admission,
    Admitted,
    Broker,
    ConnectRequest,
    Limits,
    Peer,
    ProtocolVersion,
    SessionRef,
    Verdict,
)
from hedgerow.mqtt.codec import Puback, Pubcomp, Publish, Pubrec, Pubrel
from hedgerow.mqtt.keeping import FileKeeper

_LIMITS: Final = Limits(
    maximum_qos=2,
    retain_available=True,
    session_expiry_s=3600,
    shared_subscriptions=True,
    in_flight=8,
    waiting_messages=64,
    retained_messages=6,
    publisher_pause_s=0.02,
    publisher_grace_s=0.1,
    acknowledgement_patience_s=0.05,
    close_timeout_s=0.5,
)
_HEALTHY: Final = ("healthy-subscriber", "healthy-publisher")
_STEPS_A_ROUND: Final = 400
_STEPS_BETWEEN_CHECKS: Final = 20
_PAGE_KIB: Final = 4


@dataclass
class Findings:
    """What was done, and what should not have happened."""

    rounds: int = 0
    steps: int = 0
    messages_checked: int = 0
    restarts: int = 0
    faults: list[str] = field(default_factory=list)
    resident_kib: list[int] = field(default_factory=list)


class _Errors(logging.Handler):
    """Every warning and error that the product logs is a finding."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._faults = faults

    def emit(self, record: logging.LogRecord) -> None:
        self._faults.append(f"logged: {self.format(record)}")


class _Authority(ListedAuthority):
    """Only the healthy may publish where the healthy listen."""

    def admit(self, peer: Peer, client_id: str, connect: ConnectRequest) -> Admission:  # noqa: ARG002 - the interface
        return Admitted(client_id)

    def may_publish(self, session: SessionRef, topic: str) -> Verdict:
        foreign = topic.startswith("health") and session.client_id not in _HEALTHY
        return Verdict(allowed=False, reason="not yours") if foreign else ALLOWED


class _Server:
    """A broker that can be started anew, on plain loopback: TLS has fuzzers of its own."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._keeper: FileKeeper | None = None
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        if self._folder is not None:
            self._keeper = FileKeeper(self._folder, seal=None, clock=SystemClock())
            self._keeper.open()
        self.broker = Broker(
            _Authority(),
            limits=_LIMITS,
            clock=SystemClock(),
            name="fuzzed",
            keeper=self._keeper or NO_KEEPER,
        )
        self.broker.recall()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: self.broker.protocol(Peer("", "127.0.0.1")), "127.0.0.1", 0
        )
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self.broker.stop()
            await self._server.wait_closed()
        if self._keeper is not None:
            self._keeper.close()

    def kept(self) -> dict[str, object]:
        """Return what must be the same after a new start."""
        broker = self.broker
        sessions = {
            f"session {ref.client_id}": sorted(broker.subscriptions_of(ref.client_id))
            for ref in broker.sessions_away
        }
        return sessions | {f"retained {k.topic}": k.payload for k in broker.retained_topics()}


class _Pair:
    """Two honest clients. Every message arrives, in order, once."""

    def __init__(self, publisher: MqttClient, subscriber: MqttClient, findings: Findings) -> None:
        self._publisher = publisher
        self._subscriber = subscriber
        self._findings = findings
        self._number = 0

    async def check(self) -> None:
        for qos in (0, 1, 2):
            self._number += 1
            payload = b"%d" % self._number
            async with asyncio.TaskGroup() as both:
                both.create_task(self._send(payload, qos))
                both.create_task(self._take(payload, qos))
            self._findings.messages_checked += 1

    async def _send(self, payload: bytes, qos: int) -> None:
        client = self._publisher
        if qos < 2:
            await client.publish("health/1", payload, qos=qos)
            return
        await client.send(Publish("health/1", payload, qos=2, packet_id=77))
        await client.expect(Pubrec(77))
        await client.send(Pubrel(77))
        await client.expect(Pubcomp(77))

    async def _take(self, payload: bytes, qos: int) -> None:
        message = await self._subscriber.receive()
        if not isinstance(message, Publish) or (message.payload, message.qos) != (payload, qos):
            self._findings.faults.append(f"{payload!r} at QoS {qos} was due, {message} came")
            return
        if qos == 1:
            await self._subscriber.send(Puback(message.packet_id))
        elif qos == 2:
            await self._subscriber.send(Pubrec(message.packet_id))
            await self._subscriber.expect(Pubrel(message.packet_id))
            await self._subscriber.send(Pubcomp(message.packet_id))


async def fuzz(seconds: float, seed: int, *, folder: Path) -> Findings:
    """Run rounds until the time is over or something is found."""
    findings = Findings()
    handler = _Errors(findings.faults)
    logging.getLogger("hedgerow").addHandler(handler)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(
        lambda _loop, context: findings.faults.append(f"event loop: {context}")
    )
    ends = loop.time() + seconds
    try:
        while loop.time() < ends and not findings.faults:
            kept = folder / str(findings.rounds) if findings.rounds % 2 else None
            await _round(random.Random(seed + findings.rounds), findings, kept)  # noqa: S311 - repeatable
            findings.rounds += 1
            findings.resident_kib.append(_resident_kib())
    finally:
        loop.set_exception_handler(None)
        logging.getLogger("hedgerow").removeHandler(handler)
    return findings


async def _round(chance: random.Random, findings: Findings, folder: Path | None) -> None:
    server = _Server(folder)
    await server.start()
    try:
        await _mischief(server, chance, findings)
        if folder is not None:
            await server.stop()
            before = server.kept()
            server = _Server(folder)
            await server.start()
            findings.restarts += 1
            if (after := server.kept()) != before:
                findings.faults.extend(_differences(before, after))
            await _mischief(server, chance, findings)
        await _see_clean(server, findings)
    finally:
        await server.stop()


def _differences(before: dict[str, object], after: dict[str, object]) -> list[str]:
    return [
        f"{name}: {before.get(name)!r:.200} was kept, {after.get(name)!r:.200} was found"
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


async def _mischief(server: _Server, chance: random.Random, findings: Findings) -> None:
    clients: list[MischiefClient] = []
    async with _pair(server, findings) as pair:
        for step in range(_STEPS_A_ROUND):
            clients = [client for client in clients if not client.closed.is_set()]
            if len(clients) < len(CLIENT_IDS) and chance.random() < 0.4:
                clients.append(await _newcomer(server, chance, findings))
            if clients:
                chance.choice(clients).step()
            findings.steps += 1
            if chance.random() < 0.3:
                await asyncio.sleep(0)
            if step % _STEPS_BETWEEN_CHECKS == 0:
                await pair.check()
    for client in clients:
        client.abort()
    for client in clients:
        await client.closed.wait()
    if server.broker.counters.refusals["internal-error"]:
        findings.faults.append(f"internal errors: {server.broker.counters.refusals}")


async def _newcomer(server: _Server, chance: random.Random, findings: Findings) -> MischiefClient:
    client_id = chance.choice(CLIENT_IDS)
    _, client = await asyncio.get_running_loop().create_connection(
        lambda: MischiefClient(chance, client_id, findings.faults), "127.0.0.1", server.port
    )
    return client


@asynccontextmanager
async def _pair(server: _Server, findings: Findings) -> AsyncIterator[_Pair]:
    subscriber_id, publisher_id = _HEALTHY
    subscriber = await MqttClient.open("127.0.0.1", server.port, version=ProtocolVersion.V5)
    publisher = await MqttClient.open("127.0.0.1", server.port)
    async with subscriber, publisher:
        await subscriber.connect(subscriber_id)
        await subscriber.subscribe("health/#", qos=2)
        await publisher.connect(publisher_id)
        yield _Pair(publisher, subscriber, findings)


async def _see_clean(server: _Server, findings: Findings) -> None:
    """When all have come once more and said goodbye for good, nothing is left of them."""
    for client_id in CLIENT_IDS:
        async with await MqttClient.open("127.0.0.1", server.port) as client:
            await client.connect(client_id)
            await client.goodbye()
            await client.expect_end()
    broker = server.broker
    left = [ref.client_id for ref in (*broker.sessions, *broker.sessions_away)]
    if left:
        findings.faults.append(f"sessions are left over: {left}")
    if len(broker.retained_topics()) > _LIMITS.retained_messages:
        findings.faults.append("there are more retained messages than there may be")


def _resident_kib() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_KIB


def main() -> int:
    """Return 1 if something was found."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else int(time.monotonic() * 1000)
    with tempfile.TemporaryDirectory(prefix="hedgerow-fuzz-") as name:
        findings = uvloop.run(fuzz(seconds, seed, folder=Path(name)))
    first, last = findings.resident_kib[0], findings.resident_kib[-1]
    print(
        f"seed {seed}: {findings.rounds} rounds, {findings.steps} steps, {findings.restarts}"
        f" restarts, {findings.messages_checked} healthy messages, {first} to {last} KiB resident"
    )
    for fault in findings.faults:
        print(fault)
    return 1 if findings.faults else 0


if __name__ == "__main__":
    sys.exit(main())
