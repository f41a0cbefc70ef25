"""Programs that speak MQTT under an IAM identity: proven once, judged by what is so now.

A program proves itself by the signature of the request that begins its WebSocket. Everything it
then does is judged by all the IAM policies of that identity. A key switched off, a session revoked
or expired, a policy changed: the store tells of it, and the program is looked up anew.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final
from weakref import WeakSet

import structlog

from hedgerow.aws import Asked, CredentialSource, Proven
from hedgerow.cloud.access import AccessDecider, ApiEndpoint, Grants
from hedgerow.cloud.access.endpoint import endpoint_of
from hedgerow.cloud.access.keys import call_values
from hedgerow.cloud.home import Home
from hedgerow.cloud.iam.access_keys import ACCESS_KEY
from hedgerow.cloud.iam.documents import GROUP, MANAGED_POLICY, ROLE, USER
from hedgerow.cloud.sts.documents import SESSION
from hedgerow.kernel import Clock, DeniedError
from hedgerow.policy import Decision, Values, context, decide
from hedgerow.store import Change, Store

LOOK_AGAIN_S: Final = 15.0
"""How often programs are looked up without a change: for conditions and sessions about time."""
LONGEST_CONNECTION_S: Final = 24 * 3600.0
"""AWS General Reference, AWS IoT Core quotas: WebSocket connection duration."""
SERVICE: Final = "iotdevicegateway"
_EXPIRED: Final = "the session has expired"
_TIMED: Final = frozenset({"aws:currenttime", "aws:epochtime", "aws:multifactorauthage"})
_FOLLOWED: Final = frozenset(
    kind.name for kind in (USER, GROUP, ROLE, MANAGED_POLICY, ACCESS_KEY, SESSION)
)
_log = structlog.get_logger("hedgerow.cloud.broker.programs")


@dataclass(slots=True, eq=False, weakref_slot=True)
class Program:
    """One connection's proven IAM identity. INVARIANT: only `Programs.enter` makes these."""

    proven: Proven
    asked: Asked
    endpoint: ApiEndpoint | None
    grants: Grants | None = None
    gone: str = "the identity was not looked up"
    """Why nothing is allowed any more, if it is so; else empty."""

    @property
    def principal_id(self) -> str:
        """Return the identity's id, as lifecycle events name it."""
        return self.proven.caller.principal.id

    @property
    def arn(self) -> str:
        """Return the identity's ARN."""
        return self.proven.caller.arn


@dataclass(slots=True)
class Programs:
    """Lets programs of one account in, and keeps what is known of them up to date."""

    store: Store
    home: Home
    credentials: CredentialSource
    decider: AccessDecider
    clock: Clock
    changed: Callable[[], None] = lambda: None
    """Is called after programs were looked up anew."""
    _live: WeakSet[Program] = field(default_factory=WeakSet)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _follower: asyncio.Task[None] | None = None
    _unsubscribe: Callable[[], None] | None = None

    async def start(self) -> None:
        """Follow the store from now on."""
        self._unsubscribe = self.store.on_change(self._heard)
        loop = asyncio.get_running_loop()
        self._follower = loop.create_task(self._follow(), name="programs")

    async def stop(self) -> None:
        """Follow no more."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        if self._follower is not None:
            self._follower.cancel()
            await asyncio.gather(self._follower, return_exceptions=True)
            self._follower = None

    async def enter(
        self, proven: Proven, *, source_ip: str, user_agent: str, peer: object
    ) -> Program:
        """Return a program that has just proven itself. It is not let in anywhere by that.

        `peer` is what the accepting side said of the connection: the private door, if any.
        """
        asked = Asked(
            caller=proven.caller,
            service=SERVICE,
            iam_prefix="iot",
            operation="Connect",
            input={},
            region=self.home.region,
            at=self.clock.now(),
            source_ip=source_ip,
            user_agent=user_agent,
            peer=peer,
        )
        program = Program(proven, asked, endpoint_of(peer))
        self._live.add(program)
        await self._look_up(program)
        return program

    def judge(
        self, program: Program, action: str, resource: str, more: dict[str, Values]
    ) -> Decision:
        """Decide by the policies of a program's identity, as they were last looked up."""
        grants, expires_at = program.grants, program.proven.credential.expires_at
        if grants is None or (expires_at is not None and expires_at <= self.clock.now()):
            return _no(program.gone or _EXPIRED)
        asked = replace(program.asked, at=self.clock.now())
        known = context({**call_values(grants.wanted, asked), **more})
        return decide(grants.policies, grants.request(action, resource, known))

    async def look_up_all(self) -> None:
        """Look every program up anew; tell if an answer may be another now."""
        is_news = False
        for program in tuple(self._live):
            before = (program.grants, program.gone)
            await self._look_up(program)
            is_news |= (program.grants, program.gone) != before or self._goes_by_time(program)
        if is_news:
            self.changed()

    def is_overdue(self, program: Program) -> bool:
        """Return whether a program's connection has lasted as long as one may."""
        return (self.clock.now() - program.asked.at).total_seconds() >= LONGEST_CONNECTION_S

    def _goes_by_time(self, program: Program) -> bool:
        grants = program.grants
        timed = grants is not None and any(key in _TIMED for key, _ in grants.wanted.of_call)
        return timed or self.is_overdue(program)

    async def _look_up(self, program: Program) -> None:
        caller = program.proven.caller
        try:
            credential = await self.credentials.find(caller.access_key_id, None)
            if credential is None or credential.secret != program.proven.credential.secret:
                program.grants, program.gone = None, "the access key is not active any more"
                return
            if credential.expires_at is not None and credential.expires_at <= self.clock.now():
                program.grants, program.gone = None, _EXPIRED
                return
            grants = await self.decider.grants(credential.principal, program.endpoint)
        except DeniedError as error:
            program.grants, program.gone = None, error.message
        except Exception as error:  # noqa: BLE001 - what cannot be looked up is allowed nothing
            _log.error("a program could not be looked up", failure=type(error).__name__)
            program.grants, program.gone = None, "the identity could not be looked up"
        else:
            program.grants, program.gone = grants, ""

    async def _follow(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await self._news.wait()
            self._news.clear()
            await self.look_up_all()

    def _heard(self, change: Change) -> None:
        if change.account == self.home.account and change.kind in _FOLLOWED and self._live:
            self._news.set()


def _no(reason: str) -> Decision:
    return Decision(
        allowed=False, effect="implicit-deny", policy=None, statement=None, reason=reason
    )
