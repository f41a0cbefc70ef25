"""Credentials for the processes of this core: tokens to them, and answers to those tokens."""

import asyncio
from collections.abc import Callable
from typing import Final

from structlog.typing import FilteringBoundLogger

from hedgerow.core.credentials.keeper import RoleKeeper
from hedgerow.core.credentials.processes import Address, Process, holds_connection
from hedgerow.core.credentials.tokens import TokenBook
from hedgerow.core.credentials.values import RoleCredentials
from hedgerow.kernel import DeniedError, Secret

SWEEP_SECONDS: Final = 60.0
"""How often tokens of ended processes are forgotten; they open nothing before that either."""

Holds = Callable[..., bool]


class OtherProcessError(DeniedError):
    """A token came from a process that it was not issued to."""

    code = "AccessDenied"


class Credentials:
    """Gives each process a token of its own, and to that process alone the role's credentials.

    A token that another process got hold of - of the same user, or after the first has ended -
    opens nothing (statement L16 leaves that hole open).
    """

    def __init__(
        self,
        keeper: RoleKeeper,
        *,
        log: FilteringBoundLogger,
        tokens: TokenBook | None = None,
        holds: Holds = holds_connection,
    ) -> None:
        self._keeper = keeper
        self._log = log
        self._tokens = TokenBook() if tokens is None else tokens
        self._holds = holds

    def issue_token(self, process: Process) -> Secret[str]:
        """Return the token that this process, and what it starts, may use; any older one ends."""
        return self._tokens.issue(process)

    def serve_group(self, group_id: str) -> None:
        """Serve the role of the group that runs now; tokens of another group's processes end."""
        if group_id != self._keeper.group_id:
            self._tokens.revoke_all()
            self._keeper.serve_group(group_id)

    def role_is(self, group_id: str, version: str) -> None:
        """Hear which association of a role is in force for a group in the cloud."""
        self._keeper.role_is(group_id, version)

    def cloud_is_back(self) -> None:
        """Hear that the cloud can be reached again."""
        self._keeper.cloud_is_back()

    def reset(self) -> None:
        """Take every token back and forget the credentials: the group is gone."""
        self._tokens.revoke_all()
        self._keeper.reset()

    async def ready(self) -> RoleCredentials:
        """Have credentials, so that the first question of an impatient SDK is answered at once."""
        return await self._keeper.current()

    async def answer(self, token: str, *, local: Address, peer: Address) -> RoleCredentials:
        """Return the credentials to the holder of a token, on a connection of its own.

        Raises `UnknownTokenError`, `OtherProcessError`, or what `RoleKeeper.current` raises.
        """
        process = self._tokens.holder(token)
        if not await asyncio.to_thread(self._holds, process, local=local, peer=peer):
            self._log.warning("a token came from a process it was not issued to", pid=process.pid)
            raise OtherProcessError("this token belongs to another process")
        return await self._keeper.current()

    async def run(self) -> None:
        """Forget the tokens of ended processes, until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            await asyncio.to_thread(self._tokens.sweep)
