"""The cloud's message broker: the MQTT engine under policies, with shadows, always current."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import structlog

from hedgerow.aws import Proven
from hedgerow.cloud.broker.authority import (
    CloudAuthority,
    CloudIdentity,
    answer_to,
    identity_of,
)
from hedgerow.cloud.broker.conflicts import CONFLICT, TAKEN_OVER, Conflicts
from hedgerow.cloud.broker.job_requests import JobRequests
from hedgerow.cloud.broker.lifecycle import (
    API_INITIATED_DISCONNECT,
    WEBSOCKET_TTL_EXPIRATION,
    Lifecycle,
)
from hedgerow.cloud.broker.limits import cloud_limits
from hedgerow.cloud.broker.programs import Program, Programs
from hedgerow.cloud.broker.shadow_requests import ShadowRequests
from hedgerow.cloud.broker.telemetry_reports import TelemetryReports
from hedgerow.cloud.home import Home
from hedgerow.cloud.iot import DeviceDirectory, DirectoryChange
from hedgerow.cloud.iot_data import ShadowService
from hedgerow.cloud.jobs import JobDesk
from hedgerow.kernel import CallerError, Clock, DeniedError, UnavailableError
from hedgerow.mqtt import (
    NO_KEEPER,
    Broker,
    Keeper,
    KeptMessage,
    Limits,
    Peer,
    RefusalEvent,
    SessionRef,
    Source,
)
from hedgerow.mqtt.codec import NO_PROPERTIES, Properties
from hedgerow.pki import TlsPeer

CLOUD: Final = "cloud"
"""The source of messages that no client sent."""
_OVERDUE: Final = "the WebSocket has been open for as long as one may be; connect again"
_DELETED: Final = "the connection was deleted by an API call"

AnyProtocol = asyncio.Protocol | asyncio.BufferedProtocol
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
    """Serves devices, cores and programs over MQTT; policies judge everything they do.

    INVARIANT: when the device directory has told of a change, every session that would not be
    admitted again is cut in the same step (and forgotten, if it waits for its client), and no
    answer from before the change is used again.
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
        programs: Programs | None = None,
        keeper: Keeper = NO_KEEPER,
        jobs: JobDesk | None = None,
        telemetry: Callable[[str, bytes], None] | None = None,
        tells_of_clients: Callable[[], bool] = lambda: True,
    ) -> None:
        """`record` hears of every refusal; it must be quick and must not raise.

        Without `programs` only devices may come in. `keeper` keeps sessions and retained messages.
        Without `jobs` nobody can ask about jobs. `telemetry` hears what a core says of itself.
        `tells_of_clients` says whether lifecycle events are told now.
        """
        self._directory = directory
        self._shadows = shadows
        self._clock = clock
        self._record = record
        self._programs = programs
        self._conflicts = Conflicts()
        self._lifecycle = Lifecycle(self._tell, clock, tells_of_clients)
        self._requests = ShadowRequests(shadows, self._tell)
        self._jobs = jobs
        self._job_requests = None if jobs is None else JobRequests(jobs, self._answer)
        self._authority = CloudAuthority(
            directory,
            home,
            programs=programs,
            shadow_tap=self._requests.take,
            job_tap=None if self._job_requests is None else self._job_requests.take,
            telemetry_tap=None if telemetry is None else TelemetryReports(telemetry).take,
            record=self._refused,
            follow=self._lifecycle.take,
            may_connect=lambda client_id: self._conflicts.may_connect(client_id, clock.monotonic()),
        )
        self._broker = Broker(
            self._authority,
            limits=limits or cloud_limits(),
            clock=clock,
            name="cloud broker",
            keeper=keeper,
        )
        self._stop_listening: list[Callable[[], None]] = []

    async def start(self) -> None:
        """Begin to answer requests and to follow the directory."""
        await self._requests.start()
        if self._job_requests is not None:
            await self._job_requests.start()
        self._stop_listening = [
            self._directory.on_change(self._directory_changed),
            self._shadows.on_message(self._tell),
        ]
        if self._jobs is not None:
            self._stop_listening.append(self._jobs.on_message(self._tell))
        if self._programs is not None:
            self._programs.changed = self._programs_changed
            await self._programs.start()
        self._broker.recall()

    async def stop(self) -> None:
        """Disconnect everyone and stop."""
        for stop_listening in self._stop_listening:
            stop_listening()
        if self._programs is not None:
            await self._programs.stop()
        await self._broker.stop()
        await self._requests.stop()
        if self._job_requests is not None:
            await self._job_requests.stop()

    def protocol_factory(self, peer: TlsPeer) -> AnyProtocol:
        """Return the protocol for one connection whose TLS handshake is done."""
        return self._broker.protocol(Peer(identity=peer.certificate_id, address=peer.address))

    async def begin_program(
        self, proven: Proven, *, source_ip: str, user_agent: str, peer: object
    ) -> AnyProtocol:
        """Return the protocol for one connection of a program that has proven itself.

        Raises `DeniedError` if this broker takes devices only.
        """
        if self._programs is None:
            raise DeniedError("this broker takes devices only; connect with a client certificate")
        program = await self._programs.enter(
            proven, source_ip=source_ip, user_agent=user_agent, peer=peer
        )
        return self._broker.protocol(Peer(identity=program, address=source_ip))

    # ---- what other rooms and the API do

    async def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 0,
        retain: bool = False,
        properties: Properties = NO_PROPERTIES,
    ) -> None:
        """Publish as the cloud; subscribers are judged by `iot:Receive` as for any message."""
        self._broker.publish(CLOUD, topic, payload, qos=qos, retain=retain, properties=properties)

    def retained(self, topic: str) -> KeptMessage | None:
        """Return the message that a topic retains, or None."""
        return self._broker.retained(topic)

    def retained_topics(self) -> Sequence[KeptMessage]:
        """Return all retained messages, by topic."""
        return self._broker.retained_topics()

    def has_room_to_retain(self, topic: str, payload_bytes: int) -> bool:
        """Return whether a message of this size could be retained under a topic."""
        return self._broker.has_room_to_retain(topic, payload_bytes)

    def delete_connection(self, client_id: str, *, clean_session: bool, will: bool) -> bool:
        """Disconnect a client; with `clean_session` forget its session too. False if unknown."""

        def is_meant(session: SessionRef) -> bool:
            if session.client_id != client_id:
                return False
            self._lifecycle.because(session, API_INITIATED_DISCONNECT)
            return True

        found = self._broker.disconnect(is_meant, _DELETED, will=will, forget=clean_session)
        return found > 0

    @property
    def client_ids(self) -> tuple[str, ...]:
        """The client ids of the live sessions."""
        return tuple(session.client_id for session in self._broker.sessions)

    @property
    def limits(self) -> Limits:
        """The limits in force."""
        return self._broker.limits

    # ---- what happens

    def _answer(self, asker: Source, topic: str, payload: bytes) -> None:
        """Tell a client, and no other, what it asked for."""
        source = CLOUD if isinstance(asker, str) else answer_to(asker.client_id)
        self._tell(topic, payload, source)

    def _tell(self, topic: str, payload: bytes, source: str = CLOUD) -> None:
        try:
            self._broker.publish(source, topic, payload)
        except (CallerError, UnavailableError) as error:
            # A shadow within its limits can still have metadata that no message can carry, and a
            # client id more slashes than a topic may have.
            _log.warning("a notice was not published", topic=topic, reason=error.message)

    def _refused(self, event: RefusalEvent) -> None:
        self._record(event)
        if event.code != TAKEN_OVER or event.client_id is None:
            return
        who = event.address
        if isinstance(event.identity, CloudIdentity):
            who = f"{event.identity.principal_id[:10]} at {event.address}"
        conflict = self._conflicts.taken_over(event.client_id, who, self._clock.monotonic())
        if conflict is not None:
            self._record(replace(event, code=CONFLICT, reason=conflict))

    def _directory_changed(self, change: DirectoryChange) -> None:
        self._judge_anew(lambda who: who.certificate_id in change.certificates)

    def _programs_changed(self) -> None:
        programs = self._programs
        if programs is None:
            return

        def is_overdue(session: SessionRef) -> bool:
            holder = identity_of(session).holder
            if not isinstance(holder, Program) or not programs.is_overdue(holder):
                return False
            self._lifecycle.because(session, WEBSOCKET_TTL_EXPIRATION)
            return True

        self._broker.disconnect(is_overdue, _OVERDUE)
        self._judge_anew(lambda who: isinstance(who.holder, Program))

    def _judge_anew(self, concerns: Callable[[CloudIdentity], bool]) -> None:
        """Cut and forget those whom a change concerns and who would not be admitted again."""
        self._broker.new_epoch()
        expelled: defaultdict[str, set[SessionRef]] = defaultdict(set)
        for session in (*self._broker.sessions, *self._broker.sessions_away):
            if concerns(identity_of(session)):
                reason = self._authority.expulsion(session)
                if reason is not None:
                    expelled[reason].add(session)
        for reason, sessions in expelled.items():
            self._broker.disconnect(sessions.__contains__, reason, forget=True)
