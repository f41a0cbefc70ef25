"""The broker as the other rooms see it."""

import asyncio
from collections.abc import Callable
from typing import Final

from hedgerow.kernel import CallerError, Clock, quoted
from hedgerow.mqtt.authority import Authority, Peer, SessionRef
from hedgerow.mqtt.codec import Publish, ReasonCode
from hedgerow.mqtt.connection import Connection
from hedgerow.mqtt.counters import Counters
from hedgerow.mqtt.engine import Engine
from hedgerow.mqtt.limits import DEFAULT_LIMITS, Limits
from hedgerow.mqtt.rules import Refusal, topic_fault
from hedgerow.mqtt.topics import valid_topic

_READ_BYTES: Final = 256 * 1024
_TICK_S: Final = 0.5
_SHUTTING_DOWN: Final = Refusal(
    "session", ReasonCode.SERVER_SHUTTING_DOWN, "the broker is stopping; connect again later"
)
_TOO_MANY_SILENT: Final = Refusal(
    "limit", ReasonCode.SERVER_BUSY, "too many connections are open without a CONNECT"
)


class Broker:
    """An MQTT broker without a listener: whoever accepts connections takes a `protocol` for each.

    It lives on one event loop. It has no tasks; one timer runs while there are connections.
    """

    def __init__(
        self, authority: Authority, *, limits: Limits = DEFAULT_LIMITS, clock: Clock, name: str
    ) -> None:
        self.name = name
        self._engine = Engine(authority, limits, clock)
        self._buffer = memoryview(bytearray(_READ_BYTES))
        self._connections: set[Connection] = set()
        self._silent: dict[Connection, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._empty = asyncio.Event()
        self._empty.set()
        self._stopping = False

    @property
    def counters(self) -> Counters:
        """Return the totals so far; they go on counting."""
        return self._engine.counters

    @property
    def limits(self) -> Limits:
        """Return the limits in force."""
        return self._engine.limits

    @property
    def sessions(self) -> tuple[SessionRef, ...]:
        """Return the clients that are in now."""
        return tuple(entry.session.ref for entry in self._engine.entries.values())

    def protocol(self, peer: Peer) -> asyncio.BufferedProtocol:
        """Return the protocol object for one accepted connection from this peer."""
        return Connection(self._engine, peer, self._buffer, self._opened, self._closed)

    def publish(self, source: str, topic: str, payload: bytes, *, qos: int = 0) -> int:
        """Publish from inside under a label; return how many took the message.

        Raises `CallerError` for a topic or payload that a client could not publish either.
        """
        limits = self._engine.limits
        if not valid_topic(topic):
            raise CallerError(
                f"{quoted(topic)} is no topic: it is empty or holds a wildcard or NUL"
            )
        if (fault := topic_fault(topic, limits)) is not None:
            raise CallerError(fault)
        if len(payload) > limits.payload_bytes or not 0 <= qos <= limits.maximum_qos:
            raise CallerError(
                f"a message has at most {limits.payload_bytes} bytes and QoS {limits.maximum_qos}"
            )
        self._engine.counters.messages_received += 1
        route = self._engine.router.label_route(source, topic)
        delivered = self._engine.courier.deliver(route, source, Publish(topic, payload, qos))
        self._engine.courier.flush()
        return delivered

    def new_epoch(self) -> None:
        """Ask the authority anew from now on: its answers may have changed.

        Live subscriptions are judged again before the next message that they match.
        """
        self._engine.router.new_epoch()

    def disconnect(self, predicate: Callable[[SessionRef], bool], reason: str) -> int:
        """Cut the live sessions that the predicate picks, at once; return how many.

        Their wills are published only if the authority allows it now.
        """
        self.new_epoch()
        refusal = Refusal("session", ReasonCode.ADMINISTRATIVE_ACTION, reason, name="cut")
        chosen = [entry for entry in self._engine.entries.values() if predicate(entry.session.ref)]
        for entry in chosen:
            entry.link.end(refusal)
        self._engine.courier.flush()
        return len(chosen)

    def tick(self) -> None:
        """Look after everything that is due by the clock (called by a timer twice a second)."""
        now = self._engine.clock.monotonic()
        for connection in tuple(self._connections):
            connection.check_deadline(now)
        self._engine.courier.flush()

    async def stop(self) -> None:
        """Say goodbye to every client and wait until all connections are gone."""
        self._stopping = True
        for connection in tuple(self._connections):
            connection.dialogue.end(_SHUTTING_DOWN)
        try:
            async with asyncio.timeout(self._engine.limits.close_timeout_s):
                await self._empty.wait()
        except TimeoutError:
            for connection in tuple(self._connections):
                connection.hang_up(at_once=True)
            await self._empty.wait()

    def _opened(self, connection: Connection) -> None:
        self._engine.counters.connections += 1
        self._connections.add(connection)
        self._empty.clear()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_TICK_S, self._on_timer)
        if self._stopping:
            connection.dialogue.end(_SHUTTING_DOWN)
        else:
            self._silent[connection] = None
            if len(self._silent) > self.limits.silent_connections:
                self._end_longest_silent()

    def _end_longest_silent(self) -> None:
        """Make room: closing the newest would let the silent keep out those that speak."""
        silent = {connection: None for connection in self._silent if connection.is_silent()}
        self._silent = silent
        if len(silent) > self.limits.silent_connections:
            next(iter(silent)).dialogue.end(_TOO_MANY_SILENT)

    def _closed(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._silent.pop(connection, None)
        if not self._connections:
            self._empty.set()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _on_timer(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_TICK_S, self._on_timer)
        self.tick()
