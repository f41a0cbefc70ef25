"""The cloud's message broker: the MQTT engine under IoT policies, with shadows, always current."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Final

import structlog

from hedgerow.cloud.broker.authority import CloudAuthority, certificate_of
from hedgerow.cloud.broker.shadow_requests import ShadowRequests
from hedgerow.cloud.home import Home
from hedgerow.cloud.iot import DeviceDirectory, DirectoryChange
from hedgerow.cloud.iot_data import ShadowService
from hedgerow.kernel import CallerError, Clock
from hedgerow.mqtt import Broker, Limits, Peer, RefusalEvent, SessionRef
from hedgerow.pki import TlsPeer

CLOUD: Final = "cloud"
"""The source of messages that no device sent."""

_log = structlog.get_logger("hedgerow.cloud.broker")


def _log_refusal(event: RefusalEvent) -> None:
    _log.warning(
        "refused",
        action=event.action,
        code=event.code,
        reason=event.reason,
        client_id=event.client_id,
        topic=event.topic,
        address=event.address,
    )


class CloudBroker:
    """Serves devices and cores over MQTT; everything they do is judged by their IoT policies.

    INVARIANT: when the device directory has told of a change, every live session that would not
    be admitted again is cut in the same step, and no answer from before the change is used again.
    """

    def __init__(
        self,
        directory: DeviceDirectory,
        shadows: ShadowService,
        home: Home,
        clock: Clock,
        *,
        record: Callable[[RefusalEvent], None] = _log_refusal,
        limits: Limits | None = None,
    ) -> None:
        """`record` hears of every refusal; it must be quick and must not raise."""
        self._directory = directory
        self._shadows = shadows
        self._requests = ShadowRequests(shadows, self._tell)
        self._authority = CloudAuthority(
            directory, home, shadow_tap=self._requests.take, record=record
        )
        self._broker = Broker(
            self._authority, limits=limits or Limits(), clock=clock, name="cloud broker"
        )
        self._stop_listening: list[Callable[[], None]] = []

    async def start(self) -> None:
        """Begin to answer shadow requests and to follow the directory."""
        await self._requests.start()
        self._stop_listening = [
            self._directory.on_change(self._directory_changed),
            self._shadows.on_message(self._tell),
        ]

    async def stop(self) -> None:
        """Disconnect everyone and stop."""
        for stop_listening in self._stop_listening:
            stop_listening()
        await self._broker.stop()
        await self._requests.stop()

    def protocol_factory(self, peer: TlsPeer) -> asyncio.Protocol | asyncio.BufferedProtocol:
        """Return the protocol for one connection whose TLS handshake is done."""
        return self._broker.protocol(Peer(identity=peer.certificate_id, address=peer.address))

    async def publish(self, topic: str, payload: bytes, *, qos: int = 0) -> None:
        """Publish as the cloud; subscribers are judged by `iot:Receive` as for any message."""
        self._broker.publish(CLOUD, topic, payload, qos=qos)

    @property
    def client_ids(self) -> tuple[str, ...]:
        """The client ids of the live sessions."""
        return tuple(session.client_id for session in self._broker.sessions)

    def _tell(self, topic: str, payload: bytes) -> None:
        try:
            self._broker.publish(CLOUD, topic, payload)
        except CallerError as error:
            # A shadow within its limits can still have metadata that no message can carry.
            _log.warning("a notice was not published", topic=topic, reason=error.message)

    def _directory_changed(self, change: DirectoryChange) -> None:
        self._broker.new_epoch()
        expelled: defaultdict[str, set[SessionRef]] = defaultdict(set)
        for session in self._broker.sessions:
            if certificate_of(session) in change.certificates:
                reason = self._authority.expulsion(session)
                if reason is not None:
                    expelled[reason].add(session)
        for reason, sessions in expelled.items():
            self._broker.disconnect(sessions.__contains__, reason)
