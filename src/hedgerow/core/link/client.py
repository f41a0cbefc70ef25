"""One MQTT 5 connection of `aiomqtt`, with the cloud's reason codes and reason strings kept."""

import asyncio
import contextlib
import logging
import math
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

_CONNECT_SECONDS = 20.0
"""How long a connection may take to stand: TCP, TLS and the answer to CONNECT."""

_FIRST_FAILURE = 0x80
_CLIENT_IDENTIFIER_NOT_VALID = 0x85
_NOT_AUTHORIZED = 0x87
_SESSION_TAKEN_OVER = 0x8E

# A dead path is noticed by the operating system long before a keep-alive of ten minutes ends.
_SOCKET_OPTIONS = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A reason code of the cloud, with its reason string if it gave one."""

    code: int
    name: str
    reason: str = ""

    @property
    def is_failure(self) -> bool:
        """Tell whether the code is one of failure."""
        return self.code >= _FIRST_FAILURE

    @property
    def refuses_client_id(self) -> bool:
        """Tell whether another client id may be let in."""
        return self.code in {_NOT_AUTHORIZED, _CLIENT_IDENTIFIER_NOT_VALID}

    @property
    def session_taken_over(self) -> bool:
        """Tell whether another connection with the same client id took this one's place."""
        return self.code == _SESSION_TAKEN_OVER

    def __str__(self) -> str:
        return self.reason or self.name


_UNANSWERED = Answer(0, "Success")
"""What stands for the answer to a message of QoS 0."""


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """How to reach the cloud's broker."""

    host: str
    port: int
    keep_alive_seconds: int
    operation_timeout_seconds: int
    queue_limit: int


class _ClosingSocket(ssl.SSLSocket):
    """Closes itself when its handshake fails; `paho` forgets to."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - ssl's own
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


class _LastFailure(logging.Handler):
    """Keeps the failure that `paho` only logs, such as a TLS alert after the handshake."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.failure: OSError | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record.args, tuple):
            self.failure = next((a for a in record.args if isinstance(a, OSError)), self.failure)


class ReasonedClient(aiomqtt.Client):
    """An `aiomqtt.Client` that remembers what the cloud answered and why.

    `aiomqtt` drops the properties of acknowledgements, and with them the sentence that names the
    missing action and resource.
    """

    def __init__(self, settings: ClientSettings, context: ssl.SSLContext, client_id: str) -> None:
        self._given_up = False
        self.patience_seconds: float = settings.operation_timeout_seconds
        self._last_failure = _LastFailure()
        logger = logging.Logger("hedgerow.core.link", logging.ERROR)  # noqa: LOG001 - of its own
        logger.addHandler(self._last_failure)
        context.sslsocket_class = _ClosingSocket
        super().__init__(
            settings.host,
            settings.port,
            identifier=client_id,
            logger=logger,
            protocol=aiomqtt.ProtocolVersion.V5,
            tls_context=context,
            keepalive=settings.keep_alive_seconds,
            timeout=math.inf,
            max_queued_incoming_messages=settings.queue_limit,
            socket_options=_SOCKET_OPTIONS,
        )
        self.connect_answer: Answer | None = None
        self.disconnect_answer: Answer | None = None
        self._publish_answer = _UNANSWERED
        self._subscribe_answers: list[Answer] = []

    async def __aenter__(self) -> Self:
        try:
            async with self._in_time(max(self.patience_seconds, _CONNECT_SECONDS)):
                return await super().__aenter__()
        except BaseException:
            self._give_up()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            async with self._in_time():
                await super().__aexit__(kind, error, trace)
        except aiomqtt.MqttError:
            # A goodbye that fails must not take the place of what ended the connection.
            self._give_up()

    async def publish_answered(self, topic: str, payload: bytes, qos: int) -> Answer:
        """Publish and return the cloud's answer; to be called for one message at a time."""
        self._publish_answer = _UNANSWERED
        async with self._in_time():
            await self.publish(topic, payload, qos=qos)
        return self._publish_answer

    async def subscribe_answered(self, topic_filters: Sequence[str], qos: int) -> list[Answer]:
        """Subscribe and return the cloud's answers, in the order of the filters."""
        async with self._in_time():
            await self.subscribe([(topic_filter, qos) for topic_filter in topic_filters])
        return self._subscribe_answers

    def lost_because(self) -> BaseException | None:
        """Return what ended the connection beneath MQTT, such as a TLS alert, or None."""
        lost = self._disconnected
        if lost.done() and not lost.cancelled() and isinstance(lost.exception(), OSError):
            return lost.exception()
        return self._last_failure.failure

    @contextlib.asynccontextmanager
    async def _in_time(self, seconds: float | None = None) -> AsyncIterator[None]:
        """Bound a call. `aiomqtt`'s own bound can swallow a cancellation (`asyncio.wait_for`)."""
        try:
            async with asyncio.timeout(seconds or self.patience_seconds):
                yield
        except TimeoutError:
            raise aiomqtt.MqttError("there was no answer in time") from None

    def _give_up(self) -> None:
        """Close a connection that did not come to stand; `aiomqtt` leaves it open."""
        self._given_up = True
        self._client.disconnect()

    def _client_connect(self) -> None:
        """Connect, in a thread; the connection is closed if nobody waits for it any more."""
        super()._client_connect()
        connection = self._client.socket()
        if self._given_up and isinstance(connection, socket.socket):
            connection.close()

    def _on_socket_open(self, client: paho.Client, userdata: Any, sock: Any) -> None:
        if not self._given_up:
            super()._on_socket_open(client, userdata, sock)

    def _on_socket_register_write(self, client: paho.Client, userdata: Any, sock: Any) -> None:
        if not self._given_up:
            super()._on_socket_register_write(client, userdata, sock)

    def _on_connect(
        self,
        client: paho.Client,
        userdata: Any,
        flags: paho.ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        self.connect_answer = _answer(reason_code, properties)
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(
        self,
        client: paho.Client,
        userdata: Any,
        flags: paho.DisconnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self.disconnect_answer = _answer(reason_code, properties)
        if not self._connected.done() and not self._given_up:
            # `aiomqtt` would go on waiting for an answer that cannot come any more.
            self._connected.set_exception(aiomqtt.MqttError("it ended before it was answered"))
            return
        super()._on_disconnect(client, userdata, flags, reason_code, properties)

    def _on_publish(
        self,
        client: paho.Client,
        userdata: Any,
        mid: int,
        reason_code: ReasonCode,
        properties: Properties,
    ) -> None:
        self._publish_answer = _answer(reason_code, properties)
        super()._on_publish(client, userdata, mid, reason_code, properties)

    def _on_subscribe(
        self,
        client: paho.Client,
        userdata: Any,
        mid: int,
        reason_codes: list[ReasonCode],
        properties: Properties | None = None,
    ) -> None:
        self._subscribe_answers = [_answer(code, properties) for code in reason_codes]
        super()._on_subscribe(client, userdata, mid, reason_codes, properties)


def _answer(code: ReasonCode, properties: Properties | None) -> Answer:
    reason = getattr(properties, "ReasonString", "") if properties is not None else ""
    return Answer(int(code.value), str(code), str(reason))
