"""The cloud's broker behind real TLS, and real MQTT clients (paho) to talk to it."""

import asyncio
import json
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from tests.support.pki import Identity
from tests.support.registry import HOME, Registrar, our_authority, registry, server_identity

from hedgerow.cloud.broker import CloudBroker
from hedgerow.cloud.iot import DeviceDoor
from hedgerow.cloud.iot_data import ShadowService
from hedgerow.kernel import Clock, SystemClock
from hedgerow.mqtt import Limits, RefusalEvent
from hedgerow.pki import TlsListener, client_context

PATIENCE_S = 10
"""How long a client waits for something that has to happen."""


@dataclass(frozen=True)
class CloudEdge:
    """A registry, its shadows, and the broker that serves them on a port."""

    registrar: Registrar
    shadows: ShadowService
    broker: CloudBroker
    listener: TlsListener
    refusals: list[RefusalEvent]

    @property
    def port(self) -> int:
        """The port devices connect to."""
        return self.listener.port


@asynccontextmanager
async def cloud_edge(
    folder: Path, *, clock: Clock | None = None, limits: Limits | None = None
) -> AsyncIterator[CloudEdge]:
    """Serve an empty registry."""
    refusals: list[RefusalEvent] = []
    async with registry(folder) as registrar:
        shadows = ShadowService(registrar.store, HOME, SystemClock())
        broker = CloudBroker(
            registrar.directory,
            shadows,
            HOME,
            clock or SystemClock(),
            record=refusals.append,
            limits=limits,
        )
        await broker.start()
        server = server_identity()
        door = DeviceDoor(registrar.directory, server.key, server.certificate_pem)
        listener = TlsListener(door.slot, broker.protocol_factory)
        await listener.start("127.0.0.1", 0)
        try:
            yield CloudEdge(registrar, shadows, broker, listener, refusals)
        finally:
            await listener.stop()
            door.close()
            await broker.stop()


@dataclass(frozen=True)
class Goodbye:
    """How a connection ended, as the client saw it; `at` is `time.monotonic()`."""

    code: int
    reason: str
    at: float


@dataclass(frozen=True)
class Received:
    """One message as the client got it."""

    topic: str
    payload: bytes
    qos: int


class MqttDevice:
    """A paho client in a thread of its own; everything that it hears comes to the test's loop."""

    def __init__(
        self,
        port: int,
        identity: Identity | None,
        client_id: str,
        *,
        version: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv5,
        will: tuple[Any, ...] | None = None,
        roots: str | None = None,
        websocket_path: str | None = None,
        clean: bool = True,
        expiry_s: int = 0,
    ) -> None:
        """`websocket_path` makes it speak over a WebSocket; without `clean` its session stays."""
        self._port = port
        self._loop = asyncio.get_running_loop()
        self._connected: asyncio.Future[tuple[int, str]] = self._loop.create_future()
        self._acknowledged: dict[int, asyncio.Future[list[tuple[int, str]]]] = {}
        self.session_present = False
        self.goodbye: asyncio.Future[Goodbye] = self._loop.create_future()
        self.inbox: asyncio.Queue[Received] = asyncio.Queue()
        self.events: asyncio.Queue[Received] = asyncio.Queue()
        five = version is MQTTProtocolVersion.MQTTv5
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id,
            clean_session=None if five else clean,
            protocol=version,
            transport="tcp" if websocket_path is None else "websockets",
            reconnect_on_failure=False,
        )
        if websocket_path is not None:
            client.ws_set_options(path=websocket_path)
        self._more: dict[str, Any] = {}
        if five:
            self._more["clean_start"] = clean
            if expiry_s:
                asked: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
                asked.SessionExpiryInterval = expiry_s
                self._more["properties"] = asked
        client.tls_set_context(_client_context(identity, roots))
        if will is not None:
            client.will_set(*will)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_subscribe = self._on_acknowledged
        client.on_unsubscribe = self._on_unsubscribed
        client.on_publish = self._on_published
        self._client = client

    async def connect(self) -> tuple[int, str]:
        """Connect; return the CONNACK's code and reason. Raises `ssl.SSLError` or `OSError`."""
        await asyncio.to_thread(self._client.connect, "localhost", self._port, 60, **self._more)
        self._client.loop_start()
        async with asyncio.timeout(PATIENCE_S):
            await _first(self._connected, self.goodbye)
        if self._connected.done():
            return self._connected.result()
        raise ConnectionError("the connection ended before the CONNACK")

    async def subscribe(self, topic_filter: str, qos: int = 0) -> tuple[int, str]:
        """Subscribe; return the SUBACK's code and reason."""
        _, packet_id = self._client.subscribe(topic_filter, qos)
        assert packet_id is not None
        async with asyncio.timeout(PATIENCE_S):
            return (await self._acknowledgement(packet_id))[0]

    async def unsubscribe(self, topic_filter: str) -> None:
        """Unsubscribe, and wait until it is acknowledged."""
        _, packet_id = self._client.unsubscribe(topic_filter)
        assert packet_id is not None
        async with asyncio.timeout(PATIENCE_S):
            await self._acknowledgement(packet_id)

    async def publish(
        self, topic: str, payload: bytes = b"x", qos: int = 1, *, retain: bool = False
    ) -> tuple[int, str]:
        """Publish with QoS 1 and return the PUBACK's code; QoS 0 returns at once."""
        packet_id = self._client.publish(topic, payload, qos, retain).mid
        if not qos:
            return 0, ""
        acknowledged = self._acknowledgement(packet_id)
        async with asyncio.timeout(PATIENCE_S):
            await _first(acknowledged, self.goodbye)
        if acknowledged.done():
            return acknowledged.result()[0]
        raise ConnectionError("the connection ended before the PUBACK")

    async def event(self) -> tuple[str, dict[str, Any]]:
        """Return topic and content of the next lifecycle event."""
        async with asyncio.timeout(PATIENCE_S):
            told = await self.events.get()
        return told.topic, json.loads(told.payload)

    async def received(self) -> Received:
        """Return the next message that is no lifecycle event."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.inbox.get()

    async def ended(self) -> Goodbye:
        """Return how the connection ended."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.goodbye

    async def close(self) -> None:
        """Disconnect and end the thread."""
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    def vanish(self) -> None:
        """Drop the connection without a goodbye."""
        connection: Any = self._client.socket()
        connection.shutdown(socket.SHUT_RDWR)

    def _acknowledgement(self, packet_id: int) -> "asyncio.Future[list[tuple[int, str]]]":
        return self._acknowledged.setdefault(packet_id, self._loop.create_future())

    def _tell(self, callback: Callable[..., None], *arguments: Any) -> None:
        self._loop.call_soon_threadsafe(callback, *arguments)

    def _on_connect(self, _c: Any, _u: Any, flags: Any, code: Any, properties: Any) -> None:
        self.session_present = bool(flags.session_present)
        self._tell(_settle, self._connected, (code.value, _reason(properties)))

    def _on_connect_fail(self, _client: Any, _userdata: Any) -> None:
        self._tell(_settle, self._connected, (-1, "no connection"))

    def _on_disconnect(self, _c: Any, _u: Any, _flags: Any, code: Any, properties: Any) -> None:
        goodbye = Goodbye(code.value, _reason(properties), time.monotonic())
        self._tell(_settle, self.goodbye, goodbye)

    def _on_message(self, _client: Any, _userdata: Any, message: Any) -> None:
        received = Received(message.topic, bytes(message.payload), message.qos)
        told = self.events if received.topic.startswith("$aws/events/") else self.inbox
        self._tell(told.put_nowait, received)

    def _on_acknowledged(self, _c: Any, _u: Any, mid: int, codes: Any, properties: Any) -> None:
        answers = [(code.value, _reason(properties)) for code in codes]
        self._tell(lambda: _settle(self._acknowledgement(mid), answers))

    def _on_unsubscribed(self, _c: Any, _u: Any, mid: int, _codes: Any, _properties: Any) -> None:
        self._tell(lambda: _settle(self._acknowledgement(mid), []))

    def _on_published(self, _c: Any, _u: Any, mid: int, code: Any, properties: Any) -> None:
        answer = [(code.value, _reason(properties))]
        self._tell(lambda: _settle(self._acknowledgement(mid), answer))


@asynccontextmanager
async def mqtt_device(
    edge: CloudEdge, identity: Identity | None, client_id: str, **options: Any
) -> AsyncIterator[MqttDevice]:
    """Give a device that is connected, and close it at the end."""
    device = MqttDevice(edge.port, identity, client_id, **options)
    try:
        code, reason = await device.connect()
        assert code == 0, reason
        yield device
    finally:
        await device.close()


def _client_context(identity: Identity | None, roots: str | None) -> ssl.SSLContext:
    roots = roots or our_authority().certificate_pem
    if identity is None:
        return client_context(roots, None, None)
    return identity.client_context(roots)


def _reason(properties: Any) -> str:
    return str(getattr(properties, "ReasonString", "")) if properties is not None else ""


async def _first(*futures: "asyncio.Future[Any]") -> None:
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)


def _settle(future: "asyncio.Future[Any]", value: Any) -> None:
    if not future.done():
        future.set_result(value)
