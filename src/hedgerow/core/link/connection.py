"""The life of one connection to the cloud's broker: connect, subscribe, listen, come back."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiomqtt
from structlog.typing import FilteringBoundLogger

from hedgerow.core.link.backoff import Backoff
from hedgerow.core.link.client import Answer, ClientSettings, ReasonedClient
from hedgerow.core.link.failures import explain_failure
from hedgerow.kernel import Clock, DeniedError, HedgerowError, UnavailableError

_FILTERS_PER_SUBSCRIBE = 8
"""AWS IoT takes at most eight filters in one SUBSCRIBE packet."""

_LASTED_SECONDS = 10.0
"""A connection that stood so long was a success: the next failure waits the shortest time."""

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class CloudMessage:
    """A message from the cloud."""

    topic: str
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ConnectionPlan:
    """What a connection is for: the client ids to try in turn, and what to subscribe to."""

    client_ids: tuple[str, ...]
    filters: tuple[str, ...]
    qos: int = 0
    of_shadows: bool = False


class LinkConnection:
    """Keeps one connection up until cancelled.

    A refused client id is followed by the next one at once; everything else waits for the
    back-off. `problem` says what is wrong now, in the cloud's own words where it gave some.
    """

    def __init__(
        self,
        plan: ConnectionPlan,
        settings: ClientSettings,
        context: ssl.SSLContext,
        *,
        backoff: Backoff,
        clock: Clock,
        log: FilteringBoundLogger,
        on_message: Callable[[CloudMessage], None],
        on_connected: Callable[[], None] = lambda: None,
        on_refused: Callable[[], None] = lambda: None,
    ) -> None:
        self._plan = plan
        self._settings = settings
        self._context = context
        self._backoff = backoff
        self._clock = clock
        self._log = log
        self._on_message = on_message
        self._on_connected = on_connected
        self._on_refused = on_refused
        self._id_index = 0
        self._client: ReasonedClient | None = None
        self._publishing = asyncio.Lock()
        self._lost = asyncio.Event()
        """Set when the connection that stands has to end or has ended; each has its own."""
        self.connected = asyncio.Event()
        self.problem: str | None = None

    @property
    def client_id(self) -> str:
        """The client id that is used now."""
        return self._plan.client_ids[self._id_index]

    async def run(self) -> None:
        """Keep the connection up until cancelled."""
        while True:
            started = self._clock.monotonic()
            try:
                await self._stand()
            except DeniedError as error:
                self._on_refused()
                if self._try_next_id():
                    self._log.info("another client id is tried", reason=error.message)
                    continue
                self._tell(error)
            except HedgerowError as error:
                self._tell(error)
            except Exception:  # noqa: BLE001 - a bug in one connection does not end the link
                self._log.exception("the connection to the cloud failed")
            if self._clock.monotonic() - started >= _LASTED_SECONDS:
                self._backoff.reset()
            await asyncio.sleep(self._backoff.next_delay())

    async def publish(self, topic: str, payload: bytes, qos: int) -> Answer:
        """Publish and return the cloud's answer, or raise `UnavailableError` without one.

        One publication is in flight at a time. One that is not answered in time ends the
        connection it was made on, so that it is not answered later and sent twice; one whose
        connection ends fails with it.
        """
        async with self._publishing:
            client, lost = self._client, self._lost
            if client is None:
                raise UnavailableError("there is no connection to the cloud")
            try:
                return await _unless(
                    lost,
                    client.publish_answered(topic, payload, qos),
                    "the connection ended before the cloud acknowledged a message",
                )
            except (aiomqtt.MqttError, ValueError) as error:
                lost.set()
                raise UnavailableError(
                    f"the cloud did not acknowledge a message: {error}"
                ) from error

    async def _stand(self) -> None:
        """Connect and serve until the connection ends; always raises."""
        client = ReasonedClient(self._settings, self._context, self.client_id)
        async with self._entered(client):
            self.problem = None
            await self._subscribe(client)
            with self._in_force(client) as lost:
                self._log.info("connected to the cloud", client_id=self.client_id)
                self._on_connected()
                await _unless(
                    lost,
                    self._receive(client),
                    "the connection was given up: a message was not acknowledged",
                )

    @contextlib.contextmanager
    def _in_force(self, client: ReasonedClient) -> Iterator[asyncio.Event]:
        """Let others publish on this connection; whatever is in flight at its end fails then."""
        lost = self._lost = asyncio.Event()
        self._client = client
        self.connected.set()
        try:
            yield lost
        finally:
            self.connected.clear()
            self._client = None
            lost.set()

    @contextlib.asynccontextmanager
    async def _entered(self, client: ReasonedClient) -> AsyncIterator[None]:
        """Enter the client, and put its failures into words."""
        place = f"{self._settings.host}:{self._settings.port}"
        try:
            async with client:
                yield
        except aiomqtt.MqttError as error:
            answer = client.connect_answer
            if answer is not None and answer.is_failure:
                raise self._refusal(answer) from error
            if client.disconnect_answer is not None:
                raise self._ended(client.disconnect_answer) from error
            lost = client.lost_because() or error
            if answer is not None:
                raise UnavailableError(f"the connection to {place} was lost: {lost}") from error
            raise explain_failure(lost, place, self._clock.now()) from error

    async def _subscribe(self, client: ReasonedClient) -> None:
        filters = self._plan.filters
        for start in range(0, len(filters), _FILTERS_PER_SUBSCRIBE):
            chunk = filters[start : start + _FILTERS_PER_SUBSCRIBE]
            answers = await client.subscribe_answered(chunk, self._plan.qos)
            for topic_filter, answer in zip(chunk, answers, strict=False):
                if answer.is_failure:
                    self._log.error(
                        "the cloud refused a subscription",
                        topic_filter=topic_filter,
                        client_id=self.client_id,
                        reason=str(answer),
                    )
                    self.problem = f"the cloud refused to subscribe to {topic_filter}: {answer}"

    async def _receive(self, client: ReasonedClient) -> None:
        async for message in client.messages:
            payload = message.payload
            if isinstance(payload, bytes | bytearray):
                self._on_message(CloudMessage(message.topic.value, bytes(payload)))

    def _refusal(self, answer: Answer) -> HedgerowError:
        text = f"the cloud refused to connect {self.client_id!r}: {answer}"
        return DeniedError(text) if answer.refuses_client_id else UnavailableError(text)

    def _ended(self, answer: Answer) -> HedgerowError:
        if answer.session_taken_over:
            return UnavailableError(
                f"another connection uses the client id {self.client_id!r} and took this one's "
                "place; give each core a thing name or coreClientId of its own"
            )
        return UnavailableError(f"the cloud ended the connection: {answer}")

    def _try_next_id(self) -> bool:
        """Move on to the next client id; False when all were tried and it starts over."""
        self._id_index = (self._id_index + 1) % len(self._plan.client_ids)
        return self._id_index != 0

    def _tell(self, error: HedgerowError) -> None:
        self.problem = error.message
        self._log.warning("no connection to the cloud", reason=error.message)


async def _unless(lost: asyncio.Event, work: Coroutine[Any, Any, R], reason: str) -> R:
    """Return what the work returns; `UnavailableError` if the connection is lost first."""
    loop = asyncio.get_running_loop()
    working = loop.create_task(work, name="work on the cloud connection")
    losing = loop.create_task(lost.wait(), name="cloud connection lost")
    try:
        await asyncio.wait({working, losing}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise UnavailableError(reason)
    finally:
        for task in (working, losing):
            task.cancel()
        await asyncio.gather(working, losing, return_exceptions=True)
