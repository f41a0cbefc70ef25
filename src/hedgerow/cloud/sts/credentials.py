"""Where the gateway finds the credentials of every account: in memory, always as the store says."""

from collections.abc import Callable
from typing import Final, TypeVar

from hedgerow.aws import Credential, Principal
from hedgerow.cloud.iam.access_keys import ACCESS_KEY
from hedgerow.cloud.iam.directory import IamDirectory
from hedgerow.cloud.iam.documents import MANAGED_POLICY, ROLE, USER
from hedgerow.cloud.iam.key_ids import account_of, is_temporary
from hedgerow.cloud.sts.documents import SESSION, StoredSession
from hedgerow.cloud.sts.principals import root_principal, session_principal, user_principal
from hedgerow.kernel import Secret
from hedgerow.store import Change, Store

Entry = TypeVar("Entry")

MAX_REMEMBERED: Final = 16_384
"""Credentials kept in memory; the one remembered longest makes room for the next."""


class StoredCredentials:
    """Finds access keys and sessions of all accounts: the gateway's credential source.

    INVARIANT: an answer holds every change that was committed before the question: a key switched
    off, a session revoked, a user or role deleted. A warm answer reads nothing from the store.
    """

    def __init__(self, store: Store, directory: IamDirectory) -> None:
        self._store = store
        self._directory = directory
        self._known: dict[str, Credential] = {}
        self._by_issuer: dict[tuple[str, str], set[str]] = {}
        self._with_managed: dict[str, set[str]] = {}
        self._issuers: dict[str, tuple[str, str]] = {}
        self._changes = 0
        self._unsubscribe: Callable[[], None] | None = None

    async def start(self) -> None:
        """Follow the store from now on."""
        if self._unsubscribe is None:
            self._unsubscribe = self._store.on_change(self._heard)

    def stop(self) -> None:
        """Stop following, and forget everything."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        for key_id in tuple(self._known):
            self._forget(key_id)

    async def find(self, access_key_id: str, _session_token: str | None) -> Credential | None:
        """Return the active credential of this id, or None; the gateway compares the token."""
        known = self._known.get(access_key_id)
        return known if known is not None else await self._read(access_key_id)

    async def _read(self, key_id: str) -> Credential | None:
        if self._unsubscribe is None:
            raise RuntimeError("the credentials were not started, or have ended")
        account = account_of(key_id)
        if account is None:
            return None
        changes = self._changes
        if is_temporary(key_id):
            return await self._read_session(account, key_id, changes)
        return await self._read_key(account, key_id, changes)

    async def _read_key(self, account: str, key_id: str, changes: int) -> Credential | None:
        record = await self._store.get(ACCESS_KEY, account, key_id)
        if record is None or record.document.status != "Active" or record.parent is None:
            return None
        principal = await self._owner(account, record.parent)
        if principal is None:
            return None
        credential = Credential(secret=Secret(record.document.secret), principal=principal)
        self._remember(key_id, credential, (account, record.parent), changes)
        return credential

    async def _read_session(self, account: str, key_id: str, changes: int) -> Credential | None:
        record = await self._store.get(SESSION, account, key_id)
        if record is None:
            return None
        stored: StoredSession = record.document
        principal = await session_principal(self._directory, account, stored)
        if principal is None:
            return None
        credential = Credential(
            secret=Secret(stored.secret),
            principal=principal,
            session_token=Secret(stored.token),
            expires_at=stored.expires_at,
        )
        kept = self._remember(key_id, credential, (account, stored.issuer_id), changes)
        if kept and stored.policy_arns:
            self._with_managed.setdefault(account, set()).add(key_id)
        return credential

    async def _owner(self, account: str, owner_id: str) -> Principal | None:
        if owner_id == account:
            return root_principal(account)
        user = await self._directory.user_of_id(account, owner_id)
        return None if user is None else user_principal(user)

    def _remember(
        self, key_id: str, credential: Credential, issuer: tuple[str, str], changes: int
    ) -> bool:
        """Keep what was read, unless something changed while it was being read."""
        if changes != self._changes:
            return False
        while len(self._known) >= MAX_REMEMBERED:
            self._forget(next(iter(self._known)))
        self._known[key_id] = credential
        self._issuers[key_id] = issuer
        self._by_issuer.setdefault(issuer, set()).add(key_id)
        return True

    def _forget(self, key_id: str) -> None:
        if self._known.pop(key_id, None) is None:
            return
        issuer = self._issuers.pop(key_id)
        _discard(self._by_issuer, issuer, key_id)
        _discard(self._with_managed, issuer[0], key_id)

    def _heard(self, change: Change) -> None:
        if change.kind in (ACCESS_KEY.name, SESSION.name):
            gone = {change.id}
        elif change.kind in (USER.name, ROLE.name):
            gone = self._by_issuer.get((change.account, change.id), set())
        elif change.kind == MANAGED_POLICY.name:
            gone = self._with_managed.get(change.account, set())
        else:
            return
        self._changes += 1
        for key_id in tuple(gone):
            self._forget(key_id)


def _discard(index: dict[Entry, set[str]], entry: Entry, key_id: str) -> None:
    keys = index.get(entry)
    if keys is not None:
        keys.discard(key_id)
        if not keys:
            del index[entry]
