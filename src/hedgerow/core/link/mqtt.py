"""All MQTT connections of a core: one for notices and the queue, more for topics of the cloud.

Client ids are the documented, predictable ones, so that policies can name them: `<core>` (or its
override), and `<core>-c00` and on. A policy that admits only `<core>-*`, as the documented
minimal one does, gets `<core>-c00` for the first connection too, and the core begins with that
one from then on.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from hedgerow.contract import core_client_id, subscription_client_id
from hedgerow.core.config import CoreConfig
from hedgerow.core.link.admitted_id import AdmittedId
from hedgerow.core.link.backoff import Backoff
from hedgerow.core.link.client import ClientSettings
from hedgerow.core.link.connection import CloudMessage, ConnectionPlan, LinkConnection
from hedgerow.core.link.identity import LinkIdentity
from hedgerow.core.spool import Published
from hedgerow.kernel import Clock

MQTT_PROTOCOL = "x-amzn-mqtt-ca"
"""The ALPN name of MQTT with client certificates on port 443."""

SUBSCRIPTIONS_PER_CONNECTION = 50
"""AWS IoT's limit; more topics are spread over more connections (guide page gg-core)."""

_QOS_TO_CLOUD = 1
_QOS_OF_SHADOWS = 1


@dataclass(frozen=True, slots=True)
class LinkHandlers:
    """What the core does with what comes from the cloud. All are called on the loop."""

    notice: Callable[[CloudMessage], None]
    """A message on one of the core's own notice topics."""

    message: Callable[[CloudMessage], None]
    """A message on a subject whose source is `cloud`."""

    connected: Callable[[], None]
    """The first connection stands and its notice topics are subscribed to."""

    shadow: Callable[[CloudMessage], None]
    """A message on a topic of a shadow that is synchronised."""

    shadows_heard: Callable[[Sequence[str]], None]
    """A connection stands: from now on what matches these topic filters of shadows is heard."""


class CloudLink:
    """The connections of a core to the cloud's broker. Keeps the promises of `spool.Publisher`."""

    def __init__(
        self,
        config: CoreConfig,
        identity: LinkIdentity,
        notice_filters: Sequence[str],
        handlers: LinkHandlers,
        *,
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self._config = config
        self._context = identity.tls_context(config.iot_mqtt_port, MQTT_PROTOCOL)
        self._handlers = handlers
        self._clock = clock
        self._log = log
        self._subjects: tuple[str, ...] = ()
        self._subjects_qos = 0
        self._shadow_filters: tuple[str, ...] = ()
        self._subjects_changed = asyncio.Event()
        self._subject_connections: dict[ConnectionPlan, LinkConnection] = {}
        first = core_client_id(config.thing_name, config.core_client_id)
        self._fallback = subscription_client_id(config.thing_name, 0)
        self._admitted = AdmittedId(config.folders.client_id, (first, self._fallback))
        self._let_in: str | None = None
        self._let_in_changed = asyncio.Event()
        self._main = self._connection(
            ConnectionPlan(self._admitted.in_turn(), tuple(notice_filters)),
            handlers.notice,
            self._main_connected,
            lambda: self._note_admitted(None),
        )

    @property
    def is_connected(self) -> bool:
        """Tell whether the first connection stands."""
        return self._main.connected.is_set()

    @property
    def client_id(self) -> str:
        """The client id of the first connection."""
        return self._main.client_id

    @property
    def problem(self) -> str | None:
        """What is wrong with a connection now, or None."""
        connections = (self._main, *self._subject_connections.values())
        return next((c.problem for c in connections if c.problem is not None), None)

    async def run(self) -> None:
        """Keep all connections up until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._main.run(), name="cloud link")
            tasks.create_task(self._keep_subject_connections(), name="cloud subjects")
            tasks.create_task(self._keep_admitted(), name="cloud client id")

    def listen_to(self, subjects: Sequence[str], *, qos: int = 0) -> None:
        """Subscribe in the cloud to exactly these topic filters from now on."""
        self._subjects = tuple(subjects)
        self._subjects_qos = qos
        self._subjects_changed.set()

    def listen_to_shadows(self, filters: Sequence[str]) -> None:
        """Subscribe in the cloud to exactly these topics of shadows from now on.

        They have connections of their own: a message that a row wants too must not come twice.
        """
        self._shadow_filters = tuple(filters)
        self._subjects_changed.set()

    async def wait_connected(self) -> None:
        """Return once the first connection stands."""
        await self._main.connected.wait()

    async def publish(self, topic: str, payload: bytes) -> Published:
        """Publish at QoS 1 and return the cloud's answer; `UnavailableError` without one."""
        answer = await self._main.publish(topic, payload, _QOS_TO_CLOUD)
        return Published(accepted=not answer.is_failure, reason=str(answer))

    def _main_connected(self) -> None:
        self._note_admitted(self._main.client_id)
        self._handlers.connected()

    def _note_admitted(self, client_id: str | None) -> None:
        self._let_in = client_id
        self._let_in_changed.set()

    async def _keep_admitted(self) -> None:
        """Write down which client id is let in; without that the next start tries in turn."""
        while True:
            await self._let_in_changed.wait()
            self._let_in_changed.clear()
            try:
                await asyncio.to_thread(self._admitted.keep, self._let_in)
            except OSError as error:
                self._log.warning("the client id could not be remembered", reason=str(error))

    async def _keep_subject_connections(self) -> None:
        """Hold one connection for each fifty subjects; those whose subjects stay are left alone."""
        running: dict[ConnectionPlan, asyncio.Task[None]] = {}
        loop = asyncio.get_running_loop()
        try:
            while True:
                await self._main.connected.wait()
                self._subjects_changed.clear()
                wanted = self._subject_plans()
                retired = [plan for plan in running if plan not in wanted]
                await _stop([running.pop(plan) for plan in retired])
                for plan in retired:
                    del self._subject_connections[plan]
                for plan in wanted:
                    if plan not in running:
                        connection = self._connection(plan, *self._hearers(plan))
                        self._subject_connections[plan] = connection
                        name = f"cloud subjects {plan.client_ids[0]}"
                        running[plan] = loop.create_task(connection.run(), name=name)
                await self._subjects_changed.wait()
        finally:
            await _stop(list(running.values()))

    def _subject_plans(self) -> list[ConnectionPlan]:
        """Divide the subjects; `<core>-c00` is passed over if the first connection has it."""
        taken = 1 if self._main.client_id == self._fallback else 0
        name = self._config.thing_name
        kinds = [(chunk, self._subjects_qos, False) for chunk in _chunks(self._subjects)]
        kinds += [(chunk, _QOS_OF_SHADOWS, True) for chunk in _chunks(self._shadow_filters)]
        return [
            ConnectionPlan((subscription_client_id(name, taken + n),), chunk, qos, of_shadows)
            for n, (chunk, qos, of_shadows) in enumerate(kinds)
        ]

    def _hearers(
        self, plan: ConnectionPlan
    ) -> tuple[Callable[[CloudMessage], None], Callable[[], None]]:
        """Return who takes the messages of a connection, and who is told that it stands."""
        if plan.of_shadows:
            return self._handlers.shadow, lambda: self._handlers.shadows_heard(plan.filters)
        return self._handlers.message, lambda: None

    def _connection(
        self,
        plan: ConnectionPlan,
        on_message: Callable[[CloudMessage], None],
        on_connected: Callable[[], None] = lambda: None,
        on_refused: Callable[[], None] = lambda: None,
    ) -> LinkConnection:
        config = self._config
        settings = ClientSettings(
            host=config.iot_host,
            port=config.iot_mqtt_port,
            keep_alive_seconds=int(config.keep_alive.total_seconds()),
            operation_timeout_seconds=int(config.mqtt_operation_timeout.total_seconds()),
            queue_limit=config.runtime.max_work_item_count,
        )
        return LinkConnection(
            plan,
            settings,
            self._context,
            backoff=Backoff(config.mqtt_max_connection_retry_interval.total_seconds()),
            clock=self._clock,
            log=self._log,
            on_message=on_message,
            on_connected=on_connected,
            on_refused=on_refused,
        )


def _chunks(filters: tuple[str, ...]) -> list[tuple[str, ...]]:
    step = SUBSCRIPTIONS_PER_CONNECTION
    return [filters[start : start + step] for start in range(0, len(filters), step)]


async def _stop(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
