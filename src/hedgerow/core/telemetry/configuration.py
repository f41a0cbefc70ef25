"""The core's runtime configuration: heard through its shadow, put in force at once, reported.

Source: guide page telemetry. Changes need no deployment; what was heard last holds while the cloud
cannot be reached, also over a stop.
"""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Protocol

import msgspec
from structlog.typing import FilteringBoundLogger

from hedgerow.contract import (
    DEFAULT_TELEMETRY,
    ShadowId,
    TelemetrySetting,
    configuration_thing,
    shadow_topic,
    telemetry_setting,
    telemetry_state,
)
from hedgerow.core.link import HttpAnswer
from hedgerow.kernel import HedgerowError, UnavailableError


class CloudShadows(Protocol):
    """The cloud's data plane, as it is needed here (`link.CloudHttp`)."""

    async def shadow(self, method: str, shadow: ShadowId, body: bytes | None = None) -> HttpAnswer:
        """Read a shadow."""

    async def report_shadow(self, thing_name: str, reported: object) -> None:
        """Set the reported state of a thing's shadow."""


class Retry(Protocol):
    """Delays between attempts (`link.Backoff`)."""

    def next_delay(self) -> float:
        """Return the seconds to wait now."""

    def reset(self) -> None:
        """Start again from the shortest delay."""


class RuntimeConfiguration:
    """Asks when the bell rings: on a new connection, and when the shadow says it has changed."""

    def __init__(
        self,
        core_thing_name: str,
        cloud: CloudShadows,
        switch: Callable[[TelemetrySetting], Awaitable[None]],
        *,
        retry: Retry,
        log: FilteringBoundLogger,
    ) -> None:
        self._thing = configuration_thing(core_thing_name)
        self._cloud = cloud
        self._switch = switch
        self._retry = retry
        self._log = log
        self._bell = asyncio.Event()
        self.problem: str | None = None

    @property
    def topic(self) -> str:
        """What to subscribe to: a message on it rings the bell."""
        return shadow_topic(self._thing, "update", "delta")

    def look_again(self) -> None:
        """Ask the cloud soon what is wished for."""
        self._bell.set()

    async def run(self) -> None:
        """Ask whenever the bell rings, until cancelled."""
        while True:
            await self._bell.wait()
            self._bell.clear()
            try:
                await self.check()
                self._retry.reset()
            except UnavailableError as error:
                self._log.info("the runtime configuration is asked for again", reason=error.message)
                await self._pause()
                self._bell.set()
            except HedgerowError as error:
                self._tell(error.message)
            else:
                self.problem = None

    async def check(self) -> None:
        """Ask what is wished for, put it in force, and report it if that was not done yet."""
        state = await self._state()
        wanted = telemetry_setting(state.get("desired")) or DEFAULT_TELEMETRY
        await self._switch(wanted)
        if telemetry_setting(state.get("reported")) != wanted:
            await self._cloud.report_shadow(self._thing, telemetry_state(wanted))

    async def _state(self) -> dict[str, Any]:
        answer = await self._cloud.shadow("GET", ShadowId(self._thing))
        if answer.status == HTTPStatus.NOT_FOUND:
            return {}
        if answer.status != HTTPStatus.OK:
            raise UnavailableError(f"the shadow of {self._thing} was answered {answer.status}")
        try:
            return msgspec.json.decode(answer.body, type=_Document).state
        except msgspec.DecodeError as error:
            raise UnavailableError(f"the shadow of {self._thing} cannot be read") from error

    async def _pause(self) -> None:
        """Wait for the retry delay, or for the bell."""
        try:
            async with asyncio.timeout(self._retry.next_delay()):
                await self._bell.wait()
        except TimeoutError:
            return

    def _tell(self, reason: str) -> None:
        problem = f"the runtime configuration cannot be read or reported: {reason}"
        if problem != self.problem:
            self._log.warning("no runtime configuration", reason=reason)
        self.problem = problem


class _Document(msgspec.Struct, frozen=True):
    """The part of a shadow's document that is read."""

    state: dict[str, Any] = {}
