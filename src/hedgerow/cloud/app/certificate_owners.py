"""Which accounts a certificate is registered in; it belongs to the first of them."""

from collections.abc import Callable

import structlog

from hedgerow.cloud.iot.documents import CERTIFICATE
from hedgerow.store import Change, Store

_LOG = structlog.get_logger("hedgerow.cloud.app")


class CertificateOwners:
    """Knows every account's registered certificates, whatever their status, by their ids.

    INVARIANT: once a registration is committed, the next question is answered with it. A device
    can reach one account only, so a later registration of the same certificate counts for nothing
    as long as the first one stands in an open account; that it was made is logged.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._accounts: dict[str, tuple[str, ...]] = {}
        self._unsubscribe: Callable[[], None] | None = None

    async def start(self) -> None:
        """Load all registrations in their order, and follow the store from now on."""
        self._unsubscribe = self._store.on_change(self._hear)
        for record in await self._store.all(CERTIFICATE):
            self._registered(record.id, record.account)

    def stop(self) -> None:
        """Follow no more."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    def accounts_of(self, certificate_id: str) -> tuple[str, ...]:
        """Return the accounts that registered the certificate, the first one first."""
        return self._accounts.get(certificate_id, ())

    def _hear(self, change: Change) -> None:
        if change.kind != CERTIFICATE.name:
            return
        if change.operation == "insert":
            self._registered(change.id, change.account)
        elif change.operation == "delete":
            self._deleted(change.id, change.account)

    def _registered(self, certificate_id: str, account: str) -> None:
        known = self._accounts.get(certificate_id, ())
        if account in known:
            return
        self._accounts[certificate_id] = (*known, account)
        if known:
            _LOG.warning(
                "certificate registered in several accounts; the first one has its connections",
                certificate_id=certificate_id,
                account=account,
                first=known[0],
            )

    def _deleted(self, certificate_id: str, account: str) -> None:
        left = tuple(one for one in self._accounts.get(certificate_id, ()) if one != account)
        if left:
            self._accounts[certificate_id] = left
        else:
            self._accounts.pop(certificate_id, None)
