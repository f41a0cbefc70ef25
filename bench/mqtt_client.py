"""A cheap blocking MQTT 3.1.1 client over TLS: what the load generators connect with."""

import contextlib
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hedgerow.mqtt import ProtocolVersion
from hedgerow.mqtt.codec import (
    Connect,
    Disconnect,
    Publish,
    Subscribe,
    SubscribeItem,
    encode,
)

VERSION = ProtocolVersion.V311
GOODBYE = encode(Disconnect(), VERSION)
ACCEPTED = b"\x20\x02\x00\x00"
_SUBACK = b"\x90\x03\x00\x01"


@dataclass(frozen=True, slots=True)
class RunningBroker:
    """A broker under measurement, and the folder of the devices that it knows."""

    name: str
    pid: int
    port: int
    devices: Path
    roots: Path

    def arguments(self) -> list[str]:
        """Return what a load generator has to know of it."""
        return [str(self.pid), str(self.port), str(self.devices), str(self.roots)]

    @classmethod
    def from_arguments(cls, arguments: Sequence[str]) -> "RunningBroker":
        """Return what `arguments` tells."""
        pid, port, devices, roots = arguments
        return cls("", int(pid), int(port), Path(devices), Path(roots))


class ClosedError(RuntimeError):
    """The broker closed the connection, without the goodbye of TLS: not all say it."""


class RecordStream:
    """A TLS connection whose records and system calls the caller controls."""

    def __init__(self, broker: RunningBroker, device: str, context: ssl.SSLContext) -> None:
        self.socket = socket.create_connection(("127.0.0.1", broker.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing)
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self._exchange()
            else:
                break
        self.send(encode(Connect(device), VERSION))
        self.expect(ACCEPTED)

    def send(self, data: bytes) -> None:
        """Send one TLS record and wait until the kernel has it."""
        self.tls.write(data)
        self.socket.sendall(self.outgoing.read())

    def expect(self, wanted: bytes) -> None:
        """Read exactly these bytes."""
        got = b""
        while len(got) < len(wanted):
            try:
                got += self.tls.read(len(wanted) - len(got))
            except ssl.SSLWantReadError:
                self._exchange()
        if got != wanted:
            raise RuntimeError(f"the broker answered {got!r}, not {wanted!r}")

    def subscribe(self, topic_filter: str, qos: int = 0) -> None:
        """Subscribe, and see it granted."""
        self.send(encode(Subscribe(1, (SubscribeItem(topic_filter, qos),)), VERSION))
        self.expect(_SUBACK + bytes([qos]))

    def close(self) -> None:
        """Say goodbye, read to the end of the session, and close; the socket must be blocking."""
        self.send(GOODBYE)
        with self.socket, contextlib.suppress(ssl.SSLZeroReturnError, ClosedError):
            while True:
                try:
                    if not self.tls.read(1024):
                        return
                except ssl.SSLWantReadError:
                    self._exchange()

    def _exchange(self) -> None:
        if self.outgoing.pending:
            self.socket.sendall(self.outgoing.read())
        data = self.socket.recv(65536)
        if not data:
            raise ClosedError("the broker closed the connection")
        self.incoming.write(data)


def device_context(broker: RunningBroker, device: str, version: ssl.TLSVersion) -> ssl.SSLContext:
    """Return a client's context for one version of TLS."""
    context = ssl.create_default_context(cafile=str(broker.roots))
    context.check_hostname = False
    context.minimum_version = context.maximum_version = version
    context.load_cert_chain(
        broker.devices / f"{device}.cert.pem", broker.devices / f"{device}.private.key"
    )
    return context


def publish(topic: str, payload: bytes, packet_id: int = 0) -> bytes:
    """Return the frame of a QoS 0 message, or with an identifier of a QoS 1 message."""
    return encode(Publish(topic, payload, qos=1 if packet_id else 0, packet_id=packet_id), VERSION)


def connect(device: str) -> bytes:
    """Return the frame of a CONNECT."""
    return encode(Connect(device), VERSION)
