"""The broker as the other rooms see it."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

from hedgerow.kernel import CallerError, Clock, UnavailableError, quoted
from hedgerow.mqtt.authority import Authority, Peer, SessionRef
from hedgerow.mqtt.codec import NO_PROPERTIES, Properties, Publish, ReasonCode
from hedgerow.mqtt.connection import Connection
from hedgerow.mqtt.counters import Counters
from hedgerow.mqtt.engine import Engine
from hedgerow.mqtt.keeper import NO_KEEPER, Keeper, KeptMessage
from hedgerow.mqtt.limits import DEFAULT_LIMITS, Limits
from hedgerow.mqtt.rules import Refusal, properties_fault, topic_fault
from hedgerow.mqtt.topics import valid_topic

_log: Final = logging.getLogger(__name__)
_READ_BYTES: Final = 16 * 1024
"""What is taken from one connection before the others have their turn. With 256 KiB a message
beside a flood waited twice as long, and the flood was a tenth faster (bench/request_latency.py)."""
_TICK_S: Final = 0.5
_SHUTTING_DOWN: Final = Refusal(
    "session", ReasonCode.SERVER_SHUTTING_DOWN, "the broker is stopping; connect again later"
)
_TOO_MANY_SILENT: Final = Refusal(
    "limit", ReasonCode.SERVER_BUSY, "too many connections are open without a CONNECT"
)


class Broker:
    """An MQTT broker without a listener: whoever accepts connections takes a `protocol` for each.

    It lives on one event loop. It has no tasks; one timer runs while there are connections, or
    sessions that wait for their clients.
    """

    def __init__(
        self,
        authority: Authority,
        *,
        limits: Limits = DEFAULT_LIMITS,
        clock: Clock,
        name: str,
        keeper: Keeper = NO_KEEPER,
    ) -> None:
        """`keeper` keeps what has to outlive the process; see `recall`."""
        self.name = name
        self._engine = Engine(authority, limits, clock, keeper)
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
        """Return the clients that are connected now."""
        return tuple(
            session.ref for session in self._engine.sessions.values() if session.link is not None
        )

    @property
    def sessions_away(self) -> tuple[SessionRef, ...]:
        """Return the clients whose sessions wait for them to come back."""
        return tuple(
            session.ref for session in self._engine.sessions.values() if session.link is None
        )

    def subscriptions_of(self, client_id: str) -> tuple[str, ...]:
        """Return the topic filters that a client holds now."""
        session = self._engine.sessions.get(client_id)
        if session is None:
            return ()
        return tuple(held.item.topic_filter for held in session.subscriptions.values())

    def recall(self) -> None:
        """Find again what the keeper kept; to be called once, when the authority can answer."""
        self._engine.lasting.recall()
        self._engine.commit()
        self._keep_time()

    def protocol(self, peer: Peer) -> asyncio.BufferedProtocol:
        """Return the protocol object for one accepted connection from this peer."""
        return Connection(self._engine, peer, self._buffer, self._opened, self._closed)

    def publish(
        self,
        source: str,
        topic: str,
        payload: bytes,
        *,
        qos: int = 0,
        retain: bool = False,
        properties: Properties = NO_PROPERTIES,
    ) -> int:
        """Publish from inside under a label; return how many took the message.

        Raises `CallerError` for a topic or payload that a client could not publish either, and
        `UnavailableError` if the message cannot be kept for those that are away.
        """
        limits = self._engine.limits
        if not valid_topic(topic):
            raise CallerError(
                f"{quoted(topic)} is no topic: it is empty or holds a wildcard or NUL"
            )
        fault = topic_fault(topic, limits) or properties_fault(properties, limits)
        if fault is not None:
            raise CallerError(fault)
        if len(payload) > limits.payload_bytes or not 0 <= qos <= limits.maximum_qos:
            raise CallerError(
                f"a message has at most {limits.payload_bytes} bytes and QoS {limits.maximum_qos}"
            )
        engine = self._engine
        engine.counters.messages_received += 1
        route = engine.router.label_route(source, topic)
        publish = Publish(topic, payload, qos, retain=retain, properties=properties)
        delivered = engine.accept(route, source, publish)
        kept = engine.commit()
        engine.courier.flush()
        if not kept:
            raise UnavailableError("the message could not be kept; the log says why")
        return delivered

    def retained(self, topic: str) -> KeptMessage | None:
        """Return the message that a topic retains, or None."""
        message = self._engine.retained.get(topic)
        now = self._engine.clock.now().timestamp()
        if message is None or (message.expires_at is not None and message.expires_at <= now):
            return None
        return message

    def has_room_to_retain(self, topic: str, payload_bytes: int) -> bool:
        """Return whether a message of this size could be retained under a topic."""
        return self._engine.retained.has_room(topic, len(topic) + payload_bytes)

    def retained_topics(self) -> Sequence[KeptMessage]:
        """Return all retained messages, by topic."""
        return [
            message
            for message in self._engine.retained.all()
            if self.retained(message.topic) is message
        ]

    def new_epoch(self) -> None:
        """Ask the authority anew from now on: its answers may have changed.

        Live subscriptions are judged again before the next message that they match.
        """
        self._engine.router.new_epoch()

    def disconnect(
        self,
        predicate: Callable[[SessionRef], bool],
        reason: str,
        *,
        will: bool = True,
        forget: bool = False,
    ) -> int:
        """Cut the live sessions that the predicate picks, at once; return how many it picked.

        Their wills are published only if the authority allows it now, and not without `will`.
        `forget` lets them go with all they hold, and picks from those that are away as well.
        """
        self.new_epoch()
        refusal = Refusal("session", ReasonCode.ADMINISTRATIVE_ACTION, reason, name="cut")
        chosen = [
            session
            for session in self._engine.sessions.values()
            if (forget or session.link is not None) and predicate(session.ref)
        ]
        for session in chosen:
            if session.link is not None:
                session.link.end(refusal, will=will)
            if forget:
                self._engine.forget(session, will=will)
        self._settle()
        return len(chosen)

    def tick(self) -> None:
        """Look after everything that is due by the clock (called by a timer twice a second)."""
        now = self._engine.clock.monotonic()
        for connection in tuple(self._connections):
            connection.check_deadline(now)
        self._engine.lasting.end_due()
        self._engine.earn(_TICK_S)
        self._settle()

    def _settle(self) -> None:
        self._engine.commit()
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
            await self._all_gone()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._engine.commit()

    async def _all_gone(self) -> None:
        """Wait until the loop has told of the end of every connection, but not for ever."""
        try:
            async with asyncio.timeout(self._engine.limits.close_timeout_s):
                await self._empty.wait()
        except TimeoutError:
            _log.warning("%d connections were cut without word of it", len(self._connections))

    def _opened(self, connection: Connection) -> None:
        self._engine.counters.connections += 1
        self._connections.add(connection)
        self._empty.clear()
        self._keep_time()
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
            if self._timer is not None and not self._engine.lasting.waits:
                self._timer.cancel()
                self._timer = None

    def _keep_time(self) -> None:
        """Have `tick` called while there is anyone to look after."""
        if self._timer is None and (self._connections or self._engine.lasting.waits):
            self._timer = asyncio.get_running_loop().call_later(_TICK_S, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.tick()
        self._keep_time()
