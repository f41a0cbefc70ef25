"""Holds the credentials of the group's role: asks for them when they are wanted, renews ahead.

Source: guide page device-auth (`greengrass:AssumeRoleForGroup`) and statement D04: the cloud is
asked only for what is not held here.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Protocol

from structlog.typing import FilteringBoundLogger

from hedgerow.contract import GroupCredentials
from hedgerow.core.credentials.values import RoleCredentials
from hedgerow.kernel import CallerError, Clock, HedgerowError, UnavailableError

_LOOK_AGAIN: Final = timedelta(seconds=30)
"""How often the keeper looks at the clock, at most: clocks jump, and machines sleep."""

_FIRST_PAUSE: Final = timedelta(seconds=5)
_LONGEST_PAUSE: Final = timedelta(minutes=1)
"""How long a cloud that failed is not asked again, whoever wants credentials; it doubles."""

_PAUSE_SPREAD: Final = 0.5
_DOUBLINGS: Final = 10


class RoleService(Protocol):
    """The cloud's data plane, as the keeper needs it (`link.CloudHttp`)."""

    async def group_credentials(self, group_id: str) -> GroupCredentials:
        """Ask for credentials of the group's role."""


class NoGroupError(CallerError):
    """No group is deployed here, so there is no role."""

    code = "NoGroup"


class RoleKeeper:
    """Keeps the credentials of the role of the group that runs, in memory only.

    What is held is served until it ends while the cloud cannot be reached. When the cloud says
    no - the role was taken away, the core's policy no longer allows it - it is forgotten at once.
    """

    def __init__(
        self,
        service: RoleService,
        *,
        clock: Clock,
        log: FilteringBoundLogger,
        spread: Callable[[], float] = random.random,  # not a secret: it only spreads load
    ) -> None:
        self._service = service
        self._clock = clock
        self._log = log
        self._spread = spread
        self._group_id: str | None = None
        self._heard: tuple[str, str] | None = None
        self._held: RoleCredentials | None = None
        self._given_out = False
        self._failure: HedgerowError | None = None
        self._ask_again_at: datetime | None = None
        self._failures = 0
        self._work = asyncio.Lock()
        self._wake = asyncio.Event()
        self.problem: str | None = None

    @property
    def held(self) -> RoleCredentials | None:
        """What is held now and has not ended."""
        held = self._held
        return held if held is not None and self._clock.now() < held.expires_at else None

    @property
    def group_id(self) -> str | None:
        """The group whose role it is."""
        return self._group_id

    def serve_group(self, group_id: str) -> None:
        """Serve the role of this group from now on; another group's is forgotten."""
        if group_id != self._group_id:
            self.reset()
            self._group_id = group_id

    def role_is(self, group_id: str, version: str) -> None:
        """Hear which association of a role is in force; what was held of another is forgotten."""
        heard = (group_id, version)
        if heard == self._heard:
            return
        self._heard = heard
        if group_id == self._group_id:
            self._given_out = self._given_out or self._held is not None
            self._forget()
            self._wake.set()

    def cloud_is_back(self) -> None:
        """Hear that the cloud can be reached again: it may be asked at once."""
        if isinstance(self._failure, UnavailableError):
            self._failure, self._ask_again_at, self._failures = None, None, 0
            self._wake.set()

    def reset(self) -> None:
        """Forget group and credentials."""
        self._group_id = None
        self._given_out = False
        self.problem = None
        self._forget()

    async def current(self) -> RoleCredentials:
        """Return credentials that have not ended: those held, or the cloud's.

        Raises `NoGroupError`, what the cloud answers, or `UnavailableError`.
        """
        held = self.held
        if held is not None:
            self._given_out = True
            if self._is_due(held):
                self._wake.set()
            return held
        async with self._work:
            got = self.held or await self._ask()
            self._given_out = True
            return got

    async def run(self) -> None:
        """Renew ahead of expiry what is in use, until cancelled."""
        while True:
            self._wake.clear()
            await self.check()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._seconds_to_next_look()):
                    await self._wake.wait()

    async def check(self) -> None:
        """Renew now what is due now and was used; a failure is told and tried again."""
        async with self._work:
            if not self._given_out or self._group_id is None:
                return
            if self.held is None or self._is_due(self.held):
                with contextlib.suppress(HedgerowError):
                    await self._ask()

    def _is_due(self, held: RoleCredentials) -> bool:
        return self._clock.now() >= held.renew_at

    async def _ask(self) -> RoleCredentials:
        """Ask the cloud. To be called by one task at a time."""
        group_id, heard, now = self._group_id, self._heard, self._clock.now()
        if group_id is None:
            raise NoGroupError("no group is deployed to this core, so there is no group role")
        if (
            self._failure is not None
            and self._ask_again_at is not None
            and now < self._ask_again_at
        ):
            raise self._failure.with_traceback(None)
        try:
            answer = await self._service.group_credentials(group_id)
            got = RoleCredentials.of(answer, now=now, spread=self._spread())
        except HedgerowError as error:
            self._failed(error)
            raise
        if (group_id, heard) != (self._group_id, self._heard):
            raise UnavailableError("the group or its role changed meanwhile; ask again")
        self._forget()
        self._held, self.problem = got, None
        self._given_out = False
        self._log.info(
            "credentials of the group role", role=got.role_arn, until=got.expires_at.isoformat()
        )
        return got

    def _failed(self, error: HedgerowError) -> None:
        if not isinstance(error, UnavailableError):
            self._held = None  # the cloud has answered: what it gave before no longer stands
        if not isinstance(error, UnavailableError) or self.held is None:
            if error.message != self.problem:
                self._log.warning("no credentials of the group role", reason=error.message)
            self.problem = error.message
        self._failure = error
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(self._failures, _DOUBLINGS))
        self._failures += 1
        self._ask_again_at = self._clock.now() + pause * (1 - _PAUSE_SPREAD * self._spread())
        if isinstance(error, CallerError):
            self._given_out = False  # a group without a role is no problem to come back to
            self.problem = None

    def _forget(self) -> None:
        self._held = None
        self._failure = None
        self._ask_again_at = None
        self._failures = 0

    def _seconds_to_next_look(self) -> float:
        held, now = self.held, self._clock.now()
        pause = _LOOK_AGAIN
        if self._given_out and held is not None and held.renew_at > now:
            pause = min(pause, held.renew_at - now)
        if self._given_out and held is None and self._ask_again_at is not None:
            pause = max(min(pause, self._ask_again_at - now), timedelta(milliseconds=50))
        return pause.total_seconds()
