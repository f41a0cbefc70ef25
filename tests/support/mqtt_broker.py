"""A broker on a plain loopback listener with an authority that tests steer; production uses TLS."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.support.mqtt_client import MqttClient

from hedgerow.kernel import Clock, SystemClock
from hedgerow.mqtt import (
    ALLOWED,
    Admission,
    Admitted,
    Broker,
    ConnectRequest,
    Limits,
    Message,
    Peer,
    ProtocolVersion,
    ReasonCode,
    RefusalEvent,
    Refused,
    SessionEvent,
    SessionRef,
    Source,
    Tap,
    Verdict,
    matches,
)


def source_name(source: Source) -> str:
    """Return the client id or the label."""
    return source if isinstance(source, str) else source.client_id


@dataclass
class OpenAuthority:
    """Allows everything that is not forbidden here; it keeps the contract of `mqtt.Authority`."""

    refused_clients: dict[str, Refused] = field(default_factory=dict)
    no_publish: dict[tuple[str, str], Verdict] = field(default_factory=dict)
    no_retain: dict[tuple[str, str], Verdict] = field(default_factory=dict)
    no_subscribe: dict[tuple[str, str], Verdict] = field(default_factory=dict)
    no_receive: set[tuple[str, str, str]] = field(default_factory=set)
    tapped: list[tuple[str, Tap]] = field(default_factory=list)
    events: list[RefusalEvent] = field(default_factory=list)
    life: list[SessionEvent] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    connects: list[ConnectRequest] = field(default_factory=list)
    owners: dict[str, str] = field(default_factory=dict)

    def admit(self, peer: Peer, client_id: str, connect: ConnectRequest) -> Admission:
        """Admit under the peer's own identity."""
        self.connects.append(connect)
        return self.refused_clients.get(client_id) or Admitted(peer.identity)

    def may_publish(self, session: SessionRef, topic: str) -> Verdict:
        """Allow what is not in `no_publish`."""
        self.questions.append(f"publish {session.client_id} {topic}")
        return self.no_publish.get((session.client_id, topic), ALLOWED)

    def may_retain(self, session: SessionRef, topic: str) -> Verdict:
        """Allow what is not in `no_retain`."""
        self.questions.append(f"retain {session.client_id} {topic}")
        return self.no_retain.get((session.client_id, topic), ALLOWED)

    def may_subscribe(self, session: SessionRef, topic_filter: str) -> Verdict:
        """Allow what is not in `no_subscribe`."""
        self.questions.append(f"subscribe {session.client_id} {topic_filter}")
        return self.no_subscribe.get((session.client_id, topic_filter), ALLOWED)

    def may_receive(self, source: Source, session: SessionRef, topic: str) -> bool:
        """Allow what is not in `no_receive`."""
        name = source_name(source)
        self.questions.append(f"receive {name} {session.client_id} {topic}")
        return (name, session.client_id, topic) not in self.no_receive

    def taps(self, source: Source, topic: str) -> Sequence[Tap]:  # noqa: ARG002 - the interface
        """Return the taps whose filter matches."""
        return [tap for topic_filter, tap in self.tapped if matches(topic_filter, topic)]

    def refused(self, event: RefusalEvent) -> None:
        """Keep the event."""
        self.events.append(event)

    def happened(self, event: SessionEvent) -> None:
        """Keep what happened."""
        self.life.append(event)

    def source_name(self, source: Source) -> str:
        """Return the client id or the label."""
        return source_name(source)

    def owner(self, session: SessionRef) -> str:
        """Return who owns the client id, by default itself."""
        return self.owners.get(session.client_id, session.client_id)

    def remembered(self, session: SessionRef) -> str:
        """Return the identity's own text."""
        return str(session.identity)

    def recalled(self, client_id: str, remembered: str) -> object | None:
        """Recall everyone who would still be let in."""
        return None if client_id in self.refused_clients else remembered


def denied(reason: str = "no row", *, disconnect: bool = False) -> Verdict:
    """Return a no."""
    return Verdict(allowed=False, reason=reason, disconnect=disconnect)


def turned_away(text: str, reason: ReasonCode = ReasonCode.NOT_AUTHORIZED) -> Refused:
    """Return a no to a CONNECT."""
    return Refused(reason, text)


class Collector:
    """A tap that keeps what it gets."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def __call__(self, message: Message) -> None:
        self.messages.append(message)


@dataclass
class Served:
    """A broker that answers on 127.0.0.1."""

    broker: Broker
    authority: OpenAuthority
    port: int

    async def client(self, version: ProtocolVersion = ProtocolVersion.V311) -> MqttClient:
        """Return a client whose transport is connected."""
        return await MqttClient.open("127.0.0.1", self.port, version=version)

    async def connected(
        self, client_id: str, version: ProtocolVersion = ProtocolVersion.V311
    ) -> MqttClient:
        """Return a client that was admitted."""
        client = await self.client(version)
        answer = await client.connect(client_id)
        assert answer.reason is ReasonCode.SUCCESS
        return client

    async def connected_count(self, wanted: int) -> None:
        """Wait until so many connections were accepted; a handshake-less client cannot know."""
        async with asyncio.timeout(10):
            while self.broker.counters.connections < wanted:  # noqa: ASYNC110 - only counted
                await asyncio.sleep(0)


@asynccontextmanager
async def serve(
    authority: OpenAuthority | None = None,
    *,
    limits: Limits | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[Served]:
    """Serve a broker over plain TCP; at the end every connection must be gone."""
    authority = authority or OpenAuthority()
    broker = Broker(authority, limits=limits or Limits(), clock=clock or SystemClock(), name="test")
    numbers = iter(range(1 << 30))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: broker.protocol(Peer(f"peer-{next(numbers)}", "127.0.0.1")), "127.0.0.1", 0
    )
    try:
        yield Served(broker, authority, server.sockets[0].getsockname()[1])
    finally:
        server.close()
        await broker.stop()
        await server.wait_closed()
