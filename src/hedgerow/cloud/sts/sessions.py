"""Temporary credentials: made, revoked, and forgotten some time after they have ended."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog

from hedgerow.aws import Principal
from hedgerow.cloud.iam.directory import IamDirectory
from hedgerow.cloud.iam.facts import RoleFacts
from hedgerow.cloud.iam.key_ids import TEMPORARY, account_of, new_key_id
from hedgerow.cloud.sts.documents import SESSION, SessionKind, StoredSession
from hedgerow.cloud.sts.endings import Endings
from hedgerow.cloud.sts.live_sessions import Issuer, LiveSessions
from hedgerow.cloud.sts.principals import session_principal
from hedgerow.cloud.sts.service_trust import require_service_trust
from hedgerow.kernel import Clock, DeniedError, Secret, new_token
from hedgerow.store import Record, Store

KEPT_AFTER_END: Final = timedelta(days=1)
"""How long an ended session is remembered, so that its holder hears that it has expired."""

CLEANING_SECONDS: Final = 3600.0
FORGOTTEN_AT_ONCE: Final = 200
"""Sessions removed in one transaction, so that other writers do not wait long."""

_SECRET_BITS: Final = 240
_TOKEN_BITS: Final = 512

_log = structlog.get_logger("hedgerow.cloud.sts")


@dataclass(frozen=True, slots=True)
class Grant:
    """What was decided that a session is to be. `issuer_id` is that of its role, user or root."""

    kind: SessionKind
    account: str
    issuer_id: str
    name: str
    duration: timedelta
    mfa_at: datetime | None = None
    source_identity: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    transitive: tuple[str, ...] = ()
    policy: str = ""
    policy_arns: tuple[str, ...] = ()
    invoked_by: str = ""
    context: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TemporaryCredentials:
    """Credentials of a session, given out once, and whom they stand for."""

    access_key_id: str
    secret_access_key: Secret[str]
    session_token: Secret[str]
    expires_at: datetime
    principal: Principal


class Sessions:
    """Makes and ends the temporary credentials of all accounts.

    INVARIANT: `issue` is reached only with a `Grant`, which the operations of STS make after
    judging, or by `assume_role_for_service`, which judges itself.
    """

    def __init__(self, store: Store, directory: IamDirectory, clock: Clock) -> None:
        self._store = store
        self._directory = directory
        self._clock = clock
        self._endings = Endings()
        self._live = LiveSessions(self._kept)
        self._learnt = False
        self._cleaner: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Forget ended sessions now and then."""
        if self._cleaner is None:
            loop = asyncio.get_running_loop()
            self._cleaner = loop.create_task(self._clean(), name="ended sessions")

    async def stop(self) -> None:
        """Stop forgetting; sessions go on."""
        if self._cleaner is not None:
            self._cleaner.cancel()
            await asyncio.gather(self._cleaner, return_exceptions=True)
            self._cleaner = None

    async def issue(self, grant: Grant) -> TemporaryCredentials:
        """Make credentials; they are good from the moment this returns.

        Raises `Throttling` if a caller asked for them and the user, role or root has as many live
        sessions as it may; `DeniedError` if it is gone.
        """
        now = self._clock.now().replace(microsecond=0)
        stored = StoredSession(
            kind=grant.kind,
            secret=new_token(_SECRET_BITS),
            token=new_token(_TOKEN_BITS),
            issuer_id=grant.issuer_id,
            name=grant.name,
            issued_at=now,
            expires_at=now + grant.duration,
            mfa_at=grant.mfa_at,
            source_identity=grant.source_identity,
            tags=dict(grant.tags),
            transitive=grant.transitive,
            policy=grant.policy,
            policy_arns=grant.policy_arns,
            invoked_by=grant.invoked_by,
            context=dict(grant.context),
        )
        principal = await session_principal(self._directory, grant.account, stored)
        if principal is None:
            raise DeniedError("the user or role was deleted meanwhile; no session can be made")
        key_id = new_key_id(TEMPORARY, grant.account)
        await self._keep(grant, key_id, stored)
        return TemporaryCredentials(
            access_key_id=key_id,
            secret_access_key=Secret(stored.secret),
            session_token=Secret(stored.token),
            expires_at=stored.expires_at,
            principal=principal,
        )

    async def _keep(self, grant: Grant, key_id: str, stored: StoredSession) -> None:
        issuer = (grant.account, grant.issuer_id)
        bounded = not grant.invoked_by
        room: tuple[str, ...] = ()
        if bounded:
            room = await self._live.admit(issuer, key_id, stored.expires_at, stored.issued_at)
        try:
            async with self._store.transaction() as tx:
                await tx.insert(SESSION, grant.account, key_id, stored, parent=grant.issuer_id)
        except BaseException:
            if bounded:
                self._live.release(issuer, key_id)
            raise
        self._endings.add(stored.expires_at, grant.account, key_id)
        await self._forget([(grant.account, ended) for ended in room])

    async def _kept(self, issuer: Issuer) -> dict[str, datetime]:
        account, issuer_id = issuer
        records = await self._store.all(SESSION, account, parent=issuer_id)
        return {
            record.id: record.document.expires_at
            for record in records
            if not record.document.invoked_by
        }

    async def assume_role_for_service(
        self,
        role_arn: str,
        *,
        service: str,
        source_account: str,
        source_arn: str,
        session_name: str,
        duration: timedelta,
        context: Mapping[str, str] | None = None,
    ) -> TemporaryCredentials:
        """Let an AWS service (`greengrass.amazonaws.com`) assume a role on behalf of a resource.

        `context` is what conditions know of the session's calls beside what is known of everyone's.
        The role's trust policy is judged with `aws:SourceAccount` and `aws:SourceArn`. Raises
        `DeniedError` that says what the trust policy lacks.
        """
        role = await self._directory.role(role_arn)
        if role is None:
            raise DeniedError(f"the role {role_arn} does not exist")
        require_service_trust(
            role,
            service=service,
            source_account=source_account,
            source_arn=source_arn,
            at=self._clock.now(),
        )
        return await self.issue(
            Grant(
                kind="AssumedRole",
                account=role.account,
                issuer_id=role.id,
                name=session_name,
                duration=_at_most(duration, role),
                invoked_by=service,
                context=context or {},
            )
        )

    async def of_key(self, access_key_id: str) -> StoredSession | None:
        """Return what is kept of a session, by the id of its key, or None."""
        account = account_of(access_key_id)
        if account is None:
            return None
        record = await self._store.get(SESSION, account, access_key_id)
        return None if record is None else record.document

    async def revoke(self, account: str, access_key_id: str) -> None:
        """End a session now: its key is unknown from the moment this returns."""
        async with self._store.transaction() as tx:
            record = await tx.get(SESSION, account, access_key_id)
            if record is not None:
                await tx.delete(record)
        if record is not None:
            self._live.release((account, record.document.issuer_id), access_key_id)

    async def forget_ended(self) -> int:
        """Remove sessions that ended some time ago; return how many."""
        await self._learn_endings()
        before = self._clock.now() - KEPT_AFTER_END
        forgotten = 0
        while ended := self._endings.take(before, FORGOTTEN_AT_ONCE):
            forgotten += await self._forget(ended)
        return forgotten

    async def _forget(self, ended: Sequence[tuple[str, str]]) -> int:
        """Remove sessions, by account and key id; return how many there were."""
        forgotten: list[Record[StoredSession]] = []
        for start in range(0, len(ended), FORGOTTEN_AT_ONCE):
            chunk = ended[start : start + FORGOTTEN_AT_ONCE]
            async with self._store.transaction() as tx:
                for account, access_key_id in chunk:
                    record = await tx.get(SESSION, account, access_key_id)
                    if record is not None:
                        await tx.delete(record)
                        forgotten.append(record)
        for record in forgotten:
            self._live.release((record.account, record.document.issuer_id), record.id)
        return len(forgotten)

    async def _learn_endings(self) -> None:
        """Take in what was issued before this process began; what it issues is added as it is."""
        if self._learnt:
            return
        for record in await self._store.all(SESSION):
            self._endings.add(record.document.expires_at, record.account, record.id)
        self._learnt = True

    async def _clean(self) -> None:
        while True:
            try:
                await self.forget_ended()
            except Exception:  # noqa: BLE001 - cleaning must go on, and harms nobody when late
                _log.exception("ended sessions could not be removed; trying again later")
            await asyncio.sleep(CLEANING_SECONDS)


def _at_most(duration: timedelta, role: RoleFacts) -> timedelta:
    return min(duration, timedelta(seconds=role.max_session_s))
