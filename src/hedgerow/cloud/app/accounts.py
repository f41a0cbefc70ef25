"""All accounts of a cloud: started together, opened and closed while it runs.

They are found by their number, or by a certificate that is registered in one of them.
"""

import asyncio
from contextlib import AsyncExitStack

import structlog

from hedgerow.aws import BoundServices, bind
from hedgerow.cloud.app.account_rooms import AccountRooms, Ground, account_rooms
from hedgerow.cloud.app.anchors import AllAnchors
from hedgerow.cloud.app.certificate_owners import CertificateOwners
from hedgerow.cloud.cloudtrail import Trail
from hedgerow.cloud.home import Home
from hedgerow.cloud.iot import Newcomers
from hedgerow.cloud.organizations import active_accounts
from hedgerow.kernel import DeniedError, quoted
from hedgerow.pki import TlsPeer

_LOG = structlog.get_logger("hedgerow.cloud.app")


class Accounts:
    """The rooms of every open account.

    INVARIANT: an account whose creation was answered is served, and one whose closing was answered
    is not; `anchors` has the certificates of exactly those that are served.
    """

    def __init__(self, ground: Ground, founding: Home) -> None:
        """`founding` is the account that the cloud was born with; it is always open."""
        self._ground = ground
        self._region = founding.region
        self._owners = CertificateOwners(ground.store)
        self._changing = asyncio.Lock()
        self._served: dict[str, AccountRooms] = {}
        self._operations: dict[str, BoundServices] = {}
        self.founding = self._build(founding.account)
        self.anchors = AllAnchors()

    async def start(self) -> None:
        """Start every account that the store lists."""
        await self._owners.start()
        await self._serve(self.founding)
        for account in await active_accounts(self._ground.store, self.founding.home.account):
            await self.open(account)

    async def stop(self) -> None:
        """Stop them all, the founding account last; one that fails to stop keeps no other."""
        self._owners.stop()
        async with AsyncExitStack() as ending:
            for account in self._served:
                ending.push_async_callback(self._end, account)

    async def open(self, account: str) -> None:
        """Start serving an account, if it is not served yet."""
        async with self._changing:
            if account not in self._served:
                await self._serve(self._build(account))

    async def close(self, account: str) -> None:
        """Serve an account no more: disconnect its devices and forget its certificates."""
        async with self._changing:
            if account in self._served:
                await self._end(account)

    def of(self, account: str) -> AccountRooms:
        """Return an account's rooms. Raises `DeniedError` if it is none, or closed."""
        rooms = self._served.get(account)
        if rooms is None:
            raise DeniedError(f"{quoted(account)} is no open account of this cloud")
        return rooms

    def of_certificate(self, certificate_id: str | None) -> AccountRooms:
        """Return the open account that registered a certificate first.

        What no open account knows goes to the founding account, which refuses it: it does not
        know it either.
        """
        for account in self._owners.accounts_of(certificate_id or ""):
            rooms = self._served.get(account)
            if rooms is not None:
                return rooms
        return self.founding

    def expecting(self, peer: TlsPeer) -> Newcomers | None:
        """Return who deals with a certificate that is seen for the first time, or not active yet.

        Of several accounts with the same CA it is the founding one, then the one opened first.
        """
        owners = self._owners.accounts_of(peer.certificate_id or "")
        served = [self._served[one] for one in owners if one in self._served]
        for rooms in served[:1] or self._served.values():
            if rooms.newcomers.expects(peer):
                return rooms.newcomers
        return None

    def trail_of(self, account: str | None) -> Trail:
        """Return an account's trail, and the founding account's for what belongs to none."""
        return self._served.get(account or "", self.founding).trail

    def is_open(self, account: str) -> bool:
        """Say whether an account is served."""
        return account in self._served

    def operations_of(self, account: str) -> BoundServices:
        """Return the operations an account is served with; none if it is not open."""
        return self._operations.get(account, {})

    def _build(self, account: str) -> AccountRooms:
        return account_rooms(self._ground, Home(account=account, region=self._region), self)

    async def _serve(self, rooms: AccountRooms) -> None:
        account = rooms.home.account
        operations = bind(rooms.services)
        await rooms.start()
        self._served[account] = rooms
        self._operations[account] = operations
        self.anchors.add(account, rooms.directory)
        _LOG.info("account open", account=account)

    async def _end(self, account: str) -> None:
        del self._operations[account]
        rooms = self._served.pop(account)
        self.anchors.remove(account)
        await rooms.stop()
