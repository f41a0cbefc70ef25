"""The IAM directory: who has which policies now, over all accounts, in memory.

Every call is judged by it. An account is read when it is first asked about; from then on the
store's change feed says which records to read anew, and the next question waits for that. So a
warm answer needs no store, and an answer after a commit never shows what was before it.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from hedgerow.aws import Principal
from hedgerow.cloud.iam.arns import read_entity_arn
from hedgerow.cloud.iam.aws_managed import ADMINISTRATOR_ACCESS, AWS_MANAGED
from hedgerow.cloud.iam.documents import Role
from hedgerow.cloud.iam.estate import KINDS, Estate
from hedgerow.cloud.iam.facts import GroupFacts, PrincipalPolicies, RoleFacts, UserFacts
from hedgerow.cloud.iam.policy_text import named
from hedgerow.cloud.iam.trust import with_principals
from hedgerow.kernel import Arn
from hedgerow.store import Change, Record, Store

_Key = tuple[str, str]

_NOTHING: Final = PrincipalPolicies(identity=())
_ROOT: Final = PrincipalPolicies(
    identity=(named("root", AWS_MANAGED[ADMINISTRATOR_ACCESS].in_force.text),), root=True
)


@dataclass(slots=True)
class _Entry:
    """An account's estate, and which of its records changed since they were read."""

    estate: Estate
    loaded: bool = False
    stale: dict[_Key, int] = field(default_factory=dict)
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)


class IamDirectory:
    """Answers for every account, always as the store says.

    INVARIANT: a question sees every change that was committed before it was asked. What cannot be
    read raises, so that nothing is allowed.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._entries: dict[str, _Entry] = {}
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
        self._entries.clear()

    async def principal_policies(self, principal: Principal) -> PrincipalPolicies | None:
        """Return all policies of a principal; None if its user or role is gone.

        Entities go by their unique ids: one that was made again under the same name is another.
        A service has no policies of its own. Raises `DeniedError` if one cannot be read.
        """
        if principal.kind == "Root":
            return _ROOT
        if principal.kind == "AWSService":
            return _NOTHING
        by_issuer = principal.kind in ("AssumedRole", "FederatedUser")
        if by_issuer and principal.session is None:
            return None
        unique_id = principal.id
        if by_issuer and principal.session is not None:
            unique_id = principal.session.issuer_id
        return (await self.estate(principal.account)).principal_policies(unique_id)

    async def user(self, account: str, name: str) -> UserFacts | None:
        """Return the user of exactly this name, or None."""
        estate = await self.estate(account)
        record = estate.user(name)
        return estate.user_facts(record) if record is not None else None

    async def user_of_id(self, account: str, user_id: str) -> UserFacts | None:
        """Return the user with this unique id, or None."""
        estate = await self.estate(account)
        record = estate.users.get(user_id)
        return estate.user_facts(record) if record is not None else None

    async def group(self, account: str, name: str) -> GroupFacts | None:
        """Return the group of exactly this name, or None."""
        estate = await self.estate(account)
        record = estate.group(name)
        return estate.group_facts(record) if record is not None else None

    async def role(self, role_arn: str) -> RoleFacts | None:
        """Return the role of exactly this ARN, path and all, or None."""
        named_role = read_entity_arn(role_arn)
        if named_role is None or named_role.kind != "role":
            return None
        facts = await self.role_named(named_role.account, named_role.name)
        return facts if facts is not None and facts.arn == role_arn else None

    async def role_named(self, account: str, name: str) -> RoleFacts | None:
        """Return the role of exactly this name, whatever its path, or None."""
        estate = await self.estate(account)
        record = estate.role(name)
        if record is None:
            return None
        return estate.role_facts(record, await self.trust_of(record))

    async def trust_of(self, role: Record[Role]) -> str:
        """Return a role's trust policy as it holds now: see `Estate.others_now`."""
        changed: dict[str, str] = {}
        for account in {Arn.parse(arn).account for arn in role.document.held}:
            changed |= (await self.estate(account)).others_now(role.document)
        return with_principals(role.document.trust, changed)

    async def unique_id(self, arn: str) -> str | None:
        """Return the unique id of the user or role of exactly this ARN, or None."""
        entity = read_entity_arn(arn)
        if entity is None or entity.kind not in ("user", "role"):
            return None
        estate = await self.estate(entity.account)
        name = entity.name
        record = estate.user(name) if entity.kind == "user" else estate.role(name)
        if record is None or estate.arn_of(record.id) != arn:
            return None
        return record.id

    async def tags_of(self, arn: str) -> Mapping[str, str] | None:
        """Return the tags of a user, role or managed policy by its ARN; None if there is none."""
        entity = read_entity_arn(arn)
        if entity is None:
            return None
        if entity.kind == "policy":
            policy = (await self.estate(entity.account)).policy(arn)
            return policy.tags if policy is not None else None
        facts: UserFacts | RoleFacts | None = None
        if entity.kind == "user":
            facts = await self.user(entity.account, entity.name)
        elif entity.kind == "role":
            facts = await self.role_named(entity.account, entity.name)
        return facts.tags if facts is not None and facts.arn == arn else None

    async def estate(self, account: str) -> Estate:
        """Return an account's estate as of now; inside a transaction, as it was before it."""
        entry = self._entries.get(account)
        if entry is not None and entry.loaded and not entry.stale:
            return entry.estate
        return await self._current(account)

    async def _current(self, account: str) -> Estate:
        if self._unsubscribe is None:
            raise RuntimeError("the IAM directory was not started, or has ended")
        entry = self._entries.setdefault(account, _Entry(Estate(account)))
        async with entry.reading:
            if not entry.loaded:
                await self._load(entry)
            while entry.stale:
                await self._refresh(entry)
        if entry.estate.empty and self._entries.get(account) is entry:
            # Anybody may ask for any account's role: what does not exist takes no memory.
            del self._entries[account]
        return entry.estate

    async def _load(self, entry: _Entry) -> None:
        account = entry.estate.account
        found = [await self._store.all(kind, account) for kind in KINDS.values()]
        for records in found:
            for record in records:
                entry.estate.put(record.kind.name, record.id, record)
        entry.loaded = True

    async def _refresh(self, entry: _Entry) -> None:
        """Read what changed first, then put it in one step: nobody is judged by a half of it."""
        changed = dict(entry.stale)
        account = entry.estate.account
        read = {key: await self._store.get(KINDS[key[0]], account, key[1]) for key in changed}
        for (kind, identifier), record in read.items():
            entry.estate.put(kind, identifier, record)
        for key, change in changed.items():
            if entry.stale[key] == change:
                del entry.stale[key]

    def _heard(self, change: Change) -> None:
        if change.kind in KINDS:
            entry = self._entries.get(change.account)
            if entry is not None:
                self._changes += 1
                entry.stale[change.kind, change.id] = self._changes
