"""Keys of an account's root, made and deleted offline: for when nobody can get in any more.

Whoever can open the data folder's store is trusted with that, and no running cloud is involved;
so the store must not be held by one. Every step leaves a record in the account's trail before it
holds, and every later use of such a key is recorded and logged as a warning.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hedgerow.cloud.app.layout import Layout, read_settings
from hedgerow.cloud.cloudtrail import Trail, TrailKeys
from hedgerow.cloud.home import Home
from hedgerow.cloud.iam.access_keys import (
    NewAccessKey,
    create_access_key,
    delete_access_key,
    keys_of,
)
from hedgerow.cloud.organizations import active_accounts
from hedgerow.kernel import Clock, ConfigurationError, quoted
from hedgerow.store import MasterKey, Store


@dataclass(frozen=True, slots=True)
class RootKey:
    """A root's key without its secret."""

    access_key_id: str
    status: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Offline:
    """An account of a cloud that does not run. `open_offline` makes it."""

    store: Store
    trail: Trail
    account: str

    async def create_root_key(self) -> NewAccessKey:
        """Make a key of the root, at most two of them."""
        async with self.store.transaction() as tx:
            made = await create_access_key(tx, self.account, self.account)
            self.trail.record_event("RootAccessKeyCreated", {"accessKeyId": made.access_key_id})
            self.trail.flush()
        return made

    async def delete_root_key(self, access_key_id: str) -> None:
        """Delete a key of the root."""
        async with self.store.transaction() as tx:
            await delete_access_key(tx, self.account, self.account, access_key_id)
            self.trail.record_event("RootAccessKeyDeleted", {"accessKeyId": access_key_id})
            self.trail.flush()

    async def root_keys(self) -> tuple[RootKey, ...]:
        """Return the keys that the root has."""
        return tuple(
            RootKey(record.id, record.document.status, record.created_at)
            for record in await keys_of(self.store, self.account, self.account)
        )


@asynccontextmanager
async def open_offline(data_dir: Path, account: str | None, clock: Clock) -> AsyncIterator[Offline]:
    """Open an account of a cloud's folder; without a number, the one it was born with.

    Raises `UnavailableError` while a cloud runs on the folder, and `ConfigurationError` if the
    folder is not a cloud's or has no such account.
    """
    layout = Layout(data_dir)
    settings = read_settings(layout)
    master_key = MasterKey.from_file(layout.master_key)
    store = await Store.open(layout.database, master_key, clock)
    try:
        known = await active_accounts(store, settings.account_id)
        chosen = account or settings.account_id
        if chosen not in known:
            raise ConfigurationError(
                f"{quoted(chosen)} is no account of this cloud; it has {', '.join(known)}"
            )
        home = Home(account=chosen, region=settings.region)
        trail = Trail(home, TrailKeys.open(layout.trail, master_key), clock)
        await trail.start()
        try:
            yield Offline(store, trail, chosen)
        finally:
            await trail.stop()
    finally:
        await store.close()
