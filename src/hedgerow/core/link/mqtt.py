"""All MQTT connections of a core: one for notices and the queue, more for topics and shadows.

Client ids are the documented, predictable ones, so that policies can name them: `<core>` (or its
override), and `<core>-c00` and on. A policy that admits only `<core>-*`, as the documented
minimal one does, gets `<core>-c00` for the first connection too, and the core begins with that
one from then on.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from structlog.typing import FilteringBoundLogger

from hedgerow.contract import core_client_id, subscription_client_id
from hedgerow.core.config import CoreConfig
from hedgerow.core.link.admitted_id import AdmittedId
from hedgerow.core.link.backoff import Backoff
from hedgerow.core.link.client import Accepted, Incoming
from hedgerow.core.link.connection import CloudEndpoint, CloudMessage, Hearers, LinkConnection
from hedgerow.core.link.identity import LinkIdentity
from hedgerow.core.link.outlet import LinkOutlet, as_published
from hedgerow.core.link.plans import ConnectionPlan, Wanted, plan
from hedgerow.core.link.sessions import HeldSubscriptions
from hedgerow.core.link.work import WorkQueue
from hedgerow.core.spool import Published
from hedgerow.kernel import Clock, UnavailableError
from hedgerow.mqtt import matches

MQTT_PROTOCOL = "x-amzn-mqtt-ca"
"""The ALPN name of MQTT with client certificates on port 443."""


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
    """The connections of a core to the cloud's broker. Keeps the promises of `spool.Publisher`.

    What comes in passes through the queue of work. A message of QoS 1 is acknowledged once it is
    in there, and waits for room if there is none.
    """

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
        self._handlers = handlers
        self._clock = clock
        self._log = log
        self._endpoint = CloudEndpoint(
            host=config.iot_host,
            port=config.iot_mqtt_port,
            context=identity.tls_context(config.iot_mqtt_port, MQTT_PROTOCOL),
            way=identity.way(config.proxy),
            keep_alive_seconds=int(config.keep_alive.total_seconds()),
            operation_timeout_seconds=config.mqtt_operation_timeout.total_seconds(),
        )
        self.work = WorkQueue(config.runtime.max_work_item_count, clock=clock, log=log)
        self._wanted = Wanted()
        self._wanted_changed = asyncio.Event()
        self._others: dict[str, tuple[LinkConnection, asyncio.Task[None]]] = {}
        self._held = HeldSubscriptions(config.folders.sessions)
        first = core_client_id(config.thing_name, config.core_client_id)
        self._fallback = subscription_client_id(config.thing_name, 0)
        self._admitted = AdmittedId(config.folders.client_id, (first, self._fallback))
        self._let_in: str | None = None
        self._let_in_changed = asyncio.Event()
        self._main = self._connection(
            ConnectionPlan(self._admitted.in_turn(), tuple(notice_filters)),
            Hearers(
                self._taking(handlers.notice),
                connected=self._main_connected,
                refused=lambda: self._note_admitted(None),
            ),
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
    def connections(self) -> tuple[LinkConnection, ...]:
        """All connections, the first one first."""
        return (self._main, *(connection for connection, _ in self._others.values()))

    @property
    def problem(self) -> str | None:
        """What is wrong with a connection now, or None."""
        return next((c.problem for c in self.connections if c.problem is not None), None)

    async def run(self) -> None:
        """Keep all connections up until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._main.run(), name="cloud link")
            tasks.create_task(self._keep_others(), name="cloud subjects")
            tasks.create_task(self._keep_admitted(), name="cloud client id")
            tasks.create_task(self.work.run(), name="cloud work")

    def listen_to(self, subjects: Sequence[str], *, persistent: bool = False) -> None:
        """Subscribe in the cloud to exactly these topic filters from now on.

        At QoS 0; if `persistent`, at QoS 1 in sessions that outlive their connections for an hour.
        """
        self._want(replace(self._wanted, subjects=tuple(subjects), persistent=persistent))

    def listen_to_shadows(self, filters: Sequence[str]) -> None:
        """Subscribe in the cloud to exactly these topics of shadows from now on."""
        self._want(replace(self._wanted, shadows=tuple(filters)))

    async def wait_connected(self) -> None:
        """Return once the first connection stands."""
        await self._main.connected.wait()

    async def outlet(self) -> LinkOutlet:
        """Return the first connection, once it stands."""
        while (client := self._main.client) is None:
            await self._main.connected.wait()
        return LinkOutlet(client)

    async def publish(self, topic: str, payload: bytes) -> Published:
        """Publish at QoS 1 and return the cloud's answer; `UnavailableError` without one."""
        return as_published(await self._main.publish(topic, payload))

    def publish_unanswered(self, topic: str, payload: bytes) -> None:
        """Publish at QoS 0, or raise `UnavailableError` if the first connection does not stand."""
        if self._main.client is None:
            raise UnavailableError("there is no connection to the cloud")
        self._main.client.publish_unanswered(topic, payload)

    def _want(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._wanted_changed.set()

    def _main_connected(self) -> None:
        self._note_admitted(self._main.client_id)
        self._wanted_changed.set()  # its client id may be one that another connection has
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

    async def _keep_others(self) -> None:
        """Have the connections that what is wanted needs; each goes on while it is one of them."""
        try:
            while True:
                await self._main.connected.wait()
                self._wanted_changed.clear()
                await self._have(self._plans())
                await self._wanted_changed.wait()
        finally:
            await self._stop(tuple(self._others))

    def _plans(self) -> dict[str, ConnectionPlan]:
        """Divide what is wanted; `<core>-c00` is passed over if the first connection has it."""
        taken = 1 if self._main.client_id == self._fallback else 0
        name = self._config.thing_name
        standing = [connection.plan for connection, _ in self._others.values()]
        plans = plan(self._wanted, lambda n: subscription_client_id(name, taken + n), standing)
        return {p.client_ids[0]: p for p in plans}

    async def _have(self, plans: dict[str, ConnectionPlan]) -> None:
        """Stop the connections that are not wanted, change those that are, and begin new ones."""
        retired = [
            client_id
            for client_id, (connection, _) in self._others.items()
            if client_id not in plans or plans[client_id].persistent != connection.plan.persistent
        ]
        for client_id in retired:
            self._others[client_id][0].retire()
        await self._stop(retired)
        standing = self._others
        self._others = {}
        for client_id, new in plans.items():
            if client_id in standing:
                standing[client_id][0].change(new)
                self._others[client_id] = standing[client_id]
            else:
                self._others[client_id] = self._begun(new)

    def _begun(self, new: ConnectionPlan) -> tuple[LinkConnection, asyncio.Task[None]]:
        connection = self._connection(
            new,
            Hearers(
                lambda message, accepted: self._sort(connection.plan, message, accepted),
                heard=lambda filters: self._handlers.shadows_heard(filters) if filters else None,
            ),
        )
        name = f"cloud subjects {new.client_ids[0]}"
        return connection, asyncio.get_running_loop().create_task(connection.run(), name=name)

    def _sort(self, to: ConnectionPlan, message: Incoming, accepted: Accepted) -> None:
        """Give a message to whom it is for; a connection's subjects and shadows do not overlap."""
        of_shadow = any(matches(topic_filter, message.topic) for topic_filter in to.shadows)
        handler = self._handlers.shadow if of_shadow else self._handlers.message
        self._taking(handler)(message, accepted)

    def _taking(
        self, handler: Callable[[CloudMessage], None]
    ) -> Callable[[Incoming, Accepted], None]:
        """Return what queues a message for the handler as work."""

        def take(message: Incoming, accepted: Accepted) -> None:
            heard = CloudMessage(message.topic, message.payload, message.properties)
            if message.qos:
                self.work.add_kept(lambda: handler(heard), accepted)
            else:
                self.work.add(lambda: handler(heard))

        return take

    async def _stop(self, client_ids: Sequence[str]) -> None:
        stopped = [self._others.pop(client_id)[1] for client_id in client_ids]
        for task in stopped:
            task.cancel()
        await asyncio.gather(*stopped, return_exceptions=True)

    def _connection(self, to: ConnectionPlan, hearers: Hearers) -> LinkConnection:
        interval = self._config.mqtt_max_connection_retry_interval
        return LinkConnection(
            to,
            self._endpoint,
            hearers,
            held=self._held,
            backoff=Backoff(interval.total_seconds()),
            clock=self._clock,
            log=self._log,
        )
