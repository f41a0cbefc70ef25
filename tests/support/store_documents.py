"""Documents for tests of the store, and a store of their own to keep them in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from tests.support.clock import ManualClock

from hedgerow.store import Kind, MasterKey, Store


class Lamp(msgspec.Struct, frozen=True):
    """A document to keep."""

    colour: str
    watts: int = 5


class Switch(msgspec.Struct, frozen=True):
    """A document of another shape."""

    poles: int


LAMP = Kind("lamp", Lamp)
SWITCH = Kind("switch", Switch)
ACCOUNT = "111122223333"
OTHER = "444455556666"


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Store]:
    """Open the store in a folder, with the master key beside it, making both if needed."""
    key_file = folder / "master.key"
    key = MasterKey.from_file(key_file) if key_file.exists() else MasterKey.create_file(key_file)
    store = await Store.open(folder / "state.db", key, ManualClock())
    try:
        yield store
    finally:
        await store.close()
