"""Ask the cloud what to run, and hear its answers: deployments and changed addresses.

After every connect this comes first, and only then does the queue publish: the cloud may end a
connection over what the queue sends, and whoever fills the queue could otherwise keep the core
from hearing of deployments and revocations.
"""

import asyncio
from collections.abc import Callable, Mapping

from structlog.typing import FilteringBoundLogger

from hedgerow.contract import DeploymentNotice, connectivity_thing, shadow_topic
from hedgerow.core.config import CoreConfig
from hedgerow.core.deployment import Complaint, Heard, ask_topic, notice_filters, read_notice
from hedgerow.core.link import CloudLink, CloudMessage, LinkOutlet
from hedgerow.kernel import UnavailableError


class NoticeBoard:
    """The core's own topics. A bell makes it ask; an answer is handed on; silence is told."""

    def __init__(
        self,
        config: CoreConfig,
        log: FilteringBoundLogger,
        *,
        on_notice: Callable[[DeploymentNotice], None],
        bells: Mapping[str, Callable[[], None]],
    ) -> None:
        """`bells` are further topics, with what each message on them rings."""
        self._core = config.thing_name
        self._arn = config.thing_arn
        self._answer_seconds = config.mqtt_operation_timeout.total_seconds()
        self._log = log
        self._on_notice = on_notice
        self._bells = dict(bells)
        self._bell = asyncio.Event()
        self._answered = asyncio.Event()
        self._connection = 0
        self._caught_up = asyncio.Event()
        self.problem: str | None = None

    @property
    def filters(self) -> tuple[str, ...]:
        """What to subscribe to."""
        return (*notice_filters(self._core), *self._bells)

    def connected(self) -> None:
        """Ask on a new connection; what was asked on the one before is not answered any more."""
        self._connection += 1
        self._caught_up.clear()
        self._answered.set()
        self.ask()

    def ask(self) -> None:
        """Ask the cloud soon what to run."""
        self._bell.set()

    def hear(self, message: CloudMessage) -> None:
        """Take a message on one of the topics."""
        ring = self._bells.get(message.topic)
        if ring is not None:
            ring()
            return
        heard = read_notice(self._core, message.topic, message.payload)
        if heard is Heard.ASK:
            self.ask()
        elif heard is not None:
            self._answered.set()
            self.problem = None
        if isinstance(heard, DeploymentNotice):
            self._on_notice(heard)
        elif isinstance(heard, Complaint):
            self._tell(heard.text)

    async def run(self, link: CloudLink) -> None:
        """Ask whenever the bell rings, until cancelled."""
        while True:
            await self._bell.wait()
            self._bell.clear()
            self._answered.clear()
            connection = self._connection
            try:
                answer = await link.publish(ask_topic(self._core), b"")
            except UnavailableError:
                continue  # the next connection asks again
            if answer.accepted:
                await self._wait_for_answer()
            else:
                self._tell(f"the cloud does not let this core ask what to run: {answer.reason}")
            if connection == self._connection:
                self._caught_up.set()

    async def outlet(self, link: CloudLink) -> LinkOutlet:
        """Return the first connection, once the core has heard over it what to run, or in vain."""
        while True:
            outlet = await link.outlet()
            if self._caught_up.is_set():
                return outlet
            await self._caught_up.wait()

    async def _wait_for_answer(self) -> None:
        try:
            async with asyncio.timeout(self._answer_seconds):
                await self._answered.wait()
        except TimeoutError:
            topic = f"{ask_topic(self._core)}/accepted"
            resource = f"arn:aws:iot:{self._arn.region}:{self._arn.account}:topic/{topic}"
            self._tell(
                f"no answer on {topic} came within {self._answer_seconds:.0f} s; "
                f"the core's policy must allow iot:Receive on {resource}"
            )

    def _tell(self, problem: str) -> None:
        self.problem = problem
        self._log.error("no word of deployments", reason=problem)


class AfterNotices:
    """Connections for the queue, each after its notices; a `spool.Publisher`."""

    def __init__(self, link: CloudLink, notices: NoticeBoard) -> None:
        self._link = link
        self._notices = notices

    async def outlet(self) -> LinkOutlet:
        """Return the first connection, once what to run was heard over it."""
        return await self._notices.outlet(self._link)


def addresses_topic(core_thing_name: str) -> str:
    """Return the topic on which a core hears that its published addresses changed."""
    return shadow_topic(connectivity_thing(core_thing_name), "update", "delta")
