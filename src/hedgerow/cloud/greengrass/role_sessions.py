"""Credentials of group roles end with the certificate they were given to.

A core that is lost is put out by revoking its certificate. What it got before - credentials good
for up to an hour, anywhere - must not outlive that, so each one is written down under its
certificate, and ended as soon as the registry no longer admits it.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Protocol

import structlog

from hedgerow.cloud.greengrass.documents import GROUP_SESSION, GroupSession
from hedgerow.cloud.home import Home
from hedgerow.cloud.iot import DeviceDirectory, DirectoryChange
from hedgerow.kernel import Clock, DeniedError
from hedgerow.store import Record, Store

RETRY_SECONDS: Final = 1.0
"""How long after a failure to end a session it is tried again."""

SESSIONS_LIMIT: Final = 20
"""How many sessions a core's certificate has at a time; it takes two an hour."""

_LOG = structlog.get_logger(__name__)


class SessionEnder(Protocol):
    """Who can end credentials (`cloud.sts.Sessions`)."""

    async def revoke(self, account: str, access_key_id: str) -> None:
        """End credentials before their time."""


class RoleSessions:
    """Remembers the sessions of cores of one account, and ends those of certificates put out."""

    def __init__(
        self,
        store: Store,
        home: Home,
        *,
        directory: DeviceDirectory,
        sessions: SessionEnder,
        clock: Clock,
    ) -> None:
        self._store = store
        self._home = home
        self._directory = directory
        self._sessions = sessions
        self._clock = clock
        self._holders: set[str] = set()
        self._suspects: set[str] = set()
        self._wake = asyncio.Event()
        self._unsubscribe: Callable[[], None] | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Look at what is remembered, then follow the registry."""
        self._unsubscribe = self._directory.on_change(self._heard)
        records = await self._store.all(GROUP_SESSION, self._home.account)
        self._holders.update(record.parent or "" for record in records)
        self._suspects.update(self._holders)
        self._wake.set()
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._follow(), name="greengrass-role-sessions")

    async def stop(self) -> None:
        """Follow no more; what is remembered is looked at again at the next start."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def remember(self, certificate_id: str, access_key_id: str, expires_at: datetime) -> None:
        """Write a session down before it is given out.

        Beyond `SESSIONS_LIMIT` the oldest one of the certificate ends. Raises `DeniedError` if the
        certificate was put out meanwhile; the session is ended then.
        """
        account, now = self._home.account, self._clock.now()
        records = await self._of(certificate_id)
        live = [record for record in records if record.document.expires_at > now]
        surplus = live[: max(0, len(live) - SESSIONS_LIMIT + 1)]
        for record in surplus:
            await self._sessions.revoke(account, record.id)
        await self._forget([record for record in records if record not in live] + surplus)
        document = GroupSession(expires_at=expires_at)
        self._holders.add(certificate_id)
        async with self._store.transaction() as tx:
            await tx.insert(GROUP_SESSION, account, access_key_id, document, parent=certificate_id)
        # The directory knows every change committed before this; a later one wakes us again.
        try:
            self._directory.admit(certificate_id)
        except DeniedError:
            await self._end_all_of(certificate_id)
            raise

    def _heard(self, change: DirectoryChange) -> None:
        suspects = change.certificates & self._holders
        if suspects:
            self._suspects.update(suspects)
            self._wake.set()

    async def _follow(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            suspects, self._suspects = self._suspects, set()
            for certificate_id in suspects:
                try:
                    await self._judge(certificate_id)
                except Exception:  # noqa: BLE001 - one session's trouble must not save the others
                    _LOG.exception("ending a core's credentials failed; trying again")
                    self._suspects.add(certificate_id)
                    asyncio.get_running_loop().call_later(RETRY_SECONDS, self._wake.set)

    async def _judge(self, certificate_id: str) -> None:
        try:
            self._directory.admit(certificate_id)
        except DeniedError as error:
            ended = await self._end_all_of(certificate_id)
            if ended:
                _LOG.warning("credentials of a core were ended", count=ended, reason=error.message)

    async def _end_all_of(self, certificate_id: str) -> int:
        records = await self._of(certificate_id)
        for record in records:
            await self._sessions.revoke(self._home.account, record.id)
        await self._forget(records)
        return len(records)

    async def _of(self, certificate_id: str) -> Sequence[Record[GroupSession]]:
        """Return what is remembered under a certificate, oldest first."""
        return await self._store.all(GROUP_SESSION, self._home.account, parent=certificate_id)

    async def _forget(self, records: Sequence[Record[GroupSession]]) -> None:
        if not records:
            return
        async with self._store.transaction() as tx:
            for record in records:
                current = await tx.get(GROUP_SESSION, self._home.account, record.id)
                if current is not None:
                    await tx.delete(current)
