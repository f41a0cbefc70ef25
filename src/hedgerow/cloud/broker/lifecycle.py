"""Lifecycle events: what the cloud publishes when clients come, go, subscribe and unsubscribe.

Source: AWS IoT Core Developer Guide, "Lifecycle events", for topics, members and reasons. What
happened is told in the order in which it happened, after the broker is done with it.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import msgspec

from hedgerow.cloud.broker.authority import identity_of
from hedgerow.kernel import Clock, new_uuid
from hedgerow.mqtt import SessionEvent, SessionRef

VERSION_KEPT_S: Final = 3600.0
"""How long after a client's last connection its events go on counting versions."""

API_INITIATED_DISCONNECT: Final = "API_INITIATED_DISCONNECT"
AUTH_ERROR: Final = "AUTH_ERROR"
WEBSOCKET_TTL_EXPIRATION: Final = "WEBSOCKET_TTL_EXPIRATION"
CLIENT_ERROR: Final = "CLIENT_ERROR"

DISCONNECT_REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "client": "CLIENT_INITIATED_DISCONNECT",
        "lost": "CONNECTION_LOST",
        "session-taken-over": "DUPLICATE_CLIENTID",
        "keep-alive-timeout": "MQTT_KEEP_ALIVE_TIMEOUT",
        "publish-denied": AUTH_ERROR,
        "cut": AUTH_ERROR,
        "server-shutting-down": "SERVER_INITIATED_DISCONNECT",
        "server-busy": "SERVER_INITIATED_DISCONNECT",
        "internal-error": "SERVER_ERROR",
        "outgoing-full": "THROTTLED",
        "acknowledgements-overdue": "THROTTLED",
        "message-rate-too-high": "THROTTLED",
    }
)
"""The broker's causes in AWS's words; every other one is a fault of the client: `CLIENT_ERROR`."""

_TOPICS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "connected": "$aws/events/presence/connected/",
        "disconnected": "$aws/events/presence/disconnected/",
        "subscribed": "$aws/events/subscriptions/subscribed/",
        "unsubscribed": "$aws/events/subscriptions/unsubscribed/",
    }
)
_BY_CLIENT: Final = "client"
_UNTOLD: Final = frozenset("+#")

Publish = Callable[[str, bytes], None]


@dataclass(frozen=True, slots=True)
class _Connection:
    """What the events of one connection have in common."""

    session: int
    session_identifier: str
    version: int


class Lifecycle:
    """Tells of clients' lives. `take` may be called from inside the broker; it publishes later.

    Clients whose ids hold `+` or `#` are not told of: their ids could not be topics.
    """

    def __init__(
        self, publish: Publish, clock: Clock, is_told: Callable[[], bool] = lambda: True
    ) -> None:
        """`is_told` says whether anything is to be told now."""
        self._publish = publish
        self._is_told = is_told
        self._clock = clock
        self._connections: dict[int, _Connection] = {}
        self._last: OrderedDict[str, tuple[_Connection, float]] = OrderedDict()
        self._because: dict[int, str] = {}
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._is_due = False

    def because(self, session: SessionRef, reason: str) -> None:
        """Have a session's end told with this reason, whatever the broker calls it."""
        self._because[session.id] = reason

    def take(self, event: SessionEvent) -> None:
        """Have an event published."""
        message = self._message(event)
        if message is None or not self._is_told() or _UNTOLD & set(event.session.client_id):
            return
        topic = _TOPICS[event.kind] + event.session.client_id
        self._waiting.append((topic, msgspec.json.encode(message)))
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._publish_all)

    def _message(self, event: SessionEvent) -> dict[str, Any] | None:
        if event.kind == "connected":
            connection = self._connected(event)
            return self._presence(event, connection, ipAddress=event.session.peer.address)
        known = self._connections.get(event.session.id)
        if known is None:
            return None  # it has ended: its session was cleaned up
        if event.kind == "disconnected":
            reason = self._disconnected(event, known)
            return self._presence(
                event,
                known,
                clientInitiatedDisconnect=event.cause == _BY_CLIENT,
                disconnectReason=reason,
            )
        common = self._common(event, known)
        return {**common, "topics": list(event.topic_filters)}

    def _connected(self, event: SessionEvent) -> _Connection:
        session, now = event.session, self._clock.monotonic()
        self._forget_old(now)
        before = self._last.pop(session.client_id, None)
        connection = _Connection(
            session=session.id,
            session_identifier=before[0].session_identifier
            if before is not None and event.resumed
            else new_uuid(),
            version=before[0].version + 1 if before is not None else 0,
        )
        self._last[session.client_id] = (connection, now)
        self._connections[session.id] = connection
        return connection

    def _disconnected(self, event: SessionEvent, known: _Connection) -> str:
        session = event.session
        del self._connections[session.id]
        last = self._last.get(session.client_id)
        if last is not None and last[0] is known:
            self._last[session.client_id] = (known, self._clock.monotonic())
            self._last.move_to_end(session.client_id)
        told = DISCONNECT_REASONS.get(event.cause, CLIENT_ERROR)
        return self._because.pop(session.id, told)

    def _forget_old(self, now: float) -> None:
        """Let the versions of those go that have been away for long; the oldest stand first."""
        while self._last:
            client_id, (connection, at) = next(iter(self._last.items()))
            if now - at < VERSION_KEPT_S:
                return
            if connection.session in self._connections:
                self._last[client_id] = (connection, now)
                self._last.move_to_end(client_id)
            else:
                del self._last[client_id]

    def _presence(
        self, event: SessionEvent, connection: _Connection, **more: object
    ) -> dict[str, Any]:
        common = self._common(event, connection)
        return {**common, **more, "versionNumber": connection.version}

    def _common(self, event: SessionEvent, connection: _Connection) -> dict[str, Any]:
        return {
            "clientId": event.session.client_id,
            "timestamp": int(self._clock.now().timestamp() * 1000),
            "eventType": event.kind,
            "sessionIdentifier": connection.session_identifier,
            "principalIdentifier": identity_of(event.session).principal_id,
        }

    def _publish_all(self) -> None:
        self._is_due = False
        waiting, self._waiting = self._waiting, deque()
        for topic, payload in waiting:
            self._publish(topic, payload)
