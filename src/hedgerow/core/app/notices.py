"""Ask the cloud what to run, and hear its answers: deployments and changed addresses."""

import asyncio
from collections.abc import Callable

from structlog.typing import FilteringBoundLogger

from hedgerow.contract import DeploymentNotice, connectivity_thing, shadow_topic
from hedgerow.core.config import CoreConfig
from hedgerow.core.deployment import Complaint, Heard, ask_topic, notice_filters, read_notice
from hedgerow.core.link import CloudLink, CloudMessage
from hedgerow.kernel import UnavailableError


class NoticeBoard:
    """The core's own topics. A bell makes it ask; an answer is handed on; silence is told."""

    def __init__(
        self,
        config: CoreConfig,
        log: FilteringBoundLogger,
        *,
        on_notice: Callable[[DeploymentNotice], None],
        on_addresses_changed: Callable[[], None],
    ) -> None:
        self._core = config.thing_name
        self._arn = config.thing_arn
        self._answer_seconds = config.mqtt_operation_timeout.total_seconds()
        self._log = log
        self._on_notice = on_notice
        self._on_addresses_changed = on_addresses_changed
        self._addresses_topic = shadow_topic(connectivity_thing(self._core), "update", "delta")
        self._bell = asyncio.Event()
        self._answered = asyncio.Event()
        self.problem: str | None = None

    @property
    def filters(self) -> tuple[str, ...]:
        """What to subscribe to."""
        return (*notice_filters(self._core), self._addresses_topic)

    def ask(self) -> None:
        """Ask the cloud soon what to run."""
        self._bell.set()

    def hear(self, message: CloudMessage) -> None:
        """Take a message on one of the topics."""
        if message.topic == self._addresses_topic:
            self._on_addresses_changed()
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
            try:
                answer = await link.publish(ask_topic(self._core), b"")
            except UnavailableError:
                continue  # the next connection asks again
            if answer.accepted:
                await self._wait_for_answer()
            else:
                self._tell(f"the cloud does not let this core ask what to run: {answer.reason}")

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
