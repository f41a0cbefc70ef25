"""The address book of cores: reading and changing it, and telling the core that it changed."""

import re
from collections.abc import Sequence

from hedgerow.cloud.greengrass import connectivity
from hedgerow.cloud.home import Home
from hedgerow.cloud.iot_data import ShadowService
from hedgerow.contract import ConnectivityEntry, ConnectivityInfo, connectivity_thing
from hedgerow.kernel import CallerError, quoted
from hedgerow.store import Store

_CORE_NAME = re.compile(r"[a-zA-Z0-9:_-]{1,124}")


class AddressBook:
    """Addresses by core thing name; a change is posted in the shadow of `<core>-gci`.

    Who may read or change is decided by whoever calls.
    """

    def __init__(self, store: Store, home: Home, shadows: ShadowService) -> None:
        self._store = store
        self._home = home
        self._shadows = shadows

    async def read(self, thing_name: str) -> ConnectivityInfo:
        """Return a core's addresses."""
        return await connectivity.read(
            self._store, self._home.account, checked_core_name(thing_name)
        )

    async def write(self, thing_name: str, entries: Sequence[ConnectivityEntry]) -> str:
        """Replace a core's addresses and return their version. Raises `CallerError`."""
        name = checked_core_name(thing_name)
        async with self._store.transaction() as tx:
            version = await connectivity.write(tx, self._home.account, name, entries)
        await self._shadows.set_desired(connectivity_thing(name), {"Version": version})
        return version


def checked_core_name(thing_name: str) -> str:
    """Return a name that a core's thing can have, or raise `CallerError`."""
    if not _CORE_NAME.fullmatch(thing_name):
        raise CallerError(f"{quoted(thing_name)} is not the name of a core")
    return thing_name
