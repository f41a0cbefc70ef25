"""A small MQTT client for tests, built on the project's codec; it does only what it is told."""

import asyncio
import ssl
from collections import deque
from types import TracebackType
from typing import Any, Self

from hedgerow.kernel import Secret
from hedgerow.mqtt import Decoder, ProtocolVersion, ReasonCode, encode
from hedgerow.mqtt.codec import (
    NO_PROPERTIES,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Properties,
    Puback,
    Publish,
    Suback,
    Subscribe,
    SubscribeItem,
    Unsuback,
    Unsubscribe,
    Will,
)

_PATIENCE_S = 10.0


class ConnectionEndedError(Exception):
    """The broker closed the connection while a packet was awaited."""


class MqttClient:
    """One connection. Use it as an async context manager; nothing is answered by itself."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        version: ProtocolVersion = ProtocolVersion.V311,
    ) -> None:
        self.version = version
        self._reader = reader
        self._writer = writer
        self._decoder = Decoder(version)
        self._received: deque[Packet] = deque()
        self._last_packet_id = 0

    @classmethod
    async def open(
        cls,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        server_hostname: str | None = None,
        version: ProtocolVersion = ProtocolVersion.V311,
    ) -> Self:
        """Connect the transport; nothing is sent yet."""
        reader, writer = await asyncio.open_connection(
            host, port, ssl=tls, server_hostname=server_hostname
        )
        return cls(reader, writer, version)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def transport(self) -> asyncio.WriteTransport:
        """Return the transport, for tests that do to it what a bad client does."""
        return self._writer.transport

    async def send(self, *packets: Packet) -> None:
        """Send packets in one write."""
        await self.send_raw(b"".join(encode(packet, self.version) for packet in packets))

    async def send_raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(data)
        await self._writer.drain()

    async def receive(self, patience_s: float = _PATIENCE_S) -> Packet:
        """Return the next packet; `ConnectionEndedError` if there is none any more."""
        async with asyncio.timeout(patience_s):
            while not self._received:
                try:
                    chunk = await self._reader.read(65536)
                except (ConnectionError, ssl.SSLError) as error:
                    raise ConnectionEndedError(str(error)) from error
                if not chunk:
                    raise ConnectionEndedError("end of stream")
                self._received.extend(self._decoder.feed(chunk))
        return self._received.popleft()

    async def expect(self, packet: Packet) -> None:
        """Check that the next packet is this one."""
        received = await self.receive()
        assert received == packet, f"{received} came instead of {packet}"

    async def expect_end(self) -> list[Packet]:
        """Wait until the broker closes the connection; return what came before."""
        packets: list[Packet] = []
        try:
            while True:
                packets.append(await self.receive())
        except ConnectionEndedError:
            return packets

    async def connect(
        self,
        client_id: str,
        *,
        clean_start: bool = True,
        keep_alive_s: int = 60,
        will: Will | None = None,
        username: str | None = None,
        password: bytes | None = None,
        properties: Properties = NO_PROPERTIES,
    ) -> Connack:
        """Send a CONNECT and return the answer."""
        secret = None if password is None else Secret(password)
        await self.send(
            Connect(
                client_id=client_id,
                version=self.version,
                clean_start=clean_start,
                keep_alive_s=keep_alive_s,
                will=will,
                username=username,
                password=secret,
                properties=properties,
            )
        )
        answer = await self.receive()
        assert isinstance(answer, Connack), answer
        return answer

    async def subscribe(
        self, *topic_filters: str | SubscribeItem, qos: int = 0, identifier: int | None = None
    ) -> Suback:
        """Send a SUBSCRIBE and return the answer."""
        items = tuple(
            SubscribeItem(item, qos) if isinstance(item, str) else item for item in topic_filters
        )
        properties = Properties(subscription_identifier=(identifier,) if identifier else ())
        packet_id = self._next_packet_id()
        await self.send(Subscribe(packet_id, items, properties))
        answer = await self.receive()
        assert isinstance(answer, Suback), answer
        assert answer.packet_id == packet_id
        return answer

    async def unsubscribe(self, *topic_filters: str) -> Unsuback:
        """Send an UNSUBSCRIBE and return the answer."""
        await self.send(Unsubscribe(self._next_packet_id(), topic_filters))
        answer = await self.receive()
        assert isinstance(answer, Unsuback), answer
        return answer

    async def publish(
        self, topic: str, payload: bytes = b"", *, qos: int = 0, **more: Any
    ) -> Puback | None:
        """Send a PUBLISH; with QoS 1 return the answer, which must be the next packet."""
        packet_id = self._next_packet_id() if qos else 0
        await self.send(Publish(topic, payload, qos=qos, packet_id=packet_id, **more))
        if not qos:
            return None
        answer = await self.receive()
        assert isinstance(answer, Puback), answer
        assert answer.packet_id == packet_id
        return answer

    async def message(self) -> Publish:
        """Return the next packet, which must be a message; QoS 1 is acknowledged."""
        packet = await self.receive()
        assert isinstance(packet, Publish), packet
        if packet.qos:
            await self.send(Puback(packet.packet_id))
        return packet

    async def sync(self) -> None:
        """Wait until the broker answered everything sent so far, and check that it sent no more.

        An answered PINGREQ is the proof that nothing else is under way to this client.
        """
        await self.send(Pingreq())
        await self.expect(Pingresp())

    async def goodbye(self, reason: ReasonCode = ReasonCode.SUCCESS) -> None:
        """Send a DISCONNECT."""
        await self.send(Disconnect(reason))

    def abort(self) -> None:
        """Cut the connection without a word."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """Close the transport."""
        self._writer.close()
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._writer.wait_closed()
        except (ConnectionError, ssl.SSLError):
            pass

    def _next_packet_id(self) -> int:
        self._last_packet_id = self._last_packet_id % 0xFFFF + 1
        return self._last_packet_id
