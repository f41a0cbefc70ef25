"""The life of one connection to the cloud's broker: connect, subscribe, listen, come back."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import (
    AsyncIterator,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field
from typing import Any

from structlog.typing import FilteringBoundLogger

from hedgerow.core.link.answers import Answer
from hedgerow.core.link.backoff import Backoff
from hedgerow.core.link.client import Accepted, CloudClient, Credentials, Incoming
from hedgerow.core.link.failures import explain_failure
from hedgerow.core.link.plans import ConnectionPlan
from hedgerow.core.link.sessions import HeldSubscriptions
from hedgerow.core.link.tunnel import Way, open_tls
from hedgerow.kernel import Clock, DeniedError, HedgerowError, UnavailableError
from hedgerow.mqtt.codec import NO_PROPERTIES, Properties, SubscribeItem

_FILTERS_PER_SUBSCRIBE = 8
"""AWS IoT takes at most eight filters in one SUBSCRIBE packet."""

_CONNECT_SECONDS = 20.0
"""How long a connection may take to stand: TCP, TLS and the answer to CONNECT."""

_LASTED_SECONDS = 10.0
"""A connection that stood so long was a success: the next failure waits the shortest time."""

_CONFLICT_SECONDS = 600.0
"""How long another connection with the same client id stays the problem after it was noticed.

Two that throw each other off are connected most of the time, each of them in turn."""

_REFUSED_FILTERS_SECONDS = 60.0
"""How often a subscription that the cloud refused is asked for again: policies change."""

_SESSION_EXPIRY_SECONDS = 3600
"""How long the cloud keeps a persistent session (guide page gg-core: one hour by default)."""

# A dead path is noticed by the operating system long before a keep-alive of ten minutes ends.
_SOCKET_OPTIONS = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)


@dataclass(frozen=True, slots=True)
class CloudMessage:
    """A message from the cloud."""

    topic: str
    payload: bytes = field(repr=False)
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class CloudEndpoint:
    """How to reach the cloud's broker, and with what patience."""

    host: str
    port: int
    context: ssl.SSLContext
    way: Way
    keep_alive_seconds: int
    operation_timeout_seconds: float

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Hearers:
    """Whom a connection tells what. All are called on the loop."""

    message: Callable[[Incoming, Accepted], None]
    connected: Callable[[], None] = lambda: None
    refused: Callable[[], None] = lambda: None
    heard: Callable[[Sequence[str]], None] = lambda _filters: None
    """From now on what matches these topic filters is heard; it was not before."""


class LinkConnection:
    """Keeps one connection up until cancelled.

    A refused client id is followed by the next one at once; everything else waits for the
    back-off. That starts anew after a connection that stood long, or that the cloud ended over a
    message of the queue: whoever fills the queue must not keep the core from hearing of the cloud.
    `problem` says what is wrong now, in the cloud's own words where it gave some.
    """

    def __init__(
        self,
        plan: ConnectionPlan,
        endpoint: CloudEndpoint,
        hearers: Hearers,
        *,
        held: HeldSubscriptions,
        backoff: Backoff,
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self.plan = plan
        self._endpoint = endpoint
        self._hearers = hearers
        self._held = held
        self._backoff = backoff
        self._clock = clock
        self._log = log
        self._id_index = 0
        self._changed = asyncio.Event()
        self._retired = False
        self._taken_over_at: float | None = None
        self._refused_filters: dict[str, str] = {}
        self._ended_over_queue = False
        self._problem: str | None = None
        self.client: CloudClient | None = None
        """The connection that stands."""
        self.connected = asyncio.Event()

    @property
    def client_id(self) -> str:
        """The client id that is used now."""
        return self.plan.client_ids[self._id_index]

    @property
    def problem(self) -> str | None:
        """What is wrong now, or None."""
        if self._problem is not None:
            return self._problem
        if self._taken_over_at is not None:
            if self._clock.monotonic() - self._taken_over_at < _CONFLICT_SECONDS:
                return self._conflict()
            self._taken_over_at = None
        return next(
            (
                f"the cloud refused to subscribe to {f}: {a}"
                for f, a in self._refused_filters.items()
            ),
            None,
        )

    def change(self, plan: ConnectionPlan) -> None:
        """Subscribe to what this plan says from now on, without a new connection.

        What the cloud has refused is asked for again, also if the plan is the same.
        """
        if plan != self.plan or self._refused_filters:
            self.plan = plan
            self._changed.set()

    def retire(self) -> None:
        """Let the cloud forget the session when this is cancelled: nobody will come back for it."""
        self._retired = True

    async def run(self) -> None:
        """Keep the connection up until cancelled."""
        while True:
            started = self._clock.monotonic()
            self._ended_over_queue = False
            try:
                await self._stand()
            except DeniedError as error:
                self._hearers.refused()
                if self._try_next_id():
                    self._log.info("another client id is tried", reason=error.message)
                    continue
                self._tell(error)
            except HedgerowError as error:
                self._tell(error)
            except Exception:  # noqa: BLE001 - a bug in one connection does not end the link
                self._log.exception("the connection to the cloud failed")
            lasted = self._clock.monotonic() - started >= _LASTED_SECONDS
            if lasted or self._ended_over_queue:
                self._backoff.reset()
            await asyncio.sleep(self._backoff.next_delay())

    async def publish(self, topic: str, payload: bytes) -> Answer:
        """Publish at QoS 1 and return the cloud's answer, or raise `UnavailableError` without."""
        if self.client is None:
            raise UnavailableError("there is no connection to the cloud")
        return await self.client.publish(topic, payload)

    async def _stand(self) -> None:
        """Connect and serve until the connection ends; always raises."""
        async with self._entered() as client:
            self._problem = None
            self._refused_filters = {}
            subscribed: dict[str, int] = {}
            self._changed.clear()
            await self._subscribe(client, subscribed)
            with self._in_force(client):
                self._log.info("connected to the cloud", client_id=self.client_id)
                self._hearers.connected()
                while True:
                    await self._wait_for_change(client)
                    if client.is_over:
                        return
                    self._changed.clear()
                    refused = set(self._refused_filters)
                    await self._subscribe(client, subscribed)
                    if not refused.isdisjoint(subscribed):
                        self._hearers.connected()  # only now all is heard that it is about

    async def _wait_for_change(self, client: CloudClient) -> None:
        """Return when the connection is over or there is something to subscribe to."""
        events = [client.wait_over(), self._changed.wait()]
        if self._refused_filters:
            events.append(asyncio.sleep(_REFUSED_FILTERS_SECONDS))
        await _first_of(*events)

    @contextlib.contextmanager
    def _in_force(self, client: CloudClient) -> Iterator[None]:
        """Let others publish on this connection."""
        self.client = client
        self.connected.set()
        try:
            yield
        finally:
            self.connected.clear()
            self.client = None

    @contextlib.asynccontextmanager
    async def _entered(self) -> AsyncIterator[CloudClient]:
        """Have a connection that the cloud has let in, and put its end into words."""
        client = self._new_client()
        try:
            await self._connect(client)
            try:
                yield client
            except UnavailableError:
                if not client.is_over:
                    raise
        except asyncio.CancelledError:
            await client.say_goodbye(forget=self._retired)
            if self._retired:
                self._remember(())
            raise
        finally:
            client.give_up("this core has ended the connection")
        raise self._ended(client)

    def _new_client(self) -> CloudClient:
        endpoint, plan = self._endpoint, self.plan
        return CloudClient(
            Credentials(
                self.client_id,
                endpoint.keep_alive_seconds,
                clean_start=not plan.persistent,
                session_expiry_s=_SESSION_EXPIRY_SECONDS if plan.persistent else 0,
            ),
            endpoint.operation_timeout_seconds,
            self._hearers.message,
        )

    async def _connect(self, client: CloudClient) -> None:
        endpoint = self._endpoint
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await open_tls(
                    lambda: client,
                    endpoint.host,
                    endpoint.port,
                    context=endpoint.context,
                    way=endpoint.way,
                )
                client.set_options(_SOCKET_OPTIONS)
                answer = await client.connected()
        except TimeoutError as error:
            raise UnavailableError(
                f"cannot connect to {endpoint}: there was no answer in time"
            ) from error
        except OSError as error:
            raise explain_failure(error, str(endpoint), self._clock.now()) from error
        except UnavailableError as error:
            if client.disconnect_answer is None and client.lost_because is not None:
                lost = client.lost_because
                raise explain_failure(lost, str(endpoint), self._clock.now()) from error
            raise
        if answer.is_failure:
            raise self._refusal(answer)

    async def _subscribe(self, client: CloudClient, subscribed: dict[str, int]) -> None:
        """Bring what the cloud sends in line with the plan."""
        plan, wanted = self.plan, dict(self.plan.filters)
        known = set(subscribed)
        if plan.persistent:
            known |= self._held.of(self.client_id) if client.session_present else set()
            self._remember(known | set(wanted))
        else:
            self._remember(())
        await self._unsubscribe(client, sorted(known - set(wanted)))
        for topic_filter in known - set(wanted):
            subscribed.pop(topic_filter, None)
        for topic_filter in self._refused_filters.keys() - wanted.keys():
            self._refused_filters.pop(topic_filter)
        new = {f: qos for f, qos in wanted.items() if subscribed.get(f) != qos}
        granted = await self._ask_for(client, new)
        subscribed.update((f, new[f]) for f in granted)
        if plan.persistent:
            self._remember(wanted)
        self._hearers.heard([f for f in granted if f in plan.shadows])

    async def _unsubscribe(self, client: CloudClient, filters: Sequence[str]) -> None:
        for start in range(0, len(filters), _FILTERS_PER_SUBSCRIBE):
            await client.unsubscribe(filters[start : start + _FILTERS_PER_SUBSCRIBE])

    async def _ask_for(self, client: CloudClient, new: Mapping[str, int]) -> list[str]:
        """Subscribe, and return what the cloud has granted."""
        granted = []
        # Retained messages come only with what is new in the session.
        items = [SubscribeItem(f, qos, retain_handling=1) for f, qos in new.items()]
        for start in range(0, len(items), _FILTERS_PER_SUBSCRIBE):
            chunk = items[start : start + _FILTERS_PER_SUBSCRIBE]
            answers = await client.subscribe(chunk)
            for item, answer in zip(chunk, answers, strict=False):
                if not answer.is_failure:
                    granted.append(item.topic_filter)
                    self._refused_filters.pop(item.topic_filter, None)
                    continue
                if self._refused_filters.get(item.topic_filter) == str(answer):
                    continue
                self._refused_filters[item.topic_filter] = str(answer)
                self._log.error(
                    "the cloud refused a subscription",
                    topic_filter=item.topic_filter,
                    client_id=self.client_id,
                    reason=str(answer),
                )
        return granted

    def _remember(self, filters: Iterable[str]) -> None:
        """Write down what a session may hold; a disk that takes nothing costs only tidiness."""
        try:
            self._held.set(self.client_id, filters)
        except OSError as error:
            self._log.warning("subscriptions could not be remembered", reason=str(error))

    def _refusal(self, answer: Answer) -> HedgerowError:
        text = f"the cloud refused to connect {self.client_id!r}: {answer}"
        return DeniedError(text) if answer.refuses_client_id else UnavailableError(text)

    def _ended(self, client: CloudClient) -> HedgerowError:
        """Say why a connection ended that had stood."""
        answer = client.disconnect_answer
        self._ended_over_queue = client.ended_over_queue
        if answer is not None and answer.session_taken_over:
            self._taken_over_at = self._clock.monotonic()
            return UnavailableError(self._conflict())
        if answer is not None:
            return UnavailableError(f"the cloud ended the connection: {answer}")
        because = client.lost_because or "the cloud closed it"
        return UnavailableError(f"the connection to {self._endpoint} was lost: {because}")

    def _conflict(self) -> str:
        return (
            f"another connection uses the client id {self.client_id!r} and took this one's place "
            "(conflicting client IDs); give each core a thing name or coreClientId of its own"
        )

    def _try_next_id(self) -> bool:
        """Move on to the next client id; False when all were tried and it starts over."""
        self._id_index = (self._id_index + 1) % len(self.plan.client_ids)
        return self._id_index != 0

    def _tell(self, error: HedgerowError) -> None:
        self._problem = error.message
        self._log.warning("no connection to the cloud", reason=error.message)


async def _first_of(*events: Coroutine[Any, Any, object]) -> None:
    """Return when the first of these is done."""
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(event, name="cloud connection") for event in events]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
