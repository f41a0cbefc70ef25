"""Who there is in all accounts, and what they may: shared by all accounts, since they meet here.

A role of one account can be assumed from another, so the directory of principals, the sessions and
the judge know every account. They give each call only what its own principal's account has.
"""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from hedgerow.cloud.access import AccessDecider, EveryCall
from hedgerow.cloud.iam import IamDirectory
from hedgerow.cloud.sts import LastUse, Sessions, StoredCredentials
from hedgerow.kernel import Clock
from hedgerow.store import Store


@dataclass(frozen=True, slots=True)
class Identities:
    """What proves and judges callers. `start` it once before any account, then `stop` it."""

    directory: IamDirectory
    credentials: StoredCredentials
    last_use: LastUse
    sessions: Sessions
    decider: AccessDecider
    authorizer: EveryCall
    _closing: AsyncExitStack = field(default_factory=AsyncExitStack, repr=False)

    async def start(self) -> None:
        """Follow the store, and begin to note and to clean."""
        async with AsyncExitStack() as started:
            await self.directory.start()
            started.callback(self.directory.stop)
            await self.credentials.start()
            started.callback(self.credentials.stop)
            await self.last_use.start()
            started.push_async_callback(self.last_use.stop)
            await self.sessions.start()
            started.push_async_callback(self.sessions.stop)
            self._closing.push_async_exit(started.pop_all())

    async def stop(self) -> None:
        """Stop all of it."""
        await self._closing.aclose()


def identities(store: Store, clock: Clock) -> Identities:
    """Put them together."""
    directory = IamDirectory(store)
    decider = AccessDecider(directory)
    return Identities(
        directory=directory,
        credentials=StoredCredentials(store, directory),
        last_use=LastUse(store),
        sessions=Sessions(store, directory, clock),
        decider=decider,
        authorizer=EveryCall(store, decider, directory),
    )
