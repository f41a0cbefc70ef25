"""What is noted of the use of credentials: when keys and roles were last used."""

import asyncio
from datetime import datetime, timedelta
from typing import Final

import structlog

from hedgerow.aws import CallRecord, VerifiedCaller
from hedgerow.cloud.iam.access_keys import KeyUse, note_use
from hedgerow.cloud.iam.key_ids import account_of, is_temporary
from hedgerow.cloud.iam.role_use import RoleUse, note_role_use
from hedgerow.store import Store

LEAST_STEP: Final = timedelta(minutes=1)
"""The last use of a key or role is written at most this often."""

MAX_REMEMBERED: Final = 16_384

_log = structlog.get_logger("hedgerow.cloud.sts")


class LastUse:
    """Notes the use of keys and roles from the records of proven calls; no call waits for it.

    What is not yet written when the process is killed is lost; the next use is noted again.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._noted: dict[str, datetime] = {}
        self._pending: asyncio.Queue[tuple[str, str, KeyUse | RoleUse]] = asyncio.Queue()
        self._writer: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Write what is noted, from now on."""
        if self._writer is None:
            loop = asyncio.get_running_loop()
            self._writer = loop.create_task(self._write(), name="last use of keys and roles")

    async def stop(self) -> None:
        """Write what is still to be written, and stop."""
        if self._writer is not None:
            await self._pending.join()
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
            self._writer = None

    async def settled(self) -> None:
        """Return once all that was noted before this call is written."""
        await self._pending.join()

    def note(self, record: CallRecord) -> None:
        """Take a call's record; only a proven caller counts as a use."""
        if record.caller is not None:
            self.used(record.caller, record.at, record.service, record.region)

    def used(self, caller: VerifiedCaller, at: datetime, service: str, region: str) -> None:
        """Take note that a proven caller did something with a service."""
        key_id, session = caller.access_key_id, caller.principal.session
        if not is_temporary(key_id):
            account = account_of(key_id)
            use = KeyUse(at=at, service=service, region=region)
            if account is not None:
                self._note(account, key_id, use)
        elif caller.principal.kind == "AssumedRole" and session is not None:
            role_use = RoleUse(at=at, region=region)
            self._note(caller.account, session.issuer_id, role_use)

    def _note(self, account: str, used: str, use: KeyUse | RoleUse) -> None:
        before = self._noted.get(used)
        if before is not None and use.at < before + LEAST_STEP:
            return
        if before is None and len(self._noted) >= MAX_REMEMBERED:
            del self._noted[next(iter(self._noted))]
        self._noted[used] = use.at
        self._pending.put_nowait((account, used, use))

    async def _write(self) -> None:
        while True:
            account, used, use = await self._pending.get()
            try:
                async with self._store.transaction() as tx:
                    if isinstance(use, KeyUse):
                        await note_use(tx, account, used, use)
                    else:
                        await note_role_use(tx, account, used, use)
            except Exception:  # noqa: BLE001 - noting must go on; the next use is noted again
                _log.exception("the last use of a key or role could not be noted")
            finally:
                self._pending.task_done()
